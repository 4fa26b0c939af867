"""All figures of an experiment, for its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hyperllama.core.experiments.figures.claims import pairs_of
from hyperllama.core.experiments.figures.contest import Contest
from hyperllama.core.experiments.figures.references import TaskReference
from hyperllama.core.experiments.figures.rows import ContenderPair, ContenderRow
from hyperllama.core.experiments.figures.statistics import FEWEST_SEEDS, holm
from hyperllama.core.experiments.reading import Comparison
from hyperllama.core.experiments.turns import ProposerTurns, not_its_own, turns_of


@dataclass(frozen=True)
class ExperimentFigures:
    """All figures of an experiment, and what a reader has to know of them.

    Attributes:
        rows: by start, trials, then mean rank, best first.
        pairs: of a comparison, the best against each other contender; else what was asked for.
        metrics: task -> what its scores or losses are; empty where that is not known.
        tasks, seeds: what they are about.
        by: "seed", "problem" or "run"; see `contest`.
        against: "same": random search with the same start; "plain": without the default.
        failed: (contender, task, seed, error) of cells that failed.
        turns: contender -> who made its proposals, where that is more than one proposer.
        limits: (start, at) -> gain over random search of the optimum itself, where it is known.
        notes: plain text.
    """

    name: str
    rows: tuple[ContenderRow, ...]
    pairs: tuple[ContenderPair, ...]
    tasks: tuple[str, ...]
    metrics: Mapping[str, str]
    seeds: tuple[int, ...]
    by: str
    against: str
    failed: tuple[tuple[str, str, int, str], ...]
    turns: Mapping[str, tuple[ProposerTurns, ...]] = field(default_factory=dict)
    limits: Mapping[tuple[str, int], Sequence[float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def experiment_figures(
    comparison: Comparison,
    *,
    at: Sequence[int] = (),
    by: str = "seed",
    against: str = "same",
    pairs: Sequence[tuple[str, str]] | None = None,
) -> ExperimentFigures:
    """The figures of the cells that are whole.

    Args:
        at: trials after which contenders are judged, by runs with this budget where there are any,
            else by those with the smallest budget above it; empty is the grid's budget.
        pairs: contenders to compare; None compares the best with each other one.
    """
    references = {
        t: TaskReference.of(comparison, t)
        for t in comparison.grid.tasks
        if t not in comparison.problems or comparison.problems[t].evidence
    }
    rows: list[ContenderRow] = []
    found: list[ContenderPair] = []
    limits = {}
    for start in ("default", "none"):
        for n in at or (comparison.grid.budget,):
            contest = Contest.of(comparison, references, start, n, by, against)
            new = contest.rows()
            rows += new
            labels = [r.contender for r in new]
            chosen = [(labels[0], b) for b in labels[1:]] if pairs is None else pairs
            count = pairs_of(len(labels)) if pairs is None else len(chosen)
            new_pairs = [contest.pair(a, b, count) for a, b in chosen if new]
            found += _corrected([p for p in new_pairs if p is not None])
            if new:
                limits[start, n] = contest.limits()
    turns = _turns(comparison)
    own = (not_its_own(c, turns.get(c.label, ())) for c in comparison.grid.contenders)
    notes = (*_notes(comparison, references, by), *filter(None, own))
    failed = tuple(
        (c.cell.contender, c.cell.task, c.cell.seed, c.error)
        for c in comparison.cells if c.state == "failed"
    )  # fmt: skip
    return ExperimentFigures(
        comparison.grid.name, tuple(rows), tuple(found), tuple(references),
        {t: comparison.metric_of(t) for t in references}, comparison.grid.seeds, by,
        against, failed, {label: made for label, made in turns.items() if len(made) > 1}, limits,
        notes,
    )  # fmt: skip


def _turns(comparison: Comparison) -> dict[str, tuple[ProposerTurns, ...]]:
    """Who made the proposals of each contender, in whole cells."""
    return {
        contender.label: turns_of(
            c for c in comparison.cells
            if c.cell.contender == contender.label and c.state == "done"
        )
        for contender in comparison.grid.contenders
    }


def _corrected(pairs: Sequence[ContenderPair]) -> list[ContenderPair]:
    """The pairs with p values that allow for their number."""
    values = holm([pair.p for pair in pairs])
    return [replace(pair, p=p) for pair, p in zip(pairs, values, strict=True)]


def _notes(
    comparison: Comparison, references: Mapping[str, TaskReference], by: str
) -> list[str]:
    notes = [
        f"{t} is left out: guessing the origin solves it"
        for t in comparison.grid.tasks if t not in references
    ]  # fmt: skip
    if by != "seed":
        return notes
    left = sum(c.state in ("waiting", "running", "broken off") for c in comparison.cells)
    if left:
        notes.append(f"{left} of {len(comparison.cells)} cells are not finished")
    labels = [c.label for c in comparison.grid.contenders]
    done = {m: [t for t in references if comparison.of(m, t)] for m in labels}
    if any(done.values()) and all(r.pool is None for r in references.values()):
        notes.append("random search was not run, so gains are against the default alone")
    seeds = len(comparison.grid.seeds)
    if seeds < FEWEST_SEEDS:
        count = "one seed" if seeds == 1 else f"{seeds} seeds"
        notes.append(f"{count}: too few for intervals of the gains")
    elif seeds < 5:
        notes.append(f"{seeds} seeds: intervals are rough; 5 or more are good")
    for label in labels if comparison.confirms else ():
        gains = [c.confirmed_gain for t in references for c in comparison.of(label, t)]
        if None in gains:
            short = f"{gains.count(None)} of its {len(gains)} cells ended too soon for one"
            notes.append(f"{label}: no confirmed gain, since {short}")
    lacking = [m for m, tasks in done.items() if tasks and len(tasks) < len(references)]
    return [*notes, *(f"{m} lacks tasks, so it has no rank" for m in lacking)]
