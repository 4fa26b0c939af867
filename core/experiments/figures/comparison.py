"""The figures of a comparison: gain over random search and the default, ranks, costs, verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.figures.random_search import RandomSearch
from hyperllama.core.experiments.figures.statistics import (
    FEWEST_SEEDS,
    Estimate,
    gain,
    loss_of,
    mean_with_other_seeds,
    over_seeds,
    ranks,
)
from hyperllama.core.experiments.reading import CellFacts, Comparison

Floats = NDArray[np.float64]
RANDOM = "random"


@dataclass(frozen=True)
class ContenderRow:
    """A contender.

    Attributes:
        contender: label; proposer, model: what it is.
        tasks, cells: how many are whole.
        over_random, over_default, over_default_test: gains as shares (`statistics.gain`); the last
            one on rows that no trial saw. None where there is no reference.
        rank: mean rank among all contenders that have all tasks, 1 is best; None if it has not.
        best_on: on how many tasks its mean loss is the least.
        repeated, invalid: shares of the replies that repeated what was tried, or were refused for
            another reason; fallbacks: share of the proposals that another proposer made.
        prompt_tokens, reply_tokens: means a proposal; None without a model.
        ask_s: median seconds a proposal; train_s: mean seconds a trial.
        engine_mb: peak memory of the engine's process; None without a model.
        joules: mean energy a proposal; None where the machine reports none.
    """

    contender: str
    proposer: str
    model: str
    tasks: int
    cells: int
    over_random: Estimate | None
    over_default: Estimate | None
    over_default_test: Estimate | None
    rank: float | None
    best_on: int
    repeated: float
    invalid: float
    fallbacks: float
    prompt_tokens: float | None
    reply_tokens: float | None
    ask_s: float | None
    train_s: float | None
    engine_mb: float | None
    joules: float | None


@dataclass(frozen=True)
class PairVerdict:
    """Two contenders on the tasks and seeds both have, and whether the difference counts.

    Attributes:
        difference: gain of a with b as the reference; positive: a is better.
        noise: the interval holds 0, so other seeds could turn it round; None with too few seeds.
    """

    a: str
    b: str
    tasks: int
    difference: Estimate
    noise: bool | None

    def words(self) -> str:
        """One plain sentence."""
        d = self.difference
        size = f"{abs(d.value) * 100:.1f} %"
        better = "better" if d.value >= 0 else "worse"
        tasks = f"{self.tasks} task{'s' if self.tasks != 1 else ''}"
        if abs(d.value) < 5e-5:
            return f"{self.a} and {self.b} are equal on {tasks}"
        head = f"{self.a} is {size} {better} than {self.b} on {tasks}"
        if self.noise is None or d.low is None or d.high is None:
            return f"{head}; fewer than {FEWEST_SEEDS} seeds cannot tell whether that is noise"
        span = f"[{d.low * 100:+.1f}, {d.high * 100:+.1f}]"
        return f"{head} {span}: " + ("within noise" if self.noise else "beyond noise")


@dataclass(frozen=True)
class ComparisonFigures:
    """All figures of a comparison.

    Attributes:
        rows: by mean rank, best first.
        verdicts: the best against each other contender.
        budget, tasks, seeds: what they are about.
        failed: (contender, task, seed, error) of cells that failed.
        notes: what a reader has to know; plain text.
    """

    name: str
    rows: tuple[ContenderRow, ...]
    verdicts: tuple[PairVerdict, ...]
    budget: int
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    failed: tuple[tuple[str, str, int, str], ...]
    notes: tuple[str, ...]


Losses = Mapping[str, Mapping[str, Mapping[int, float]]]
"""Contender -> task -> seed -> loss of the incumbent; whole cells only."""


def comparison_figures(comparison: Comparison, at: int | None = None) -> ComparisonFigures:
    """The figures of the cells that are whole.

    Args:
        at: trials after which contenders are judged; None is the whole budget.
    """
    grid = comparison.grid
    at = at or grid.budget
    references = {t: _Reference.of(comparison, t, at) for t in grid.tasks}
    losses: dict[str, dict[str, dict[int, float]]] = {}
    for c in grid.contenders:
        for t in grid.tasks:
            if cells := comparison.of(c.label, t):
                losses.setdefault(c.label, {})[t] = references[t].losses(cells, at)
    places, best_on = _places(losses, tuple(grid.tasks))
    rows = [
        _row(comparison, label, losses[label], references, places.get(label), best_on.get(label, 0))
        for label in losses
    ]
    rows.sort(key=_order)
    labels = [r.contender for r in rows]
    verdicts = (_verdict(labels[0], b, losses) for b in labels[1:])
    failed = tuple(
        (c.cell.contender, c.cell.task, c.cell.seed, c.error)
        for c in comparison.cells if c.state == "failed"
    )  # fmt: skip
    return ComparisonFigures(
        grid.name, tuple(rows), tuple(v for v in verdicts if v is not None), at,
        tuple(grid.tasks), grid.seeds, failed, tuple(_notes(comparison, losses, references)),
    )  # fmt: skip


def _order(row: ContenderRow) -> tuple[float, float]:
    found = row.over_random or row.over_default
    return (
        row.rank if row.rank is not None else math.inf,
        -(found.value if found is not None else -math.inf),
    )


@dataclass(frozen=True)
class _Reference:
    """What contenders are compared with on a task.

    Attributes:
        negated: whether the task's scores are negated errors: none of them is positive.
        default: loss of the default configuration; None where it failed.
        random: losses of random configurations; None where random search was not run.
        draws: how many of them random search makes.
        seeds: of random search.
    """

    negated: bool
    default: float | None
    random: RandomSearch | None
    draws: int
    seeds: int

    @classmethod
    def of(cls, comparison: Comparison, task: str, at: int) -> _Reference:
        here = [c for c in comparison.cells if c.cell.task == task]
        known = [t["value"] for c in here for t in c.trials if t["value"] is not None]
        negated = bool(known) and max(known) <= 0
        values = (c.default_value for c in here)
        default = next((loss_of(v, negated) for v in values if v is not None), None)
        cells = comparison.of(RANDOM, task)
        drawn = [t["value"] for c in cells for t in c.asked]
        scored = [loss_of(float(v), negated) for v in drawn if v is not None]
        if default is None or not scored:
            return cls(negated, default, None, 0, len(cells))
        failed = [max(*scored, default)] * (len(drawn) - len(scored))
        pool = RandomSearch.of(np.array(scored + failed), default=(default, default))
        return cls(negated, default, pool, min(at - 1, len(drawn)), len(cells))

    def losses(self, cells: Sequence[CellFacts], at: int) -> dict[int, float]:
        """Loss of each seed's incumbent; the worst known where every trial failed."""
        values = {c.cell.seed: c.best_after(at) for c in cells}
        worst = min((v for v in values.values() if v is not None), default=0.0)
        return {s: loss_of(worst if v is None else v, self.negated) for s, v in values.items()}

    def expected(self, picked: NDArray[np.int_]) -> Floats:
        """Random search's expected loss with resampled configurations, shape (...).

        Args:
            picked: positions in the pool, shape (..., pool size).
        """
        assert self.random is not None and self.default is not None
        if not self.draws:
            return np.full(picked.shape[:-1], self.default)
        drawn = self.random.observed[np.sort(picked, axis=-1)]
        return np.asarray(np.minimum(drawn, self.default) @ self.random.best_is(self.draws))


