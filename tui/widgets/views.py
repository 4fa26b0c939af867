"""What the progress pane can draw beside the curve: importance, one or two hyperparameters, all.

Pure functions of a snapshot; each gives lines of at most `width` cells.
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
from hyperllama.tui import wording
from hyperllama.tui.glyphs import Glyphs
from hyperllama.tui.widgets.canvas import Canvas, nice_ticks, tick_labels

MOST_DRAWN = 1500  # trials; more would only paint over each other


@dataclass(frozen=True)
class Axis:
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


def axes_of(snapshot: StudyState) -> list[Axis]:
    """The hyperparameters that took more than one value, the most important first."""
    shares: Mapping[str, float] = snapshot.importance.shares if snapshot.importance else {}
    scored = _drawn(snapshot, ())
    opened = snapshot.opened
    known = {str(p.get("name")): p for p in opened.space} if opened is not None else {}
    names = dict.fromkeys([*known, *(n for t in scored[:1] for n in t.config)])
    found: list[Axis] = []
    for name in names:
        values = [t.config[name] for t in scored if name in t.config]
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if _same(values):
            continue
        if len(numbers) == len(values):
            low, high = min(numbers), max(numbers)
            log = bool(known.get(name, {}).get("log")) or (low > 0 and high / low > 300)
            found.append(Axis(name, (low, high), log and low > 0))
        else:
            order = sorted({wording.setting(v): v for v in values}.items())
            found.append(Axis(name, tuple(v for _, v in order), choices=True))
    return sorted(found, key=lambda a: -shares.get(a.name, 0.0))


def _same(values: Sequence[Any]) -> bool:
    """Whether all values read the same; only few different ones can."""
    different = set(values)
    return len(different) < 50 and len({wording.setting(v) for v in different}) < 2


def importance(snapshot: StudyState, width: int, height: int, glyphs: Glyphs) -> list[Content]:
    """A bar for every hyperparameter, with its share."""
    found = snapshot.importance
    if found is None or not found.shares:
        return [Content.styled("Importance can be told from eight scored trials on.", "$dim")]
    shares = sorted(found.shares.items(), key=lambda pair: -pair[1])
    label = min(max(len(plain(n)) for n, _ in shares), max(10, width // 3))
    cells = max(4, width - label - 7)
    most = shares[0][1] or 1.0
    lines = []
    for name, share in shares[: max(1, height - 2)]:
        full = round(share / most * cells)
        lines.append(
            Content.assemble(
                plain(name)[:label].ljust(label) + " ",
                (glyphs.bar * full, "$primary"),
                (glyphs.track * (cells - full), "$faint"),
                f" {share:4.0%}",
            )
        )
    if len(shares) > len(lines):
        lines.append(Content.styled(f"{len(shares) - len(lines)} more", "$dim"))
    method = f"{plain(found.method)} over {found.trials} trials"
    return [*lines, Content.styled(method, "$dim")][:height]


def one(
    snapshot: StudyState, axis: Axis, looked: TrialState | None, width: int, height: int, g: Glyphs
) -> list[Content]:
    """One hyperparameter against the score: a dot a trial, newer ones brighter."""
    trials = _drawn(snapshot, [axis])
    if not trials or height < 5 or width < 16:
        return [Content.styled("Nothing to draw yet.", "$dim")]
    values = sorted(t.value for t in trials if t.value is not None)
    low, high = values[len(values) // 10], values[-1]
    pad = (high - low) * 0.06 or abs(high) * 0.01 or 0.01
    low, high = low - pad, high + pad
    rows = height - 2
    ticks = nice_ticks(low, high, max(2, min(5, rows // 2)))
    labels = tick_labels(ticks)
    margin = max(map(len, labels)) + 1
    canvas = Canvas(width - margin - 1, rows, braille=g.braille)
    for i, trial in enumerate(trials):
        x, y = _spot(canvas, axis.at(trial.config[axis.name]), trial.value, low, high)
        canvas.dot(x, y, "$dim" if i < len(trials) // 2 else "$primary", 1 + i // 100)
    _mark(canvas, axis, looked, low, high, "●" if g.braille else "@", "bold $primary")
    _mark(canvas, axis, snapshot.best, low, high, g.best, "bold $best")
    return [*_framed(canvas, ticks, labels, margin, low, high), *_floor(canvas, axis, margin, g)]


def two(
    snapshot: StudyState, across: Axis, up: Axis, width: int, height: int, g: Glyphs
) -> list[Content]:
    """A slice for two hyperparameters: the best score seen in each cell of a grid."""
    trials = _drawn(snapshot, [across, up])
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
    lines = []
    for row in range(rows):
        edge = up.labels()[-1] if row == 0 else up.labels()[0] if row == rows - 1 else ""
        if up.choices:
            edge = up.labels()[rows - 1 - row]
        pieces: list[Content | tuple[str, str]] = [(edge.rjust(label - 1) + " ", "$dim")]
        for column in range(columns):
            value = best.get((column, row))
            pieces.append(_shade(value, levels, wide, g))
        lines.append(Content.assemble(*pieces))
    ends = across.labels()
    span = columns * wide
    left, right = ends[0], ends[-1]
    below = left + plain(across.name).center(max(0, span - len(left) - len(right))) + right
    title = f"{plain(up.name)} up, {plain(across.name)} across"
    return [
        Content.styled(title, "$dim").truncate(width, ellipsis=True), *lines,
        Content.styled(" " * label + below, "$dim").truncate(width),
    ][:height]  # fmt: skip


def parallel(
    snapshot: StudyState, axes: Sequence[Axis], looked: TrialState | None, width: int, height: int,
    g: Glyphs,
) -> list[Content]:
    """Parallel coordinates: a line a trial through its values; the best tenth stands out."""
    axes = list(axes[: max(2, min(len(axes), width // 12))])
    trials = _drawn(snapshot, axes)[-200:]
    if len(axes) < 2 or not trials or height < 6:
        return [Content.styled("Two hyperparameters have to vary first.", "$dim")]
    canvas = Canvas(width, height - 3, braille=g.braille)
    span = canvas.dots_x - 1
    at = [round(i * span / (len(axes) - 1)) for i in range(len(axes))]
    ranked = sorted(trials, key=lambda t: t.value if t.value is not None else -math.inf)
    top = max(1, len(ranked) // 10)
    for rank, trial in enumerate(ranked):
        good = rank >= len(ranked) - top
        style, layer = ("$primary", 2) if good else ("$faint", 0)
        _through(canvas, axes, at, trial, style, layer)
    if looked is not None and looked.config:
        _through(canvas, axes, at, looked, "bold $voice", 4)
    if snapshot.best is not None:
        _through(canvas, axes, at, snapshot.best, "bold $best", 5)
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


def _drawn(snapshot: StudyState, axes: Sequence[Axis]) -> list[TrialState]:
    """The newest trials that can be drawn, oldest first."""
    fit = (
        t for t in reversed(snapshot.trials)
        if t.value is not None and all(a.name in t.config for a in axes)
    )  # fmt: skip
    return list(islice(fit, MOST_DRAWN))[::-1]


def _spot(
    canvas: Canvas, share: float | None, value: float | None, low: float, high: float
) -> tuple[int, int]:
    if share is None or value is None:
        return -1, -1
    y = 1 - min(1.0, max(0.0, (value - low) / (high - low)))
    return round(share * (canvas.dots_x - 1)), round(y * (canvas.dots_y - 1))


def _mark(
    canvas: Canvas, axis: Axis, trial: TrialState | None, low: float, high: float, sign: str,
    style: str,
) -> None:
    if trial is None or trial.value is None or axis.name not in trial.config:
        return
    x, y = _spot(canvas, axis.at(trial.config[axis.name]), trial.value, low, high)
    if x >= 0:
        canvas.text(*canvas.cell_of(x, y), sign, style)


def _framed(
    canvas: Canvas, ticks: list[float], labels: list[str], margin: int, low: float, high: float
) -> list[Content]:
    at_row = {}
    for tick, label in zip(ticks, labels, strict=True):
        y = round((1 - (tick - low) / (high - low)) * (canvas.dots_y - 1))
        at_row[canvas.cell_of(0, y)[1]] = label
    edge = "│" if canvas.braille else "|"
    return [
        Content.assemble(
            (at_row.get(row, "").rjust(margin - 1) + " ", "$dim"), (edge, "$faint"), canvas.row(row)
        )
        for row in range(canvas.height)
    ]


def _floor(canvas: Canvas, axis: Axis, margin: int, g: Glyphs) -> list[Content]:
    """The axis of the hyperparameter: its ends, or its choices where they stand."""
    line = ("─" if canvas.braille else "-") * canvas.width
    labels = axis.labels()
    if axis.choices:
        cells = canvas.width // len(labels)
        below = "".join(text[: cells - 1].center(cells) for text in labels)
    else:
        name = plain(axis.name) + (" (log)" if axis.log else "")
        room = canvas.width - len(labels[0]) - len(labels[-1])
        below = labels[0] + name[: max(0, room - 2)].center(max(0, room)) + labels[-1]
    corner = "└" if canvas.braille else "+"
    return [
        Content.assemble(" " * margin, (corner + line, "$faint")),
        Content.styled(" " * (margin + 1) + below, "$dim"),
    ]


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


def _through(
    canvas: Canvas, axes: Sequence[Axis], at: Sequence[int], trial: TrialState, style: str,
    layer: int,
) -> None:
    spots = []
    for axis, x in zip(axes, at, strict=True):
        share = axis.at(trial.config.get(axis.name))
        if share is None:
            return
        spots.append((x, round((1 - share) * (canvas.dots_y - 1))))
    for (x0, y0), (x1, y1) in pairwise(spots):
        canvas.line(x0, y0, x1, y1, style, layer)


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
