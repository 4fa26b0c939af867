"""The progress plot: every trial's score, the best so far, the default, the noise of the folds."""

from __future__ import annotations

from textual.content import Content

from core.text import plain
from tui import wording
from tui.snapshot import TrialView
from tui.widgets.canvas import Canvas, nice_ticks, tick_labels
from tui.widgets.pane import Pane

_MOST_DRAWN = 2000  # trials; more would only paint over each other

HELP = """\
The stepped line is the best score so far, greater is better; dots are single trials, ★ the best \
one, ✗ failures. The dashed line is the library's default configuration. The shaded height around \
the best is its standard error over the folds: gains smaller than that may be luck.

▾ at the bottom stands for a trial that scored lower than the plot shows.
"""


class ProgressPlot(Pane):
    """Score against trial number."""

    NAME = "Progress"
    HELP = HELP

    def lines(self, width: int, height: int) -> list[Content]:
        snapshot = self.snapshot
        done = [t for t in snapshot.trials if t.value is not None]
        if not done:
            return self.sentence("The plot begins with the first score.", width)
        legend = [self._legend(width)] if height >= 7 else []
        plot_height = height - len(legend) - 2
        if plot_height < 2 or width < 16:
            best = snapshot.best
            return [Content(f"best {wording.score(best.value if best else None)}")]
        low, high = self._range(done)
        ticks = nice_ticks(low, high, max(2, min(5, plot_height // 2)))
        labels = tick_labels(ticks)
        margin = max(map(len, labels)) + 1
        canvas = Canvas(width - margin - 1, plot_height, braille=self.glyphs.braille)
        last = self._last_number()
        self._draw(canvas, done, low, high, last)
        return [
            *legend,
            *self._with_axis(canvas, ticks, labels, margin, low, high),
            *self._x_axis(canvas, margin, last),
        ][:height]

    def _range(self, done: list[TrialView]) -> tuple[float, float]:
        """The scores shown: where the better half and the default are; the rest is clamped."""
        values = sorted(t.value for t in done[-_MOST_DRAWN:] if t.value is not None)
        default, best = self.snapshot.default_value, self.snapshot.best
        high = max(values)
        reference = values[len(values) * 2 // 3]
        if default is not None:
            reference, high = min(reference, default), max(high, default)
        if best is not None and best.value is not None:
            high = max(high, best.value + _standard_error(best))
        low = max(values[0], reference - 0.75 * (high - reference))
        if best is not None and best.value is not None:
            low = min(low, best.value - _standard_error(best))
        pad = (high - low) * 0.06 or abs(high) * 0.01 or 0.01
        return low - pad, high + pad

    def _last_number(self) -> int:
        """The trial number at the right edge: the budget while it is not much farther than now."""
        shown = self.snapshot.trials[-1].number
        opened = self.snapshot.opened
        budget = opened.budget_trials if opened else None
        if budget and budget <= max(40, 3 * (shown + 1)):
            return max(shown, budget - 1, 1)
        return max(shown, 1)

    def _draw(
        self, canvas: Canvas, done: list[TrialView], low: float, high: float, last: int
    ) -> None:
        def at(number: int) -> int:
            return round(number / last * (canvas.dots_x - 1))

        def level(value: float) -> int:
            share = (value - low) / (high - low)
            return round((1 - min(1.0, max(0.0, share))) * (canvas.dots_y - 1))

        snapshot = self.snapshot
        best = snapshot.best
        default = snapshot.default_value
        if default is not None:
            for x in range(canvas.dots_x):
                if x % 4 < 2:
                    canvas.dot(x, level(default), "$dim", 1)
        if best is not None and best.value is not None:
            error = _standard_error(best)
            if error:
                top = canvas.cell_of(0, level(best.value + error))[1]
                bottom = canvas.cell_of(0, level(best.value - error))[1]
                canvas.shade(top, bottom, "$row-cursor-blurred")
        drawn = done[-_MOST_DRAWN:]
        self._draw_best(canvas, done, at, level)
        for trial in drawn:
            assert trial.value is not None
            x, y = at(trial.number), level(trial.value)
            if trial.best_then:
                continue  # a corner of the line
            if len(drawn) * 2 <= canvas.width:
                column, row = canvas.cell_of(x, y)
                dot, below = ("•", "▾") if canvas.braille else ("o", "v")
                canvas.text(column, row, below if trial.value < low else dot, "$dim", 3)
            else:
                canvas.dot(x, y, "$dim", 2)
        for trial in snapshot.trials[-_MOST_DRAWN:]:
            if trial.state == "fail":
                column, _ = canvas.cell_of(at(trial.number), 0)
                canvas.text(column, canvas.height - 1, self.glyphs.failed, "$bad", 3)
        looked = self.trial
        if looked is not None and looked.value is not None and looked.done:
            column, row = canvas.cell_of(at(looked.number), level(looked.value))
            canvas.text(column, row, "●" if canvas.braille else "@", "bold $primary", 8)
        if best is not None and best.value is not None:
            column, row = canvas.cell_of(at(best.number), level(best.value))
            canvas.text(column, row, self.glyphs.best, "bold $best")

    def _draw_best(self, canvas: Canvas, done: list[TrialView], at, level) -> None:  # type: ignore[no-untyped-def]
        """The stepped line of the best so far, up to the newest trial."""
        best: float | None = None
        x_best = 0
        for trial in done:
            assert trial.value is not None
            if best is not None and trial.value <= best:
                continue
            x = at(trial.number)
            if best is not None:
                canvas.line(x_best, level(best), x, level(best), "$primary", 4)
                canvas.line(x, level(best), x, level(trial.value), "$primary", 4)
            best, x_best = trial.value, x
        if best is not None:
            canvas.line(x_best, level(best), at(done[-1].number), level(best), "$primary", 4)

    def _legend(self, width: int) -> Content:
        g = self.glyphs
        opened = self.snapshot.opened
        left = Content.assemble(
            ("⠒⠒ " if g.braille else ".. ", "$primary"),
            ("best so far   ", "$dim"),
            ("⠒ ⠒ " if g.braille else ". . ", "$dim"),
            ("default   ", "$dim"),
            ("   ", "on $row-cursor-blurred"),
            (" noise", "$dim"),
        )
        metric = plain(opened.metric) if opened else ""
        spare = width - left.cell_length - len(metric)
        if spare < 2:
            return left
        return Content.assemble(left, " " * spare, (metric, "$dim"))

    def _with_axis(
        self,
        canvas: Canvas,
        ticks: list[float],
        labels: list[str],
        margin: int,
        low: float,
        high: float,
    ) -> list[Content]:
        at_row: dict[int, str] = {}
        for tick, label in zip(ticks, labels, strict=True):
            share = (tick - low) / (high - low)
            y = round((1 - share) * (canvas.dots_y - 1))
            at_row[canvas.cell_of(0, y)[1]] = label
        edge, tick_mark = ("│", "┤") if canvas.braille else ("|", "+")
        return [
            Content.assemble(
                (at_row.get(row, "").rjust(margin - 1) + " ", "$dim"),
                (tick_mark if row in at_row else edge, "$faint"),
                canvas.row(row),
            )
            for row in range(canvas.height)
        ]

    def _x_axis(self, canvas: Canvas, margin: int, last: int) -> list[Content]:
        line, corner, tick_mark = ("─", "└", "┬") if canvas.braille else ("-", "+", "+")
        ticks = [t for t in nice_ticks(0, last, max(2, canvas.width // 8)) if t == int(t)]
        rule = [line] * canvas.width
        labels = [" "] * (canvas.width + 4)
        free = 0
        for tick in ticks:
            column = round(tick / last * (canvas.width - 1))
            rule[column] = tick_mark
            text = str(int(tick))
            start = max(0, column - len(text) // 2)
            if start >= free and start + len(text) <= canvas.width - 7:
                labels[start : start + len(text)] = text
                free = start + len(text) + 1
        labels[canvas.width - 5 : canvas.width] = "trial"
        indent = " " * margin
        return [
            Content.assemble(indent, (corner + "".join(rule), "$faint")),
            Content.assemble(indent + " ", ("".join(labels).rstrip(), "$dim")),
        ]


def _standard_error(trial: TrialView) -> float:
    if trial.std is None or len(trial.fold_scores) < 2:
        return 0.0
    return float(trial.std / len(trial.fold_scores) ** 0.5)
