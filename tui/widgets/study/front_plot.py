"""The front of a study: its trials over two of the objectives, and the front as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from textual.content import Content

from hyperllama.core.objectives import Objective, amount
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.front import measured
from hyperllama.core.text import plain
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.plots.canvas import Plot
from hyperllama.tui.widgets.plots.scale import PlotScale, padded
from hyperllama.tui.widgets.sheet import words

_LEAST_LINES = 16  # from so many on, the table stands below the plot
_MOST_ROWS = 8
_MOST_DRAWN = 1500


def front_lines(
    state: StudyState, which: int, selected: TrialState | None, width: int, height: int, g: Glyphs
) -> list[Content]:
    """The metric against another objective, the `which`-th after it, in that many lines."""
    opened = state.opened
    if opened is None or not opened.objectives:
        return words("The study has one objective; a task file names more with also = [...].",
                     width, "$dim")  # fmt: skip
    up, *others = opened.objectives
    across, trials = others[which % len(others)], state.front
    if not trials or height < 6 or width < 20:
        return words("The front begins with the first trial that keeps the constraints.", width,
                     "$dim")  # fmt: skip
    table = _table(state, selected, width, g) if height >= _LEAST_LINES else []
    plot = _plot(state, up, across, width, height - 1 - len(table), g)
    _mark_all(plot, state, across, selected, g)
    keys = "   h l: another objective" if len(others) > 1 else ""
    head = Content.styled(
        f"{plain(up.name)} up, {up.direction}   {g.chosen} on the front   {g.failed} breaks a "
        f"constraint{keys}", "$dim",
    )  # fmt: skip
    return [head.truncate(width, ellipsis=True), *plot.lines(), *table]


def _plot(
    state: StudyState, up: Objective, across: Objective, width: int, height: int, g: Glyphs
) -> Plot:
    """The empty plot, around the front; trials that are far from it are at an edge."""
    scales: list[PlotScale] = []
    for objective in (up, across):
        values = sorted(v for v in _values(state, objective, state.trials) if v is not None)
        inside = [v for v in _values(state, objective, state.front) if v is not None]
        reach = max(inside) - min(inside) or abs(inside[0]) * 0.1 or 0.1
        low = max(values[0], min(inside) - reach)
        high = min(values[-1], max(inside) + reach)
        log = bool(objective.unit) and low > 0 and high > 3 * low
        least, most = padded(math.log10(low), math.log10(high)) if log else padded(low, high)
        scales.append(PlotScale(10**least, 10**most, True) if log else PlotScale(least, most))
    title = f"{plain(across.name)}{f' ({across.unit})' if across.unit else ''}, {across.direction}"
    return Plot(width, height, scales[0], scales[1], title=title, braille=g.braille)


def _values(
    state: StudyState, objective: Objective, trials: Sequence[TrialState]
) -> list[float | None]:
    metric = state.opened.metric if state.opened is not None else ""
    return [measured(t, objective, metric) for t in trials]


def _mark_all(
    plot: Plot, state: StudyState, across: Objective, selected: TrialState | None, g: Glyphs
) -> None:
    on_front = {t.number for t in state.front}
    drawn = [t for t in state.trials if t.value is not None][-_MOST_DRAWN:]
    for trial, x in zip(drawn, _values(state, across, drawn), strict=True):
        if x is None or trial.value is None:
            continue
        sign, style, layer = ("•" if g.braille else "o"), "$dim", 2
        if trial.broken:
            sign, style, layer = g.failed, "$bad", 3
        elif trial.number in on_front:
            sign, style, layer = g.chosen, "bold $best", 5
        if selected is not None and trial.number == selected.number:
            sign, style, layer = ("●" if g.braille else "#"), "bold $voice", 8
        plot.mark(plot.along(x), plot.level(trial.value), sign, style, layer)
    pairs = zip(_values(state, across, state.front), state.front, strict=True)
    spots = sorted((plot.along(x), plot.level(t.value))
                   for x, t in pairs if x is not None and t.value is not None)  # fmt: skip
    for (x0, y0), (x1, y1) in pairwise(spots):
        plot.line(x0, y0, x1, y1, "$best", 1)


def _table(
    state: StudyState, selected: TrialState | None, width: int, g: Glyphs
) -> list[Content]:
    """The front, best by the metric first; around the selected trial where it is long."""
    opened, trials = state.opened, list(state.front)
    assert opened is not None
    at = next((i for i, t in enumerate(trials) if selected and t.number == selected.number), 0)
    first = min(max(0, at - _MOST_ROWS // 2), max(0, len(trials) - _MOST_ROWS))
    rows = [["trial", *(plain(o.name) for o in opened.objectives)]]
    for trial in trials[first : first + _MOST_ROWS]:
        values = (measured(trial, o, opened.metric) for o in opened.objectives)
        pairs = zip(opened.objectives, values, strict=True)
        rows.append([str(trial.number), *(amount(v, o.unit) for o, v in pairs if v is not None)])
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for i, row in enumerate(rows):
        text = "  ".join(cell.rjust(w) for cell, w in zip(row, wide, strict=True))
        mine = i and selected is not None and row[0] == str(selected.number)
        lead = f"{g.running if mine else ' '} "
        style = "$dim" if not i else "bold $voice" if mine else ""
        lines.append(Content.styled(lead + text, style))
    left = len(trials) - len(rows) + 1
    if left:
        lines.append(Content.styled(f"  {left} more: / front lists all", "$dim"))
    return [line.truncate(width, ellipsis=True) for line in lines]
