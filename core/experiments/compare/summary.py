"""The figures of a comparison: gain over random search and the default, ranks, costs, verdicts.

A loss is 1 - score for scores whose best value is 1, minus the score for scikit-learn's negated
errors. A gain is the share of the reference's loss that was saved, mean over tasks. Intervals are
95 % bootstrap intervals over seeds, within each task: they say how much the figure would move with
other seeds on these tasks, and nothing about other tasks. Shapes: R resamples, s seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.bench.chance import Chance
from hyperllama.core.experiments.compare.reading import CellFacts, Comparison

Floats = NDArray[np.float64]
RESAMPLES = 2000
FEWEST_SEEDS = 3
"""With fewer there is no interval: resampling two values says nothing."""
RANDOM = "random"


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; without one (low = high = None) where there are few seeds."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A contender.

    Attributes:
        contender: label; proposer, model: what it is.
        tasks, cells: how many are whole.
        over_random, over_default, over_default_test: gains as shares; the last one on rows that no
            trial saw. None where there is no reference.
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
class Verdict:
    """Two contenders on the tasks both have: the difference of what they save, and if it counts.

    Attributes:
        difference: mean share of b's loss that a saved; positive: a is better.
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
            return f"{head}; with fewer than {FEWEST_SEEDS} seeds nobody can say if that is noise"
        span = f"[{d.low * 100:+.1f}, {d.high * 100:+.1f}]"
        return f"{head} {span}: " + ("within noise" if self.noise else "beyond noise")


@dataclass(frozen=True)
class Summary:
    """All figures of a comparison.

    Attributes:
        rows: by mean gain, best first.
        verdicts: the best against each other contender.
        budget, tasks, seeds: what they are about.
        failed: (contender, task, seed, error) of cells that failed.
        notes: what a reader has to know; plain text.
    """

    name: str
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    budget: int
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    failed: tuple[tuple[str, str, int, str], ...]
    notes: tuple[str, ...]



def summarise(comparison: Comparison, at: int | None = None) -> Summary:
    """The figures of the cells that are whole.

    Args:
        at: trials after which contenders are judged; None is the whole budget.
    """
    at = at or comparison.grid.budget
    negated = {t: _negated(comparison, t) for t in comparison.grid.tasks}
    tables = {
        c.label: {
            t: _losses(cells, at, negated[t])
            for t in comparison.grid.tasks
            if (cells := comparison.of(c.label, t))
        }
        for c in comparison.grid.contenders
    }
    tables = {label: table for label, table in tables.items() if table}
    random = {t: _random(comparison, t, at, negated[t]) for t in comparison.grid.tasks}
    first = {t: _first(comparison, t, negated[t]) for t in comparison.grid.tasks}
    ranks, best_on = _ranks(tables, tuple(comparison.grid.tasks))
    rows = [
        _row(comparison, label, table, random, first, ranks.get(label), best_on.get(label, 0))
        for label, table in tables.items()
    ]
    rows.sort(key=_order)
    labels = [r.contender for r in rows]
    verdicts = [_verdict(labels[0], b, tables) for b in labels[1:]]
    failed = [
        (c.cell.contender, c.cell.task, c.cell.seed, c.error)
        for c in comparison.cells if c.state == "failed"
    ]  # fmt: skip
    return Summary(
        comparison.grid.name, tuple(rows), tuple(v for v in verdicts if v is not None), at,
        tuple(comparison.grid.tasks), comparison.grid.seeds, tuple(failed),
        tuple(_notes(comparison, tables, random)),
    )  # fmt: skip


def _order(row: Row) -> tuple[float, float]:
    gain = row.over_random or row.over_default
    return (row.rank if row.rank is not None else math.inf, -(gain.value if gain else -math.inf))


def _negated(comparison: Comparison, task: str) -> bool:
    """Whether the task's scores are negated errors: any of them lies outside [0, 1]."""
    values = [t["value"] for c in comparison.cells if c.cell.task == task for t in c.trials]
    known = [v for v in values if v is not None]
    return bool(known) and max(known) <= 0


