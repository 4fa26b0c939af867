"""A comparison beside its queue: progress, best scores by task, seconds of a proposal."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

from textual.content import Content

from hyperllama.core.experiments.reading import Comparison, metric_words
from hyperllama.core.text import plain
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.text.names import cut_middle
from hyperllama.tui.widgets.about.sides import score_table
from hyperllama.tui.widgets.sheet import Lines, bar, facts, heading, packed, words

_NAME = 22  # cells at most


def standing_lines(
    found: Comparison, now: float, width: int, height: int, glyphs: Glyphs
) -> Lines:
    """The standing of a comparison so far; `now`: seconds since the epoch."""
    grid = found.grid
    told = f" {found.done_trials}/{found.trials} trials"
    left = None if found.finished else found.left_s
    rest = f", {wording.duration(left)} left" if left is not None else ""
    share = found.done_trials / found.trials if found.trials else 0.0
    cells = max(8, min(30, width - len(told) - len(rest)))
    states = Counter(c.state for c in found.cells)
    counted = [Content.assemble(f"{n} ", (s, "$dim")) for s, n in states.items()]
    lines = [
        Content.assemble(bar(share, cells, glyphs), told, (rest, "$dim")),
        *packed(counted, width),
        Content(""),
        *facts(
            (
                ("budget", f"{grid.budget} trials of each cell, the default included"),
                ("seeds", ", ".join(map(str, grid.seeds))),
                ("made", wording.ago(max(0.0, now - grid.created_t))),
            ),
            width,
        ),
        Content(""),
        heading("Best score, mean over the finished seeds"),
        *words(plain(_metrics(found)), width, "$dim"),
        *_matrix(found, width, glyphs),
        Content(""),
        heading("A proposal takes"),
        *_seconds(found, width, glyphs),
    ]
    errors = [(c.cell, c.error) for c in found.cells if c.error]
    if errors:
        lines += [Content(""), heading("Failed")]
        for cell, error in errors[:4]:
            told = f"{cell.contender} on {cell.task}, seed {cell.seed}: {error}"
            lines += words(told, width, "$bad")
    return lines[:height]


def _mean(found: Comparison, contender: str, task: str) -> float | None:
    """Mean best value over the seeds that are finished."""
    values = [
        v
        for c in found.cells
        if c.cell.contender == contender and c.cell.task == task and c.state == "done"
        if (v := c.best_after(found.grid.budget)) is not None
    ]
    return fmean(values) if values else None


def _metrics(found: Comparison) -> str:
    return metric_words({task: found.metric_of(task) for task in found.grid.tasks})


def _matrix(found: Comparison, width: int, glyphs: Glyphs) -> Lines:
    """A line a contender, a column a task as far as there is room."""
    labels = [c.label for c in found.grid.contenders]
    name_cells = min(_NAME, max(map(len, labels)))
    tasks = list(found.grid.tasks)[: max(1, (width - name_cells) // 13)]
    room = (width - name_cells) // len(tasks) - 4
    rows = [
        ((cut_middle(plain(label), name_cells), "bold"),
         [_mean(found, label, task) for task in tasks])
        for label in labels
    ]  # fmt: skip
    lines = score_table([cut_middle(plain(task), max(9, room)) for task in tasks], rows)
    missing = len(found.grid.tasks) - len(tasks)
    return [*lines, Content.styled(f"and {missing} more tasks", "$dim")] if missing else lines


def _seconds(found: Comparison, width: int, glyphs: Glyphs) -> Lines:
    labels = [c.label for c in found.grid.contenders]
    name_cells = min(_NAME, max(map(len, labels)))
    seconds = {label: found.seconds_a_proposal(label) for label in labels}
    longest = max((s for s in seconds.values() if s), default=0.0)
    cells = max(8, width - name_cells - 11)
    lines: Lines = []
    for label in labels:
        took = seconds[label]
        share = took / longest if took and longest else 0.0
        name = cut_middle(plain(label), name_cells).ljust(name_cells)
        text = wording.brief(took)
        lines.append(Content.assemble(f"{name}  ", bar(share, cells, glyphs), f" {text:>7}"))
    return lines
