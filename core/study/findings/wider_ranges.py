"""Ranges whose bounds the best trials keep hitting: a wider one is suggested, once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from hyperllama.core.events import Noted
from hyperllama.core.space import Categorical, SearchSpace, number
from hyperllama.core.study.findings.bounds import BEST, FEWEST, WiderRange, at_bound, wider_bounds
from hyperllama.core.trials import Observed
from hyperllama.core.trials.history import project, succeeded


class RangeSuggestions:
    """Suggests wider ranges, each once."""

    def __init__(self) -> None:
        self._made: set[tuple[str, bool, float]] = set()

    def new(self, study: str, space: SearchSpace, trials: Sequence[Observed]) -> list[Noted]:
        """Suggestions that were not made before, as notes for people."""
        notes = []
        for wider in wider_ranges(space, trials):
            domain = space[wider.name].domain
            assert not isinstance(domain, Categorical)
            bound = domain.high if wider.upper else domain.low
            key = (wider.name, wider.upper, float(bound))
            if key in self._made:
                continue
            self._made.add(key)
            end = "upper" if wider.upper else "lower"
            notes.append(
                Noted(
                    "info",
                    f"the best {BEST} trials have {wider.name} at its {end} bound, "
                    f"{number(bound)}: a wider range may hold a better one",
                    f"hyperllama tell {study} range {wider.name} {number(wider.low)} "
                    f"{number(wider.high)}",
                )
            )
        return notes


def wider_ranges(space: SearchSpace, trials: Sequence[Observed]) -> list[WiderRange]:
    """The bounds at which the best trials lie, and the ranges that would go beyond them."""
    ranked = sorted(filter(succeeded, trials), key=lambda t: -(t.value or 0.0))
    configs = (config for t in ranked if (config := project(space, t.config)) is not None)
    scored = list(islice(configs, max(FEWEST, BEST)))  # to project all of thousands takes a second
    if len(scored) < FEWEST:
        return []
    best = scored[:BEST]
    found = []
    for p in space.free:
        if not all(p.name in c for c in best):
            continue
        for upper in (False, True):
            wider = wider_bounds(p, upper)
            if wider is not None and all(at_bound(p, c[p.name], upper) for c in best):
                found.append(WiderRange(p.name, upper, *wider))
    return found
