"""Whether a trial can still beat the incumbent, after some of its folds.

The differences between a trial's fold scores and the incumbent's on the same folds are taken as
normal around a mean of the trial's own. What is believed of that mean and of the spread before the
first fold comes from the study's earlier trials, so two folds can be enough. The chance to win is
the posterior probability that the mean over all folds ends above the incumbent's: Student's t for
the folds that are left, with conjugate priors (Gelman et al., Bayesian Data Analysis, 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ERROR = 0.05
"""The least chance to win with which a trial goes on, where nothing is said."""
FEWEST_FOLDS = 5
"""Folds from which on trials are raced where nothing is said: with fewer, little can be saved."""
FEWEST_TRIALS = 3
"""Trials beside the incumbent that need all their folds: they say what differences are like."""
_PRIOR_FOLDS = 4.0  # how many folds the spread of the study's other trials counts for


@dataclass(frozen=True)
class Rival:
    """The incumbent that a trial is raced against.

    Attributes:
        number: of its trial.
        scores: of its folds, greater is better, shape (n_folds,).
        spread: standard deviation between the folds of one trial's differences.
        reach: standard deviation of the trials' mean differences, around 0.
        error: a trial is stopped when its chance to win is smaller, in (0, 1).
    """

    number: int
    scores: tuple[float, ...]
    spread: float
    reach: float
    error: float

    @classmethod
    def of(
        cls, number: int, scores: Sequence[float], others: Sequence[Sequence[float]], error: float
    ) -> Rival | None:
        """The incumbent `number`; None where too little is known of differences to it.

        Args:
            scores: the incumbent's, shape (n_folds,).
            others: of other trials, shape (n_trials, n_folds); others than of n_folds do not count.
        """
        rows = [[o - s for o, s in zip(other, scores, strict=True)]
                for other in others if len(other) == len(scores)]  # fmt: skip
        if len(rows) < FEWEST_TRIALS or len(scores) < 2:
            return None
        means = [math.fsum(row) / len(row) for row in rows]
        variances = [
            math.fsum((d - mean) ** 2 for d in row) / (len(row) - 1)
            for row, mean in zip(rows, means, strict=True)
        ]
        spread, reach = math.sqrt(_median(variances)), 1.4826 * _median([abs(m) for m in means])
        if spread <= 0.0 or reach <= 0.0:
            return None
        return cls(number, tuple(scores), spread, reach, error)


@dataclass(frozen=True)
class Prospect:
    """What is expected of a trial after some of its folds.

    Attributes:
        chance: that its mean over all folds exceeds the incumbent's.
        expected: its mean over all folds.
    """

    chance: float
    expected: float


def prospect(scores: Sequence[float], rival: Rival) -> Prospect:
    """The prospect of a trial with these fold scores, at least one, fewer than the rival's."""
    from scipy.stats import t

    done, left = len(scores), len(rival.scores) - len(scores)
    differences = [s - r for s, r in zip(scores, rival.scores, strict=False)]
    mean = math.fsum(differences) / done
    squares = math.fsum((d - mean) ** 2 for d in differences)
    freedom = _PRIOR_FOLDS + done - 1
    variance = (_PRIOR_FOLDS * rival.spread**2 + squares) / freedom
    precision = done / variance + 1 / rival.reach**2
    centre = done * mean / variance / precision
    total = done * mean + left * centre
    wide = math.sqrt(left**2 / precision + left * variance)
    expected = (math.fsum(rival.scores) + total) / len(rival.scores)
    return Prospect(float(t.sf(-total / wide, freedom)), expected)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
