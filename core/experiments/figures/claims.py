"""What may be said of two contenders: paired by task and seed, allowing for all that are compared.

Plain Python: interfaces import it. `tests/core/experiments/test_claims.py` simulates how often it
is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

from hyperllama.core.evaluate.results import std
from hyperllama.core.trials.noise import t_quantile

ERROR = 0.05
"""Chance that anything is claimed, in a whole comparison, where no contender is better."""
_POWER = 0.8  # with which the seeds that are said to be needed would find the difference
_MANY = 1000  # seeds; where more would be needed, their number is not said


@dataclass(frozen=True)
class PairClaim:
    """How one contender does against another.

    Attributes:
        difference: mean over the tasks of the mean over their seeds; positive: the first is better.
        low, high: the interval over other seeds of these tasks; the intervals of all pairs of a
            comparison hold together in 95 of 100. None where there are too few seeds.
        verdict: "better" or "worse" (the interval excludes 0: beyond noise), "tie" (equal on every
            task under every seed) or "open": it cannot be told.
        elsewhere: it is beyond noise for other tasks like these, too: the differences between the
            tasks count as luck.
        seeds_needed: of an open pair, the seeds of each task that would show a difference of this
            size in 8 of 10 comparisons; None where that cannot be computed.
    """

    difference: float
    low: float | None
    high: float | None
    verdict: str
    elsewhere: bool = False
    seeds_needed: int | None = None

    @property
    def needed_words(self) -> str:
        """The seeds that would be needed, in words; empty where they are not known."""
        if self.seeds_needed is None:
            return ""
        count = f"about {self.seeds_needed}"
        if self.seeds_needed > _MANY:
            count = f"more than {_MANY:,}"
        return f"{count} seeds would tell"


def pairs_of(contenders: int) -> int:
    """How many pairs there are to compare. The best is picked among all before it is compared with
    the others, so all count."""
    return max(1, contenders * (contenders - 1) // 2)


def pair_claim(tasks: Sequence[Sequence[float]], pairs: int) -> PairClaim:
    """What may be said of a pair.

    Seeds are luck within each task, with a spread of its own (Welch 1947); 5 % are divided by the
    number of pairs (Bonferroni). With ties among the differences no claim is made from fewer seeds
    than a sign test would need.

    Args:
        tasks: for each, the differences under its seeds, positive where the first is better.
        pairs: that are compared, this one among them.

    Raises:
        ValueError: no task, or one without a difference.
    """
    every = [d for differences in tasks for d in differences]
    means = [fmean(differences) for differences in tasks]
    difference, tail = fmean(means), ERROR / 2 / pairs
    if not any(every):
        return PairClaim(0.0, 0.0, 0.0, "tie")
    across = _reach(std(means), len(means), tail)
    if min(map(len, tasks)) > 1:
        reach = _reach_over_seeds(tasks, tail)
    elif across is not None:
        reach = across  # a seed a task: tasks are all the luck there is
    else:
        return PairClaim(difference, None, None, "open")
    sure = abs(difference) > reach and _enough_signs(every, tail)
    return PairClaim(
        difference, difference - reach, difference + reach,
        "open" if not sure else "better" if difference > 0 else "worse",
        sure and across is not None and abs(difference) > across,
        None if sure else _seeds_needed(tasks, difference, tail),
    )  # fmt: skip


def _reach(spread: float | None, count: int, tail: float) -> float | None:
    """Half the length of Student's interval of a mean; None of one value."""
    if spread is None:
        return None
    return t_quantile(1 - tail, count - 1) * spread / math.sqrt(count)


def _reach_over_seeds(tasks: Sequence[Sequence[float]], tail: float) -> float:
    """The same of the mean over tasks, each with its own spread over its seeds.

    One degree of freedom is taken off Welch's: with three seeds and tasks that spread very
    differently the error would be 7 instead of 5 % (simulated).
    """
    parts = [(std(d) or 0.0) ** 2 / len(d) for d in tasks]
    variance, fewest = math.fsum(parts), min(map(len, tasks)) - 1
    if not variance:
        return 0.0
    below = math.fsum(v * v / (len(d) - 1) for v, d in zip(parts, tasks, strict=True))
    freedom = fewest if len(tasks) == 1 else max(fewest, int(variance**2 / below + 1e-9) - 1)
    return t_quantile(1 - tail, freedom) * math.sqrt(variance) / len(tasks)


def _enough_signs(differences: Sequence[float], tail: float) -> bool:
    """Whether so many differences could show anything, if there are ties among them.

    Scores with few values (accuracies on few rows) may agree under all seeds by chance, which
    leaves no spread to judge by.
    """
    moved = [abs(d) for d in differences if d]
    tied = len(moved) < len(differences) or len(set(moved)) < len(moved)
    return not tied or 0.5 ** len(moved) < tail


def _seeds_needed(
    tasks: Sequence[Sequence[float]], difference: float, tail: float
) -> int | None:
    fewest = min(map(len, tasks))
    if not difference or fewest < 2:
        return None
    variance = math.fsum((std(d) or 0.0) ** 2 for d in tasks) / len(tasks) ** 2
    normal = NormalDist()
    sigmas = normal.inv_cdf(1 - tail) + normal.inv_cdf(_POWER)
    signs = math.ceil(math.log2(1 / tail) / len(tasks))
    return max(math.ceil(variance * (sigmas / difference) ** 2), signs, fewest + 1)
