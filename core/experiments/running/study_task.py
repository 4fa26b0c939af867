"""A task file as the task of cells: what is trained in a child process, each configuration once."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.experiments.cache import KeptTrials, config_key
from hyperllama.core.experiments.running.cell_end import confirmed_end, scores_on_test_rows
from hyperllama.core.space import Config
from hyperllama.core.task import Problem
from hyperllama.core.trials import ProposerSetting


class KeptRunner:
    """Evaluates configurations of one task, each only once ever; a context manager.

    The child that trains is started for the table's facts and lives until `close`.

    Args:
        task_file: the task.
        kept: trials known so far.
        log: where the child's stderr goes.
        threads: for training; 0 leaves it to the task.
        seed: of the estimators; None takes the task's.
        runner: trains in place of the usual child.
        test_rows: whether the winner of a cell is scored on the test rows.
        confirm: whether the winner of a cell is found on fresh folds; else it is the incumbent.
    """

    def __init__(
        self, task_file: Path, kept: KeptTrials, *, log: Path, threads: int = 0,
        seed: int | None = None, runner: Any = None, test_rows: bool = True,
        confirm: bool = True,
    ) -> None:  # fmt: skip
        self.runner = runner or TrialRunner(task_file, log=log, threads=threads)
        self.problem: Problem = self.runner.open()
        self.space = self.problem.space
        self.seed = self.problem.task.seed if seed is None else seed
        self._kept, self._test_rows = kept, test_rows
        self._confirm = confirm and self.problem.task.limits.confirm
        self._identity = identity(self.problem, self.seed)
        # With other limits a trial that failed may not fail.
        self._limits = self.problem.task.limits.model_dump_json(exclude={"threads"})

    def __enter__(self) -> KeptRunner:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.runner.close()

    def setting(self, seed: int, budget: int) -> ProposerSetting:
        """What a study of the task tells a proposer."""
        task = self.problem.task
        return ProposerSetting(
            seed=seed,
            task=task.name,
            kind=self.problem.kind,
            metric=self.problem.metric,
            estimators=self.problem.estimators,
            facts=self.problem.facts,
            dataset="\n".join(getattr(self.runner, "summary", ())),
            notes=task.notes,
            folds=int(getattr(self.runner, "folds", 0)),
            chance=tuple(getattr(self.runner, "chance", ())),
        )

    def judged(self, config: Config) -> None:
        """Nothing: a score of cross-validation is judged as it is."""

    def ended(
        self, trials: Sequence[Mapping[str, Any]], should_stop: Callable[[], bool]
    ) -> dict[str, Any] | None:
        """The winner's gain on fresh folds, its score on the test rows, the default's there."""

        def again(config: Config, seed: int) -> Result:
            return self.evaluate(config, should_stop, seed)[0]

        confirmed: dict[str, Any] | None = {}
        if self._confirm and getattr(self.runner, "other_folds", True):
            share = self.problem.validation.scored_share
            confirmed = confirmed_end(trials, again, self.seed, share)
        if confirmed is None:
            return None
        found = scores_on_test_rows(
            trials, lambda config: self.test_score(config, should_stop), confirmed.get("winner")
        )
        return {**confirmed, **found, "metric": self.problem.metric}

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
            fold_seed: of fresh folds, and of the estimator there.

        Raises:
            HyperLlamaError: the child cannot go on.
        """
        identity = self._identity + ("" if fold_seed is None else f" folds {fold_seed}")
        failed = f"{identity} failed within {self._limits}"
        key = self._key(config)
        known = self._kept.get(identity, key) or self._kept.get(failed, key)
        if known is not None:
            return _from_wire(known), True
        seed = self.seed if fold_seed is None else fold_seed
        result = self.runner.evaluate(
            config, seed=seed, fold_seed=fold_seed, should_stop=should_stop
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
        if not self._test_rows or not getattr(self.runner, "test_rows", 1):
            return None
        identity, key = f"{self._identity} test", self._key(config)
        known = self._kept.get(identity, key)
        if known is None:
            value = self.runner.test_score(config, seed=self.seed, should_stop=should_stop)
            known = {"value": value}
            self._kept.put(identity, key, known)
        return None if known["value"] is None else float(known["value"])

    def _key(self, config: Config) -> str:
        return config_key(self.space, config)


def identity(problem: Problem, seed: int) -> str:
    """Of everything beside the configuration that a score depends on; `seed`: of the estimator."""
    task = problem.task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's warning about tuples
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
    from hyperllama.core.storage.store import jsonable

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
