"""One or two hyperparameters against the score: the trials, and what the GP expects between them.

The GP is fitted in a child process (`core.propose.gp.server`); what it answers comes in as a value,
and without it the trials stand alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.findings.axes import ParameterAxis, coordinates, shared_axes
from hyperllama.core.text import plain
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.plots.canvas import Plot
from hyperllama.tui.widgets.plots.scale import PlotScale, padded, scale_of

PROFILE_POINTS = 60
SURFACE_POINTS = (48, 32)
LEAST_TRIALS = 5
"""Scored trials that have all hyperparameters of the best one, before the GP is fitted."""
_SHADES = " .:-=+*#"


@dataclass(frozen=True)
class Slice:
    """One or two axes of a study, in the cells that a plot of them has.

    Attributes:
        up: None where the score goes up.
    """

    state: StudyState
    axes: Sequence[ParameterAxis]
    across: ParameterAxis
    up: ParameterAxis | None = None

    def request(self, columns: int, rows: int) -> dict[str, Any] | None:
        """What to ask `core.propose.gp.server`; None where there are too few trials to tell."""
        best = self.state.best
        shared = shared_axes(self.axes, best)
        found = coordinates(shared, self.state.trials)
        wanted = [self.across] if self.up is None else [self.across, self.up]
        if best is None or len(found) < LEAST_TRIALS or any(a not in shared for a in wanted):
            return None
        base = coordinates(shared, [best])
        across, up = PROFILE_POINTS, 0
        if self.up is not None:
            across, up = SURFACE_POINTS
        asked = {
            "do": "profile" if self.up is None else "surface",
            "x": [places for places, _ in found],
            "y": [score for _, score in found],
            "categorical": [a.choices for a in shared],
            "base": base[0][0] if base else [0.5] * len(shared),
            "across": shared.index(self.across),
            "across_at": _places(self.across, across),
        }
        if self.up is not None:
            at = _places(self.up, up)
            asked |= {"up": shared.index(self.up), "up_at": at, "columns": columns, "rows": rows}
        return asked

    def plot(self, width: int, height: int, g: Glyphs) -> Plot:
        """The empty plot with its axes."""
        if self.up is None:
            trials = drawn_trials(self.state, [self.across])
            values = sorted(t.value for t in trials if t.value is not None)
            best, middle = values[-1], values[len(values) // 2]
            up = PlotScale(*padded(max(values[0], best - 3 * (best - middle)), best))
        else:
            up = scale_of(self.up)
        title = plain(self.across.name) + (" (log)" if self.across.log else "")
        return Plot(width, height, up, scale_of(self.across), title=title, braille=g.braille)


def _places(axis: ParameterAxis, points: int) -> list[float]:
    """Where the GP is asked: evenly, or at each choice."""
    if axis.choices:
        return [(i + 0.5) / len(axis.ends) for i in range(len(axis.ends))]
    return [i / (points - 1) for i in range(points)]


def drawn_trials(
    state: StudyState, axes: Sequence[ParameterAxis], most: int = 1500
) -> list[TrialState]:
    """The newest trials that have a score and these hyperparameters, oldest first."""
    fit = [t for t in state.trials if t.value is not None and all(a.name in t.config for a in axes)]
    return fit[-most:]


def draw_one(
    shown: Slice, plot: Plot, found: Mapping[str, Any] | None, selected: TrialState | None,
    width: int, noise: float, g: Glyphs,
) -> list[Content]:
    """Trials over one hyperparameter, with the GP's mean and its standard deviation.

    `noise`: of a score; the height around the best within which a gain may be luck is shaded.
    """
    state, axis = shown.state, shown.across
    best = state.best
    if best is not None and best.value is not None and noise:
        top, bottom = (plot.cell_of(0, plot.level(best.value + e))[1] for e in (noise, -noise))
        plot.shade(top, bottom, "$row-cursor-blurred")
    if found is not None:
        _draw_profile(shown, plot, found)
    trials = drawn_trials(state, [axis])
    for i, trial in enumerate(trials):
        style = "$dim" if i < len(trials) // 2 else "$primary"
        _point(plot, axis, trial, "•" if g.braille else "o", style, 2 + i // len(trials))
    if selected is not None and axis.name in selected.config:
        _point(plot, axis, selected, "●" if g.braille else "@", "bold $voice", 8)
    if best is not None and axis.name in best.config:
        _point(plot, axis, best, g.best, "bold $best", 9)
    head = Content.styled(plain(state.opened.metric) if state.opened is not None else "", "$dim")
    fit = f"{g.line * 2} the GP expects, dots: {g.plus_minus} its standard deviation"
    return [_headed(head, Content.styled(fit if found else "", "$voice"), width), *plot.lines()]


def _point(
    plot: Plot, axis: ParameterAxis, trial: TrialState, sign: str, style: str, layer: int
) -> None:
    share = axis.at(trial.config[axis.name])
    if share is not None and trial.value is not None:
        plot.mark(plot.at_share(share), plot.level(trial.value), sign, style, layer)


def _draw_profile(shown: Slice, plot: Plot, found: Mapping[str, Any]) -> None:
    """The GP's mean as a line, its standard deviation as dots above and below."""
    xs = [plot.at_share(share) for share in _places(shown.across, PROFILE_POINTS)]
    if shown.across.choices:  # nothing lies between two choices
        for x, mean in zip(xs, found["mean"], strict=True):
            plot.line(x - 3, plot.level(mean), x + 3, plot.level(mean), "$voice", 1)
        return
    for name, style in (("low", "$faint"), ("high", "$faint"), ("mean", "$voice")):
        spots = list(zip(xs, (plot.level(v) for v in found[name]), strict=True))
        for (x0, y0), (x1, y1) in pairwise(spots):
            if name == "mean":
                plot.line(x0, y0, x1, y1, style, 1)
            elif x0 % 4 < 2:
                plot.dot(x0, y0, style)