def _array(losses: Mapping[int, float]) -> Floats:
    return np.array(list(losses.values()))


def _mean_gain(pairs: Sequence[tuple[Floats, Floats | float]]) -> Estimate | None:
    """Mean over tasks of the gain; seeds of a task are resampled together.

    Args:
        pairs: (losses, reference's losses) of each task, shape (n_seeds,) each; or one number.
    """
    if not pairs:
        return None

    def figure(*picked: Any) -> Any:
        found = [
            gain(
                mean_with_other_seeds(mine, p),
                other if isinstance(other, float) else mean_with_other_seeds(other, p),
            )
            for (mine, other), p in zip(pairs, picked, strict=True)
        ]
        return np.mean(found, axis=0)

    return over_seeds(figure, [len(mine) for mine, _ in pairs])


def _gain_over_random(
    losses: Mapping[str, Mapping[int, float]], references: Mapping[str, _Reference]
) -> Estimate | None:
    """Mean over tasks of the gain; seeds, and random search's draws, are resampled apart."""
    tasks = [t for t in losses if references[t].random is not None]
    if not tasks:
        return None
    mine = [_array(losses[t]) for t in tasks]
    pools = [len(r.random.observed) for t in tasks if (r := references[t]).random is not None]
    n = len(tasks)

    def figure(*picked: Any) -> Any:
        found = [
            gain(mean_with_other_seeds(mine[i], picked[i]), references[t].expected(picked[n + i]))
            for i, t in enumerate(tasks)
        ]
        return np.mean(found, axis=0)

    if min(references[t].seeds for t in tasks) < FEWEST_SEEDS:
        return Estimate(float(figure(*map(np.arange, (*map(len, mine), *pools)))))
    return over_seeds(figure, [*map(len, mine), *pools])