def _losses(cells: Sequence[CellFacts], at: int, negated: bool) -> Floats:
    """Loss of each seed's incumbent, shape (s,); the worst known where every trial failed."""
    values = [c.best_after(at) for c in cells]
    known = [v for v in values if v is not None]
    worst = min(known, default=0.0)
    return np.array([_loss(worst if v is None else v, negated) for v in values])


def _loss(value: float, negated: bool) -> float:
    return -value if negated else 1.0 - value


def _first(comparison: Comparison, task: str, negated: bool) -> float | None:
    """Loss of the default configuration."""
    for c in comparison.cells:
        if c.cell.task == task and c.default_value is not None:
            return _loss(c.default_value, negated)
    return None


@dataclass(frozen=True)
class _Random:
    """Random search on a task: the expected loss, and that of resampled draws, shape (R,)."""

    expected: float
    resampled: Floats | None


def _random(comparison: Comparison, task: str, at: int, negated: bool) -> _Random | None:
    """What random search reaches in the mean, from all its draws as one pool."""
    cells = comparison.of(RANDOM, task)
    if not cells:
        return None
    default = _first(comparison, task, negated)
    drawn = np.array([
        _loss(float(t["value"]), negated)
        for c in cells for t in c.asked if t["value"] is not None
    ])  # fmt: skip
    if default is None or not len(drawn):
        return None
    failed = sum(t["value"] is None for c in cells for t in c.asked)
    drawn = np.append(drawn, np.full(failed, max(float(drawn.max()), default)))
    found = Chance.of(drawn, default=(default, default))
    expected = float(found.curve(at, "default")[at - 1])
    if len(cells) < FEWEST_SEEDS:
        return _Random(expected, None)
    n, k = len(drawn), min(at - 1, len(drawn))
    picked = np.sort(drawn[_rng(task, RANDOM).integers(n, size=(RESAMPLES, n))], axis=1)
    best_is = Chance.of(np.arange(n, dtype=float))._best_is(k) if k else np.eye(1, n)[0]
    return _Random(expected, np.minimum(picked, default) @ best_is)


def _rng(*parts: str) -> np.random.Generator:
    return np.random.default_rng([sum(map(ord, p)) for p in parts])


def _means(losses: Floats, label: str, task: str) -> Floats | None:
    """Mean loss with other seeds, shape (R,); None for too few of them.

    Deviations are stretched by sqrt(s / (s - 1)): resampling few values makes them too small.
    """
    s = len(losses)
    if s < FEWEST_SEEDS:
        return None
    picked = losses[_rng(label, task).integers(s, size=(RESAMPLES, s))].mean(1)
    mean = float(losses.mean())
    return np.asarray(mean + math.sqrt(s / (s - 1)) * (picked - mean))


def _gain(
    table: Mapping[str, Floats], label: str, reference: Mapping[str, float],
    resampled: Callable[[str], Floats | float | None],
) -> Estimate | None:  # fmt: skip
    """Mean over tasks of the share of the reference's loss that was saved."""
    values, drawn = [], []
    for task, losses in table.items():
        if task not in reference:
            continue
        values.append(_saved(float(losses.mean()), reference[task]))
        mine, other = _means(losses, label, task), resampled(task)
        drawn.append(None if mine is None or other is None else _saved_all(mine, other))
    return _estimate(values, drawn)


def _estimate(values: Sequence[float], drawn: Sequence[Floats | None]) -> Estimate | None:
    if not values:
        return None
    known = [d for d in drawn if d is not None]
    if len(known) < len(drawn):
        return Estimate(fmean(values))
    low, high = np.quantile(np.mean(known, axis=0), [0.025, 0.975])
    return Estimate(fmean(values), float(low), float(high))


def _saved(mine: float, reference: float) -> float:
    return (reference - mine) / abs(reference) if reference else 0.0 if mine == 0 else -1.0


def _saved_all(mine: Floats, reference: Floats | float) -> Floats:
    scale = np.abs(reference) + (np.abs(reference) < 1e-12)
    return np.asarray((reference - mine) / scale)