def draw_two(
    shown: Slice, plot: Plot, found: Mapping[str, Any] | None, selected: TrialState | None,
    width: int, noise: float, shaded: bool, g: Glyphs,
) -> list[Content]:
    """Trials over two hyperparameters, on the lines where the GP expects equal scores.

    `shaded`: colours can be mixed, so that the bands between the lines differ in brightness.
    """
    assert shown.up is not None
    state, across, up = shown.state, shown.across, shown.up
    trials = drawn_trials(state, [across, up])
    if found is not None:
        _draw_surface(plot, found, shaded, g)
    ranked = sorted(trials, key=lambda t: t.value or 0.0)
    signs = "·•●" if g.braille else ".oO"
    for i, trial in enumerate(ranked):
        third = min(2, i * 3 // len(ranked))
        _spot(plot, shown, trial, signs[third], "bold" if third == 2 else "", 6)
    if selected is not None:
        _spot(plot, shown, selected, "◆" if g.braille else "@", "bold $voice", 8)
    if state.best is not None:
        _spot(plot, shown, state.best, g.best, "bold $best", 9)
    head = Content.styled(f"{plain(up.name)}{' (log)' if up.log else ''} up", "$dim")
    fit = _fit_legend(found, noise, shaded, g)
    whole = Content.assemble(fit, (f"{signs[2]} best third {signs[0]} worst", "$dim"))
    return [_headed(head, whole, width, fit), *plot.lines()]


def _headed(left: Content, right: Content, width: int, shorter: Content | None = None) -> Content:
    """A line with something at both ends; what has no room at the right is left out."""
    for text in (right, shorter or right):
        gap = width - left.cell_length - text.cell_length
        if gap > 1:
            return Content.assemble(left, " " * gap, text)
    return left.truncate(width, ellipsis=True)


def _spot(
    plot: Plot, shown: Slice, trial: TrialState, sign: str, style: str, layer: int
) -> None:
    assert shown.up is not None
    x = shown.across.at(trial.config.get(shown.across.name))
    y = shown.up.at(trial.config.get(shown.up.name))
    if x is not None and y is not None:
        plot.mark(plot.at_share(x), round((1 - y) * (plot.dots_y - 1)), sign, style, layer)


def _draw_surface(plot: Plot, found: Mapping[str, Any], shaded: bool, g: Glyphs) -> None:
    """Bands of expected scores: brighter is better; lines between them."""
    most = max(1, len(found["levels"]))
    for row, (bands, lines) in enumerate(zip(found["bands"], found["lines"], strict=True)):
        for column, (band, line) in enumerate(zip(bands, lines, strict=True)):
            if not g.braille:
                plot.text(column, row, _SHADES[min(band * 7 // most, 7)], "$dim", 1)
                continue
            if band and shaded:
                plot.fill(column, row, f"$primary {round(6 + 34 * band / most)}%")
            if line != " ":
                plot.text(column, row, line, "$dim", 1)


def _fit_legend(
    found: Mapping[str, Any] | None, noise: float, shaded: bool, g: Glyphs
) -> Content:
    """What the bands stand for."""
    parts: list[tuple[str, str]] = []
    if found is not None and found["levels"]:
        levels = found["levels"]
        if levels[-1] - levels[0] < noise:
            return Content.styled("GP: all within noise  ", "$bad")
        parts = [("GP ", "$dim")]
        for band in sorted({1, len(levels)}):
            shade = f"on $primary {round(6 + 34 * band / len(levels))}%"
            sign = ("from", "to")[band > 1] if g.braille else _SHADES[band * 7 // len(levels)]
            mark = ("  ", shade) if shaded and g.braille else (sign, "$dim")
            parts += [mark, (f" {wording.score(levels[band - 1])}  ", "$dim")]
    return Content.assemble(*parts)
