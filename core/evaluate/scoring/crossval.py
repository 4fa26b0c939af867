"""Scoring configurations on a table that is in memory, in this process. The child around it is
`server.py`; experiments that want no child use `Evaluator` directly.

Shapes: X (n_rows, n_columns) float64 with NaN for empty cells and codes for categories, y (n_rows,)
class codes or numbers.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.errors import TaskError
from hyperllama.core.estimators import Constructor, Family
from hyperllama.core.evaluate import fitting
from hyperllama.core.evaluate.pipeline import built
from hyperllama.core.evaluate.results import FoldResult, Tally, thinned
from hyperllama.core.evaluate.scoring.chance import chance_scores
from hyperllama.core.evaluate.scoring.failures import TrialFailed, described, one_failure
from hyperllama.core.evaluate.scoring.few_groups import count_groups, suited_to_groups
from hyperllama.core.evaluate.scoring.measures import Measures
from hyperllama.core.evaluate.scoring.splits import Rows, evenly, hold_out, make_folds
from hyperllama.core.evaluate.steps import ColumnLayout, FitSetting, response_of, trial_recipe
from hyperllama.core.programs.sandbox import ProgramFit
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.space import Config
from hyperllama.core.text import one_line

if TYPE_CHECKING:
    from hyperllama.core.data import Table
    from hyperllama.core.evaluate.scoring.programs import ProgramTrials
    from hyperllama.core.task import Problem

TRAIN_ROWS = 1000
"""Rows of the training part that are scored, at most."""
WATCHED_SHARE = 0.15
"""Share of a fold's training rows that early stopping sets apart."""


