"""A task on the first screen: what its table is, how it is scored, the scores reached on it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from hyperllama.core.text import counted, plain
from hyperllama.tui.content.library import StudyEntry, TaskEntry
from hyperllama.tui.content.task_facts import TaskFacts
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.form.task_file import file_lines
from hyperllama.tui.widgets.sheet import Lines, columns, facts, heading, words

_MOST_STUDIES = 6


def task_lines(
    entry: TaskEntry,
    told: TaskFacts,
    studies: Sequence[StudyEntry],
    width: int,
    height: int,
    glyphs: Glyphs,
) -> Lines:
    """The task's facts, its studies, and the file itself where room is left."""
    if entry.problem:
        return words(f"The file cannot be read: {entry.problem}", width, "$bad")
    lines = words(entry.about, width, "bold")
    if told.notes and told.notes != entry.about:
        lines += [Content(""), *words(told.notes, width)]
    lines += [Content(""), *_facts(entry, told, width)]
    if told.columns:
        names = f" {glyphs.dot} ".join(c for c in told.columns if c != told.target)
        lines += [Content(""), heading(f"{len(told.columns)} columns")]
        shown = words(names, width, "$dim")
        lines += shown if len(shown) <= 4 else [*shown[:3], _and(shown[3], width, glyphs)]
    lines += [Content(""), *_reached(studies, glyphs)]
    room = height - len(lines) - 2
    if room >= 6:
        file = file_lines(told.text)
        lines += [Content(""), heading(entry.path.name)]
        lines += file if len(file) <= room else [*file[: room - 1], Content.styled(glyphs.ellipsis)]
    return lines


def _facts(entry: TaskEntry, told: TaskFacts, width: int) -> Lines:
    size = f", {wording.size(told.data_bytes)}" if told.data_bytes else ", missing"
    return facts(
        (
            ("table", told.data + (size if told.data else "")),
            ("target", told.target + (f", {told.kind}" if told.kind else "")),
            ("metric", told.metric or "the default one"),
            ("estimators", ", ".join(entry.estimators)),
            ("validation", told.validation),
            ("budget", told.budget.replace("_", " ")),
            ("space", "; ".join(told.space)),
        ),
        width,
    )


def _reached(studies: Sequence[StudyEntry], glyphs: Glyphs) -> Lines:
    """The studies of this task, the best first."""
    if not studies:
        return [Content.styled("No study of it yet", "$dim")]
    best_first = sorted(studies, key=lambda s: -(s.best if s.best is not None else float("-inf")))
    count = f"{len(studies)} studies of it" if len(studies) > 1 else "One study of it"
    rows = [
        (
            (plain(s.title), "bold"),
            (wording.score(s.best), "$best" if s is best_first[0] else ""),
            (wording.signed(s.gain), wording.gain_style(s.beyond_noise)),
            (counted(s.trials, "trial"), "$dim"),
            (s.proposer, "$voice"),
        )
        for s in best_first[:_MOST_STUDIES]
    ]
    more = len(studies) - len(rows)
    rest = [Content.styled(f"and {more} more", "$dim")] if more else []
    return [heading(count), *columns(rows, left=(0, 4)), *rest]


def _and(line: Content, width: int, glyphs: Glyphs) -> Content:
    return Content.assemble(line.truncate(width - 2), (f" {glyphs.ellipsis}", "$dim"))
