"""A small plotting surface of braille dots (or plain characters) with one style a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from itertools import pairwise

from textual.content import Content

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] within a cell


class Canvas:
    """`width` x `height` cells, each 2 x 4 dots in braille, 1 x 1 without.

    Coordinates are dots from the top left. What is drawn later wins a cell's style only if its
    `layer` is not lower; a text in a cell hides the dots.
    """

    def __init__(self, width: int, height: int, *, braille: bool = True) -> None:
        self.width, self.height = max(0, width), max(0, height)
        self.braille = braille
        self.dots_x = self.width * (2 if braille else 1)
        self.dots_y = self.height * (4 if braille else 1)
        self._bits: dict[tuple[int, int], int] = {}
        self._style: dict[tuple[int, int], tuple[int, str]] = {}
        self._text: dict[tuple[int, int], str] = {}
        self._shaded: dict[int, str] = {}

    def dot(self, x: int, y: int, style: str, layer: int = 0) -> None:
        """One dot; outside the surface nothing happens."""
        if not (0 <= x < self.dots_x and 0 <= y < self.dots_y):
            return
        if self.braille:
            cell, bit = (x // 2, y // 4), _DOTS[y % 4][x % 2]
        else:
            cell, bit = (x, y), 1
        self._bits[cell] = self._bits.get(cell, 0) | bit
        self._paint(cell, style, layer)

    def line(self, x0: int, y0: int, x1: int, y1: int, style: str, layer: int = 0) -> None:
        """A straight line of dots, ends included."""
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            x, y = x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps
            self.dot(round(x), round(y), style, layer)

    def steps(self, spots: Sequence[tuple[int, int]], style: str, layer: int = 0) -> None:
        """A stepped line: level up to each spot, then straight up or down to it."""
        for (x0, y0), (x1, y1) in pairwise(spots):
            self.line(x0, y0, x1, y0, style, layer)
            self.line(x1, y0, x1, y1, style, layer)

    def mark(self, x: int, y: int, character: str, style: str, layer: int = 9) -> None:
        """A character in the cell that holds a dot."""
        self.text(*self.cell_of(x, y), character, style, layer)

    def text(self, column: int, row: int, character: str, style: str, layer: int = 9) -> None:
        """A character in a cell, instead of dots."""
        if 0 <= column < self.width and 0 <= row < self.height:
            self._text[column, row] = character
            self._paint((column, row), style, layer)

    def shade(self, top: int, bottom: int, colour: str) -> None:
        """A background for the rows `top` to `bottom`."""
        for row in range(max(0, top), min(self.height - 1, bottom) + 1):
            self._shaded[row] = colour

    def cell_of(self, x: int, y: int) -> tuple[int, int]:
        """The cell that holds a dot."""
        return (x // 2, y // 4) if self.braille else (x, y)

    def row(self, y: int) -> Content:
        """One line of cells."""
        runs: list[tuple[str, str]] = []  # neighbours of one style are joined
        shade = self._shaded.get(y)
        for x in range(self.width):
            bits = self._bits.get((x, y), 0)
            dots = (chr(0x2800 + bits) if self.braille else ".") if bits else " "
            character = self._text.get((x, y), dots)
            style = self._style.get((x, y), (0, ""))[1]
            style = f"{style} on {shade}".strip() if shade else style
            if runs and runs[-1][1] == style:
                runs[-1] = (runs[-1][0] + character, style)
            else:
                runs.append((character, style))
        return Content.assemble(*runs)

    def _paint(self, cell: tuple[int, int], style: str, layer: int) -> None:
        if layer >= self._style.get(cell, (-1, ""))[0]:
            self._style[cell] = (layer, style)


class Plot(Canvas):
    """A canvas with a score axis at its left and a rule with labels below.

    Attributes:
        margin: cells left of the axis.
    """

    def __init__(
        self, width: int, height: int, low: float, high: float, *, braille: bool = True
    ) -> None:
        """`width` x `height` cells with the axes; `low` < `high`: scores at bottom and top."""
        self.low, self.high = low, high
        ticks = nice_ticks(low, high, max(2, min(5, (height - 2) // 2)))
        labels = tick_labels(ticks)
        self.margin = max(map(len, labels)) + 1
        super().__init__(width - self.margin - 1, height - 2, braille=braille)
        at = (self.cell_of(0, self.level(tick))[1] for tick in ticks)
        self._ticks = dict(zip(at, labels, strict=True))

    def copy(self) -> Plot:
        """Another plot with the same drawing."""
        other = copy(self)
        other._bits, other._style = dict(self._bits), dict(self._style)
        other._text, other._shaded = dict(self._text), dict(self._shaded)
        return other

    def level(self, score: float) -> int:
        """The dots from the top at which a score stands; those outside stand at an edge."""
        share = min(1.0, max(0.0, (score - self.low) / (self.high - self.low)))
        return round((1 - share) * (self.dots_y - 1))

    def along(self, share: float) -> int:
        """The dots from the left of a share of the width."""
        return round(share * (self.dots_x - 1))

    def lines(self, below: str, *, lead: str = "", ticks: Sequence[int] = ()) -> list[Content]:
        """The plot; `below`: the labels under the rule, `lead`: left of them, `ticks`: columns."""
        edge, tick, rule, corner, down = "│┤─└┬" if self.braille else "|+-++"
        line = corner + "".join(down if x in ticks else rule for x in range(self.width))
        return [
            *(
                Content.assemble(
                    (self._ticks.get(y, "").rjust(self.margin - 1) + " ", "$dim"),
                    (tick if y in self._ticks else edge, "$faint"),
                    self.row(y),
                )
                for y in range(self.height)
            ),
            Content.assemble(" " * self.margin, (line, "$faint")),
            Content.styled(lead[: self.margin - 1].ljust(self.margin + 1) + below, "$dim"),
        ]


def padded(low: float, high: float) -> tuple[float, float]:
    """The bounds with a little room around them, so that they differ."""
    pad = (high - low) * 0.06 or abs(high) * 0.01 or 0.01
    return low - pad, high + pad


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers inside [low, high], rising."""
    if not high > low or most < 1:
        return [low]
    raw = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0):
        step = factor * power
        first = math.ceil(low / step - 1e-9)
        ticks = [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]
        if len(ticks) <= most:
            return ticks
    return [low]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """The ticks with as many decimals as tell them apart."""
    if len(ticks) < 2:
        return [f"{t:.4g}" for t in ticks]
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1
    return [f"{t:.{decimals}f}" for t in ticks]
