"""The curve of the progress pane: trials, the best so far, the default, baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.plots.canvas import Plot
from hyperllama.tui.widgets.plots.scale import PlotScale, padded

_MOST_DRAWN = 2000  # trials; more would only paint over each other


@dataclass(frozen=True)
class ScoreCurve:
    """What the curve shows of a study whose trials have at least one score.

    Attributes:
        baselines: name -> best score after each trial, mean over seeds.
    """

    state: StudyState
    baselines: Mapping[str, Sequence[float]]
    glyphs: Glyphs

    @property
    def last(self) -> int:
        """The trial number at the right edge: that of the budget unless that is far ahead."""
        shown = self.state.trials[-1].number
        opened = self.state.opened
        budget = opened.budget_trials if opened else None
        near = budget is not None and budget <= max(40, 3 * (shown + 1))
        return max(shown, budget - 1 if budget is not None and near else 1, 1)

    def plot(self, width: int, height: int) -> Plot:
        """The plot, but for the mark of the selected trial; width and height in cells."""
        done = [t for t in self.state.trials if t.value is not None]
        low, high = self._range(done)
        across = PlotScale(0.0, float(self.last), whole=True)
        plot = Plot(
            width, height, PlotScale(low, high), across, title="trial", braille=self.glyphs.braille
        )
        default = self.state.default_value
        if default is not None:
            for x in range(plot.dots_x):
                if x % 4 < 2:
                    plot.dot(x, plot.level(default), "$dim", 1)
        self._shade_noise(plot)
        self._draw_baselines(plot)
        self._draw_best(plot, done)
        self._draw_trials(plot, done[-_MOST_DRAWN:])
        for trial in self.state.trials[-_MOST_DRAWN:]:
            if trial.state == "fail":
                x = self._x(plot, trial.number)
                plot.mark(x, plot.dots_y - 1, self.glyphs.failed, "$bad", 3)
        best = self.state.best
        if best is not None:
            self.mark(plot, best, self.glyphs.best, "bold $best")
        self._name_baselines(plot)
        return plot

    def lines(self, plot: Plot, selected: TrialState | None) -> list[Content]:
        """The plot with its axes and a mark at the selected trial."""
        if selected is not None and selected.done and selected is not self.state.best:
            plot = plot.copy()
            self.mark(plot, selected, "●" if plot.braille else "@", "bold $primary", 8)
        return plot.lines()

    def mark(self, plot: Plot, trial: TrialState, sign: str, style: str, layer: int = 9) -> None:
        """A character where the trial stands."""
        if trial.value is not None:
            plot.mark(self._x(plot, trial.number), plot.level(trial.value), sign, style, layer)

    def _x(self, plot: Plot, number: int) -> int:
        return plot.along(number)

    def _range(self, done: list[TrialState]) -> tuple[float, float]:
        """The scores shown: where the better half and the default are; the rest is clamped."""
        values = sorted(t.value for t in done[-_MOST_DRAWN:] if t.value is not None)
        default, best = self.state.default_value, self.state.best
        noise = self.state.noise
        margin = min(noise.margin, values[-1] - values[0]) if noise is not None else 0.0
        curves = [curve for curve in self.baselines.values() if curve]
        lows = [values[len(values) * 2 // 3], *(curve[-1] for curve in curves)]
        highs = [values[-1], *(max(curve) for curve in curves)]
        if default is not None:
            lows.append(default)
            highs.append(default)
        if best is not None and best.value is not None:
            highs.append(best.value + margin)
        high = max(highs)
        low = max(values[0], min(lows) - 0.75 * (high - min(lows)))
        if best is not None and best.value is not None:
            low = min(low, best.value - margin)
        return padded(low, high)

    def _shade_noise(self, plot: Plot) -> None:
        """The height around the best within which a gain may be luck."""
        best = self.state.best
        if best is None or best.value is None:
            return
        noise = self.state.noise
        if noise is not None:
            top, bottom = (
                plot.cell_of(0, plot.level(best.value + e))[1]
                for e in (noise.margin, -noise.margin)
            )
            plot.shade(top, bottom, "$row-cursor-blurred")

    def _draw_baselines(self, plot: Plot) -> None:
        """What simpler ways reach with the same budget."""
        for _, style, spots in self._baseline_spots(plot):
            plot.steps(spots, style, 2)

    def _name_baselines(self, plot: Plot) -> None:
        """The name of each at its end, in the nearest row where it hides no other text."""
        for label, style, spots in self._baseline_spots(plot):
            column, row = plot.cell_of(*spots[-1])
            start = max(0, min(column, plot.width - len(label)))
            rows = sorted(range(plot.height), key=lambda other: abs(other - row + 0.9))
            free = [other for other in rows if plot.free(start, other, len(label))]
            for i, letter in enumerate(label if free else ""):
                plot.text(start + i, free[0], letter, style, 5)

    def _baseline_spots(self, plot: Plot) -> Iterator[tuple[str, str, list[tuple[int, int]]]]:
        """Of each baseline: its name, its style, its dots."""
        for index, (name, curve) in enumerate(self.baselines.items()):
            spots = [(self._x(plot, i), plot.level(v)) for i, v in enumerate(curve)]
            spots = [spot for spot in spots if spot[0] < plot.dots_x]
            if spots:
                yield plain(name)[:6], f"$part-{index % 3 + 2}", spots

    def _draw_best(self, plot: Plot, done: list[TrialState]) -> None:
        """The stepped line of the best so far, up to the newest trial."""
        spots: list[tuple[int, int]] = []
        best = float("-inf")
        for trial in done:
            if trial.value is not None and trial.value > best:
                best = trial.value
                spots.append((self._x(plot, trial.number), plot.level(best)))
        plot.steps([*spots, (self._x(plot, done[-1].number), spots[-1][1])], "$primary", 4)

    def _draw_trials(self, plot: Plot, drawn: list[TrialState]) -> None:
        """A dot a trial; a corner of the stepped line needs none."""
        dot, below = ("•", "▾") if plot.braille else ("o", "v")
        shown = [t for t in drawn if t.value is not None and not t.best_then]
        if len(drawn) * 2 <= plot.width:
            for trial in shown:
                beyond = trial.value is not None and trial.value < plot.up.low
                self.mark(plot, trial, below if beyond else dot, "$dim", 3)
            return
        across, up, low = (plot.dots_x - 1) / plot.across.high, plot.dots_y - 1, plot.up.low
        scale, most = up / (plot.up.high - low), plot.dots_x - 1
        spots = (
            (min(most, round(t.number * across)), round(up - scale * (t.value - low)))
            for t in shown if t.value is not None
        )  # fmt: skip
        plot.blobs(((x, min(up, max(0, y))) for x, y in spots), "$dim", 2)
