"""Whether a trial can still beat the incumbent, after some of its folds.

The differences between a trial's fold scores and the incumbent's on the same folds are taken as
normal around a mean of the trial's own, beside what is the incumbent's luck on each fold. The
chance to win is the posterior probability that the mean over all folds ends above the incumbent's:
Student's t for the folds that are left, with conjugate priors (Gelman et al., Bayesian Data
Analysis, 3.3). The spread and the luck are of the study's own differences, with a few trials' worth
of what is usual. What is usual was found on 51 tables of Rdatasets (230 studies of XGBoost, five
folds, twelve trials), where chances from 1 to 90 % came true as often as they say.

A trial is stopped as long as the stopped ones, it included, would have won with a mean chance of at
most the error rate (a Bayesian false discovery rate: Newton et al. 2004, Biostatistics 5:155): what
clear cases leave unused, doubtful ones may use.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ERROR = 0.05
"""Share of the stopped trials that may have won, where nothing is said."""
FEWEST_FOLDS = 5
"""Folds from which on trials are raced where nothing is said: with fewer, little can be saved."""
_MOST_DOUBTFUL = 3.0
"""A trial whose chance is more than so many error rates is not stopped, whatever is unused."""
# What is usual of differences, in units of the deviation between the incumbent's folds ...
_SPREAD = 0.7
# ... and in units of the spread: their mean, which falls as the incumbent is the best of more
# trials and as it holds against more of them; and how widely it varies.
_CENTRE, _CENTRE_BY_DOUBLING, _CENTRE_BY_TRIAL, _REACH = -0.2, -0.35, -0.06, 0.9
# How many trials (of the spread, of the luck on a fold) or folds of the trial itself it counts for.
_SPREAD_TRIALS, _LUCK_TRIALS, _PRIOR_FOLDS = 4.0, 2.0, 6.0


@dataclass(frozen=True)
class Raced:
    """An earlier trial, as far as it was trained.

    Attributes:
        number: of the trial.
        scores: of its folds, greater is better, shape (n_done,).
        chance: to win, with which it was stopped; None where it was not.
    """

    number: int
    scores: tuple[float, ...]
    chance: float | None = None


@dataclass(frozen=True)
class Rival:
    """The incumbent that a trial is raced against.

    Attributes:
        number: of its trial.
        scores: of its folds, greater is better, shape (n_folds,).
        luck: what other trials usually lack on each fold beyond their mean difference, shape
            (n_folds,), sum 0.
        spread: standard deviation between the folds of one trial's differences.
        centre, reach: mean and standard deviation of the trials' mean differences.
        limit: a trial is stopped when its chance to win is smaller, in (0, 1).
    """

    number: int
    scores: tuple[float, ...]
    luck: tuple[float, ...]
    spread: float
    centre: float
    reach: float
    limit: float

    @classmethod
    def of(
        cls, number: int, scores: Sequence[float], others: Sequence[Raced], error: float
    ) -> Rival | None:
        """The incumbent `number`; None where its folds do not differ, or are too few.

        Args:
            scores: the incumbent's, shape (n_folds,).
            others: the study's other trials.
            error: share of the stopped trials that may have won, in (0, 1).
        """
        n = len(scores)
        if n < 2:
            return None
        rows = [[o - s for o, s in zip(other.scores, scores, strict=False)] for other in others]
        usual = _SPREAD**2 * statistics.variance(scores)
        variances = [statistics.variance(row) for row in rows if len(row) > 1]
        known = len(variances)
        middle = statistics.median(variances) if variances else 0.0
        spread = math.sqrt((_SPREAD_TRIALS * usual + known * middle) / (_SPREAD_TRIALS + known))
        if spread <= 0.0:
            return None
        after = sum(other.number > number for other in others)
        centre = _CENTRE + _CENTRE_BY_DOUBLING * math.log2((len(others) + 1) / 2)
        centre = (centre + _CENTRE_BY_TRIAL * after) * spread
        luck = _luck([row for row in rows if len(row) == n], spread, n)
        return cls(number, tuple(scores), luck, spread, centre, _REACH * spread,
                   _limit(others, error))


def _luck(rows: Sequence[Sequence[float]], spread: float, n: int) -> tuple[float, ...]:
    """What rows of differences have in common on each fold, shape (n,); less so of few rows."""
    if not rows:
        return (0.0,) * n
    means = [math.fsum(row) / n for row in rows]
    weights = [1 / (statistics.variance(row) + spread**2) for row in rows]
    scale = len(rows) / (len(rows) + _LUCK_TRIALS) / math.fsum(weights)
    return tuple(
        scale * math.fsum(w * (row[f] - m) for w, row, m in zip(weights, rows, means, strict=True))
        for f in range(n)
    )


def _limit(others: Iterable[Raced], error: float) -> float:
    """The chance below which another trial may be stopped, given those that were."""
    chances = [other.chance for other in others if other.chance is not None]
    unused = error * (len(chances) + 1) - math.fsum(chances)
    return max(0.0, min(unused, _MOST_DOUBTFUL * error))


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
    differences = [
        s - r - luck for s, r, luck in zip(scores, rival.scores, rival.luck, strict=False)
    ]
    mean = math.fsum(differences) / done
    squares = math.fsum((d - mean) ** 2 for d in differences)
    freedom = _PRIOR_FOLDS + done - 1
    variance = (_PRIOR_FOLDS * rival.spread**2 + squares) / freedom
    precision = done / variance + 1 / rival.reach**2
    centre = (done * mean / variance + rival.centre / rival.reach**2) / precision
    total = done * mean + left * centre  # the luck of all folds sums to 0
    wide = math.sqrt(left**2 / precision + left * variance)
    expected = (math.fsum(rival.scores) + total) / len(rival.scores)
    return Prospect(float(t.sf(-total / wide, freedom)), expected)


def lost_race(scores: Sequence[float], rival: Rival | None) -> dict[str, Any] | None:
    """What is known of a trial that is to be stopped after these folds; None while it goes on."""
    if rival is None or len(scores) >= len(rival.scores):
        return None
    now = prospect(scores, rival)
    if now.chance >= rival.limit:
        return None
    return {"chance": now.chance, "expected": now.expected, "rival": rival.number,
            "folds": len(rival.scores)}  # fmt: skip
