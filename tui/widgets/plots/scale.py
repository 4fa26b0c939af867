"""The axes of plots: where values lie along them, and which round values are labelled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hyperllama.core.study.findings.axes import ParameterAxis
from hyperllama.tui.text import wording

Tick = tuple[float, str]
"""A share of the axis, 0 to 1, and its label."""


@dataclass(frozen=True)
class PlotScale:
    """From `low` to `high`, evenly or by logarithms; or `names` in parts of equal length.

    `whole`: it counts something, so no label has decimals.
    """

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    names: tuple[str, ...] = ()
    whole: bool = False

    def share(self, value: float) -> float:
        """Where a value lies; those outside lie at an end."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5

    def ticks(self, most: int) -> list[Tick]:
        """At most `most` round values; all names, whatever their number."""
        if self.names:
            count = len(self.names)
            return [((i + 0.5) / count, name) for i, name in enumerate(self.names)]
        values = _log_ticks(self.low, self.high, most) if self.log else []
        if len(values) > 1:
            return [(self.share(v), wording.setting(v)) for v in values]
        values = nice_ticks(self.low, self.high, most, self.whole)
        return [(self.share(v), text) for v, text in zip(values, tick_labels(values), strict=True)]


def scale_of(axis: ParameterAxis) -> PlotScale:
    """The scale on which a hyperparameter is drawn."""
    if axis.choices:
        return PlotScale(names=tuple(wording.setting(choice) for choice in axis.ends))
    low, high = axis.ends
    return PlotScale(float(low), float(high), axis.log)


def padded(low: float, high: float) -> tuple[float, float]:
    """The bounds with a little room around them, so that they differ."""
    pad = (high - low) * 0.06 or abs(high) * 0.01 or 0.01
    return low - pad, high + pad


def nice_ticks(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """At most `most` round numbers inside [low, high], rising; without decimals if `whole`."""
    if not high > low or most < 1:
        return [low]
    raw = max((high - low) / max(1, most), 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0):
        step = factor * power
        if whole and step % 1:
            continue
        first = math.ceil(low / step - 1e-9)
        ticks = [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]
        if len(ticks) <= most:
            return ticks
    return [low]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten inside [low, high], with 2 and 5 between them where there is room."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors, step in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 4)):
        values = [f * 10.0**p for p in powers if p % step == 0 for f in factors]
        inside = [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
        if len(inside) <= most:
            return inside
    return []


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """The ticks with as many decimals as tell them apart."""
    if len(ticks) < 2:
        return [f"{t:.0f}" if t == round(t) and abs(t) < 1e9 else f"{t:.4g}" for t in ticks]
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1
    return [f"{t:.{decimals}f}" for t in ticks]
