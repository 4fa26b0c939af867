"""A comparison beside its queue: how far it is, who leads on which task, what a proposal takes."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

from textual.content import Content

from hyperllama.core.experiments.reading import Comparison
from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.glyphs import Glyphs
from hyperllama.tui.widgets.sheet import Lines, bar, columns, facts, heading, packed, words

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
        heading("Best score so far, mean over the seeds"),
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
    """Mean best value over the seeds that were begun."""
    values = [
        v
        for c in found.cells
        if c.cell.contender == contender and c.cell.task == task
        if (v := c.best_after(found.grid.budget)) is not None
    ]
    return fmean(values) if values else None


def _matrix(found: Comparison, width: int, glyphs: Glyphs) -> Lines:
    """A line a contender, a column a task as far as there is room; the best is marked."""
    labels = [c.label for c in found.grid.contenders]
    name_cells = min(_NAME, max(map(len, labels)))
    room = max(1, (width - name_cells) // 13)
    tasks = list(found.grid.tasks)[:room]
    rows: list[list[tuple[str, str]]] = [
        [("", ""), *((plain(task)[:11] + "  ", "$dim") for task in tasks)]
    ]
    means = {(label, t): _mean(found, label, t) for label in labels for t in tasks}
    best = {
        t: max((v for label in labels if (v := means[label, t]) is not None), default=None)
        for t in tasks
    }
    for label in labels:
        row = [(plain(label)[:name_cells], "bold")]
        for task in tasks:
            value = means[label, task]
            ahead = value is not None and value == best[task]
            mark = f" {glyphs.best}" if ahead else "  "
            row.append((wording.score(value) + mark, "bold $best" if ahead else ""))
        rows.append(row)
    lines = columns(rows)
    missing = len(found.grid.tasks) - len(tasks)
    if missing:
        lines.append(Content.styled(f"and {missing} more tasks", "$dim"))
    return lines


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
        name = plain(label)[:name_cells].ljust(name_cells)
        text = wording.brief(took)
        lines.append(Content.assemble(f"{name}  ", bar(share, cells, glyphs), f" {text:>7}"))
    return lines
