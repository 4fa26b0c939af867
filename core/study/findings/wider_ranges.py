"""Ranges whose bounds the best trials keep hitting: a wider one is suggested, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperllama.core.events import Noted
from hyperllama.core.space import (
    Categorical,
    Float,
    Integer,
    Param,
    SearchSpace,
    number,
)
from hyperllama.core.trials import Observed
from hyperllama.core.trials.history import project, succeeded

BEST = 3
"""So many of the best trials, the incumbent among them, have to lie at the bound."""
FEWEST = 8
"""Scored trials before anything is suggested."""
_NEAR = 0.03  # of the range, on its own scale
_FACTOR = 10.0


@dataclass(frozen=True)
class WiderRange:
    """A range that goes beyond a bound that the best trials hit.

    Attributes:
        name: of the hyperparameter.
        upper: whether it is the upper bound.
        low, high: the range that is suggested.
    """

    name: str
    upper: bool
    low: float
    high: float


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
    scored = [
        (t.value or 0.0, config)
        for t in trials
        if succeeded(t) and (config := project(space, t.config)) is not None
    ]
    if len(scored) < FEWEST:
        return []
    best = [c for _, c in sorted(scored, key=lambda pair: -pair[0])[:BEST]]
    found = []
    for p in space.free:
        if not all(p.name in c for c in best):
            continue
        for upper in (False, True):
            wider = _wider(p, upper)
            if wider is not None and all(_at(p, c[p.name], upper) for c in best):
                found.append(WiderRange(p.name, upper, *wider))
    return found


def _at(p: Param, value: object, upper: bool) -> bool:
    domain = p.domain
    assert not isinstance(domain, Categorical)
    if value == (domain.high if upper else domain.low):
        return True
    if isinstance(domain, Integer) and domain.high - domain.low < 1 / _NEAR:
        return False  # of few whole numbers only the last one counts
    u = (domain.to_unit(value) - domain.to_unit(domain.low)) / max(
        domain.to_unit(domain.high) - domain.to_unit(domain.low), 1e-12
    )
    return u >= 1 - _NEAR if upper else u <= _NEAR


def _wider(p: Param, upper: bool) -> tuple[float, float] | None:
    """The range with the bound moved; None where it cannot be, or is likely the most there is."""
    d = p.domain
    if isinstance(d, Categorical) or d.step not in (None, 1):
        return None
    if isinstance(d, Float):
        if (upper and d.high == 1.0) or (not upper and d.low == 0.0):
            return None  # shares and rates end there
        if d.log:
            return (d.low, d.high * _FACTOR) if upper else (d.low / _FACTOR, d.high)
        width = (d.high - d.low) / 2
        low = max(0.0, d.low - width) if d.low > 0 else d.low - width
        return (d.low, d.high + width) if upper else (low, d.high)
    if not upper:
        return None if d.low <= 1 else (max(1, d.low // 2), d.high)
    return d.low, d.high * (_FACTOR if d.log else 2)