@dataclass(frozen=True)
class Data:
    """What is trained on, and how it is split and scored.

    Attributes:
        x, y: the table; see the top of the file.
        categorical: per column of x, whether it holds codes.
        groups, times: shape (n_rows,), or None.
        weights: how much each row counts in fitting and in scoring, shape (n_rows,), or None.
        kind: "classification" or "regression".
        metric: name of a scikit-learn scorer.
        estimators: the families a configuration may choose among.
        method, folds, repeats, share, test_share: see `splits.make_folds`.
        seed: of the splits.
        rounds: early stopping rounds of boosters, or None.
        parts: per column of x, `Column.part`; empty where no column is a part of a date.
        measured: what is measured beside the metric, see `core.objectives`.
    """

    x: NDArray[np.float64]
    y: NDArray[Any]
    categorical: Sequence[bool]
    kind: str
    metric: str
    estimators: Sequence[str]
    method: str = "kfold"
    folds: int = 5
    repeats: int = 1
    share: float = 0.2
    test_share: float = 0.2
    seed: int = 0
    rounds: int | None = None
    groups: NDArray[Any] | None = None
    times: NDArray[Any] | None = None
    parts: Sequence[str] = ()
    weights: NDArray[np.float64] | None = None
    measured: Sequence[str] = ()

    def weights_of(self, rows: Rows) -> NDArray[np.float64] | None:
        """The weights of some rows; None where all count alike."""
        return None if self.weights is None else self.weights[rows]

    def scored(self, scorer: Any, model: Any, rows: Rows) -> float:
        """A score on some rows, weighted where rows have weights and the scorer takes them."""
        weighs = self.weights is not None and fitting.scores_with_weights(scorer)
        weights = {"sample_weight": self.weights_of(rows)} if weighs else {}
        return float(scorer(model, self.x[rows], self.y[rows], **weights))

    def labels(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
        """y, groups and times of some rows."""
        groups = None if self.groups is None else self.groups[rows]
        return self.y[rows], groups, None if self.times is None else self.times[rows]


class Evaluator:
    """Cross-validation, the final test and the final fit of configurations on one table.

    Raises:
        TaskError: the table cannot be split as the task says.
    """

    def __init__(self, data: Data, threads: int = 1) -> None:
        from sklearn.metrics import get_scorer

        self.data = replace(data, x=np.ascontiguousarray(data.x))
        self.threads = threads
        self._classification = data.kind == "classification"
        self.scorer = get_scorer(data.metric)
        self.measures = Measures(data.measured)
        self.response = response_of([self.scorer, *self.measures.scorers.values()])
        layout = ColumnLayout.of(data.categorical, data.parts)
        self._setting = FitSetting(data.kind, data.estimators, layout, 0, threads, self.response)
        self.programs: ProgramTrials | None = None  # runs programs; None outside of studies
        self.tune_rows, self.test_rows = hold_out(
            data.method, data.y, data.groups, data.times,
            data.test_share, data.seed, self._classification,
        )
        self._folds: dict[int, list[tuple[Rows, Rows]]] = {}
        self._own_folds: Sequence[tuple[Rows, Rows]] = ()  # as positions in the tuning part
        weighs = fitting.scores_with_weights(self.scorer)
        unweighted = fitting.unweighted(data.estimators, data.kind, data.metric, weighs)
        self.warnings: list[str] = [*unweighted] if data.weights is not None else []
        if data.method == "group":
            self.data, told = suited_to_groups(data, count_groups(data, self.tune_rows))
            self.warnings += told
        self.folds(data.seed)

    @classmethod
    def of(cls, problem: Problem, table: Table, threads: int = 1) -> Evaluator:
        """The evaluator of a resolved problem on its table."""
        v = problem.validation
        return cls(
            Data(
                x=table.x,
                y=table.y,
                categorical=table.categorical,
                kind=problem.kind,
                metric=problem.metric,
                estimators=problem.estimators,
                method=str(v.method),
                folds=v.folds,
                repeats=v.repeats,
                share=v.validation_share,
                test_share=v.test_share,
                seed=problem.task.seed,
                rounds=problem.task.early_stopping_rounds,
                groups=table.groups,
                times=table.times,
                parts=[c.part for c in table.columns],
                weights=table.weights,
                measured=problem.measured,
            ),
            threads,
        )

    @property
    def other_folds(self) -> bool:
        """Whether another seed gives other folds."""
        d = self.data
        if d.method == "group":
            return count_groups(d, self.tune_rows) > d.folds
        return d.method != "time" or len(self.tune_rows) // (d.folds + 1) > 1

    def settled(self, problem: Problem) -> Problem:
        """The problem with the folds that its table allows."""
        used = {"folds": self.data.folds, "repeats": self.data.repeats}
        return replace(
            problem, validation=problem.validation.model_copy(update=used),
            warnings=(*problem.warnings, *self.warnings),
        )

    def folds(self, seed: int) -> list[tuple[Rows, Rows]]:
        """(rows to train on, rows to score) of the tuning part, as positions in the table.

        Another seed than the study's gives other folds, if there are any; see `other_folds`.
        """
        if seed not in self._folds:
            d, rows = self.data, self.tune_rows
            known = () if seed == d.seed else self._own_folds
            try:
                pairs = make_folds(d.method, *d.labels(rows), d.folds, d.repeats, d.share, seed,
                                   self._classification, known)
                if any(len(a) < 2 or len(b) < 1 for a, b in pairs):
                    raise ValueError("a fold would be empty")
            except ValueError as error:
                raise TaskError(
                    f"the table cannot be split: {one_line(error)}",
                    "ask for fewer folds in [validation], or for another method",
                ) from error
            if seed == d.seed:
                self._own_folds = pairs
            self._folds[seed] = [(rows[a], rows[b]) for a, b in pairs]
        return self._folds[seed]

    def evaluate(
        self, config: Config, seed: int, fold_seed: int | None = None, tally: Tally | None = None,
        only_fold: int | None = None,
    ) -> Iterator[FoldResult]:
        """Score a configuration fold by fold.

        Args:
            config: as the search space makes it.
            seed: of the estimator, the same in every fold.
            fold_seed: other folds than the study's, to see how noisy a score is.
            tally: gathers warnings and iteration counts.
            only_fold: the one to score; None for all.

        Raises:
            TrialFailed: a fold raised, or its score is not finite.
        """
        tally = tally or Tally()
        pairs = self.folds(self.data.seed if fold_seed is None else fold_seed)
        for number, (train, scored) in enumerate(pairs):
            if only_fold not in (None, number):
                continue
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                where = f"fold {number + 1} of {len(pairs)}"
                try:
                    result = self._fold(config, seed, number, len(pairs), train, scored, tally)
                except Exception as error:
                    raise TrialFailed(f"{where}: {described(error)}") from error
            if not math.isfinite(result.score):
                why = one_line(caught[-1].message) if caught else "no finite value"
                raise TrialFailed(f"{where}: {self.data.metric} is {result.score}: {why}")
            for line in {f"{w.category.__name__}: {one_line(w.message)}" for w in caught}:
                tally.warned[line] += 1
            yield result

    def chance(self) -> tuple[float, ...]:
        """The fold scores of a model that looks at no column, see `chance_scores`."""
        return chance_scores(self.data, self.scorer, self.folds(self.data.seed))

    def _fold(
        self, config: Config, seed: int, number: int, folds: int,
        train: Rows, scored: Rows, tally: Tally,
    ) -> FoldResult:
        if CHOICE in config:
            return _of_studies(self.programs).fold(
                config, number, folds, train, scored, tally
            )
        d = self.data
        x_scored, y_scored = d.x[scored], d.y[scored]
        started = time.perf_counter()
        watch = (x_scored, y_scored) if number == 0 else None
        f, pipeline, curve = self._fitted(config, seed, train, watch)
        bare = self._recipe(config, seed)[2]
        fitted = time.perf_counter()
        score = self.score(pipeline, scored)
        predicted = time.perf_counter()
        tally.measure(self.measures.of_fold(pipeline, d, scored, fitted - started))
        rounds = list(range(len(curve)))
        if number == 0 and not curve and bare and f.curve is not None:
            prepared = x_scored
            for _, step in pipeline.steps[:-1]:
                prepared = step.transform(prepared)
            curve, rounds = f.curve(pipeline.steps[-1][1], prepared, y_scored)
        best = None
        if curve:
            tally.iterations.append(rounds[-1] + 1)
            if number == 0:
                tally.curve = [(1 + r, v) for r, v in zip(rounds, curve, strict=True)]
            if f.fit_watched is not None:
                best = rounds[int(np.argmax(curve))]
                tally.best.append(best)
        return FoldResult(
            fold=number,
            folds=folds,
            score=score,
            train_score=None if number else train_score(self, f, pipeline, train, len(scored)),
            fit_s=fitted - started,
            predict_s=predicted - fitted,
            curve=thinned(curve),
            best_iteration=best,
        )

    def _fitted(
        self, config: Config, seed: int, train: Rows,
        watch: tuple[NDArray[np.float64], NDArray[Any]] | None = None,
    ) -> tuple[Family, Any, list[float]]:
        """Family, fitted pipeline, score per iteration. `watch`: rows whose loss to follow where
        the estimator can; not looked at by anything that decides."""
        d = self.data
        f, recipe, bare = self._recipe(config, seed)
        pipeline = built(recipe)
        follows = d.rounds or (watch is not None and f.curve is None)
        if bare and f.fit_watched is not None and follows:
            if d.rounds:
                train, watched = self._set_apart(train)
                watch = d.x[watched], d.y[watched]
            assert watch is not None
            curve = fitting.fit_watched(
                f.fit_watched, pipeline, d.x[train], d.y[train], *watch, d.rounds,
                weights=d.weights_of(train))
            return f, pipeline, curve
        weights = fitting.weight_arguments(pipeline, d.weights_of(train))
        if d.weights is not None and not weights:
            warnings.warn("takes no weights: all rows count alike in the fit", stacklevel=1)
        pipeline.fit(d.x[train], d.y[train], **weights)
        model = pipeline.steps[-1][1]
        known = f.losses if bare else ""
        losses = getattr(getattr(model, "regressor_", model), known, []) if known else []
        return f, pipeline, [-float(loss) for loss in losses]

    def _recipe(self, config: Config, seed: int) -> tuple[Family, Constructor, bool]:
        """See `trial_recipe`."""
        return trial_recipe(config, replace(self._setting, seed=seed))

    def score(self, pipeline: Any, rows: Rows) -> float:
        """The metric on some rows."""
        return self.data.scored(self.scorer, pipeline, rows)

    def _set_apart(self, train: Rows) -> tuple[Rows, Rows]:
        """The part of a fold's training rows that is fitted, and the part that stops the fit."""
        d = self.data
        share = max(WATCHED_SHARE, 1 / len(train))
        rest, apart = hold_out(d.method, *d.labels(train), share, d.seed, self._classification)
        return train[rest], train[apart]

    def test_score(self, config: Config, seed: int) -> float | None:
        """Score on the test rows after a fit on all others; None without a test part.

        Raises:
            TrialFailed: the fit raised, or the metric has no value on these rows.
        """
        if not len(self.test_rows):
            return None
        with one_failure("on the test rows"):
            if CHOICE in config:
                return _of_studies(self.programs).score(config, self.tune_rows, self.test_rows)
            _, pipeline, _ = self._fitted(config, seed, self.tune_rows)
            score = self.score(pipeline, self.test_rows)
        if not math.isfinite(score):
            raise _unscored(self.data, self.test_rows)
        return score

    def fit_final(self, config: Config, seed: int) -> Any:
        """The pipeline of a configuration fitted on all rows, the test part included.

        Raises:
            TrialFailed: the fit raised.
        """
        with one_failure("on all rows"):
            return self._fitted(config, seed, np.arange(len(self.data.y)))[1]

def _unscored(data: Data, rows: Rows) -> TrialFailed:
    """What the test rows lack to be scored."""
    lacks = f"{len(rows)} rows are too few"
    if data.kind == "classification":
        counts = np.bincount(data.y[rows], minlength=int(data.y.max()) + 1)
        lacks = f"of {len(rows)} rows the rarest class has {counts.min()}"
    return TrialFailed(f"on the test rows: {data.metric} has no value: {lacks}")


def final_program(evaluator: Evaluator, config: Config) -> ProgramFit:
    """A program with its values and all rows, the test part included; it was fitted once.

    Raises:
        TrialFailed: the fit raised.
    """
    with one_failure("on all rows"):
        return _of_studies(evaluator.programs).final(config)


def _of_studies(programs: ProgramTrials | None) -> ProgramTrials:
    """What runs programs.

    Raises:
        TrialFailed: nothing does, outside of a study.
    """
    if programs is None:
        raise TrialFailed("programs are run in studies only")
    return programs


def train_score(
    evaluator: Evaluator, f: Family, pipeline: Any, train: Rows, scored: int
) -> float | None:
    """Score of a fixed sample of the training rows, in proportion over classes or target."""
    wanted = TRAIN_ROWS if f.train_share is None else max(50, round(f.train_share * scored))
    y = evaluator.data.y[train]
    if len(train) > wanted:
        train = train[evenly(y, min(wanted, TRAIN_ROWS), np.random.default_rng(0))]
    try:
        score = evaluator.score(pipeline, train)
    except ValueError:  # a class is missing among these few rows, or a metric's domain is left
        return None
    return score if math.isfinite(score) else None
