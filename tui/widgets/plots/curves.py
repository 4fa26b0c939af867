"""Best-so-far curves of several sides in one plot, with bands over their seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from textual.content import Content
from textual.widget import Widget

from hyperllama.core.text import plain
from hyperllama.tui.content.sides import Side
from hyperllama.tui.text.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.plots.canvas import Canvas, Plot
from hyperllama.tui.widgets.plots.scale import PlotScale, padded


def style_of(index: int) -> str:
    """The colour of a side."""
    return f"$part-{index % 5 + 1}"


Point = tuple[float, float, float, float]
"""Trial or seconds, mean, lowest, highest."""


class Curves(Widget, can_focus=True):
    """Score against trials or seconds; each line ends in its side's letter."""

    NAME = "Best so far"
    HELP = """\
The best score so far, greater is better, after each trial or over the seconds that proposals and \
training took (`x` changes it): the mean over the seeds, and a dotted band from the lowest to the \
highest seed. The letter at a line's end is the one in the table.
"""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.sides: list[Side] = []
        self.over = "trials"

    def show(self, sides: list[Side], over: str = "trials") -> None:
        """Draw these; `over`: "trials" or "seconds"."""
        self.sides, self.over = sides, over
        self.refresh()

    def _points(self, side: Side) -> list[Point]:
        curve = side.mean_curve()
        if self.over == "seconds":
            along: Sequence[float] = side.mean_spent()
        else:
            along = range(1, len(curve) + 1)
        return [(float(x), *found) for x, found in zip(along, curve, strict=False)]

    def render(self) -> Content:
        width, height = self.size.width, self.size.height
        curves = [self._points(side) for side in self.sides]
        last = max((c[-1][0] for c in curves if c), default=0.0)
        if not last:
            return Content.styled("The plot begins with the first score.", "$dim")
        if width < 20 or height < 4:
            return Content.styled("There is no room for the plot here.", "$dim")
        unit, length = _unit(last) if self.over == "seconds" else ("trial", 1.0)
        curves = [[(at / length, m, low, high) for at, m, low, high in c] for c in curves]
        first, last = (1.0 if unit == "trial" else 0.0), last / length
        across = PlotScale(first, max(last, first + 1.0), whole=unit == "trial")
        metric = next((f"{plain(s.metric)} by " for s in self.sides if s.metric), "")
        plot = Plot(
            width - 2, height, PlotScale(*_range(curves)), across,
            title=f"{metric}{unit}", braille=self.glyphs.braille,
        )  # fmt: skip
        self._draw(plot, curves)
        return Content("\n").join(plot.lines())

    def _draw(self, plot: Plot, curves: Sequence[Sequence[Point]]) -> None:
        taken: set[tuple[int, int]] = set()
        for number, curve in enumerate(curves):
            style = style_of(number)
            known = [point for point in curve if math.isfinite(point[1])]
            spots = [(plot.along(at), plot.level(mean)) for at, mean, _, _ in known]
            plot.steps(spots, style, 4)
            for ((x0, _), (x1, _)), point in zip(pairwise(spots), known, strict=False):
                _, _, least, most = point
                self._band(plot, (x0, x1), (plot.level(most), plot.level(least)), style)
            if spots:
                column, row = plot.cell_of(*spots[-1])
                column = min(column, plot.width - 1)
                while (column, row) in taken:  # beside the other, so that it stays on its curve
                    column -= 1
                taken.add((column, row))
                plot.text(column, row, self.sides[number].mark, f"bold {style}", 9)

    @staticmethod
    def _band(canvas: Canvas, along: tuple[int, int], ends: tuple[int, int], style: str) -> None:
        """Loose dots from the lowest to the highest seed; nothing where all are alike."""
        top, bottom = ends
        if top == bottom:
            return
        step = 4 if canvas.braille else 2
        for x in range(*along):
            for y in range(top, bottom + 1):
                if (x + (y // 2) * 2) % step == 0 and y % 2 == top % 2:
                    canvas.dot(x, y, style, 1)


def _unit(seconds: float) -> tuple[str, float]:
    """The unit in which a span of time is drawn, and its seconds."""
    known = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
    return next((unit, length) for unit, length in known if seconds >= 3 * length or length == 1)


def _range(curves: Sequence[Sequence[Point]]) -> tuple[float, float]:
    """The scores shown: without the first steps of the worst, which would flatten all else."""
    ends = (v for curve in curves for _, _, *ends in curve for v in ends)
    values = sorted(v for v in ends if math.isfinite(v))
    if not values:
        return 0.0, 1.0
    high = values[-1]
    low = max(values[0], high - 3 * (high - values[len(values) // 4]))
    low = min(low, *(c[-1][2] for c in curves if c and math.isfinite(c[-1][2])))
    return padded(low, high)