def _row(
    comparison: Comparison, label: str, losses: Mapping[str, Mapping[int, float]],
    references: Mapping[str, _Reference], rank: float | None, best_on: int,
) -> ContenderRow:  # fmt: skip
    contender = comparison.grid.contender(label)
    cells = [c for c in comparison.cells if c.cell.contender == label and c.trials]
    asked = [t for c in cells for t in c.asked]
    replies = sum(t["replies"] for t in asked) or 1
    begun = ((t, references[t].default) for t in losses)
    defaults = [(_array(losses[t]), d) for t, d in begun if d is not None]
    model = bool(contender.model)
    return ContenderRow(
        contender=label,
        proposer=contender.proposer,
        model=contender.model,
        tasks=len(losses),
        cells=sum(map(len, losses.values())),
        over_random=None if label == RANDOM else _gain_over_random(losses, references),
        over_default=_mean_gain(defaults),
        over_default_test=_test_gain(comparison, label, references),
        rank=rank,
        best_on=best_on,
        repeated=sum(t["repeated"] + bool(t.get("repeat")) for t in asked) / replies,
        invalid=sum(t["invalid"] for t in asked) / replies,
        fallbacks=sum(bool(t["fallback"]) for t in asked) / max(len(asked), 1),
        prompt_tokens=_mean(t["tokens"].get("prompt") for t in asked) if model else None,
        reply_tokens=_mean(t["tokens"].get("generated") for t in asked) if model else None,
        ask_s=comparison.seconds_a_proposal(label),
        train_s=_mean(t["seconds"] for c in cells for t in c.trials),
        engine_mb=(max((t["engine_mb"] for t in asked), default=0.0) or None) if model else None,
        joules=_mean(t["joules"] for t in asked) if model else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(v) for v in values if v is not None]
    return fmean(known) if known else None


def _test_gain(
    comparison: Comparison, label: str, references: Mapping[str, _Reference]
) -> Estimate | None:
    """The gain over the default on rows that no trial saw."""
    pairs: list[tuple[Floats, Floats | float]] = []
    for task in comparison.grid.tasks:
        ends = [c.end for c in comparison.of(label, task) if c.end.get("test_value") is not None]
        if ends:
            negated = references[task].negated
            mine = np.array([loss_of(float(e["test_value"]), negated) for e in ends])
            pairs.append((mine, loss_of(float(ends[0]["default_test_value"]), negated)))
    return _mean_gain(pairs)


def _places(losses: Losses, tasks: Sequence[str]) -> tuple[dict[str, float], dict[str, int]]:
    """Mean rank over tasks by mean loss; and on how many tasks each is best."""
    present = [t for t in tasks if any(t in table for table in losses.values())]
    whole = [label for label, table in losses.items() if all(t in table for t in present)]
    if not whole or not present:
        return {}, {}
    found = ranks(np.array([[_array(losses[m][t]).mean() for t in present] for m in whole]))
    best = found == found.min(axis=0)
    return (
        {m: float(found[i].mean()) for i, m in enumerate(whole)},
        {m: int(best[i].sum()) for i, m in enumerate(whole)},
    )


def _verdict(a: str, b: str, losses: Losses) -> PairVerdict | None:
    """Paired: on the tasks, and there on the seeds, that both have."""
    pairs: list[tuple[Floats, Floats | float]] = []
    for task in (t for t in losses[a] if t in losses[b]):
        first, second = losses[a][task], losses[b][task]
        seeds = sorted(first.keys() & second.keys())
        if seeds:
            mine = np.array([first[s] for s in seeds])
            pairs.append((mine, np.array([second[s] for s in seeds])))
    difference = _mean_gain(pairs)
    if difference is None:
        return None
    return PairVerdict(a, b, len(pairs), difference, difference.within_noise)


def _notes(
    comparison: Comparison, losses: Losses, references: Mapping[str, _Reference]
) -> list[str]:
    notes = []
    left = sum(c.state in ("waiting", "running", "broken off") for c in comparison.cells)
    if left:
        notes.append(f"{left} of {len(comparison.cells)} cells are not finished")
    if losses and all(r.random is None for r in references.values()):
        notes.append("random search was not run, so gains are against the default alone")
    seeds = len(comparison.grid.seeds)
    if seeds < FEWEST_SEEDS:
        count = "one seed" if seeds == 1 else f"{seeds} seeds"
        notes.append(f"{count}: no intervals, and no telling a difference from noise")
    elif seeds < 5:
        notes.append(f"{seeds} seeds: intervals are rough; 5 or more are good")
    for label, table in losses.items():
        if len(table) < len(comparison.grid.tasks):
            notes.append(f"{label} lacks tasks, so it has no rank")
    return notes
