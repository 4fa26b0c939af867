"""Line charts over trials or seconds, as plain values and as positions in an SVG element."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

COLOURS = 12
"""Colours of the page's style sheet, classes "s0" to "s11"; further lines use them again."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 26, 40


@dataclass(frozen=True)
class ChartLine:
    """One line, with a band around it where `low` and `high` are given.

    Attributes:
        name: in the legend; lines of one name have one colour in the whole document.
        points: (x, y) pairs with rising x; what is not finite is left out.
        low, high: edges of the band, one each per point.
        step: y keeps its value up to the next point.
        reference: what the others are compared with; drawn grey and dashed.
        faint: one of many, thin and grey; it is not in the legend.
        label: what shows under the pointer; the name where it is empty.
    """

    name: str
    points: Sequence[tuple[float, float]]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    step: bool = False
    reference: bool = False
    faint: bool = False
    label: str = ""


@dataclass(frozen=True)
class ChartMark:
    """A dot with a label that shows under the pointer; a cross at the lower edge without a y.

    Attributes:
        best: the one to point out, drawn larger.
    """

    x: float
    y: float | None
    label: str
    best: bool = False


@dataclass(frozen=True)
class ChartArea:
    """A rectangle from (x0, y0) to (x1, y1), the stronger the more; a label under the pointer.

    Attributes:
        strength: 0 to 1.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    strength: float
    label: str


@dataclass(frozen=True)
class ChartAxis:
    """What an axis shows.

    Attributes:
        label: name of the quantity.
        unit: as in "s"; "%" shows shares in percent.
        log: logarithmic; every value has to be positive.
        low: where the axis begins; marks below are drawn as triangles at the edge.
        names: values are positions among these, 0 the first.
        hidden: without labels and grid lines.
    """

    label: str = ""
    unit: str = ""
    log: bool = False
    low: float | None = None
    names: tuple[str, ...] = ()
    hidden: bool = False

    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.label and self.unit else self.label


@dataclass(frozen=True)
class Chart:
    """A chart; width and height are in CSS pixels at most, and shrink with the page."""

    title: str
    lines: Sequence[ChartLine] = ()
    marks: Sequence[ChartMark] = ()
    areas: Sequence[ChartArea] = ()
    x: ChartAxis = ChartAxis("trial")
    y: ChartAxis = ChartAxis()
    width: int = 760
    height: int = 300

    def geometry(self) -> Geometry | None:
        """Where everything is drawn; None where there is nothing to draw."""
        inside = [p for line in self.lines for p in _finite(line)]
        xs = [x for x, _ in inside] + [m.x for m in self.marks]
        ys = [y for _, y in inside] + [m.y for m in self.marks if m.y is not None]
        ys += [v for line in self.lines for v in (*line.low, *line.high) if math.isfinite(v)]
        xs += [v for area in self.areas for v in (area.x0, area.x1)]
        ys += [v for area in self.areas for v in (area.y0, area.y1)]
        if not ys:
            return None
        x = Scale.over(xs, self.x, _LEFT, self.width - _RIGHT)
        margin = 0.0 if self.areas else 0.06
        y = Scale.over(ys, self.y, self.height - _BOTTOM, _TOP, margin=margin)
        return Geometry(x, y)


@dataclass(frozen=True)
class Scale:
    """Maps the values of an axis to positions: `first` and `last` for the bounds."""

    low: float
    high: float
    first: float
    last: float
    axis: ChartAxis
    whole: bool

    @classmethod
    def over(
        cls, values: Iterable[float], axis: ChartAxis, first: float, last: float,
        margin: float = 0.0,
    ) -> Scale:
        """The scale that shows all values from `axis.low` on, with a margin on both sides."""
        if axis.names:
            return cls(-0.5, len(axis.names) - 0.5, first, last, axis, True)
        known = list(values)
        whole = all(float(v).is_integer() for v in known)
        inner = [math.log10(v) if axis.log else v for v in known]
        low, high = min(inner), max(inner)
        if axis.low is not None:
            low = max(low, math.log10(axis.low) if axis.log else axis.low)
        room = (high - low) * margin or (0.5 if whole else abs(high) * 0.01 or 0.5) * (low == high)
        return cls(low - room, high + room, first, last, axis, whole)

    def __call__(self, value: float) -> float:
        """The position of a value; values outside of the bounds lie on the edge."""
        inner = math.log10(value) if self.axis.log else value
        share = (min(max(inner, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.first + (self.last - self.first) * share, 1)

    def outside(self, value: float) -> bool:
        """Whether a value is not between the bounds."""
        return not self.low <= (math.log10(value) if self.axis.log else value) <= self.high

    def ticks(self) -> list[tuple[float, str]]:
        """About five round values in between, as (position, label)."""
        if self.axis.names or self.axis.hidden:
            return [(self(i), name) for i, name in enumerate(self.axis.names)]
        span = self.high - self.low
        size = 10.0 ** math.floor(math.log10(span / 4))
        if self.axis.log:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            found = [[m * 10.0**p for p in powers for m in marks] for marks in ((1, 2, 5), (1,))]
            inside = [[v for v in vs if not self.outside(v)] for vs in found]
            values = inside[0] if len(inside[0]) <= 6 else inside[1]
            values = values[:: math.ceil(len(values) / 7) or 1]
        else:
            step = next(size * m for m in (1, 2, 2.5, 5, 10) if span / (size * m) <= 5)
            if self.whole:
                step = max(float(math.ceil(step)), 1.0)
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            values = [k * step for k in range(first, last + 1)]
        scale, end = (100, " %") if self.axis.unit == "%" else (1, "")
        return [(self(v), f"{round(v * scale, 12):.5g}{end}") for v in values]


class Geometry(NamedTuple):
    """The two scales of a chart."""

    x: Scale
    y: Scale

    def path(self, line: ChartLine) -> str:
        """The line as an SVG path."""
        drawn = ""
        for a, b in _finite(line):
            at, level = self.x(a), self.y(b)
            join = f"H{at}V{level}" if line.step else f"L{at} {level}"
            drawn += join if drawn else f"M{at} {level}"
        return drawn

    def band(self, line: ChartLine) -> str:
        """The band as a closed SVG path; empty without one."""
        xs = [x for x, _ in line.points]
        edge = [*zip(xs, line.high, strict=False), *reversed([*zip(xs, line.low, strict=False)])]
        corners = [f"{self.x(a)} {self.y(b)}" for a, b in edge if math.isfinite(b)]
        return f"M{'L'.join(corners)}Z" if corners else ""


def palette(lines: Iterable[ChartLine]) -> Callable[[ChartLine], str]:
    """The CSS classes of a line: one colour a name, in the order of the names."""
    names = list(dict.fromkeys(line.name for line in lines if not (line.reference or line.faint)))

    def classes(line: ChartLine) -> str:
        if line.faint:
            return "s faint"
        return "s" if line.reference else f"s s{names.index(line.name) % COLOURS}"

    return classes


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, the longest first.

    Attributes:
        bars: (name, share of the longest 0 to 1, what stands at its end).
    """

    title: str
    bars: Sequence[tuple[str, float, str]]
    width: int = 760

    @property
    def height(self) -> int:
        return 30 + 22 * len(self.bars)


def _finite(line: ChartLine) -> list[tuple[float, float]]:
    return [(x, y) for x, y in line.points if math.isfinite(y)]

