"""What the progress pane can draw beside the curve: importance, learning curves, all coordinates.

Pure functions of a state; each gives lines of at most `width` cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.findings.axes import ParameterAxis, shared_axes
from hyperllama.core.text import plain
from hyperllama.tui.text import names, wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.plots.canvas import Canvas, Plot
from hyperllama.tui.widgets.plots.scale import PlotScale, padded
from hyperllama.tui.widgets.sheet import bar, words
from hyperllama.tui.widgets.study.slices import drawn_trials


def importance(state: StudyState, width: int, height: int, glyphs: Glyphs) -> list[Content]:
    """A bar for every hyperparameter, with its share."""
    found = state.importance
    if found is None or not found.shares:
        return [Content.styled("Importance needs eight scored trials.", "$dim")]
    shares = sorted(found.shares.items(), key=lambda pair: -pair[1])
    labels = names.fitted((name for name, _ in shares), max(10, width // 3))
    label = max(map(len, labels.values()))
    cells, most = max(4, width - label - 7), shares[0][1] or 1.0
    apart = 1 if 2 * len(shares) + 2 <= height else 0
    lines: list[Content] = []
    for name, share in shares[: max(1, height - 2)]:
        drawn = bar(share / most, cells, glyphs)
        lines.append(Content.assemble(labels[name].ljust(label) + " ", drawn, f" {share:4.0%}"))
        lines += [Content("")] * apart
    if len(shares) > height - 2:
        lines.append(Content.styled(f"{len(shares) - len(lines)} more", "$dim"))
    method = f"{plain(found.method)} over {found.trials} trials: share of variance"
    return [*lines[: height - 1], Content.styled(method, "$dim").truncate(width, ellipsis=True)]


def learning_curves(
    state: StudyState, selected: TrialState | None, width: int, height: int, g: Glyphs
) -> list[Content]:
    """The score after each iteration on the first fold: the best trial, the default, the selected.

    Boosters and neural networks have one; of the others there is nothing to draw.
    """
    drawn: dict[str, tuple[str, TrialState, list[tuple[float, float]]]] = {}
    for name, style, trial in (
        ("default", "$dim", state.default), ("selected", "$voice", selected),
        ("best", "bold $best", state.best),
    ):  # fmt: skip
        curve = curve_of(trial)
        if trial is not None and curve:
            drawn = {n: d for n, d in drawn.items() if d[1].number != trial.number}
            drawn[name] = style, trial, curve
    if not drawn or height < 6 or width < 20:
        text = "No learning curve: the best trial and the selected one are no boosters and no MLPs."
        return words(text, width, "$dim")
    points = [point for _, _, curve in drawn.values() for point in curve]
    values = sorted(v for _, v in points)
    scale = PlotScale(*padded(values[len(values) // 10], values[-1]))
    across = PlotScale(0.0, max(at for at, _ in points) or 1.0, whole=True)
    plot = Plot(width, height - 1, scale, across, title="iteration", braille=g.braille)
    legend: list[tuple[str, str]] = []
    for layer, (name, (style, trial, curve)) in enumerate(drawn.items()):
        spots = [(plot.along(at), plot.level(v)) for at, v in curve]
        for (x0, y0), (x1, y1) in pairwise(spots):
            plot.line(x0, y0, x1, y1, style, layer + 1)
        at, value = max(curve, key=lambda point: point[1])
        plot.mark(plot.along(at), plot.level(value), g.up if g.braille else "^", style, 9)
        legend.append((f"{g.line * 2} {name}, trial {trial.number}   ", style))
    head = Content.assemble(*legend, (f"{g.up} where it is best; first fold", "$dim"))
    return [head.truncate(width, ellipsis=True), *plot.lines()]


def curve_of(trial: TrialState | None) -> list[tuple[float, float]]:
    """(iteration, score) pairs as they were stored with a trial; empty where there are none."""
    curve: Any = trial.facts.get("curve") if trial is not None else None
    if not isinstance(curve, (list, tuple)):
        return []
    pairs = [p for p in curve if isinstance(p, (list, tuple)) and len(p) == 2]
    return [(float(at), float(v)) for at, v in pairs]


def parallel(
    state: StudyState, axes: Sequence[ParameterAxis], selected: TrialState | None, width: int,
    height: int, g: Glyphs,
) -> list[Content]:
    """Parallel coordinates: a line a trial through its values; the best tenth stands out."""
    axes = shared_axes(axes, state.best)
    axes = axes[: max(2, min(len(axes), width // 12))]
    trials = drawn_trials(state, axes, 200)
    if len(axes) < 2 or not trials or height < 6:
        return [Content.styled("Two hyperparameters have to vary first.", "$dim")]
    canvas = Canvas(width, height - 3, braille=g.braille)
    at = [round(i * (canvas.dots_x - 1) / (len(axes) - 1)) for i in range(len(axes))]

    def draw(trial: TrialState | None, style: str, layer: int) -> None:
        shares = [axis.at(trial.config.get(axis.name)) for axis in axes] if trial else []
        ys = [round((1 - share) * (canvas.dots_y - 1)) for share in shares if share is not None]
        if len(ys) == len(axes):
            for (x0, y0), (x1, y1) in pairwise(zip(at, ys, strict=True)):
                canvas.line(x0, y0, x1, y1, style, layer)

    ranked = sorted(trials, key=lambda t: -math.inf if t.value is None else t.value)
    top = max(1, len(ranked) // 10)
    for trial in ranked[:-top]:
        draw(trial, "$faint", 0)
    for trial in ranked[-top:]:
        draw(trial, "$primary", 2)
    draw(selected, "bold $voice", 4)
    draw(state.best, "bold $best", 5)
    for x, axis in zip(at, axes, strict=True):
        share = axis.at(state.best.config.get(axis.name)) if state.best is not None else None
        if share is not None:
            canvas.mark(x, round((1 - share) * (canvas.dots_y - 1)), g.best, "bold $best", 9)
    for x in at:
        for y in range(0, canvas.dots_y, 2):
            canvas.dot(x, y, "$dim", 1)
    tops = _spread([wording.setting(a.ends[-1]) for a in axes], width)
    lows = _spread([wording.setting(a.ends[0]) for a in axes], width)
    labels = names.fitted((a.name for a in axes), max(4, width // len(axes) - 1))
    return [
        Content.styled(tops, "$dim"), *(canvas.row(y) for y in range(canvas.height)),
        Content.styled(lows, "$dim"), Content.styled(_spread(list(labels.values()), width), "bold"),
    ]  # fmt: skip


def _spread(texts: Sequence[str], width: int) -> str:
    """Texts under their axes: the first at the left, the last at the right, none overlapping."""
    cells = [" "] * width
    room = max(3, width // max(1, len(texts)) - 1)
    for i, text in enumerate(texts):
        text = text[:room]
        centre = round(i * (width - 1) / max(1, len(texts) - 1))
        start = min(max(0, centre - len(text) // 2), width - len(text))
        cells[start : start + len(text)] = text
    return "".join(cells)
