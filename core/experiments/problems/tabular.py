"""Really trained problems: a data set, an estimator family, cross-validation. Also task files.

Losses are as measured: 1 - score for scores whose best value is 1 (accuracy, AUC, R²), minus the
score for scikit-learn's negated errors (log-loss, RMSE). Every evaluation is kept (see `cache.py`),
with the same folds and seed whatever contender asks.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperllama.core.errors import DataError
from hyperllama.core.estimators import family
from hyperllama.core.experiments.cache import KeptTrials, config_key, default_file
from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.space import Config, Float, Integer, SearchSpace

if TYPE_CHECKING:
    from hyperllama.core.evaluate.scoring.crossval import Evaluator

POOL = 300
"""Random configurations evaluated once a problem: random search's mean is computed from them."""
FOLDS = 2
_NARROWED = {
    "mlp": {"width": (16, 64), "batch_size": (32, 256)},
    "xgboost": {"n_estimators": (10, 200)},
    "hist_gradient_boosting": {"max_iter": (10, 200), "max_leaf_nodes": (2, 63)},
    "random_forest": {"n_estimators": (20, 100)},
    "extra_trees": {"n_estimators": (20, 100)},
}
"""Ranges cut short so that an evaluation takes a tenth of a second, not ten."""
_FIXED = {"svm": {"max_iter": 10_000}}
"""Arguments given beside a configuration, for the same reason."""

PROBLEMS: tuple[tuple[str, str, str], ...] = (
    ("breast_cancer", "xgboost", "neg_log_loss"),
    ("digits", "xgboost", "accuracy"),
    ("made-10000", "xgboost", "accuracy"),
    ("made-10005", "xgboost", "roc_auc"),
    ("made-10003", "xgboost", "r2"),
    ("diabetes", "hist_gradient_boosting", "r2"),
    ("made-10015", "hist_gradient_boosting", "accuracy"),
    ("made-10009", "hist_gradient_boosting", "r2"),
    ("made-10011", "random_forest", "accuracy"),
    ("made-10002", "random_forest", "accuracy"),
    ("made-10010", "extra_trees", "accuracy"),
    ("made-10005", "extra_trees", "accuracy"),
    ("breast_cancer", "decision_tree", "accuracy"),
    ("made-10019", "decision_tree", "r2"),
    ("made-10008", "decision_tree", "accuracy"),
    ("made-10025", "decision_tree", "neg_log_loss"),
    ("wine", "linear", "neg_log_loss"),
    ("made-10016", "linear", "r2"),
    ("made-10007", "linear", "balanced_accuracy"),
    ("digits", "svm", "accuracy"),
    ("made-10001", "svm", "accuracy"),
    ("made-10012", "svm", "accuracy"),
    ("made-10013", "svm", "r2"),
    ("breast_cancer", "mlp", "accuracy"),
    ("made-10002", "mlp", "accuracy"),
    ("made-10018", "mlp", "neg_log_loss"),
    ("made-10023", "mlp", "r2"),
    ("digits", "knn", "accuracy"),
    ("made-10020", "knn", "accuracy"),
    ("made-10028", "knn", "neg_log_loss"),
)
"""(data set, family, metric) of the built-in suite. Each leaves something to gain for a method that
starts from the default: the best of 300 random configurations is better by a few percent than what
random search reaches in ten evaluations."""
SETTLED: tuple[tuple[str, str, str], ...] = (
    ("made-10007", "random_forest", "neg_log_loss"),
    ("made-10006", "random_forest", "r2"),
    ("digits", "extra_trees", "accuracy"),
    ("made-10004", "extra_trees", "r2"),
    ("diabetes", "linear", "r2"),
    ("breast_cancer", "linear", "neg_log_loss"),
)
"""Problems whose default, or nearly anything, is as good as the best of 300: all methods that start
there tie. Of use without the default (`--start none`)."""


