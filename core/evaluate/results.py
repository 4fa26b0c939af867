"""What the trial runner reports: a fold as it finishes, a trial when it is over."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hyperllama.core.objectives import MEASURES

CURVE_POINTS = 50
CURVE_FACT_POINTS = 25  # stored with every trial
STOPPED = "stopped"
Point = TypeVar("Point")


@dataclass(frozen=True)
class FoldResult:
    """One fold of one trial.

    Attributes:
        fold: 0-based; folds: how many there are.
        score: of the rows held out; greater is better.
        train_score: of a fixed sample of the rows trained on, in the first fold only: a second
            round of predictions in every fold would cost up to a fifth of a trial. None elsewhere
            and where it is undefined.
        fit_s, predict_s: wall seconds of preprocessing and fit, and of prediction and scoring.
        curve: a score per iteration, thinned to at most 50 points, greater is better: of the scored
            rows (first fold only) or of the early-stopping part for boosters, minus the training
            loss for an MLP. Empty where the estimator has none.
        best_iteration: 0-based, where the curve of a booster is best; None without one. XGBoost
            without early stopping: the best of a few checkpoints.
    """

    fold: int
    folds: int
    score: float
    train_score: float | None = None
    fit_s: float = 0.0
    predict_s: float = 0.0
    curve: tuple[float, ...] = ()
    best_iteration: int | None = None


def std(scores: Sequence[float]) -> float | None:
    """Standard deviation, n - 1 in the denominator; None with fewer than two scores."""
    if len(scores) < 2:
        return None
    try:
        mean = math.fsum(scores) / len(scores)
        return math.sqrt(math.fsum((s - mean) ** 2 for s in scores) / (len(scores) - 1))
    except OverflowError:  # scores that no number holds the squares of
        return math.inf


@dataclass(frozen=True)
class Result:
    """One trial.

    Attributes:
        state: "complete", "failed", "cancelled", or "stopped": it hardly could beat the incumbent.
        value: mean score over the folds, greater is better; None unless complete.
        folds: the folds that were finished, also of a trial that failed later.
        reason: one readable line saying why it failed; empty otherwise.
        seconds: wall time as the parent saw it.
        peak_memory_mb: largest resident memory of the child during the trial, the table included.
        facts: short plain facts: "warnings" (list of lines), "best_iteration" (mean over folds),
            "iterations" (fitted, mean over folds), "curve" ([iteration, score] pairs of the first
            fold, at most 25; see `FoldResult.curve`); of a stopped trial "stopped": its "chance"
            to win, the mean over all folds that is "expected", and the "rival", the incumbent's
            number; of a program whose estimator knows it "columns": the shares of those that count
            most, by name; "measures": what was measured beside the score, by name, means over the
            folds.
    """

    state: str
    value: float | None = None
    folds: tuple[FoldResult, ...] = ()
    reason: str = ""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fold_scores(self) -> tuple[float, ...]:
        return tuple(f.score for f in self.folds)

    @property
    def std(self) -> float | None:
        """Standard deviation over the folds; None with fewer than two."""
        return std(self.fold_scores)

    @property
    def train_value(self) -> float | None:
        """Mean training score over the folds that have one."""
        known = [f.train_score for f in self.folds if f.train_score is not None]
        return sum(known) / len(known) if known else None


@dataclass
class Tally:
    """What is worth knowing of a trial beside its scores, gathered while it runs."""

    warned: Counter[str] = field(default_factory=Counter)
    best: list[int] = field(default_factory=list)
    iterations: list[int] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    columns: dict[str, float] = field(default_factory=dict)
    measured: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, found: Mapping[str, float]) -> None:
        """Add what a fold measured beside its score."""
        for name, value in found.items():
            self.measured.setdefault(name, []).append(value)

    def add(self, fold: Mapping[str, Any]) -> None:
        """Take in the fields of the tally of one fold."""
        self.warned.update(fold["warned"])
        self.best += fold["best"]
        self.iterations += fold["iterations"]
        self.curve = [(int(at), float(v)) for at, v in fold["curve"]] or self.curve
        self.columns = dict(fold["columns"]) or self.columns
        for name, values in fold["measured"].items():
            self.measured.setdefault(name, []).extend(values)

    def facts(self) -> dict[str, Any]:
        """See `Result.facts`."""
        found: dict[str, Any] = {}
        if self.best:
            found["best_iteration"] = round(sum(self.best) / len(self.best))
        if self.iterations:
            found["iterations"] = round(sum(self.iterations) / len(self.iterations))
        if len(self.curve) > 1:
            points = _spread_out(self.curve, CURVE_FACT_POINTS)
            found["curve"] = [[at, float(f"{v:.6g}")] for at, v in points if math.isfinite(v)]
        if self.measured:
            means = {n: math.fsum(v) / len(v) for n, v in self.measured.items()}
            found[MEASURES] = {n: float(f"{v:.6g}") for n, v in means.items()}
        if self.columns:
            found["columns"] = {n: round(s, 3) for n, s in self.columns.items() if s >= 0.01}
        if self.warned:
            found["warnings"] = [
                line if n == 1 else f"{line} ({n} times)" for line, n in self.warned.most_common(5)
            ]
        return found


def thinned(curve: Sequence[float]) -> tuple[float, ...]:
    """At most 50 points of a curve, evenly spaced with both ends; six digits each."""
    return tuple(float(f"{v:.6g}") for v in _spread_out(curve, CURVE_POINTS) if math.isfinite(v))


def _spread_out(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` of the points, evenly spaced with both ends."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]
