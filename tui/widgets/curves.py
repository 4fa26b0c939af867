"""Best-so-far curves of several sides in one plot, with bands over their seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from core.text import plain
from tui.glyphs import UNICODE, Glyphs
from tui.sides import Side
from tui.widgets.canvas import Canvas, nice_ticks, tick_labels


def style_of(index: int) -> str:
    """The colour of a side."""
    return f"$part-{index % 5 + 1}"


class Curves(Widget, can_focus=True):
    """Score against trial number; each line ends in its side's letter."""

    NAME = "Best so far"
    HELP = """\
The best score so far after each trial, greater is better: the mean over the seeds, and dots from \
the lowest to the highest seed. The letter at a line's end is the one in the table.
"""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.sides: list[Side] = []

    def show(self, sides: list[Side]) -> None:
        self.sides = sides
        self.refresh()

    def render(self) -> Content:
        width, height = self.size.width, self.size.height
        curves = [side.mean_curve() for side in self.sides]
        longest = max((len(c) for c in curves), default=0)
        if width < 20 or height < 4 or not longest:
            return Content.styled("The plot begins with the first score.", "$dim")
        low, high = _range(curves)
        ticks = nice_ticks(low, high, max(2, min(6, (height - 2) // 2)))
        labels = tick_labels(ticks)
        margin = max(map(len, labels)) + 1
        canvas = Canvas(width - margin - 3, height - 2, braille=self.glyphs.braille)
        self._draw(canvas, curves, low, high, max(1, longest - 1))
        return Content("\n").join(self._framed(canvas, ticks, labels, margin, low, high, longest))

    def _draw(
        self,
        canvas: Canvas,
        curves: Sequence[Sequence[tuple[float, float, float]]],
        low: float,
        high: float,
        last: int,
    ) -> None:
        def level(value: float) -> int:
            share = (value - low) / (high - low)
            return round((1 - min(1.0, max(0.0, share))) * (canvas.dots_y - 1))

        taken: set[int] = set()
        for number, curve in enumerate(curves):
            style = style_of(number)
            before: tuple[int, int] | None = None
            for trial, (mean, least, most) in enumerate(curve):
                if not math.isfinite(mean):
                    continue
                x, y = round(trial / last * (canvas.dots_x - 1)), level(mean)
                if before is not None:
                    canvas.line(before[0], before[1], x, before[1], style, 4)
                    canvas.line(x, before[1], x, y, style, 4)
                    for band_x in range(before[0], x, 3):
                        for end in (level(least), level(most)):
                            canvas.dot(band_x, end, style, 1)
                before = (x, y)
            if before is not None:
                column, row = canvas.cell_of(*before)
                while row in taken and row + 1 < canvas.height:
                    row += 1
                taken.add(row)
                mark = self.sides[number].mark
                canvas.text(min(column, canvas.width - 1), row, mark, f"bold {style}", 9)

    def _framed(
        self,
        canvas: Canvas,
        ticks: list[float],
        labels: list[str],
        margin: int,
        low: float,
        high: float,
        longest: int,
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
        foot = f"1{f'trial {longest}'.rjust(canvas.width - 1)}"
        lines.append(Content.styled(" " * margin + corner + rule * canvas.width, "$faint"))
        lines.append(Content.styled(f"{metric[: margin - 1].ljust(margin)} {foot}", "$dim"))
        return lines


def _range(curves: Sequence[Sequence[tuple[float, float, float]]]) -> tuple[float, float]:
    """The scores shown: without the first steps of the worst, which would flatten all else."""
    values = sorted(
        v for curve in curves for _, least, most in curve for v in (least, most) if math.isfinite(v)
    )
    if not values:
        return 0.0, 1.0
    high = values[-1]
    low = max(values[0], high - 3 * (high - values[len(values) // 4]))
    low = min(low, *(c[-1][1] for c in curves if c and math.isfinite(c[-1][1])))
    pad = (high - low) * 0.06 or abs(high) * 0.01 or 0.01
    return low - pad, high + pad
