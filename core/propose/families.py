"""Which family is next where the space chooses among several, and the space of that family alone.

Hyperparameters of one family say nothing of another's, so each family has a Gaussian process of its
own, over its own trials and few dimensions. Between families it is a question of how good the best
trial is and how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hyperllama.core.estimators import CHOICE, family
from hyperllama.core.space import Categorical, SearchSpace
from hyperllama.core.trials.history import TrialHistory, succeeded

FEWEST = 3
"""Scored trials of a family before it has a Gaussian process. On joint spaces of up to five
families, made of held-out surfaces of the corpus, the GP closed 18 % of the gap that random search
leaves after 30 trials, from two trials on 9 %, and with one process for all families none of it."""


def next_family(space: SearchSpace, history: TrialHistory) -> str:
    """The family to propose for: the cheapest untried one, later the most promising one."""
    names = [str(c) for c in space[CHOICE].domain.choices]  # type: ignore[union-attr]
    values: dict[str, list[float]] = {n: [] for n in names}
    failed, running = dict.fromkeys(names, 0), set()
    for t in history.trials:
        name = str(t.config.get(CHOICE))
        if name in values and succeeded(t):
            values[name].append(t.value or 0.0)
        elif t.running:
            running.add(name)
        elif name in values:
            failed[name] += 1
    untried = [n for n in names if not values[n] and not failed[n] and n not in running]
    if untried:
        return min(untried, key=lambda n: (family(n).cost, names.index(n)))
    if not any(values.values()):
        return min(names, key=lambda n: failed[n])
    return most_promising(values, failed, len(history))


def most_promising(
    values: Mapping[str, Sequence[float]], failed: Mapping[str, int], trials: int
) -> str:
    """The family with the largest best score plus a bonus for few trials (UCB1)."""
    everything = sorted(v for vs in values.values() for v in vs)
    spread = everything[-1] - everything[len(everything) // 2]

    def promise(name: str) -> float:
        best = max(values[name], default=everything[0] - spread)
        tried = len(values[name]) + failed[name]
        return best + 0.5 * spread * math.sqrt(math.log(trials + 1) / max(tried, 1))

    return max(values, key=promise)


def one_family(space: SearchSpace, history: TrialHistory) -> SearchSpace:
    """The space of the next family alone, where `space` chooses among several; else `space`."""
    if CHOICE not in space or space[CHOICE].frozen:
        return space
    only = Categorical((next_family(space, history),))
    return space.with_domains({CHOICE: only})
