"""The study that `kill_storm.py` kills, the phase it is in, and what its storage holds of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.errors import StudyError
from hyperllama.core.events import (
    CandidateStarted,
    ConfirmedCandidate,
    FoldFinished,
    ModelLoaded,
    ModelLoading,
    ProposalMade,
    ProposalStarted,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    TrialFinished,
)
from hyperllama.core.storage.database import open_storage
from hyperllama.core.storage.event_log import EventTail
from hyperllama.core.storage.store import Store

ROOT = Path(__file__).resolve().parents[1]
TASK = """\
name = "storm"
kind = "classification"
metric = "neg_log_loss"
estimator = "random_forest"
[data]
path = "storm.csv"
target = "y"
[space]
n_estimators = { low = 50, high = 150 }
[validation]
folds = 3
"""
LABELS = """
import sys
from hyperllama.core.storage import trash
print("begun", flush=True)
while True:
    for n in range(50):
        if sys.argv[1] == "renaming":
            trash.retitle("storm", f"title {n}")
        else:
            trash.archive("storm", n % 2 == 0)
            trash.delete("storm")
            trash.restore("storm")
"""


class Phases:
    """Which phase a study process is in, as its log of events says."""

    def __init__(self, home: Path, pid: int) -> None:
        self._tail = EventTail(home / "studies" / "storm" / "events.jsonl")
        self._pid = pid
        self._opened_t: float | None = None
        self._asked = False
        self.now = "loading"

    def read(self) -> str:
        """The phase after the newest event."""
        events, fresh = self._tail.read()
        if fresh:
            self._opened_t = None
        for event, t in events:
            if isinstance(event, StudyOpened):
                self._opened_t = t if event.pid == self._pid else None
            elif self._opened_t is not None and t >= self._opened_t:  # the past comes first
                self._apply(event)
        return self.now

    def _apply(self, event: object) -> None:
        if isinstance(event, (ProposalStarted, ProposalMade)):
            self._asked = isinstance(event, ProposalStarted)
            self.now = "proposing" if self._asked else "training"
        elif isinstance(event, ModelLoading):
            self.now = "loading"
        elif isinstance(event, ModelLoaded):
            self.now = "proposing" if self._asked else "training"
        elif isinstance(event, FoldFinished):
            self.now = "telling" if event.fold == event.folds - 1 else "training"
        elif isinstance(event, TrialFinished):
            self.now = "telling"
        elif isinstance(event, (CandidateStarted, ConfirmedCandidate)):
            self.now = "confirming"
        elif isinstance(event, (StudyConfirmed, StudyFinished)):
            self.now = "ending"


def finished(home: Path) -> dict[int, Any]:
    """number -> (state, configuration, value, proposer) of the finished trials."""
    return {n: t for n, t in _trials(home).items() if t[0] in ("COMPLETE", "FAIL")}


def unfinished(home: Path) -> dict[int, Any]:
    return {n: t for n, t in _trials(home).items() if t[0] not in ("COMPLETE", "FAIL")}


def _trials(home: Path) -> dict[int, Any]:
    file = home / "studies" / "storm" / "study.db"
    if not file.exists():
        return {}
    storage = open_storage(f"sqlite:///{file}")
    try:
        store = Store.open(storage, "storm")
    except StudyError:
        return {}  # killed before the storage knew of it
    trials = store.trials()
    store.close()
    return {t.number: (t.state, t.config, t.value, t.proposer) for t in trials}


def write_task(folder: Path) -> Path:
    rng = np.random.default_rng(0)  # so noisy that the default is beaten, then confirmed
    x = rng.normal(size=(200, 5)).round(3)
    y = ((x[:, 0] > 0) ^ (rng.random(200) < 0.25)).astype(int)
    lines = ["a,b,c,d,e,y"]
    lines += [f"{','.join(map(str, row))},{target}" for row, target in zip(x, y, strict=True)]
    folder.mkdir(parents=True)
    (folder / "storm.csv").write_text("\n".join(lines) + "\n")
    (folder / "storm.toml").write_text(TASK)
    return folder / "storm.toml"
