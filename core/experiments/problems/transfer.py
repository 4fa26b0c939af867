"""Tables tuned on few rows and judged on the others: what a gain is worth on rows nobody saw.

Each seed draws its own rows to tune on, in the shares of the classes. The rest, up to four times as
many, is never trained on and scored once, after the last trial.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.errors import DataError, HyperLlamaError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.problems.tabular import loss_name
from hyperllama.core.space import Config
from hyperllama.core.trials import ProposerSetting
from hyperllama.core.trials.race import Racer, fresh_seed, in_order

if TYPE_CHECKING:
    from hyperllama.core.data import Table
    from hyperllama.core.evaluate.scoring.crossval import Evaluator
    from hyperllama.core.task import Problem, Task

UNSEEN = 4
"""Rows that are judged on, as a multiple of those that are tuned on, at most."""
FEWEST_UNSEEN = 2
"""A table needs so many times the tuned rows to judge on."""
CANDIDATES = 3
REPEATS = 2
"""The best so many trials and the default are scored on so many sets of fresh folds."""
_TABLES = (".csv", ".csv.gz", ".tsv", ".parquet", ".feather")


class TooFewRows(DataError):
    """A table that is too small to be tuned on a part and judged on the rest."""


class TransferProblem(BenchProblem):
    """A table of which `rows` are tuned on.

    Args:
        table: a file that `hyperllama new` takes; it guesses the target.
        rows: to tune on.
        estimator: the family.

    Raises:
        HyperLlamaError: the table cannot be used, or is too small.
    """

    suite = "transfer"
    seeded = True

    def __init__(self, table: str, rows: int, estimator: str) -> None:
        from hyperllama.core.data import load_table
        from hyperllama.core.task.load import parse_task
        from hyperllama.core.task.new import new_task_file

        file = Path(table)
        task_file = file.with_suffix(".toml")
        task = parse_task(
            new_task_file(file, estimators=(estimator,), task_file=task_file), task_file
        )
        part = task.validation.model_copy(update={"test_share": 0.0})
        self.task: Task = task.model_copy(update={"validation": part})
        self.table: Table = load_table(self.task)
        self.rows = rows
        if self.table.n_rows < (1 + FEWEST_UNSEEN) * rows:
            raise TooFewRows(f"{file.name} has {self.table.n_rows} rows, too few to tune on {rows}")
        self.name, self.group = f"{task.name}-{rows}", task.name
        problem = self.drawn(0).problem
        self.space, self.kind, self.facts = problem.space, problem.kind, problem.facts
        self.family, self.metric = estimator, problem.metric
        self.loss_name = loss_name(problem.metric)
        self.spec = {"suite": "transfer", "table": str(file.resolve()), "rows": rows,
                     "estimator": estimator}  # fmt: skip
        self.identity = hashlib.sha256(self.table.fingerprint.encode()).hexdigest()[:16]

    def drawn(self, seed: int) -> TransferRows:
        """The rows of a seed, and the task as it is for them."""
        from hyperllama.core.data.table import spread
        from hyperllama.core.task import resolve

        table, classes = self.table, self.table.kind == "classification"
        tuned = spread(table.y, self.rows, seed, classes)
        rest = np.setdiff1d(np.arange(table.n_rows), tuned)
        order = np.random.default_rng(seed).permutation(len(rest))
        few = replace(table, x=table.x[tuned], y=table.y[tuned], warnings=())
        task = self.task.model_copy(update={"seed": seed})
        unseen = np.sort(rest[order[: UNSEEN * self.rows]])
        return TransferRows(resolve(task, few), few, table.x[unseen], table.y[unseen])

    def under(self, seed: int) -> TransferTask:
        return TransferTask(self, seed)

    def observe(self, config: Config, seed: int) -> float | None:
        raise NotImplementedError("a table that is tuned on a part is evaluated by `TransferTask`")

    def failed_loss(self, seed: int) -> float:
        raise NotImplementedError("failures of transfer are read from its cells")

    def random_search(self, seed: int) -> RandomSearch:
        raise NotImplementedError("random search is run like every other contender")


@dataclass(frozen=True)
class TransferRows:
    """What one seed tunes on and is judged on.

    Attributes:
        problem, table: of the rows that are tuned on.
        x, y: the unseen rows, shapes (n_unseen, n_features) and (n_unseen,).
    """

    problem: Problem
    table: Table
    x: NDArray[np.float64]
    y: NDArray[Any]

    @cached_property
    def evaluator(self) -> Evaluator:
        """Of the rows that are tuned on."""
        from hyperllama.core.evaluate.scoring.crossval import Evaluator

        return Evaluator.of(self.problem, self.table)

    def unseen_score(self, models: Sequence[Any]) -> float:
        """Score of a fitted pipeline on the unseen rows; of several, that of their mean answer."""
        from sklearn.metrics import get_scorer

        scorer = get_scorer(self.problem.metric)
        model = models[0] if len(models) == 1 else _averaged(models, self.problem.kind)
        return float(scorer(model, self.x, self.y))


class TransferTask:
    """A table under a seed, as the task of a cell (a `CellTask`)."""

    def __init__(self, problem: TransferProblem, seed: int) -> None:
        self._problem, self._seed = problem, seed
        self._rows = problem.drawn(seed)
        self.space = self._rows.problem.space

    def setting(self, seed: int, budget: int) -> ProposerSetting:
        """What a study would tell a proposer."""
        p = self._rows.problem
        return ProposerSetting(
            seed=seed, task=p.task.name, kind=p.kind, metric=p.metric, estimators=p.estimators,
            facts=p.facts, folds=p.validation.folds,
        )  # fmt: skip

    def evaluate(
        self, config: Config, should_stop: Callable[[], bool] = lambda: False
    ) -> tuple[Result, bool]:
        return self._scored(config, None), False

    def judged(self, config: Config) -> None:
        """Nothing: what counts is scored when the budget is used."""

    def ended(
        self, trials: Sequence[Mapping[str, Any]], should_stop: Callable[[], bool]
    ) -> dict[str, Any]:
        """The default and the best trials on fresh folds and on the unseen rows."""
        scored = {t["number"]: t for t in trials if t["value"] is not None}
        racers = [Racer(n, t["value"], tuple(t["fold_scores"]), 0.0) for n, t in scored.items()]
        best = [scored[r.number] for r in in_order(racers, 0)[: CANDIDATES + 1]]
        if not best:
            return {"error": f"the default failed: {trials[0]['reason']}"}
        evaluator, found, models = self._rows.evaluator, [], []
        try:
            for trial in best:
                models.append(evaluator.fit_final(trial["config"], self._seed))
                fresh = [self._scored(trial["config"], k + 1) for k in range(REPEATS)]
                found.append({
                    "number": trial["number"], "own": trial["fold_scores"],
                    "own_s": trial["seconds"],
                    "fresh": [list(r.fold_scores) if r.state == "complete" else None
                              for r in fresh],
                    "fresh_s": [round(r.seconds, 4) for r in fresh],
                    "unseen": self._rows.unseen_score(models[-1:]),
                })  # fmt: skip
        except Exception as error:  # one library's failure must not end the other cells
            return {"error": f"{type(error).__name__}: {error}"}
        winner = max(best, key=lambda t: float(t["value"]))
        parts = [evaluator._fitted(winner["config"], self._seed, train)[1]
                 for train, _ in evaluator.folds(self._seed)]
        averages = {f"best {n}": self._rows.unseen_score(models[1 : n + 1])
                    for n in range(2, len(models))}
        averages["folds"] = self._rows.unseen_score(parts)
        negated = self._rows.problem.metric.startswith("neg_")
        return {"finished": True, "negated": negated, "candidates": found, "averages": averages}

    def _scored(self, config: Config, fresh: int | None) -> Result:
        """Cross-validation as a study does it; `fresh`: on folds of another seed."""
        from hyperllama.core.evaluate.scoring.failures import TrialFailed

        began, seed = time.perf_counter(), self._seed
        fold_seed = None if fresh is None else fresh_seed(self._seed, fresh)
        try:
            folds = tuple(self._rows.evaluator.evaluate(config, seed, fold_seed))
        except TrialFailed as error:
            took_s = time.perf_counter() - began
            return Result("failed", reason=str(error), seconds=took_s)
        value = sum(f.score for f in folds) / len(folds)
        return Result("complete", value, folds, seconds=time.perf_counter() - began)


def transfer_problems(
    folders: Sequence[tuple[Path, int]], rows: Sequence[int], *, estimator: str = "xgboost",
    fewest_rows: int = 1500, on_skip: Callable[[str], None] = lambda text: None,
) -> list[TransferProblem]:  # fmt: skip
    """A problem for each table in each folder and each number of rows.

    Args:
        folders: each with a number: its first so many tables in alphabetical order that have
            `fewest_rows` and can be tuned on.
        rows: to tune on.
        on_skip: is told why a table is left out, but for its size.

    Raises:
        DataError: no table can be used.
    """
    found: list[TransferProblem] = []
    for folder, most in folders:
        kept = 0
        for file in sorted(folder.glob("*")):
            if kept >= most:
                break
            if not file.name.endswith(_TABLES):
                continue
            try:
                made = [TransferProblem(str(file), n, estimator) for n in rows]
            except TooFewRows:
                continue
            except HyperLlamaError as error:
                on_skip(f"without {error.message}")
                continue
            if made[0].table.n_rows >= fewest_rows:
                found += made
                kept += 1
    if not found:
        where = ", ".join(str(folder) for folder, _ in folders)
        raise DataError(f"no table of {fewest_rows} rows in {where}", "name another folder")
    return found


def _averaged(models: Sequence[Any], kind: str) -> Any:
    """Fitted pipelines as one model that answers with their mean."""
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.preprocessing import LabelEncoder

    named = [(str(i), m) for i, m in enumerate(models)]
    if kind == "regression":
        model = VotingRegressor(named)
    else:
        model = VotingClassifier(named, voting="soft")
        model.le_ = LabelEncoder().fit(models[0].classes_)
        model.classes_ = model.le_.classes_
    model.estimators_ = list(models)
    return model
