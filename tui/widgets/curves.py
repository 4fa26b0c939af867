"""Best-so-far curves of several sides in one plot, with bands over their seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.glyphs import UNICODE, Glyphs
from hyperllama.tui.sides import Side
from hyperllama.tui.widgets.canvas import Canvas, nice_ticks, tick_labels


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
        if width < 20 or height < 4 or not last:
            return Content.styled("The plot begins with the first score.", "$dim")
        first = 0.0 if self.over == "seconds" else 1.0
        low, high = _range(curves)
        ticks = nice_ticks(low, high, max(2, min(6, (height - 2) // 2)))
        labels = tick_labels(ticks)
        margin = max(map(len, labels)) + 1
        canvas = Canvas(width - margin - 3, height - 2, braille=self.glyphs.braille)
        span = (first, max(last, first + 1.0))
        self._draw(canvas, curves, low, high, span)
        foot = wording.duration(last) if self.over == "seconds" else f"trial {last:.0f}"
        start = "0s" if self.over == "seconds" else "1"
        foot = start + foot.rjust(canvas.width - len(start))
        return Content("\n").join(self._framed(canvas, ticks, labels, margin, low, high, foot))

    def _draw(
        self,
        canvas: Canvas,
        curves: Sequence[Sequence[Point]],
        low: float,
        high: float,
        span: tuple[float, float],
    ) -> None:
        def level(value: float) -> int:
            share = (value - low) / (high - low)
            return round((1 - min(1.0, max(0.0, share))) * (canvas.dots_y - 1))

        def along(value: float) -> int:
            return round((value - span[0]) / (span[1] - span[0]) * (canvas.dots_x - 1))

        taken: set[int] = set()
        for number, curve in enumerate(curves):
            style = style_of(number)
            before: tuple[int, int] | None = None
            ends = (0, 0)
            for at, mean, least, most in curve:
                if not math.isfinite(mean):
                    continue
                x, y = along(at), level(mean)
                if before is not None:
                    canvas.line(before[0], before[1], x, before[1], style, 4)
                    canvas.line(x, before[1], x, y, style, 4)
                    self._band(canvas, (before[0], x), ends, style)
                before, ends = (x, y), (level(most), level(least))
            if before is not None:
                column, row = canvas.cell_of(*before)
                while row in taken and row + 1 < canvas.height:
                    row += 1
                taken.add(row)
                mark = self.sides[number].mark
                canvas.text(min(column, canvas.width - 1), row, mark, f"bold {style}", 9)

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

    def _framed(
        self,
        canvas: Canvas,
        ticks: list[float],
        labels: list[str],
        margin: int,
        low: float,
        high: float,
        foot: str,
    ) -> list[Content]:
        at_row: dict[int, str] = {}
        for tick, label in zip(ticks, labels, strict=True):
            y = round((1 - (tick - low) / (high - low)) * (canvas.dots_y - 1))
            at_row[canvas.cell_of(0, y)[1]] = label
        edge, corner, rule = ("│", "└", "─") if canvas.braille else ("|", "+", "-")
        lines = [
            Content.assemble(
                (at_row.get(row, "").rjust(margin - 1) + " ", "$dim"),
                (edge, "$faint"),
                canvas.row(row),
            )
            for row in range(canvas.height)
        ]
        metric = next((plain(s.metric) for s in self.sides if s.metric), "")
        lines.append(Content.styled(" " * margin + corner + rule * canvas.width, "$faint"))
        lines.append(Content.styled(f"{metric[: margin - 1].ljust(margin)} {foot}", "$dim"))
        return lines


def _range(curves: Sequence[Sequence[Point]]) -> tuple[float, float]:
    """The scores shown: without the first steps of the worst, which would flatten all else."""
    ends = (v for curve in curves for _, _, *ends in curve for v in ends)
    values = sorted(v for v in ends if math.isfinite(v))
    if not values:
        return 0.0, 1.0
    high = values[-1]
    low = max(values[0], high - 3 * (high - values[len(values) // 4]))
    low = min(low, *(c[-1][2] for c in curves if c and math.isfinite(c[-1][2])))
    pad = (high - low) * 0.06 or abs(high) * 0.01 or 0.01
    return low - pad, high + pad
