"""Whether two configurations differ, or only their folds do: paired differences and their error.

Configurations of one study are scored on the same folds, so their difference is taken fold by fold.
Plain Python: interfaces import it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, median

from hyperllama.core.evaluate.results import std

LEVEL = 0.9
"""Of the intervals of a gain: two-sided, so a gain below it is claimed in one of 20 cases."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences, and how far it may be off.

    Attributes:
        mean: of the differences, in the unit of the scores.
        error: standard error of the mean; None with fewer than two pairs.
        n: pairs.
    """

    mean: float
    error: float | None
    n: int

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """Both ends of Student's interval with n - 1 degrees of freedom; None without an error."""
        if self.error is None:
            return None
        reach = t_quantile((1 + level) / 2, self.n - 1) * self.error
        return self.mean - reach, self.mean + reach


def paired_difference(
    a: Sequence[float], b: Sequence[float], test_share: float = 0.0
) -> PairedDifference:
    """a minus b, pair by pair.

    The training sets of folds overlap, so their scores are no independent draws. The variance of
    the mean is the sample variance times (1/n + n_test/n_train): Nadeau and Bengio 2003, "Inference
    for the generalization error" (doi 10.1023/A:1024068626366).

    Args:
        a, b: scores on the same folds (or seeds), in the same order, shape (n,).
        test_share: share of the rows that a fold scores, from 0 up to below 1: 1/k of k folds,
            however often they are repeated. 0 for independent pairs.

    Raises:
        ValueError: no pairs, or not as many of the one as of the other.
    """
    differences = [p - q for p, q in zip(a, b, strict=True)]
    spread, n = std(differences), len(differences)
    return PairedDifference(
        fmean(differences),
        None if spread is None else spread * math.sqrt(inflated(n, test_share)),
        n,
    )


@dataclass(frozen=True)
class StudyNoise:
    """How far a study's trials may score above the default by luck alone.

    Attributes:
        error: standard error of the difference between a trial and the default.
        margin: the gain that the best of the trials exceeds in 1 of 20 studies where none of them
            is better than the default; a smaller gain, or gap between two trials, is within noise.
        trials: those it is computed from.
    """

    error: float
    margin: float
    trials: int


def study_noise(
    default: Sequence[float], trials: Sequence[Sequence[float]], test_share: float = 0.0
) -> StudyNoise | None:
    """The noise of a study; None before another trial has scores on at least two of its folds.

    The variance of a difference is the median over the trials. The default's part in it is the same
    for all N of them, so its degrees of freedom are 4 (n - 1) N / (N + 3) (Satterthwaite 1946).
    The best trial is picked before it is compared, so 5 % are divided by N (Bonferroni).

    Args:
        default: its fold scores, shape (n,).
        trials: fold scores of the other trials; those on other folds are left out.
        test_share: as for `paired_difference`.
    """
    if len(default) < 2:
        return None
    pairs = [paired_difference(t, default, test_share) for t in trials if len(t) == len(default)]
    errors = [pair.error for pair in pairs if pair.error is not None]
    if not errors:
        return None
    n, count = len(default), len(errors)
    error = math.sqrt(median(e * e for e in errors))
    freedom = round(4 * (n - 1) * count / (count + 3))
    p = 1 - (1 - LEVEL) / 2 / count
    return StudyNoise(error, t_quantile(p, freedom) * error, count)


def inflated(n: int, test_share: float) -> float:
    """The variance of a mean over n folds, in units of the variance of one; see above."""
    return 1 / n + test_share / (1 - test_share)


@lru_cache(maxsize=1024)
def t_quantile(p: float, freedom: int) -> float:
    """Quantile of Student's t with whole degrees of freedom, 0 < p < 1.

    Abramowitz and Stegun 1964, 26.7.3 and 26.7.4, in the angle whose tangent is t / sqrt(freedom),
    solved by halving; the normal distribution from 1,000 degrees of freedom on (0.2 % off there).

    Raises:
        ValueError: no degree of freedom.
    """
    if freedom < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, not {freedom}")
    if p < 0.5:
        return -t_quantile(1 - p, freedom)
    if freedom >= 1000:
        return NormalDist().inv_cdf(p)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _share_within(middle, freedom) < 2 * p - 1:
            low = middle
        else:
            high = middle
    return math.tan(low) * math.sqrt(freedom)


def _share_within(angle: float, freedom: int) -> float:
    """The probability that |t| is at most tan(angle) * sqrt(freedom)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, freedom, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if odd:
        return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))
    return sine * total
