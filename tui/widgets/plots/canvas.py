"""A small plotting surface of braille dots (or plain characters) with one style a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from itertools import pairwise

from textual.content import Content

from hyperllama.tui.widgets.plots.scale import PlotScale

_TITLE_LINES = 11  # from so many on, the title of the lower axis has a line of its own
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] within a cell
_HALVES = (0x01 | 0x08 | 0x02 | 0x10, 0x04 | 0x20 | 0x40 | 0x80)  # the upper, the lower


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
        self._filled: dict[tuple[int, int], str] = {}

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

    def free(self, column: int, row: int, count: int) -> bool:
        """Whether so many cells from there on, and those beside them, hold no text."""
        return all((x, row) not in self._text for x in range(column - 1, column + count + 1))

    def shade(self, top: int, bottom: int, colour: str) -> None:
        """A background for the rows `top` to `bottom`."""
        for row in range(max(0, top), min(self.height - 1, bottom) + 1):
            self._shaded[row] = colour

    def fill(self, column: int, row: int, colour: str) -> None:
        """A background for one cell."""
        self._filled[column, row] = colour

    def blobs(self, spots: Iterable[tuple[int, int]], style: str, layer: int = 0) -> None:
        """Half a cell of dots at each of the spots: seen where single ones are lost, and quick."""
        bits, braille = self._bits, self.braille
        for x, y in {(x // 2, y // 2) for x, y in spots} if braille else set(spots):
            cell = (x, y // 2) if braille else (x, y)
            bits[cell] = bits.get(cell, 0) | (_HALVES[y % 2] if braille else 1)
            self._paint(cell, style, layer)

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
            colour = self._filled.get((x, y), shade)
            style = f"{style} on {colour}".strip() if colour else style
            if runs and runs[-1][1] == style:
                runs[-1] = (runs[-1][0] + character, style)
            else:
                runs.append((character, style))
        return Content.assemble(*runs)

    def _paint(self, cell: tuple[int, int], style: str, layer: int) -> None:
        if layer >= self._style.get(cell, (-1, ""))[0]:
            self._style[cell] = (layer, style)


class Plot(Canvas):
    """A canvas with an axis at its left, and one below with labels and a title.

    Attributes:
        up, across: the scales of the axes.
        margin: cells left of the axis.
    """

    def __init__(
        self,
        width: int,
        height: int,
        up: PlotScale,
        across: PlotScale,
        *,
        title: str = "",
        braille: bool = True,
    ) -> None:
        """`width` x `height` cells with the axes; `title`: what stands below, with its unit."""
        self.up, self.across = up, across
        self._title, self._apart = title, bool(title and height >= _TITLE_LINES)
        below = 2 + self._apart
        ticks = up.ticks(max(2, min(10, (height - below) // 3)))
        room = max(4, width // 3)
        labels = [text if len(text) <= room else text[: room - 1] + "…" for _, text in ticks]
        self.margin = max(map(len, labels), default=0) + 1
        super().__init__(width - self.margin - 1, height - below, braille=braille)
        rows = (self.cell_of(0, self._down(share))[1] for share, _ in ticks)
        self._ticks = dict(zip(rows, labels, strict=True))

    def copy(self) -> Plot:
        """Another plot with the same drawing."""
        other = copy(self)
        other._bits, other._style = dict(self._bits), dict(self._style)
        other._text, other._shaded = dict(self._text), dict(self._shaded)
        other._filled = dict(self._filled)
        return other

    def level(self, value: float) -> int:
        """The dots from the top at which a value stands; those outside stand at an edge."""
        return self._down(self.up.share(value))

    def _down(self, share: float) -> int:
        return round((1 - share) * (self.dots_y - 1))

    def along(self, value: float) -> int:
        """The dots from the left at which a value stands; those outside stand at an edge."""
        return self.at_share(self.across.share(value))

    def at_share(self, share: float) -> int:
        """The dots from the left of a share of the width."""
        return round(share * (self.dots_x - 1))

    def lines(self) -> list[Content]:
        """The plot with its axes."""
        edge, tick, rule, corner, down = "│┤─└┬" if self.braille else "|+-++"
        columns, labels = self._labels_below()
        line = corner + "".join(down if x in columns else rule for x in range(self.width))
        below = [" " * (self.margin + 1) + labels]
        if self._apart:
            below.append(" " * (self.margin + 1) + self._title[: self.width].center(self.width))
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
            *(Content.styled(text.rstrip(), "$dim") for text in below),
        ]

    def _labels_below(self) -> tuple[set[int], str]:
        """The columns that have a tick, and the line of labels, with the title if it stands there.

        Labels that would touch another are left out; those of choices are cut to their parts.
        """
        title = "" if self._apart else self._title[: self.width // 2]
        room = self.width - (len(title) + 1 if title else 0)
        ticks = self.across.ticks(max(2, min(12, self.width // 8)))
        part = max(1, self.width // max(1, len(ticks)) - 1) if self.across.names else self.width
        cells, columns, free = [" "] * self.width, set(), 0
        for share, label in ticks:
            column = self.cell_of(self.at_share(share), 0)[0]
            label = label if len(label) <= part else label[: part - 1] + "…"
            columns.add(column)
            begin = min(max(0, column - len(label) // 2), max(0, room - len(label)))
            if begin >= free and begin + len(label) <= room:
                cells[begin : begin + len(label)] = label
                free = begin + len(label) + 1
        return columns, "".join(cells)[: self.width - len(title)] + title
