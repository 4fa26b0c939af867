"""Two processes on one study in PostgreSQL, under `kill -9` and restarts of the server.

    python benchmarks/postgres_storm.py --trials 60 --kills 10 --restarts 2

One process owns the study, the other has joined it, each with a data folder of its own. One of them
is killed and started again, again and again; the server goes away for some seconds in between. At
last a third one goes on with the study in a folder that knows nothing but the URL. No trial that
had ended may be lost, none evaluated twice, no process may end by itself, and no file or output may
hold the password.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.kill_phases import ROOT, TASK, write_task
from benchmarks.postgres_server import PASSWORD, PostgresServer, missing
from hyperllama.core.events.requests import Pause, Resume
from hyperllama.core.storage.database import open_storage
from hyperllama.core.storage.folder import EVENTS, SUMMARY
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.storage.reading import read_stored
from hyperllama.core.storage.request_log import send
from hyperllama.core.storage.store import Store

STUDY = "storm"
_CRASH = re.compile(r"Traceback|mistake in HyperLlama|internal error", re.IGNORECASE)
_LIMIT_S = 900.0
_ENDED = ("COMPLETE", "FAIL", "PRUNED")


@dataclass
class StormReport:
    """What was done, and in `wrong` what should not have been found."""

    kills: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    trials: int = 0
    by_process: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    lost: int = 0
    crashes: int = 0
    waited: int = 0
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        kills = ", ".join(f"{n} of the {who}" for who, n in self.kills.items())
        return [
            f"{self.trials} trials by {len(self.by_process)} processes in turn, at most two at a "
            f"time; {self.kills.total()} kills ({kills}), {self.restarts} restarts of the server, "
            f"of which processes waited out {self.waited}",
            f"lost {self.lost}, repeated {self.repeated}, crashes {self.crashes}",
            *(f"WRONG: {text}" for text in self.wrong),
        ]


class SharedStorm:
    """The owner and the worker of one study, each started again when it was killed."""

    def __init__(self, server: PostgresServer, folder: Path, trials: int, seed: int,
                 task: str = TASK) -> None:  # fmt: skip
        self._server, self._folder, self._trials = server, folder, trials
        self._rng = random.Random(seed)
        self._task = write_task(folder / "work")
        if task != TASK:
            self._task.write_text(task)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: set[int] = set()
        self._outputs: list[Path] = []
        self._ended: dict[int, Any] = {}
        self.report = StormReport()

    def run(self, kills: int, restarts: int, away_s: float, elsewhere: bool) -> StormReport:
        """The whole storm.

        Args:
            kills: how many; half of them hit the owner.
            restarts: how often the server is away for `away_s` seconds.
            elsewhere: whether at last one trial more is run from the URL alone.
        """
        try:
            return self._run(kills, restarts, away_s, elsewhere)
        finally:
            for process in self._processes.values():
                process.kill()

    def _run(self, kills: int, restarts: int, away_s: float, elsewhere: bool) -> StormReport:
        self._start("owner", "run", str(self._task), "--study", STUDY, "--budget",
                    str(self._trials), "--proposer", "random", "--jobs", "1", "--no-confirm")
        self._join_while_paused()
        victims = ["owner", "worker"] * kills
        events = [*victims[:kills], *["server"] * restarts]
        self._rng.shuffle(events)
        share = max(1, (self._trials - 2) // (len(events) + 1))
        for at, event in enumerate(events):
            self._wait_for_trials(1 + share * (at + 1))
            if event == "server":
                self._wait_until_open()
                self._server.restart(away_s)
                self.report.restarts += 1
            else:
                self._kill(event)
        self._wait_for_end()
        if elsewhere and not self.report.wrong:
            self._start("elsewhere", "resume", STUDY, "--more", "1")
            self._trials += 1
            self._wait_for_end()
        self._check(elsewhere)
        return self.report

    def _join_while_paused(self) -> None:
        """Start the worker while the owner rests: a quick study would be over before it joins."""
        folder = self._folder / "owner" / "studies" / STUDY
        until_s = time.monotonic() + _LIMIT_S
        while not (folder / SUMMARY).exists() and time.monotonic() < until_s and not self._over():
            time.sleep(0.01)
        send(folder, Pause())
        while "StudyPaused" not in self._events(folder) and not self._over():
            time.sleep(0.05)
        self._start("worker", "resume", STUDY, "--join")
        self._wait_until_open()
        send(folder, Resume())

    def _events(self, folder: Path) -> str:
        file = folder / EVENTS
        return file.read_text("utf8") if file.exists() else ""

    def _start(self, who: str, *command: str) -> None:
        output = self._folder / f"{who}-{len(self._outputs)}.txt"
        self._outputs.append(output)
        with output.open("wb") as file:
            self._processes[who] = subprocess.Popen(
                [sys.executable, "-m", "hyperllama", *command], cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self._environment(who),
            )  # fmt: skip

    def _environment(self, who: str) -> Mapping[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
                "HYPERLLAMA_HOME": str(self._folder / who),
                "HYPERLLAMA_STORAGE": self._server.url}  # fmt: skip

    def _kill(self, who: str) -> None:
        time.sleep(self._rng.uniform(0.0, 0.5))
        process = self._processes[who]
        if process.poll() is None:
            self._look()
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.report.kills[who] += 1
            self._start(who, "resume", STUDY, *(["--join"] if who == "worker" else []))

    def _wait_for_trials(self, number: int) -> None:
        until_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < until_s and not self._over():
            if len(self._look()) >= min(number, self._trials):
                return
            time.sleep(0.1)

    def _wait_until_open(self) -> None:
        """Until each process has begun: a study is not opened while nothing answers at the URL."""
        until_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < until_s and not self._over():
            last = {file.name.split("-")[0]: file for file in self._outputs}
            if all(file.stat().st_size for file in last.values()):
                return
            time.sleep(0.1)

    def _wait_for_end(self) -> None:
        until_s = time.monotonic() + _LIMIT_S
        while any(process.poll() is None for process in self._processes.values()):
            if time.monotonic() > until_s:
                self.report.wrong.append("it does not come to its end")
                for process in self._processes.values():
                    process.kill()
            time.sleep(0.1)
        self._over()

    def _over(self) -> bool:
        """Whether a process ended by itself before the study did."""
        for who, process in self._processes.items():
            if process.poll() not in (None, 0, -signal.SIGKILL):
                self.report.wrong.append(f"the {who} ended with {process.returncode}: "
                                         f"{self._outputs[-1].parent}/{who}-*.txt")
        return bool(self.report.wrong)

    def _look(self) -> dict[int, Any]:
        """The trials that have ended; what had ended before has to be as it was."""
        try:
            storage = open_storage(self._server.url, create=False)
            store = Store.open(storage, STUDY)
            found = {t.number: (t.state, t.value, tuple(sorted(t.config.items())), t.process)
                     for t in store.trials() if t.state in _ENDED}  # fmt: skip
            store.close()
        except Exception:  # the study is not there yet
            return {}
        for number, trial in self._ended.items():
            if found.get(number) != trial:
                self.report.lost += 1
                self.report.wrong.append(f"trial {number} was {trial}, is {found.get(number)}")
        self._ended = {**self._ended, **found}
        return found

    def _check(self, elsewhere: bool) -> None:
        report, trials = self.report, self._look()
        report.trials = len(trials)
        report.by_process = Counter(process for *_, process in trials.values())
        report.lost += max(0, self._trials - len(trials))
        report.repeated = len(trials) - len({config for _, _, config, _ in trials.values()})
        texts = [file.read_text("utf8", "replace") for file in self._outputs]
        report.crashes = sum(bool(_CRASH.search(text)) for text in texts)
        report.waited = sum(text.count("it goes on") for text in texts)
        if len(trials) != self._trials or report.repeated or report.crashes:
            report.wrong.append(f"{len(trials)} of {self._trials} trials, {report.repeated} "
                                f"repeated, {report.crashes} crashes")
        os.environ["HYPERLLAMA_HOME"] = str(self._folder / "nowhere")
        stored = {t.number for t in read_stored(STUDY, self._server.url).trials}
        last = self._folder / ("elsewhere" if elsewhere else "owner")
        logged = {r["number"] for r in
                  read_proposals(last / "studies" / STUDY / "proposals.jsonl")}
        if not stored <= logged:
            report.wrong.append(f"no proposal is logged of trials {sorted(stored - logged)}")
        for file in self._folder.rglob("*"):
            if file.is_file() and PASSWORD.encode() in file.read_bytes():
                report.wrong.append(f"{file} holds the password")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--away", type=float, default=5.0, help="seconds that the server is away")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if why := missing():
        print(why)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server and the processes end, too
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="postgres-storm-"))
    with PostgresServer() as server:
        storm = SharedStorm(server, folder, arguments.trials, arguments.seed)
        report = storm.run(arguments.kills, arguments.restarts, arguments.away, elsewhere=True)
    print("\n".join(report.lines()))
    print(f"{time.monotonic() - began_s:.0f} s; {folder if report.wrong else 'nothing wrong'}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
