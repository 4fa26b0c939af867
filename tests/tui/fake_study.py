"""Stands in for the study process: writes recorded events and obeys requests. Loads nothing heavy.

`python fake_study.py run TASK --study NAME --detached`
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hyperllama.core.events import (
    StudyFinished,
    StudyPaused,
    StudyResumed,
    TrialFinished,
    to_json,
)
from hyperllama.core.events.requests import Pause, Resume, Stop, StopNow
from hyperllama.core.storage.folder import EVENTS, Lock, write_summary
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.request_log import Inbox
from tests.tui import recorded


def main(arguments: list[str]) -> int:
    resuming = arguments[0] == "resume"
    name = arguments[1] if resuming else arguments[arguments.index("--study") + 1]
    if not resuming and "broken" in arguments[1]:
        sys.stderr.write("error: the table has no column 'y'\n")
        return 2
    folder = study_dir(name)
    lock = Lock(folder)
    lock.take()
    inbox = Inbox(folder)
    best, default, done = None, None, 0

    def summary(state: str) -> None:
        write_summary(
            folder,
            {
                "study": name, "state": state, "task": "breast_cancer", "metric": "roc_auc",
                "proposer": "llama", "best_value": best, "default_value": default,
                "trials": done, "budget_trials": 400, "updated_t": time.time(),
            },
        )  # fmt: skip

    summary("running")
    with (folder / EVENTS).open("w", encoding="utf8") as file:

        def emit(event: object) -> None:
            file.write(to_json(event, time.time()) + "\n")  # type: ignore[arg-type]
            file.flush()

        why = "budget"
        paused = stopping = False
        for event, _ in recorded.events(400, 400):
            emit(event)
            if not isinstance(event, TrialFinished):
                continue
            done += 1
            default = event.value if event.proposer == "default" else default
            best = event.value if event.incumbent else best
            while True:
                for request in inbox.read():
                    inbox.done()
                    if isinstance(request, Pause):
                        paused = True
                        emit(StudyPaused())
                    elif isinstance(request, Resume):
                        paused = False
                        emit(StudyResumed())
                    elif isinstance(request, (Stop, StopNow)):
                        stopping = True
                summary("paused" if paused else "running")
                if stopping or not paused:
                    break
                time.sleep(0.02)
            if stopping:
                why = "stopped"
                break
            time.sleep(0.1)
        emit(StudyFinished(why, 0, best, default))
    summary("finished" if why == "budget" else why)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