def _row(
    comparison: Comparison, label: str, table: Mapping[str, Floats],
    random: Mapping[str, _Random | None], first: Mapping[str, float | None],
    rank: float | None, best_on: int,
) -> Row:  # fmt: skip
    contender = comparison.grid.contender(label)
    cells = [c for c in comparison.cells if c.cell.contender == label and c.trials]
    asked = [t for c in cells for t in c.asked]
    replies = sum(t["replies"] for t in asked) or 1
    expected = {t: r.expected for t, r in random.items() if r is not None}
    default = {t: v for t, v in first.items() if v is not None}

    def redrawn(task: str) -> Floats | None:
        found = random[task]
        return None if found is None else found.resampled

    model = bool(contender.model)
    return Row(
        contender=label,
        proposer=contender.proposer,
        model=contender.model,
        tasks=len(table),
        cells=sum(len(v) for v in table.values()),
        over_random=None if label == RANDOM else _gain(table, label, expected, redrawn),
        over_default=_gain(table, label, default, lambda t: default[t]),
        over_default_test=_test_gain(comparison, label),
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


def _mean(values: object) -> float | None:
    known = [float(v) for v in values if v is not None]  # type: ignore[attr-defined]
    return fmean(known) if known else None


def _test_gain(comparison: Comparison, label: str) -> Estimate | None:
    """The gain over the default on rows that no trial saw."""
    values, drawn = [], []
    for task in comparison.grid.tasks:
        negated = _negated(comparison, task)
        ends = [c.end for c in comparison.of(label, task) if c.end.get("test_value") is not None]
        if not ends:
            continue
        mine = np.array([_loss(float(e["test_value"]), negated) for e in ends])
        reference = _loss(float(ends[0]["default_test_value"]), negated)
        values.append(_saved(float(mine.mean()), reference))
        resampled = _means(mine, label, task)
        drawn.append(None if resampled is None else _saved_all(resampled, reference))
    return _estimate(values, drawn)


def _ranks(
    tables: Mapping[str, Mapping[str, Floats]], tasks: Sequence[str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Mean rank over tasks by mean loss, ties share; and on how many tasks each is best."""
    from scipy.stats import rankdata

    present = [t for t in tasks if any(t in table for table in tables.values())]
    whole = [label for label, table in tables.items() if all(t in table for t in present)]
    if not whole or not present:
        return {}, {}
    means = np.array([[float(tables[m][t].mean()) for t in present] for m in whole])
    rounded = np.array([[float(f"{v:.9g}") for v in row] for row in means])
    ranks = rankdata(rounded, axis=0)
    best = rounded.min(axis=0)
    return (
        {m: float(ranks[i].mean()) for i, m in enumerate(whole)},
        {m: int((rounded[i] == best).sum()) for i, m in enumerate(whole)},
    )


def _verdict(a: str, b: str, tables: Mapping[str, Mapping[str, Floats]]) -> Verdict | None:
    shared = [t for t in tables[a] if t in tables[b]]
    values, drawn = [], []
    for task in shared:
        x, y = tables[a][task], tables[b][task]
        values.append(_saved(float(x.mean()), float(y.mean())))
        p, q = _means(x, a, task), _means(y, b, task)
        drawn.append(None if p is None or q is None else _saved_all(p, q))
    difference = _estimate(values, drawn)
    if difference is None:
        return None
    noise = None
    if difference.low is not None and difference.high is not None:
        noise = difference.low <= 0 <= difference.high
    return Verdict(a, b, len(shared), difference, noise)


def _notes(
    comparison: Comparison, tables: Mapping[str, Mapping[str, Floats]],
    random: Mapping[str, _Random | None],
) -> list[str]:  # fmt: skip
    notes = []
    left = sum(c.state in ("waiting", "running", "broken off") for c in comparison.cells)
    if left:
        notes.append(f"{left} of {len(comparison.cells)} cells are not finished")
    if tables and not any(random.values()):
        notes.append("random search was not run, so gains are against the default alone")
    seeds = len(comparison.grid.seeds)
    if seeds < FEWEST_SEEDS:
        said = "one seed" if seeds == 1 else f"{seeds} seeds"
        notes.append(f"{said}: no intervals, and no telling a difference from noise")
    elif seeds < 5:
        notes.append(f"{seeds} seeds: intervals are rough; 5 or more are good")
    whole = {label for label, t in tables.items() if len(t) == len(comparison.grid.tasks)}
    for label in tables.keys() - whole:
        notes.append(f"{label} lacks tasks, so it has no rank")
    return notes
