"""Where values lie at the bounds of their ranges, and which wider ranges would go beyond them.

Light enough for the interface's process.
"""

from __future__ import annotations

from dataclasses import dataclass

from hyperllama.core.space import Categorical, Float, Integer, Param

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
        bound: where the range ends now.
    """

    name: str
    upper: bool
    low: float
    high: float
    bound: float = 0.0


def at_bound(p: Param, value: object, upper: bool) -> bool:
    """Whether a value lies at an end of the range, or so near that it hardly matters."""
    domain = p.domain
    if isinstance(domain, Categorical):
        return False
    if value == (domain.high if upper else domain.low):
        return True
    if isinstance(domain, Integer) and domain.high - domain.low < 1 / _NEAR:
        return False  # of few whole numbers only the last one counts
    u = (domain.to_unit(value) - domain.to_unit(domain.low)) / max(
        domain.to_unit(domain.high) - domain.to_unit(domain.low), 1e-12
    )
    return u >= 1 - _NEAR if upper else u <= _NEAR


def wider_bounds(p: Param, upper: bool) -> tuple[float, float] | None:
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