class TabularProblem(BenchProblem):
    """An estimator on a data set.

    Args:
        name, group, space, family, kind, metric: see `BenchProblem`; `metric` is a scorer's name.
        score: configuration -> mean score over the folds, greater is better; None for a failure.
        file: where evaluations are kept; None for the usual place.
        identity: of data, folds and seed: what evaluations are filed under.
    """

    suite = "tabular"

    def __init__(
        self, name: str, group: str, space: SearchSpace, metric: str,
        score: Callable[[Config], float | None],
        *, file: Path | None, identity: str, pool: int = POOL,
    ) -> None:  # fmt: skip
        self.name, self.group, self.space = name, group, space
        self.metric, self._score = metric, score
        self.loss_name = loss_name(metric)
        versions = f"scikit-learn {_minor('scikit-learn')}, xgboost {_minor('xgboost')}"
        # The ranges are no part of it: a loss stays what it is when they change.
        self.identity = f"{identity}, {metric}, {versions}"
        self._kept = KeptTrials(file or default_file())
        self._known: dict[str, float | None] = {}
        rng = np.random.default_rng(99)
        self._pool = [space.sample(rng) for _ in range(pool)]
        self._random: RandomSearch | None = None

    def observe(self, config: Config, seed: int) -> float | None:
        if not self._has(config):
            began = time.perf_counter()
            score = self._score(config)
            seconds = round(time.perf_counter() - began, 4)
            loss = None
            if score is not None and np.isfinite(score):
                loss = -score if self.metric.startswith("neg_") else 1.0 - score
                loss = float(f"{loss:.9g}")
            key = config_key(self.space, config)
            self._kept.put(self.identity, key, {"loss": loss, "seconds": seconds})
            self._known[key] = loss
        return self._known[config_key(self.space, config)]

    def _has(self, config: Config) -> bool:
        """Whether the loss of `config` is known here or in the file."""
        key = config_key(self.space, config)
        if key not in self._known:
            kept = self._kept.get(self.identity, key)
            if kept is None:
                return False
            self._known[key] = kept["loss"]
        return True

    def missing(self, chunk: int) -> list[int]:
        firsts = range(0, len(self._pool), chunk)
        return [
            first
            for first in firsts
            if not all(map(self._has, self._pool[first : first + chunk]))
        ]

    def fill(self, first: int, last: int) -> None:
        for config in self._pool[first:last]:
            self.observe(config, 0)

    def failed_loss(self, seed: int) -> float:
        return float(self.random_search(seed).judged.max())

    def random_search(self, seed: int) -> RandomSearch:
        if self._random is None:
            found = [self.observe(c, seed) for c in self._pool]
            worst = max((v for v in found if v is not None), default=1.0)
            start = self.observe(self.space.default(), seed)
            first = worst if start is None else start
            losses = np.array([worst if v is None else v for v in found])
            self._random = RandomSearch.of(losses, default=(first, first))
        return self._random

    def evaluated(self) -> int:
        """How many configurations were ever evaluated."""
        return self._kept.count(self.identity)


def loss_name(metric: str) -> str:
    """What a loss is, for people: "1 - accuracy", "log loss"."""
    if metric.startswith("neg_"):
        return metric.removeprefix("neg_").replace("_", " ")
    return f"1 - {metric.replace('_', ' ')}"


def tabular_problems(
    which: Sequence[tuple[str, str, str]] = PROBLEMS,
    *,
    cache: str | Path | None = None,
    pool: int = POOL,
    known: str = "all",
) -> list[TabularProblem]:
    """The built-in problems, or some of them.

    Args:
        which: (data set, family, metric) each.
        cache: file of evaluations; None for the usual place.
        pool: random configurations a problem.
        known: what contenders know; see `base.KNOWN`.
    """
    file = None if cache is None else str(cache)
    return [
        open_tabular({
            "suite": "tabular", "data": d, "estimator": e, "metric": m, "pool": pool,
            "cache": file, "known": known,
        })
        for d, e, m in which
    ]  # fmt: skip


def task_problems(
    folder: str | Path, *, cache: str | Path | None = None, pool: int = POOL, known: str = "all"
) -> list[TabularProblem]:
    """A problem for each task file (*.toml with a [data] table) in `folder`.

    Raises:
        DataError: there is none.
        TaskError: one of them is wrong.
    """
    files = [
        f
        for f in sorted(Path(folder).expanduser().glob("*.toml"))
        if "[data]" in f.read_text(encoding="utf-8", errors="replace")
    ]
    if not files:
        raise DataError(f"no task file in {folder}", "a task file is a .toml with a [data] table")
    file = None if cache is None else str(cache)
    return [
        open_tabular({
            "suite": "tabular", "path": str(f.resolve()), "pool": pool, "cache": file,
            "known": known,
        })
        for f in files
    ]  # fmt: skip


