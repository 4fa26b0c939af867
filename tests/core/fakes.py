"""Fakes for tests of studies: a runner that computes a formula, proposers on demand."""

from __future__ import annotations

import functools
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy

from hyperllama.core.evaluate.racing import Rival, prospect
from hyperllama.core.evaluate.results import STOPPED, FoldResult, Result
from hyperllama.core.events import Event, StudyOpened
from hyperllama.core.objectives import Constraint, Objective
from hyperllama.core.space import (
    Categorical,
    Config,
    Float,
    Integer,
    Param,
    SearchSpace,
)
from hyperllama.core.storage.database import open_storage
from hyperllama.core.storage.request_log import Inbox
from hyperllama.core.storage.store import Store
from hyperllama.core.study.parts import StudyParts
from hyperllama.core.study.running.loop import Study
from hyperllama.core.study.starting.entering import proposal_log
from hyperllama.core.study.study_events import StudyEvents
from hyperllama.core.trials import AskContext, Observed, Proposal, Proposer

SPACE = SearchSpace(
    [
        Param("learning_rate", Float(1e-3, 1.0, log=True), 0.1, "step size"),
        Param("max_depth", Integer(1, 12), 6, "depth of a tree"),
        Param("booster", Categorical(("gbtree", "dart")), "gbtree"),
    ]
)


def quality(config: Config) -> float:
    """Best at learning_rate 0.05 and max_depth 4."""
    rate = float(np.log10(config["learning_rate"] / 0.05))
    return 1.0 - rate**2 / 10 - (config["max_depth"] - 4) ** 2 / 100


