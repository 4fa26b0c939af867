"""What the GP knows of a search space: where it expects the best scores, and what matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hyperllama.core.propose.gp.acquisition import fitted, neighbours, structure_of
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.space import Categorical, SearchSpace, Value
from hyperllama.core.trials.history import TrialHistory

_PLACES = 1000
_TOP = 0.05  # of the places, that are the promising region
_MIDDLE = (0.1, 0.9)  # of the region, that is named
_WIDER = 0.05  # of a range, on each side of that
_NARROW = 0.6  # of a range; a wider region says little
_LIKELY = 0.3  # share of the region in which a category counts as promising
_IMPORTANT = 3


@dataclass(frozen=True)
class Promise:
    """What the GP tells of each hyperparameter.

    Attributes:
        regions: of those for which it expects the best scores in a part of their range: (low,
            high) of a number, choices of a category.
        important: those with the shortest length scales, shortest first.
    """

    regions: Mapping[str, tuple[Value, ...]]
    important: tuple[str, ...]


def promise(
    space: SearchSpace, history: TrialHistory, rng: np.random.Generator,
    earlier: EarlierTrials | None = None,
) -> Promise:  # fmt: skip
    """What the GP tells after the trials of `history`; it needs two scored trials of `space`."""
    gp, y = fitted(space, history, earlier)
    near = neighbours(gp, y, rng, structure_of(space))
    u = np.concatenate([rng.random((_PLACES, len(space.free))), near])
    mean = gp.predict_mean(u)
    top = u[np.argsort(-mean)[: max(int(_TOP * len(u)), 2)]]
    regions: dict[str, tuple[Value, ...]] = {}
    for j, p in enumerate(space.free):
        if isinstance(p.domain, Categorical):
            chosen = [p.domain.from_unit(float(v)) for v in top[:, j]]
            likely = tuple(c for i, c in enumerate(p.domain.choices)
                           if sum(p.domain.index(v) == i for v in chosen) >= _LIKELY * len(chosen))
            if 0 < len(likely) < len(p.domain.choices):
                regions[p.name] = likely
            continue
        low, high = np.quantile(top[:, j], _MIDDLE) + (-_WIDER, _WIDER)
        ends = p.domain.from_unit(float(low)), p.domain.from_unit(float(high))
        if high - low < _NARROW and ends[0] < ends[1]:
            regions[p.name] = ends
    order = [(space.free[int(j)].name, gp.length[j]) for j in np.argsort(gp.length)]
    important = tuple(name for name, length in order[:_IMPORTANT] if length < 1.0)
    return Promise({n: regions[n] for n, _ in order if n in regions}, important)
