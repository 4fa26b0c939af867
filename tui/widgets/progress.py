"""The progress pane: the best so far, with what it has to beat; and views of the search space."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from hyperllama.core.experiments.honesty import Honesty, Line
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui import actions, wording
from hyperllama.tui.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets import views
from hyperllama.tui.widgets.canvas import Canvas, nice_ticks, tick_labels
from hyperllama.tui.widgets.pane import Pane

_MOST_DRAWN = 2000  # trials; more would only paint over each other

HELP = """\
The stepped line is the best score so far, greater is better; dots are single trials, ★ the best \
one, ✗ failures. The dashed line is the library's default configuration. The shaded height around \
the best is its standard error over the folds: gains smaller than that may be luck.

▾ at the bottom stands for a trial that scored lower than the plot shows. Thin lines are baselines \
with the same budget (random search, TPE, a Gaussian process), where they were run.

`x` goes on to the next view: how important each hyperparameter was, one of them against the \
score, a slice for two, parallel coordinates. `l` and `h` choose the hyperparameter, `j` and `k` \
the second.
"""
VIEWS = {
    "best": "best so far",
    "importance": "importance",
    "one": "one hyperparameter",
    "two": "two hyperparameters",
    "all": "parallel coordinates",
}


class ProgressPlot(Pane):
    """Score against trial number, and other views of the trials."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("progress")]
    NAME = "Progress"
    HELP = HELP
    WHERE = "progress"

    class Turned(Message):
        """The person chose another view."""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(glyphs=glyphs, id=id)
        self.view = "best"
        self.honesty: Honesty | None = None
        self._chosen = [0, 1]  # positions among the hyperparameters, the most important first
        self._kept: tuple[object, Any] = (None, None)  # what does not depend on the trial looked at
        self._kept_lines: tuple[object, list[Content]] = (None, [])  # of another view than the best

    @property
    def title(self) -> str:
        """The view, in words; empty for the usual one."""
        return "" if self.view == "best" else VIEWS.get(self.view, "")

    def show(self, snapshot: StudyState, trial: TrialState | None) -> None:
        """Draw that snapshot; words and folds that come in change nothing here."""
        same = (
            snapshot.shape == self.snapshot.shape
            and snapshot.started_t == self.snapshot.started_t
            and (trial.number if trial else None) == (self.trial.number if self.trial else None)
        )
        if same and snapshot.trials and self.snapshot.trials:
            self.snapshot, self.trial = snapshot, trial
            return
        super().show(snapshot, trial)

    def compare(self, honesty: Honesty | None) -> None:
        """Draw these baselines beside the study."""
        if honesty != self.honesty:
            self.honesty = honesty
            self.refresh()

    def lines(self, width: int, height: int) -> list[Content]:
        if self.view == "best":
            return self._curve(width, height)
        looked = self.trial.number if self.trial and self.view in ("one", "all") else None
        snapshot = self.snapshot
        key = (width, height, snapshot.shape, snapshot.started_t, tuple(self._chosen), looked)
        if self._kept_lines[0] != key:
            self._kept_lines = (key, self._view_lines(width, height))
        return self._kept_lines[1]

    def _view_lines(self, width: int, height: int) -> list[Content]:
        snapshot = self.snapshot
        if self.view == "importance":
            return views.importance(snapshot, width, height, self.glyphs)
        axes = self._axes()
        if not axes:
            return self.sentence("No hyperparameter took two values yet.", width)
        first, second = (axes[i % len(axes)] for i in self._chosen)
        if self.view == "one":
            return views.one(snapshot, first, self.trial, width, height, self.glyphs)
        if self.view == "two":
            if len(axes) < 2:
                return self.sentence("Two hyperparameters have to vary first.", width)
            if first is second:
                second = axes[(self._chosen[1] + 1) % len(axes)]
            return views.two(snapshot, first, second, width, height, self.glyphs)
        return views.parallel(snapshot, axes, self.trial, width, height, self.glyphs)

    def _axes(self) -> list[views.Axis]:
        key = ("axes", self.snapshot.shape, self.snapshot.started_t)
        if self._kept[0] != key:
            self._kept = (key, views.axes_of(self.snapshot))
        found: list[views.Axis] = self._kept[1]
        return found

    # Keys

    def action_view(self) -> None:
        names = list(VIEWS)
        self.turn(names[(names.index(self.view) + 1) % len(names)])
        self.post_message(self.Turned())

    def turn(self, view: str) -> None:
        """Show that view."""
        self.view = view if view in VIEWS else "best"
        self._kept, self._kept_lines = (None, None), (None, [])
        self.refresh()

    def action_choose(self, which: int, by: int) -> None:
        """Go `by` hyperparameters on, for the first (0) or the second (1) that is shown."""
        count = max(1, len(self._axes()))
        self._chosen[which] = (self._chosen[which] + by) % count
        self.refresh()

    # The curve

    def _curve(self, width: int, height: int) -> list[Content]:
        snapshot = self.snapshot
        if not any(t.value is not None for t in snapshot.trials):
            return self.sentence("The plot begins with the first score.", width)
        legend = [self._legend(width)] if height >= 7 else []
        plot_height = height - len(legend) - 2
        if plot_height < 2 or width < 16:
            best = snapshot.best
            return [Content(f"best {wording.score(best.value if best else None)}")]
        key = (width, plot_height, snapshot.shape, snapshot.started_t, id(self.honesty))
        if self._kept[0] != key:
            self._kept = (key, self._drawn(width, plot_height))
        drawn: _Drawn = self._kept[1]
        canvas = drawn.canvas.copy()
        self._mark_looked(canvas, drawn)
        return [
            *legend,
            *self._with_axis(
                canvas, drawn.ticks, drawn.labels, drawn.margin, drawn.low, drawn.high
            ),
            *self._x_axis(canvas, drawn.margin, drawn.last),
        ][:height]

    def _drawn(self, width: int, height: int) -> _Drawn:
        """The plot without the trial looked at."""
        done = [t for t in self.snapshot.trials if t.value is not None]
        low, high = self._range(done)
        ticks = nice_ticks(low, high, max(2, min(5, height // 2)))
        labels = tick_labels(ticks)
        margin = max(map(len, labels)) + 1
        canvas = Canvas(width - margin - 1, height, braille=self.glyphs.braille)
        last = self._last_number()
        self._draw(canvas, done, low, high, last)
        return _Drawn(canvas, ticks, labels, margin, low, high, last)

    def _mark_looked(self, canvas: Canvas, drawn: _Drawn) -> None:
        looked, best = self.trial, self.snapshot.best
        if looked is None or looked.value is None or not looked.done or looked is best:
            return
        x = round(looked.number / drawn.last * (canvas.dots_x - 1))
        share = min(1.0, max(0.0, (looked.value - drawn.low) / (drawn.high - drawn.low)))
        column, row = canvas.cell_of(x, round((1 - share) * (canvas.dots_y - 1)))
        canvas.text(column, row, "●" if canvas.braille else "@", "bold $primary", 8)

    def _range(self, done: list[TrialState]) -> tuple[float, float]:
        """The scores shown: where the better half and the default are; the rest is clamped."""
        values = sorted(t.value for t in done[-_MOST_DRAWN:] if t.value is not None)
        default, best = self.snapshot.default_value, self.snapshot.best
        high = max(values)
        reference = values[len(values) * 2 // 3]
        if default is not None:
            reference, high = min(reference, default), max(high, default)
        if best is not None and best.value is not None:
            high = max(high, best.value + _standard_error(best))
        for line in self._baselines():
            high = max(high, *line.mean)
            reference = min(reference, line.mean[-1])
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
        self, canvas: Canvas, done: list[TrialState], low: float, high: float, last: int
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
            if self.honesty is not None and self.honesty.noise_floor:
                error = self.honesty.noise_floor  # measured beats estimated
            if error:
                top = canvas.cell_of(0, level(best.value + error))[1]
                bottom = canvas.cell_of(0, level(best.value - error))[1]
                canvas.shade(top, bottom, "$row-cursor-blurred")
        drawn = done[-_MOST_DRAWN:]
        self._draw_baselines(canvas, at, level)
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
        if best is not None and best.value is not None:
            column, row = canvas.cell_of(at(best.number), level(best.value))
            canvas.text(column, row, self.glyphs.best, "bold $best")

    def _draw_baselines(self, canvas: Canvas, at, level) -> None:  # type: ignore[no-untyped-def]
        """What simpler ways reach with the same budget, each named at its end."""
        for index, line in enumerate(self._baselines()):
            style = f"$part-{index % 3 + 2}"
            spots = [(at(i), level(v)) for i, v in enumerate(line.mean) if at(i) < canvas.dots_x]
            for (x0, y0), (x1, y1) in pairwise(spots):
                canvas.line(x0, y0, x1, y0, style, 2)
                canvas.line(x1, y0, x1, y1, style, 2)
            if spots:
                column, row = canvas.cell_of(*spots[-1])
                name = plain(line.name)[:6]
                start = max(0, min(column, canvas.width - len(name)))
                for i, letter in enumerate(name):
                    canvas.text(start + i, max(0, row - 1), letter, style, 5)

    def _baselines(self) -> list[Line]:
        """The baselines with a curve; the default has a line of its own."""
        if self.honesty is None:
            return []
        return [line for line in self.honesty.lines if line.name != "default" and line.mean]

    def _draw_best(self, canvas: Canvas, done: list[TrialState], at, level) -> None:  # type: ignore[no-untyped-def]
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


@dataclass(frozen=True)
class _Drawn:
    """The curve as it was drawn last, and where its axes lie."""

    canvas: Canvas
    ticks: list[float]
    labels: list[str]
    margin: int
    low: float
    high: float
    last: int


def _standard_error(trial: TrialState) -> float:
    if trial.std is None or len(trial.fold_scores) < 2:
        return 0.0
    return float(trial.std / len(trial.fold_scores) ** 0.5)
