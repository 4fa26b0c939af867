"""Trials kept for good: the same configuration on the same folds of the same table is trained once.

Shared by all comparisons and baselines of a data folder, and by the processes that work on them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hyperllama.core.evaluate.client import TrialRunner
from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.space import Config
from hyperllama.core.storage.paths import home
from hyperllama.core.storage.store import jsonable
from hyperllama.core.task import Problem

_WAIT_S = 60.0


def default_file() -> Path:
    """Where trials are kept."""
    return home() / "comparisons" / "trials.sqlite"


class KeptTrials:
    """A table (problem, configuration) -> result, on disk.

    Args:
        file: SQLite; made with its folder.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(file, timeout=_WAIT_S, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=NORMAL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS trials (problem TEXT, config TEXT, result TEXT,"
            " PRIMARY KEY (problem, config)) WITHOUT ROWID"
        )

    def get(self, problem: str, key: str) -> dict[str, Any] | None:
        row = self._base.execute(
            "SELECT result FROM trials WHERE problem = ? AND config = ?", (problem, key)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def put(self, problem: str, key: str, result: dict[str, Any]) -> None:
        self._base.execute(
            "INSERT OR REPLACE INTO trials VALUES (?, ?, ?)", (problem, key, json.dumps(result))
        )

    def close(self) -> None:
        self._base.close()


class KeptRunner:
    """Evaluates configurations of one task, each only once ever; a context manager.

    The child that trains is started for the table's facts and lives until `close`.

    Args:
        task_file: the task.
        kept: trials known so far.
        log: where the child's stderr goes.
        threads: for training; 0 leaves it to the task.
        seed: of the estimators; None takes the task's.
        runner: trains in place of the usual child (tests).
    """

    def __init__(
        self, task_file: Path, kept: KeptTrials, *, log: Path, threads: int = 0,
        seed: int | None = None, runner: Any = None,
    ) -> None:  # fmt: skip
        self.runner = runner or TrialRunner(task_file, log=log, threads=threads)
        self.problem: Problem = self.runner.open()
        self.seed = self.problem.task.seed if seed is None else seed
        self._kept = kept
        self._identity = identity(self.problem, self.seed)
        # With other limits a trial that failed may not fail.
        self._limits = self.problem.task.limits.model_dump_json(exclude={"threads"})

    def __enter__(self) -> KeptRunner:
        return self

    def __exit__(self, *exception: object) -> None:
        self.runner.close()

    def known(self, config: Config) -> bool:
        """Whether evaluating `config` would cost nothing."""
        return self._kept.get(self._identity, self._key(config)) is not None

    def remember(self, config: Config, result: Result) -> None:
        """Take a result over that was found elsewhere with the same folds and seed."""
        self._kept.put(self._identity, self._key(config), _to_wire(result))

    def evaluate(
        self, config: Config, should_stop: Callable[[], bool] = lambda: False,
        fold_seed: int | None = None,
    ) -> tuple[Result, bool]:  # fmt: skip
        """The result, and whether it was known. A cancelled one is not kept.

        Args:
            fold_seed: other folds than the task's.

        Raises:
            HyperLlamaError: the child cannot go on.
        """
        identity = self._identity + ("" if fold_seed is None else f" folds {fold_seed}")
        failed = f"{identity} failed within {self._limits}"
        key = self._key(config)
        known = self._kept.get(identity, key) or self._kept.get(failed, key)
        if known is not None:
            return _from_wire(known), True
        result = self.runner.evaluate(
            config, seed=self.seed, fold_seed=fold_seed, should_stop=should_stop
        )
        if result.state != "cancelled" and not result.reason.startswith("died twice"):
            complete = result.state == "complete"
            self._kept.put(identity if complete else failed, key, _to_wire(result))
        return result, False

    def test_score(
        self, config: Config, should_stop: Callable[[], bool] = lambda: False
    ) -> float | None:
        """Score on the untouched rows; None without such rows.

        Raises:
            HyperLlamaError: the fit failed, or was cancelled.
        """
        if not getattr(self.runner, "test_rows", 1):
            return None
        identity, key = f"{self._identity} test", self._key(config)
        known = self._kept.get(identity, key)
        if known is None:
            value = self.runner.test_score(config, seed=self.seed, should_stop=should_stop)
            known = {"value": value}
            self._kept.put(identity, key, known)
        return None if known["value"] is None else float(known["value"])

    def _key(self, config: Config) -> str:
        return json.dumps(self.problem.space.key(config), separators=(",", ":"))


def identity(problem: Problem, seed: int) -> str:
    """Of everything beside the configuration that a score depends on; `seed`: of the estimator."""
    task = problem.task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's word on tuples is of no use here
        parts = [
            problem.fingerprint, problem.metric, sorted(problem.estimators), problem.kind,
            problem.validation.model_dump(mode="json"), task.seed, seed,
            task.early_stopping_rounds,
            task.data.model_dump(mode="json", exclude={"path"}),
            *(".".join(version(p).split(".")[:2]) for p in ("scikit-learn", "xgboost")),
        ]  # fmt: skip
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _to_wire(result: Result) -> dict[str, Any]:
    wire: dict[str, Any] = jsonable(
        {
            "state": result.state,
            "value": result.value,
            "folds": [[f.score, f.train_score] for f in result.folds],
            "reason": result.reason,
            "seconds": round(result.seconds, 4),
            "peak_memory_mb": result.peak_memory_mb,
            "facts": dict(result.facts),
        }
    )
    return wire


def _from_wire(wire: dict[str, Any]) -> Result:
    folds = tuple(
        FoldResult(i, len(wire["folds"]), score, train)
        for i, (score, train) in enumerate(wire["folds"])
    )
    return Result(**{**wire, "folds": folds})
