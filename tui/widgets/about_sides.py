"""Which of several sides is worth its seconds, and where the time of each goes."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui import sides, wording
from hyperllama.tui.glyphs import Glyphs
from hyperllama.tui.sides import Side
from hyperllama.tui.widgets.curves import style_of
from hyperllama.tui.widgets.sheet import Lines, columns, heading, words

_NAME = 14  # cells at most


def worth_lines(found: Sequence[Side], width: int, glyphs: Glyphs) -> Lines:
    """The answer, what it rests on, and bars of seconds."""
    answer, told = sides.verdict(found)
    lines = words(answer, width, "bold $best")
    for sentence in told:
        lines += words(sentence, width)
    times = sides.at_times(found)
    if len(times) > 1:
        lines += [Content(""), heading("Reached after"), *_reached(found, times[-4:], glyphs)]
    timed = [s for s in found if s.run_s]
    if timed:
        lines += [Content(""), heading("Seconds of a run")]
        lines += _bars(found, width, glyphs)
    return lines


def _reached(
    found: Sequence[Side], times: Sequence[tuple[float, list[float | None]]], glyphs: Glyphs
) -> Lines:
    """What each side has after the time that a run of one of them takes; the best is marked."""
    ahead = [max((v for v in values if v is not None), default=None) for _, values in times]
    rows: list[list[tuple[str, str]]] = [
        [("", ""), *((wording.duration(end) + "  ", "$dim") for end, _ in times)]
    ]
    for index, side in enumerate(found):
        row = [(f"{side.mark} {plain(side.label)}"[: _NAME + 2], style_of(index))]
        for (_, values), best in zip(times, ahead, strict=True):
            here = values[index] is not None and values[index] == best
            mark = f" {glyphs.best}" if here else "  "
            row.append((wording.score(values[index]) + mark, "bold $best" if here else ""))
        rows.append(row)
    return columns(rows)


def _bars(found: Sequence[Side], width: int, glyphs: Glyphs) -> Lines:
    """One bar a side, proposals and training in it told apart by their filling."""
    longest = max(s.run_s or 0.0 for s in found)
    name_cells = min(_NAME, max(len(plain(s.label)) for s in found))
    cells = max(8, width - name_cells - 14)
    lines: Lines = []
    for index, side in enumerate(found):
        total = side.run_s
        name = Content(plain(side.label)).truncate(name_cells, ellipsis=True)
        name = Content.assemble(
            (side.mark, f"bold {style_of(index)}"), " ", name, " " * (name_cells - name.cell_length)
        )
        if not total:
            lines.append(Content.assemble(name, ("  no trial yet", "$dim")))
            continue
        whole = max(1, round(cells * total / longest))
        asked = min(whole, round(whole * (side.asked_s or 0.0) / total))
        lines.append(
            Content.assemble(
                name,
                "  ",
                (glyphs.shade * asked, style_of(index)),
                (glyphs.bar * (whole - asked), style_of(index)),
                " " * (cells - whole),
                f" {wording.duration(total):>7}",
            )
        )
    legend = f"{glyphs.shade * 2} proposals   {glyphs.bar * 2} training"
    return [*lines, Content.styled(" " * (name_cells + 4) + legend, "$dim")]
