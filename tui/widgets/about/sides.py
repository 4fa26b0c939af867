"""Which of several sides is worth its seconds, and where the time of each goes."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui.content import standing
from hyperllama.tui.content.sides import Side
from hyperllama.tui.text import names, wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.plots.curves import style_of
from hyperllama.tui.widgets.sheet import Lines, columns, heading, words

_NAME = 14  # cells at most
_SCORE_CELLS = 13  # at most, of a column of scores


def worth_lines(found: Sequence[Side], width: int, glyphs: Glyphs) -> Lines:
    """The answer, what it rests on, and bars of seconds."""
    answer, told = standing.verdict(found)
    lines = words(answer, width, "bold $best")
    for sentence in told:
        lines += words(sentence, width)
    times = standing.at_times(found)
    if len(times) > 1:
        fitting = max(1, (width - _NAME - 2) // _SCORE_CELLS)
        lines += [Content(""), heading("Reached after")]
        lines += _reached(found, times[-min(4, fitting):])
    timed = [s for s in found if s.run_s]
    if timed:
        lines += [Content(""), heading("Seconds of a run")]
        lines += _bars(found, width, glyphs)
    return lines


def _reached(
    found: Sequence[Side], times: Sequence[tuple[float, list[float | None]]]
) -> Lines:
    """What each side has after the time that a run of one of them takes."""
    rows = [
        ((f"{side.mark} {names.cut_middle(plain(side.label), _NAME)}", style_of(index)),
         [values[index] for _, values in times])
        for index, side in enumerate(found)
    ]  # fmt: skip
    return score_table([wording.duration(end) for end, _ in times], rows)


def score_table(
    titles: Sequence[str],
    rows: Sequence[tuple[tuple[str, str], Sequence[float | None]]],
) -> Lines:
    """Rows of (name, style) and scores under their titles; the largest of each column is bold."""
    best = [
        max((v for v in column if v is not None), default=None)
        for column in zip(*(values for _, values in rows), strict=True)
    ]
    table: list[list[tuple[str, str]]] = [[("", ""), *((f"{t}  ", "$dim") for t in titles)]]
    for name, values in rows:
        table.append([name])
        for value, top in zip(values, best, strict=True):
            largest = value is not None and value == top
            table[-1].append((f"{wording.score(value)}  ", "bold" if largest else ""))
    return columns(table)


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
