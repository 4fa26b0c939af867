"""Domains: which values a hyperparameter may have, and on which scale they are searched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Union

from hyperllama.core.errors import SpaceError

Value = Union[float, int, str, bool, None]
_SLACK = 1e-9
"""Relative distance from a bound within which a real number still counts as inside."""


class _Range:
    """What the domains of numbers share.

    Each coordinate in [0, 1] stands for a value between `low` and `high`, on a linear or, with
    `log`, a logarithmic scale. `_margin` is added at both ends before.
    """

    low: float
    high: float
    log: bool
    step: float | None
    _margin: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise SpaceError(f"bounds {self.low!r} to {self.high!r} are not finite")
        if self.low > self.high:
            raise SpaceError(f"low {self.low!r} is above high {self.high!r}")
        if self.log and self.low <= 0:
            raise SpaceError(f"a log scale needs low > 0, not {self.low!r}")

    def cast(self, value: Any) -> float:
        """The nearest value of the domain."""
        raise NotImplementedError

    def to_unit(self, value: Any) -> float:
        """The coordinate of a value; 0.5 where only one is possible."""
        at, low, high = float(value), self.low - self._margin, self.high + self._margin
        if low == high:
            return 0.5
        if self.log:
            at, low, high = math.log(max(at, 1e-300)), math.log(low), math.log(high)
        return min(max((at - low) / (high - low), 0.0), 1.0)

    def from_unit(self, u: float) -> float:
        """The value at a coordinate."""
        u = min(max(u, 0.0), 1.0)
        low, high = self.low - self._margin, self.high + self._margin
        if self.log:
            return self.cast(math.exp(math.log(low) + u * (math.log(high) - math.log(low))))
        return self.cast(low + u * (high - low))

    def describe(self) -> str:
        """The domain in words, for example "float 0.001 to 1, log"."""
        show = number if isinstance(self, Float) else str
        scale = ", log" if self.log else ""
        return f"{type(self).__name__.lower()} {show(self.low)} to {show(self.high)}{scale}"


@dataclass(frozen=True)
class Float(_Range):
    """A real number in [low, high]; `log` searches it on a logarithmic scale (low > 0).

    `step` restricts it to low, low + step, ...; it excludes `log` (as in Optuna).
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step is not None and (self.log or not self.step > 0):
            raise SpaceError(f"step {self.step!r} needs to be positive and excludes log")

    def contains(self, value: Any) -> bool:
        if not _is_number(value):
            return False
        if self.log:
            return bool(self.low * (1 - _SLACK) <= value <= self.high * (1 + _SLACK))
        slack = _SLACK * max(1.0, abs(self.low), abs(self.high))
        return bool(self.low - slack <= value <= self.high + slack)

    def cast(self, value: Any) -> float:
        near = min(max(float(value), self.low), self.high)
        if self.step is None:
            return near
        return min(self.low + round((near - self.low) / self.step) * self.step, self.high)

    def only(self, value: Any) -> Float:
        """The domain with this value alone."""
        return Float(self.cast(value), self.cast(value), self.log)


@dataclass(frozen=True)
class Integer(_Range):
    """A whole number in [low, high]; `log` searches it on a logarithmic scale (low >= 1)."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    _margin = 0.5  # every whole number has its share of the unit interval

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step < 1 or (self.log and self.step != 1):
            raise SpaceError(f"step {self.step!r} needs to be at least 1 and excludes log")

    def contains(self, value: Any) -> bool:
        whole = _is_number(value) and float(value).is_integer()
        return whole and self.low <= int(value) <= self.high

    def cast(self, value: Any) -> int:
        whole = min(max(round(float(value)), self.low), self.high)
        return self.low + (whole - self.low) // self.step * self.step

    def only(self, value: Any) -> Integer:
        """The domain with this value alone."""
        return Integer(self.cast(value), self.cast(value), self.log)


@dataclass(frozen=True)
class Categorical:
    """One of a few values: strings, numbers, booleans or None. The order carries no meaning."""

    choices: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise SpaceError("a categorical parameter needs at least one choice")
        if len({(type(c), c) for c in self.choices}) != len(self.choices):
            raise SpaceError(f"choices repeat: {list(self.choices)!r}")

    def contains(self, value: object) -> bool:
        return self.index(value) is not None

    def index(self, value: object) -> int | None:
        """Position of `value` among the choices; True is not 1 here, but 1.0 is 1."""
        for i, choice in enumerate(self.choices):
            if isinstance(choice, bool) is isinstance(value, bool) and choice == value:
                return i
        return None

    def cast(self, value: object) -> Value:
        """The choice that equals `value`.

        Raises:
            SpaceError: none does.
        """
        i = self.index(value)
        if i is None:
            raise SpaceError(f"{value!r} is not one of {list(self.choices)!r}")
        return self.choices[i]

    def to_unit(self, value: object) -> float:
        i = self.index(value)
        return 0.5 if i is None else (i + 0.5) / len(self.choices)

    def from_unit(self, u: float) -> Value:
        return self.choices[min(int(max(u, 0.0) * len(self.choices)), len(self.choices) - 1)]

    def only(self, value: object) -> Categorical:
        """The domain with this value alone."""
        return Categorical((self.cast(value),))

    def describe(self) -> str:
        return "one of " + ", ".join(c if isinstance(c, str) else repr(c) for c in self.choices)


Domain = Union[Float, Integer, Categorical]


def number(value: float) -> str:
    """A number as people write it: six significant digits, no trailing zeros."""
    return f"{value:.6g}"


def _is_number(value: Any) -> bool:
    """NumPy's numbers count, booleans do not."""
    return isinstance(value, Real) and not isinstance(value, bool)
