"""What contenders are compared with on a task: random search, the default, the least loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.figures.statistics import loss_of
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.reading import CellFacts, Comparison
from hyperllama.core.experiments.records import ProblemRecord
from hyperllama.core.task.metrics import is_error

Floats = NDArray[np.float64]
RANDOM = "random"


@dataclass(frozen=True)
class TaskReference:
    """The losses that others on a task are compared with.

    Attributes:
        record: of a benchmark problem; None of a task file.
        negated: whether the metric of a task file is a negated error.
        default: loss of the default configuration; None where it failed or is unknown.
        worst: loss that stands for a cell without a score.
        pool: random configurations that were trained on a task file; None without any.
        seeds: of random search on a task file.
    """

    record: ProblemRecord | None
    negated: bool = False
    default: float | None = None
    worst: float = math.inf
    pool: RandomSearch | None = None
    seeds: int = 0

    @classmethod
    def of(cls, comparison: Comparison, task: str) -> TaskReference:
        """The references of one task."""
        if task in comparison.problems:
            return cls(comparison.problems[task])
        negated = is_error(comparison.metric_of(task))
        here = [c for c in comparison.cells if c.cell.task == task]
        known = [t["value"] for c in here for t in c.trials if t["value"] is not None]
        worst = loss_of(min(known, default=0.0), negated)
        values = (c.default_value for c in here)
        default = next((loss_of(v, negated) for v in values if v is not None), None)
        cells = comparison.of(RANDOM, task)
        drawn = [t["value"] for c in cells for t in c.asked]
        scored = [loss_of(float(v), negated) for v in drawn if v is not None]
        if default is None or not scored:
            return cls(None, negated, default, worst)
        failed = [max(*scored, default)] * (len(drawn) - len(scored))
        pool = RandomSearch.of(np.array(scored + failed), default=(default, default))
        return cls(None, negated, default, worst, pool, len(cells))

    def loss(self, facts: CellFacts, at: int) -> float:
        """Loss of a cell's incumbent after `at` trials."""
        value = facts.best_after(at)
        if self.record is not None:
            return self.record.failed_loss(facts.cell.seed) if value is None else -value
        return self.worst if value is None else loss_of(value, self.negated)

    def shown(self, facts: CellFacts) -> list[float]:
        """What a chart shows of a cell after each trial: best score, or a problem's best loss."""
        if self.record is None:
            return facts.curve
        return [self.loss(facts, n) for n in range(1, len(facts.trials) + 1)]

    def random(self, start: str, seed: int, at: int) -> float | None:
        """Random search's expected loss after `at` evaluations; None where it is unknown."""
        if self.record is not None:
            curve = self.record.random_curve(start, seed)
            return float(curve[at - 1]) if len(curve) >= at else None
        if self.pool is None:
            return None
        return float(self.expected(np.arange(len(self.pool.observed)), at))

    def expected(self, picked: NDArray[np.int_], at: int) -> Floats:
        """Random search's expected loss on a task file with resampled configurations.

        Args:
            picked: positions in the pool, shape (..., pool size).

        Returns:
            Shape (...).
        """
        assert self.pool is not None and self.default is not None
        if at <= 1:
            return np.full(picked.shape[:-1], self.default)
        drawn = self.pool.observed[np.sort(picked, axis=-1)]
        best_is = self.pool.best_is(min(at - 1, len(self.pool.observed)))
        return np.asarray(np.minimum(drawn, self.default) @ best_is)