class FakeRunner:
    """Scores by a formula in three folds; `before` is called first and may change the result."""

    other_folds = True

    def __init__(self, score: Callable[[Config], float] = quality) -> None:
        self.score = score
        self.evaluated: list[Config] = []
        self.before: Callable[[int, Config], Result | None] = lambda count, config: None
        self.tested: list[Config] = []
        self.slope: Callable[[Config], float] = lambda config: 0.01
        self.measures: Callable[[Config], Mapping[str, float]] = lambda config: {}

    def evaluate(
        self,
        config: Config,
        *,
        seed: int,
        fold_seed: int | None = None,
        on_fold: Callable[[FoldResult], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        rival: Rival | None = None,
    ) -> Result:
        self.evaluated.append(dict(config))
        other = self.before(len(self.evaluated), config)
        if other is not None:
            return other
        if should_stop is not None and should_stop():
            return Result("cancelled")
        value = self.score(config) - (fold_seed or 0) / 1000
        folds = tuple(FoldResult(i, 3, value + (i - 1) * self.slope(config), value + 0.1, 0.01)
                      for i in range(3))  # fmt: skip
        for fold in folds:
            if on_fold is not None:
                on_fold(fold)
            done = [f.score for f in folds[: fold.fold + 1]]
            if rival is not None and len(done) < 3:
                now = prospect(done, rival)
                if now.chance < rival.limit:
                    stopped = {**vars(now), "rival": rival.number, "folds": 3}
                    return Result("stopped", None, folds[: len(done)], facts={STOPPED: stopped})
        measured = {"measures": found} if (found := self.measures(config)) else {}
        return Result("complete", value, folds, seconds=0.5, facts={"iterations": 7, **measured})

    def test_score(
        self, config: Config, *, seed: int, should_stop: Callable[[], bool] | None = None
    ) -> float | None:
        self.tested.append(dict(config))
        return self.score(config) - 0.01


class Drawn:
    """Proposes what a seed, the number and the history determine, and talks while it does."""

    name = "drawn"

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.told: list[Observed] = []
        self.closed = False
        self.contexts: list[AskContext] = []

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        self.contexts.append(context)
        told = {t.number: t for t in self.told}.values()
        salt = sum(t.number + int(1e6 * (t.value or 0.0)) for t in told)
        rng = np.random.default_rng([self.seed, context.number, abs(salt), context.attempt])
        context.on_text("Smaller steps. ")
        record = {"prompt": "P", "reply": "R", "seconds": 0.25, "tokens": {"prompt": 10}}
        return Proposal(space.sample(rng), self.name, "Smaller steps.",
                        beliefs={"x": [(1, 0.5)]}, record=record)

    def tell(self, trial: Observed) -> None:
        self.told.append(trial)

    def close(self) -> None:
        self.closed = True


@functools.cache
def database(study: str | None = None) -> bytes:
    """A database, with one study in it or none; making one takes a quarter of a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "studies.db"
        storage = open_storage(f"sqlite:///{file}")
        if study is not None:
            Store.create(storage, study, "accuracy", {}).close()
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return file.read_bytes()


@dataclass
class Bench:
    """A study on fakes, with everything it wrote within reach; `study()` opens it once more."""

    folder: Path
    seed: int = 3
    budget: int | None = 6
    minutes: float | None = None
    proposer: str = "drawn"
    space: SearchSpace = SPACE
    runner: FakeRunner = field(default_factory=FakeRunner)
    runners: Sequence[FakeRunner] = ()
    as_finished: bool = False
    racing: float = 0.0
    events: list[Event] = field(default_factory=list)
    summaries: list[Mapping[str, Any]] = field(default_factory=list)
    made: list[Proposer] = field(default_factory=list)
    make: Callable[[str], Proposer] | None = None
    use_model: Callable[[str], str] = lambda name: name
    use_jobs: Callable[[int], Sequence[FakeRunner]] = lambda jobs: ()
    program: Callable[[Config, str], str] = lambda config, line: ""
    program_evaluations: int = 0
    now_s: float = 0.0
    interrupted: bool = False
    confirm: bool = False
    chance: tuple[float, ...] = ()
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    url: str = ""
    kind: type[Store] = Store
    keeps_books: bool = True

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.url:
            self.url = f"sqlite:///{self.folder / 'studies.db'}"
            (self.folder / "studies.db").write_bytes(database("s"))
        self.reopen()

    def reopen(self) -> None:
        """As another process would: nothing but the files is left."""
        self.interrupted = False
        storage = open_storage(self.url)
        engine = storage.engine  # type: ignore[attr-defined]
        sqlalchemy.event.listen(
            engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF")
        )
        engine.dispose()  # connections made from here on do not wait for the disk
        self.store = self.kind.open(storage, "s")

    def study(self) -> Study:
        self.log = log = StudyEvents(self.folder / "events.jsonl", clock=lambda: 1000.0)
        log.listen(lambda event, t: self.events.append(event))
        opened = StudyOpened(
            study="s",
            task="t",
            kind="classification",
            metric="accuracy",
            estimators=("xgboost",),
            proposer=self.proposer,
            model="",
            seed=self.seed,
            budget_trials=self.budget,
            budget_s=None if self.minutes is None else 60 * self.minutes,
            rows=100,
            features=4,
            folds=3,
            confirm=self.confirm,
            chance=self.chance,
            jobs=max(1, len(self.runners)),
            program_evaluations=self.program_evaluations,
            objectives=self.objectives,
            constraints=self.constraints,
        )
        parts = StudyParts(
            self.store,
            self.runners or (self.runner,),
            self._make,
            self.space,
            opened,
            log,
            Inbox(self.folder),
            proposal_log(self.store, self.folder / "proposals.jsonl"),
            save=self.summaries.append,
            use_model=self.use_model,
            use_jobs=lambda jobs: self.use_jobs(jobs),
            program=self.program,
            as_finished=self.as_finished,
            racing=self.racing,
            keeps_books=self.keeps_books,
            interrupted=lambda: self.interrupted,
            clock=self._clock,
            sleep=self._sleep,
        )
        return Study(parts)

    on_sleep: Callable[[], None] = lambda: None

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.on_sleep()

    def _clock(self) -> float:
        self.now_s += 0.2
        return self.now_s

    def _make(self, name: str) -> Proposer:
        proposer: Proposer
        if self.make is not None:
            proposer = self.make(name)
        elif name == "drawn":
            proposer = Drawn(self.seed)
        else:
            from hyperllama.core.propose import make_proposer
            from hyperllama.core.trials import ProposerSetting

            proposer = make_proposer(name, setting=ProposerSetting(seed=self.seed))
        self.made.append(proposer)
        return proposer

    def trials(self) -> list[tuple[int, str, Config, float | None, str]]:
        """number, state, configuration, value, proposer of every trial in the storage."""
        return [(t.number, t.state, t.config, t.value, t.proposer) for t in self.store.trials()]

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]
