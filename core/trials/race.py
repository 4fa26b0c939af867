"""A race on fresh folds: which of a study's best configurations to use, and what its gain is.

Plain Python; scores come from a function, so that studies and experiments race alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, fmean

from hyperllama.core.trials.noise import PairedDifference, paired_difference, t_quantile

SHARE = 1 / 3
"""Of the seconds that a study's trials took: what a race may take at most."""
_STRIDE = 1_000_003  # between the seeds of fresh folds; repeats within a study are 1000 apart
_SEEDS = 2**31
MOST_RACERS = 4
"""The default and so many others begin, at most."""
MOST_REPEATS = 4
"""Sets of fresh folds. The training sets of folds overlap, which leaves an error that no number of
repeats lowers: four are within 15 % of it."""
HOPELESS = 0.9
"""A racer is dropped when the interval of this level of its lag behind the leader excludes 0."""
_ONE_ERROR = NormalDist().cdf(1.0)
FITTING_REPEATS = 2
"""So many repeats have to fit into the time for another racer to begin."""


@dataclass(frozen=True)
class Racer:
    """A configuration that was scored in the study.

    Attributes:
        number: of its trial.
        value: its score there.
        scores: on the study's own folds, shape (n_folds,); may be empty.
        seconds: that this took.
    """

    number: int
    value: float
    scores: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class FreshScores:
    """Scores on one set of fresh folds, shape (n_folds,); None where it failed. And the seconds."""

    scores: tuple[float, ...] | None
    seconds: float


@dataclass(frozen=True)
class Heat:
    """What is about to be scored.

    Attributes:
        number: of the trial.
        repeat: which set of fresh folds, from 1.
        racing: the numbers still in the race, the default first.
        seconds: spent so far.
    """

    number: int
    repeat: int
    racing: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class RaceEnd:
    """How a race ended.

    Attributes:
        winner: number of the trial to use; the default's where nothing is left of any gain.
        gain: of the winner, shrunk; None where that is the default.
        scores: by number, on all fresh folds it was scored on; a racer that failed has none.
        gains: by number, as measured on the folds that the default was scored on, too.
        repeats: sets of fresh folds that were used.
        seconds: spent.
    """

    winner: int
    gain: PairedDifference | None = None
    scores: Mapping[int, Sequence[float]] = field(default_factory=dict)
    gains: Mapping[int, PairedDifference] = field(default_factory=dict)
    repeats: int = 0
    seconds: float = 0.0


def fresh_seed(seed: int, repeat: int) -> int:
    """The seed of a set of fresh folds; `repeat` counts from 1."""
    return (seed + _STRIDE * repeat) % _SEEDS


def in_order(racers: Iterable[Racer], default: int) -> list[Racer]:
    """The default, of that number, then the others by falling score.

    Of those that score alike on every fold only the first counts: they differ in what has no
    effect. Empty where the default is not among them.
    """
    distinct: dict[tuple[float, ...], Racer] = {}
    for racer in sorted(racers, key=lambda r: (r.number != default, -r.value, r.number)):
        distinct.setdefault(racer.scores or (float(racer.number),), racer)
    found = list(distinct.values())
    return found if found and found[0].number == default else []


def starters(racers: Sequence[Racer], limit_s: float) -> list[Racer]:
    """The default and as many of the best others as there is time for.

    Args:
        racers: see `in_order`.
        limit_s: seconds for the whole race.
    """
    chosen, repeats = list(racers[:1]), 1
    for racer in racers[1 : MOST_RACERS + 1]:
        if repeats * sum(r.seconds for r in (*chosen, racer)) <= limit_s:
            chosen.append(racer)
            repeats = FITTING_REPEATS
    return chosen


