"""What random search reaches in the mean, without running it: order statistics of a population.

Shapes: n members of the population, k evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RandomSearch:
    """Losses of random configurations.

    Attributes:
        observed: shape (n,), what random search would see, lower is better.
        judged: shape (n,), what it would be judged by; the same array where nothing is noisy.
        weights: shape (n,), how likely each is; sums to 1. None for a *sample* of n independent
            configurations: then draws are without replacement, which makes the mean unbiased.
        default: (observed, judged) of the space's default configuration; None where unknown.
    """

    observed: Floats
    judged: Floats
    weights: Floats | None = None
    default: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        observed: Floats,
        judged: Floats | None = None,
        weights: Floats | None = None,
        default: tuple[float, float] | None = None,
    ) -> RandomSearch:
        """The losses sorted by what is observed; weights are scaled to a sum of 1."""
        order = np.argsort(observed, kind="stable")
        judged = observed if judged is None else judged
        kept = None if weights is None else weights[order] / weights.sum()
        return cls(observed[order], judged[order], kept, default)

    def curve(self, budget: int, start: str = "none") -> Floats:
        """Expected loss of the incumbent after 1, 2, ..., `budget` evaluations, shape (budget,).

        start: "default" evaluates the default configuration first, and then random ones.
        """
        if start == "default":
            assert self.default is not None
            rest = [self._after(k, self.default) for k in range(1, budget)]
            return np.array([self.default[1], *rest])
        return np.array([self._after(k, None) for k in range(1, budget + 1)])

    @property
    def median(self) -> float:
        """Median judged loss of one random configuration."""
        order = np.argsort(self.judged, kind="stable")
        w = np.full(len(order), 1 / len(order)) if self.weights is None else self.weights[order]
        return float(self.judged[order][min(int(np.searchsorted(np.cumsum(w), 0.5)), len(w) - 1)])

    def _after(self, k: int, first: tuple[float, float] | None) -> float:
        p = self.best_is(k)
        if first is None:
            return float(p @ self.judged)
        better = self.observed < first[0]
        return float(p @ np.where(better, self.judged, first[1]))

    def best_is(self, k: int) -> Floats:
        """Probability that each member is the best of k drawn, shape (n,)."""
        n = len(self.observed)
        if self.weights is not None:
            later = np.append(1.0, np.clip(1.0 - np.cumsum(self.weights), 0.0, 1.0))
            later[-1] = 0.0
            return np.asarray(-np.diff(later**k))
        if k >= n:
            return np.asarray(np.arange(n) == 0, dtype=float)
        i = np.arange(n)
        missed = np.append(1.0, np.cumprod(np.maximum(n - k - i, 0) / (n - i)))
        return np.asarray(-np.diff(missed))