def open_tabular(spec: Mapping[str, Any]) -> TabularProblem:
    """The problem of a recipe: of the built-in suite, or of a task file."""
    problem = _of_task(spec) if "path" in spec else _built_in(spec)
    problem.tell_less(str(spec["known"]))
    problem.spec = {**spec, "suite": "tabular"}
    return problem


def problem_name(data: str, estimator: str, metric: str) -> str:
    """What a built-in problem is called."""
    return f"{data} {estimator}"


def _built_in(spec: Mapping[str, Any]) -> TabularProblem:
    file = None if spec.get("cache") is None else Path(spec["cache"])
    from hyperllama.core.evaluate.scoring.crossval import Data, Evaluator
    from hyperllama.core.experiments.problems.datasets import load

    name, chosen, metric = str(spec["data"]), family(str(spec["estimator"])), str(spec["metric"])
    data = load(name)
    method = "stratified" if data.classes else "kfold"
    evaluator = Evaluator(
        Data(
            data.x, data.y, data.categorical, data.kind, metric, (chosen.name,), method,
            folds=FOLDS, test_share=0.0,
        )
    )  # fmt: skip
    space = narrowed(chosen.space(data.kind, data.facts), chosen.name)
    problem = TabularProblem(
        problem_name(name, chosen.name, metric), name, space,
        metric, lambda config: _bare_score(evaluator, config), file=file, pool=int(spec["pool"]),
        identity=f"{name} {data.digest}, {chosen.name} {_FIXED.get(chosen.name, '')}, "
        f"{FOLDS} folds",
    )  # fmt: skip
    problem.family, problem.kind, problem.facts = chosen.name, data.kind, data.facts
    return problem


def _of_task(spec: Mapping[str, Any]) -> TabularProblem:
    file = None if spec.get("cache") is None else Path(spec["cache"])
    from hyperllama.core.data import load_table
    from hyperllama.core.evaluate.scoring.crossval import Evaluator
    from hyperllama.core.task import load_task, resolve

    task = load_task(spec["path"])
    table = load_table(task)
    found = resolve(task, table)
    evaluator = Evaluator.of(found, table)
    settings = found.validation.model_dump_json()
    problem = TabularProblem(
        task.name, task.name, found.space, found.metric,
        lambda config: _whole_score(evaluator, config, task.seed),
        file=file, pool=int(spec["pool"]),
        identity=f"{found.fingerprint}, {found.estimators}, {settings}, {task.seed}",
    )  # fmt: skip
    problem.family = found.estimators[0] if len(found.estimators) == 1 else None
    problem.kind, problem.facts = found.kind, found.facts
    return problem


def _bare_score(evaluator: Evaluator, config: Config) -> float | None:
    """The mean score that `evaluator` would give, without the training scores and curves that cost
    it half as much again."""
    from sklearn.metrics import get_scorer

    from hyperllama.core.evaluate.pipeline import build_pipeline

    d, scores = evaluator.data, []
    scorer = get_scorer(d.metric)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for train, scored in evaluator.folds(d.seed):
            params = {**_FIXED.get(d.estimators[0], {}), **config}
            pipeline = build_pipeline(
                d.estimators[0], d.kind, params, d.categorical, 0, response=evaluator.response
            )
            try:
                pipeline.fit(d.x[train], d.y[train])
                scores.append(float(scorer(pipeline, d.x[scored], d.y[scored])))
            except ValueError:  # scikit-learn refuses the configuration
                return None
    return sum(scores) / len(scores)


def _whole_score(evaluator: Evaluator, config: Config, seed: int) -> float | None:
    """The mean score as a study measures it, early stopping included."""
    from hyperllama.core.evaluate.scoring.failures import TrialFailed

    try:
        folds = list(evaluator.evaluate(config, seed))
    except TrialFailed:
        return None
    return sum(f.score for f in folds) / len(folds)


def narrowed(space: SearchSpace, name: str) -> SearchSpace:
    """The family's space with the ranges that make evaluations dear cut short."""
    for param, (low, high) in _NARROWED.get(name, {}).items():
        p = space[param]
        if isinstance(p.domain, Integer):
            space = space.replace(replace(p, domain=Integer(low, high, p.domain.log)))
        elif isinstance(p.domain, Float):
            space = space.replace(replace(p, domain=Float(low, high, p.domain.log)))
    return space


def _minor(package: str) -> str:
    return ".".join(version(package).split(".")[:2])