def shrunk(gain: PairedDifference) -> PairedDifference | None:
    """What is left of the best measured gain without the luck in it; None where that is nothing.

    A gain g that is measured with a standard error e is drawn towards 0, the default, by the factor
    1 - (e / g)², and its error by the root of that: the empirical Bayes estimate with a normal
    prior around 0 whose variance is g² - e² (positive-part James-Stein). Nothing is left of a gain
    within its error. e is that of Student's t with n - 1 degrees of freedom: an error which is
    itself known from few folds only counts for more.
    """
    if gain.error is None:
        return None
    error = t_quantile(_ONE_ERROR, gain.n - 1) * gain.error
    if gain.mean <= error:
        return None
    share = 1 - (error / gain.mean) ** 2
    return PairedDifference(share * gain.mean, math.sqrt(share) * gain.error, gain.n)


def race(
    racers: Sequence[Racer], score: Callable[[Heat], FreshScores | None], limit_s: float,
    test_share: float, most_repeats: int = MOST_REPEATS,
) -> RaceEnd | None:  # fmt: skip
    """Score the racers on fresh folds until it is clear which is the best.

    Args:
        racers: see `starters`; two at least.
        score: scores one on one set of fresh folds; None stops the race.
        limit_s: no repeat begins that would take longer than this; the first always does.
        test_share: share of the rows that a fold scores.
        most_repeats: sets of fresh folds.

    Returns:
        None where it was stopped, or the default failed.
    """
    default = racers[0].number
    racing, costs = list(racers), {r.number: r.seconds for r in racers}
    fresh: dict[int, list[float]] = {r.number: [] for r in racers}
    spent_s, repeat = 0.0, 0
    while repeat < most_repeats and len(racing) > 1:
        if repeat:
            racing = _in_time(racing, costs, fresh, limit_s - spent_s)
            if len(racing) < 2:
                break
        repeat += 1
        numbers = tuple(r.number for r in racing)
        for number in numbers:
            found = score(Heat(number, repeat, numbers, spent_s))
            if found is None or (found.scores is None and number == default):
                return None
            spent_s += found.seconds
            costs[number] = found.seconds
            if found.scores is None:
                fresh[number] = []
                racing = [r for r in racing if r.number != number]
            else:
                fresh[number] += found.scores
        racing = _survivors(racing, fresh, test_share)
        if repeat > 1 and _is_clear(racing, fresh, test_share):
            break
    gains = {
        r.number: _difference(fresh, r.number, default, test_share)
        for r in racers[1:] if fresh[r.number]
    }  # fmt: skip
    best = max(gains, key=lambda number: gains[number].mean, default=default)
    gain = shrunk(gains[best]) if gains else None
    return RaceEnd(default if gain is None else best, gain, fresh, gains, repeat, spent_s)


def _in_time(
    racing: list[Racer], costs: Mapping[int, float], fresh: Mapping[int, Sequence[float]],
    left_s: float,
) -> list[Racer]:  # fmt: skip
    """The racers that another repeat has time for; the worst give way first."""
    default, *others = racing
    others.sort(key=lambda r: -fmean(fresh[r.number]))
    while others and costs[default.number] + sum(costs[r.number] for r in others) > left_s:
        others.pop()
    return [default, *others]


def _survivors(
    racing: list[Racer], fresh: Mapping[int, Sequence[float]], test_share: float
) -> list[Racer]:
    """The default, and the racers that may still be the best."""
    default, *others = racing
    if not others:
        return racing
    leader = max(others, key=lambda r: fmean(fresh[r.number])).number
    kept = [default]
    for r in others:
        reach = _difference(fresh, r.number, leader, test_share).interval(HOPELESS)
        if r.number == leader or reach is None or reach[1] >= 0:
            kept.append(r)
    return kept


def _is_clear(
    racing: Sequence[Racer], fresh: Mapping[int, Sequence[float]], test_share: float
) -> bool:
    """Whether one is left beside the default, and it is better or worse beyond doubt."""
    if len(racing) != 2:
        return len(racing) < 2
    reach = _difference(fresh, racing[1].number, racing[0].number, test_share).interval()
    return reach is not None and not reach[0] <= 0 <= reach[1]


def _difference(
    fresh: Mapping[int, Sequence[float]], a: int, b: int, test_share: float
) -> PairedDifference:
    """a minus b on the fresh folds that both were scored on."""
    shared = min(len(fresh[a]), len(fresh[b]))
    return paired_difference(fresh[a][:shared], fresh[b][:shared], test_share)
