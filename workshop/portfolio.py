"""A fixed list of ten configurations for each family: the baseline that a model has to beat.

Chosen greedily so that the best of the library's default and the list so far does well on every
surface of the corpus; it never looks at a result. Written to `models/embedded/portfolio.json`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperllama.core.space import Config
from workshop.spaces import wide_space
from workshop.surfaces import FittedSurface, Floats

SIZE = 10
CANDIDATES = 1500


def portfolio(surfaces: list[FittedSurface], seed: int = 0) -> dict[str, list[Config]]:
    """Family -> configurations in natural values, best first."""
    result: dict[str, list[Config]] = {}
    for name in sorted({s.family for s in surfaces}):
        mine = [s for s in surfaces if s.family == name]
        spaces = {kind: wide_space(name, kind) for kind in ("classification", "regression")}
        rng = np.random.default_rng(seed)
        # the space with more parameters draws for both kinds
        widest = max(spaces.values(), key=len)
        configs = [widest.default(), *(widest.sample(rng) for _ in range(CANDIDATES - 1))]
        rows = []
        for s in mine:
            units = np.array([s.space.to_unit(_within(c, s)) for c in configs])
            for which in range(len(s.models)):
                losses = s.losses(which, units)
                rows.append(np.argsort(np.argsort(losses)) / CANDIDATES)
        ranks = np.array(rows) ** 0.5  # being near the top counts more than the middle
        chosen = greedy(ranks, ranks[:, 0], SIZE)  # every study begins with the default
        result[name] = [_rounded(configs[i]) for i in chosen]
    return result


def greedy(losses: Floats, best: Floats, length: int) -> list[int]:
    """Columns of `losses`, each of which lowers the mean of the best so far most.

    Args:
        losses: shape (tasks, configurations).
        best: of each task at the start, shape (tasks,).
    """
    chosen: list[int] = []
    for _ in range(length):
        chosen.append(int(np.argmin(np.minimum(best[:, None], losses).mean(axis=0))))
        best = np.minimum(best, losses[:, chosen[-1]])
    return chosen


def _within(config: Config, surface: FittedSurface) -> Config:
    return surface.space.complete({k: v for k, v in config.items() if k in surface.space})


def _rounded(config: Config) -> dict[str, Any]:
    return {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in config.items()}
