"""What the progress pane can draw beside the curve: importance, one or two hyperparameters, all.

Pure functions of a state; each gives lines of at most `width` cells.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.plots.canvas import Canvas, Plot, padded
from hyperllama.tui.widgets.sheet import bar

MOST_DRAWN = 1500  # trials; more would only paint over each other


@dataclass(frozen=True)
class ParameterAxis:
    """One hyperparameter as an axis: where a value lies in [0, 1].

    Attributes:
        ends: the lowest and the highest value seen, or the choices in their order.
    """

    name: str
    ends: tuple[Any, ...]
    log: bool = False
    choices: bool = False

    def at(self, value: Any) -> float | None:
        """Its place from 0 to 1; None for a value that has none."""
        if self.choices:
            shown = wording.setting(value)
            known = [wording.setting(c) for c in self.ends]
            return (known.index(shown) + 0.5) / len(known) if shown in known else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        low, high = self.ends
        if self.log:
            if value <= 0:
                return None
            value, low, high = math.log(value), math.log(low), math.log(high)
        return 0.5 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))

    def labels(self) -> tuple[str, ...]:
        return tuple(wording.setting(end) for end in self.ends)


def axes_of(state: StudyState) -> list[ParameterAxis]:
    """The hyperparameters that took more than one value, the most important first."""
    shares: Mapping[str, float] = state.importance.shares if state.importance else {}
    scored = _drawn(state, ())
    opened = state.opened
    known = {str(p.get("name")): p for p in opened.space} if opened is not None else {}
    found: list[ParameterAxis] = []
    for name in dict.fromkeys([*known, *(n for t in scored[:1] for n in t.config)]):
        values = [t.config[name] for t in scored if name in t.config]
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if _same(values):
            continue
        if len(numbers) == len(values):
            low, high = min(numbers), max(numbers)
            log = low > 0 and (bool(known.get(name, {}).get("log")) or high / low > 300)
            found.append(ParameterAxis(name, (low, high), log))
        else:
            order = sorted({wording.setting(v): v for v in values}.items())
            found.append(ParameterAxis(name, tuple(v for _, v in order), choices=True))
    return sorted(found, key=lambda a: -shares.get(a.name, 0.0))


def _same(values: Sequence[Any]) -> bool:
    """Whether all values read the same; only few different ones can."""
    different = set(values)
    return len(different) < 50 and len({wording.setting(v) for v in different}) < 2


def importance(state: StudyState, width: int, height: int, glyphs: Glyphs) -> list[Content]:
    """A bar for every hyperparameter, with its share."""
    found = state.importance
    if found is None or not found.shares:
        return [Content.styled("Importance needs eight scored trials.", "$dim")]
    shares = sorted(found.shares.items(), key=lambda pair: -pair[1])
    label = min(max(len(plain(n)) for n, _ in shares), max(10, width // 3))
    cells, most = max(4, width - label - 7), shares[0][1] or 1.0
    lines = [
        Content.assemble(
            plain(name)[:label].ljust(label) + " ",
            bar(share / most, cells, glyphs),
            f" {share:4.0%}",
        )
        for name, share in shares[: max(1, height - 2)]
    ]
    if len(shares) > len(lines):
        lines.append(Content.styled(f"{len(shares) - len(lines)} more", "$dim"))
    method = f"{plain(found.method)} over {found.trials} trials"
    return [*lines, Content.styled(method, "$dim")][:height]


def one(
    state: StudyState, axis: ParameterAxis, selected: TrialState | None, width: int, height: int,
    g: Glyphs,
) -> list[Content]:
    """One hyperparameter against the score: a dot a trial, newer ones brighter."""
    trials = _drawn(state, [axis])
    if not trials or height < 5 or width < 16:
        return [Content.styled("Nothing to draw yet.", "$dim")]
    values = sorted(t.value for t in trials if t.value is not None)
    low, high = padded(values[len(values) // 10], values[-1])
    plot = Plot(width, height, low, high, braille=g.braille)

    def spot(trial: TrialState | None) -> tuple[int, int] | None:
        if trial is None or trial.value is None or axis.name not in trial.config:
            return None
        share = axis.at(trial.config[axis.name])
        return None if share is None else (plot.along(share), plot.level(trial.value))

    for i, trial in enumerate(trials):
        if at := spot(trial):
            plot.dot(*at, "$dim" if i < len(trials) // 2 else "$primary", 1 + i // 100)
    if at := spot(selected):
        plot.mark(*at, "●" if g.braille else "@", "bold $primary")
    if at := spot(state.best):
        plot.mark(*at, g.best, "bold $best")
    labels = axis.labels()
    if axis.choices:
        cells = plot.width // len(labels)
        return plot.lines("".join(text[: cells - 1].center(cells) for text in labels))
    name = plain(axis.name) + (" (log)" if axis.log else "")
    return plot.lines(_between(labels[0], name, labels[-1], plot.width))


def _between(left: str, middle: str, right: str, width: int) -> str:
    """Three texts at the left, in the middle and at the right of `width` cells."""
    room = max(0, width - len(left) - len(right))
    return left + middle[: max(0, room - 2)].center(room) + right


def two(
    state: StudyState, across: ParameterAxis, up: ParameterAxis, width: int, height: int,
    g: Glyphs,
) -> list[Content]:
    """A slice for two hyperparameters: the best score seen in each cell of a grid."""
    trials = _drawn(state, [across, up])
    if not trials or height < 5 or width < 20:
        return [Content.styled("Nothing to draw yet.", "$dim")]
    label = max(len(text) for text in up.labels()) + 1
    columns, rows = max(4, (width - label - 1) // 2), max(2, height - 3)
    if across.choices:
        columns = len(across.ends)
    if up.choices:
        rows = len(up.ends)
    best: dict[tuple[int, int], float] = {}
    for t in trials:
        x, y = across.at(t.config[across.name]), up.at(t.config[up.name])
        if x is None or y is None or t.value is None:
            continue
        cell = (min(columns - 1, int(x * columns)), min(rows - 1, int((1 - y) * rows)))
        best[cell] = max(best.get(cell, -math.inf), t.value)
    levels = sorted(best.values())
    wide = max(1, (width - label - 1) // columns)
    edges = dict(enumerate(reversed(up.labels()))) if up.choices else {
        0: up.labels()[-1], rows - 1: up.labels()[0]
    }  # fmt: skip
    lines = []
    for row in range(rows):
        label_of_row = edges.get(row, "").rjust(label - 1)
        pieces: list[Content | tuple[str, str]] = [(label_of_row + " ", "$dim")]
        for column in range(columns):
            pieces.append(_shade(best.get((column, row)), levels, wide, g))
        lines.append(Content.assemble(*pieces))
    ends = across.labels()
    below = _between(ends[0], plain(across.name), ends[-1], columns * wide)
    title = f"{plain(up.name)} up, {plain(across.name)} across"
    return [
        Content.styled(title, "$dim").truncate(width, ellipsis=True), *lines,
        Content.styled(" " * label + below, "$dim").truncate(width),
    ][:height]  # fmt: skip


def parallel(
    state: StudyState, axes: Sequence[ParameterAxis], selected: TrialState | None, width: int,
    height: int, g: Glyphs,
) -> list[Content]:
    """Parallel coordinates: a line a trial through its values; the best tenth stands out."""
    axes = list(axes[: max(2, min(len(axes), width // 12))])
    trials = _drawn(state, axes)[-200:]
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
    for x in at:
        for y in range(0, canvas.dots_y, 2):
            canvas.dot(x, y, "$dim", 1)
    tops = _spread([a.labels()[-1] for a in axes], width)
    lows = _spread([a.labels()[0] for a in axes], width)
    names = _spread([plain(wording.short_name(a.name)) for a in axes], width)
    return [
        Content.styled(tops, "$dim"), *(canvas.row(y) for y in range(canvas.height)),
        Content.styled(lows, "$dim"), Content.styled(names, "bold"),
    ]  # fmt: skip


def _drawn(state: StudyState, axes: Sequence[ParameterAxis]) -> list[TrialState]:
    """The newest trials that can be drawn, oldest first."""
    fit = (
        t for t in reversed(state.trials)
        if t.value is not None and all(a.name in t.config for a in axes)
    )  # fmt: skip
    return list(islice(fit, MOST_DRAWN))[::-1]


def _shade(
    value: float | None, levels: Sequence[float], wide: int, g: Glyphs
) -> Content | tuple[str, str]:
    if value is None:
        return (g.dot.ljust(wide), "$faint")
    rank = bisect_right(levels, value) / len(levels)
    if rank >= 1.0:
        return ((g.best + g.full * (wide - 1))[:wide], "bold $best")
    fills = (g.empty, g.shade, "▓" if g.braille else "%", g.full)
    return (fills[min(3, int(rank * 4))] * wide, "$primary")


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
