"""The paper's figures from bench results: how much better than random search, and than each other.

A *unit* is a problem (its loss the mean over seeds) or, by="run", a problem under one seed. The
relative change is (loss - random's) / random's, with losses as measured and random search's mean;
the normalised regret is (loss - best) / (median random configuration's - best).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.bench.results import Results, Run

Floats = NDArray[np.float64]
AT = (5, 10, 20, 30)
RESAMPLES = 2000
_TIE = 1e-9
"""Losses this close, relatively, count as equal."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval over units."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One method after `at` evaluations.

    Attributes:
        method, start, at: which.
        units: how many problems (or runs) it is the mean of.
        runs: how many runs are behind it.
        better: share of units better than random search, in [0, 1].
        median, mean: relative change of the loss against random search; negative is better.
        rank: mean rank among the methods of the table, 1 best; None where it lacks a unit.
        regret: mean normalised regret; None where no optimum is known.
        ask_ms: median milliseconds a proposal took; None where nothing was asked.
        fallbacks: share of proposals that another proposer made.
    """

    method: str
    start: str
    at: int
    units: int
    runs: int
    better: Estimate
    median: Estimate
    mean: Estimate
    rank: Estimate | None
    regret: Estimate | None
    ask_ms: float | None
    fallbacks: float


@dataclass(frozen=True)
class Pair:
    """Two methods on the units both have, after `at` evaluations.

    Attributes:
        wins, losses, ties: units on which `a` is better, worse, equal.
        change: mean relative difference (a - b) / b; negative: a is better.
        median: median of the same.
        p: two-sided Wilcoxon signed-rank test of log(a / b); 1 where all units tie.
    """

    a: str
    b: str
    start: str
    at: int
    units: int
    wins: int
    losses: int
    ties: int
    change: Estimate
    median: float
    p: float


@dataclass(frozen=True)
class Summary:
    """All figures, and what a reader has to know of them.

    Attributes:
        rows: by start, evaluations, then mean rank.
        against: "same": random search with the same start; "plain": without the default.
        by: "problem" or "run".
        problems: names of the problems the figures are about.
        broken: (method, problem, error) of runs that broke off, once each.
        notes: what was left out and why; plain text.
    """

    rows: tuple[Row, ...]
    against: str
    by: str
    problems: tuple[str, ...]
    broken: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


Unit = tuple[str, int]
"""Problem id and seed; seed -1 stands for the mean over seeds."""


@dataclass(frozen=True)
class _Cell:
    """A method's losses after `at` evaluations on each unit, and random search's on the same."""

    loss: dict[Unit, float]
    chance: dict[Unit, float]
    runs: list[Run]


def summarise(
    results: Results,
    *,
    at: Sequence[int] = AT,
    starts: Sequence[str] = ("default", "none"),
    methods: Sequence[str] | None = None,
    suites: Sequence[str] | None = None,
    against: str = "same",
    by: str = "problem",
) -> Summary:
    """Figures for all methods side by side.

    After n evaluations a method is judged by its runs with a budget of n where there are any, else
    by those with the smallest budget above n. Unshifted Ackley is left out: it proves nothing.
    """
    notes: list[str] = []
    ids = _problems(results, suites, notes)
    rows: list[Row] = []
    for start in starts:
        for n in at:
            cells = _cells(results, ids, start, n, methods, against, by)
            if cells:
                rows.extend(_rows(results, cells, start, n, methods, against, by))
    broken = {(r.method, r.problem): r.error for r in results.runs.values() if r.error}
    return Summary(
        rows=tuple(rows),
        against=against,
        by=by,
        problems=tuple(results.problems[i].name for i in ids),
        broken=tuple((m, p, e) for (m, p), e in sorted(broken.items())),
        notes=tuple(notes),
    )


def compare(
    results: Results,
    a: str,
    b: str,
    *,
    at: int = 10,
    start: str = "default",
    by: str = "problem",
    suites: Sequence[str] | None = None,
) -> Pair:
    """Method `a` against method `b` on the units that both have ("random" is allowed)."""
    ids = _problems(results, suites, [])
    cells = _cells(results, ids, start, at, None, "same", by)
    first, second = _losses_of(cells, a), _losses_of(cells, b)
    units = sorted(first.keys() & second.keys())
    x = np.array([first[u] for u in units])
    y = np.array([second[u] for u in units])
    sign = np.array([_sign(p, q) for p, q in zip(x, y, strict=True)], dtype=int)
    change = _relative(x, y)
    return Pair(
        a=a, b=b, start=start, at=at, units=len(units),
        wins=int((sign < 0).sum()), losses=int((sign > 0).sum()), ties=int((sign == 0).sum()),
        change=_bootstrap([change], lambda c: c.mean(-1)),
        median=float(np.median(change)) if len(change) else float("nan"),
        p=_wilcoxon(x, y, sign),
    )  # fmt: skip


def _wilcoxon(x: Floats, y: Floats, sign: NDArray[np.int_]) -> float:
    """Two-sided p of the signed ranks of log(x / y), or of x - y where a loss is not positive."""
    from scipy.stats import wilcoxon

    if not len(x) or not sign.any():
        return 1.0
    positive = (x > 0).all() and (y > 0).all()
    gap = np.log(x) - np.log(y) if positive else x - y
    gap = np.where(sign == 0, 0.0, gap)
    return float(wilcoxon(gap, zero_method="zsplit").pvalue)


def _problems(results: Results, suites: Sequence[str] | None, notes: list[str]) -> list[str]:
    found = []
    for i, p in results.problems.items():
        if suites is not None and p.suite not in suites:
            continue
        if not p.evidence:
            notes.append(f"{p.name} is left out: guessing the origin solves it")
            continue
        found.append(i)
    return sorted(found, key=lambda i: results.problems[i].name)


def _cells(
    results: Results, ids: Sequence[str], start: str, n: int,
    methods: Sequence[str] | None, against: str, by: str,
) -> dict[str, _Cell]:  # fmt: skip
    """Method -> its cell; the newest identity of a method counts."""
    wanted = set(ids)
    newest = {r.method: r.method_id for r in results.whole()}
    runs: dict[tuple[str, str, int], Run] = {}
    for run in results.whole():
        if (
            run.problem_id not in wanted
            or run.start != start
            or run.budget < n
            or run.method_id != newest[run.method]
            or (methods is not None and run.method not in methods)
        ):
            continue
        key = (run.method, run.problem_id, run.seed)
        if key not in runs or run.budget < runs[key].budget:
            runs[key] = run
    gathered: dict[str, dict[Unit, list[tuple[float, float, Run]]]] = {}
    for (method, problem, seed), run in runs.items():
        reference = start if against == "same" else "none"
        random = results.problems[problem].random_curve(reference, seed)
        if len(random) < n:
            continue
        unit = (problem, seed if by == "run" else -1)
        entry = (run.curve[n - 1], float(random[n - 1]), run)
        gathered.setdefault(method, {}).setdefault(unit, []).append(entry)
    return {
        method: _Cell(
            {u: float(np.mean([e[0] for e in es])) for u, es in units.items()},
            {u: float(np.mean([e[1] for e in es])) for u, es in units.items()},
            [e[2] for es in units.values() for e in es],
        )
        for method, units in gathered.items()
    }


def _losses_of(cells: Mapping[str, _Cell], method: str) -> dict[Unit, float]:
    """A method's losses; of "random", those on the units of all others."""
    if method in cells:
        return cells[method].loss
    if method != "random":
        return {}
    found: dict[Unit, float] = {}
    for cell in cells.values():
        found.update(cell.chance)
    return found


def _rows(
    results: Results, cells: Mapping[str, _Cell], start: str, n: int,
    methods: Sequence[str] | None, against: str, by: str,
) -> list[Row]:  # fmt: skip
    losses = {m: c.loss for m, c in cells.items()}
    if against == "same" and (methods is None or "random" in methods):
        losses["random"] = _losses_of(cells, "random")
    every = set().union(*losses.values())
    whole = {m: known for m, known in losses.items() if known.keys() == every}
    ranks = _ranks([whole[m] for m in whole], sorted(every))
    by_name = {m: ranks[i] for i, m in enumerate(whole)}
    rows = [
        _row(results, m, cells.get(m), losses[m], by_name.get(m), start, n) for m in losses
    ]
    return sorted(rows, key=lambda r: (r.rank.value if r.rank else 1e9, r.mean.value))


def _row(
    results: Results, method: str, cell: _Cell | None, loss: Mapping[Unit, float],
    ranks: Floats | None, start: str, n: int,
) -> Row:  # fmt: skip
    units = sorted(loss)
    mine = np.array([loss[u] for u in units])
    chance = mine if cell is None else np.array([cell.chance[u] for u in units])
    change = _relative(mine, chance)
    better = np.array([_sign(a, b) < 0 for a, b in zip(mine, chance, strict=True)], dtype=float)
    runs = cell.runs if cell is not None else []
    seconds = [s for r in runs for s in r.ask_s[: n if start == "none" else n - 1]]
    fallen = sum(number < n for r in runs for number in r.fell_back)
    return Row(
        method=method, start=start, at=n, units=len(units), runs=len(runs),
        better=_bootstrap([better], lambda b: b.mean(-1)),
        median=_bootstrap([change], lambda c: np.median(c, axis=-1)),
        mean=_bootstrap([change], lambda c: c.mean(-1)),
        rank=None if ranks is None else _bootstrap([ranks], lambda r: r.mean(-1)),
        regret=_regret(results, units, mine),
        ask_ms=float(np.median(seconds) * 1000) if seconds else None,
        fallbacks=fallen / len(seconds) if seconds else 0.0,
    )  # fmt: skip


def _regret(results: Results, units: Sequence[Unit], losses: Floats) -> Estimate | None:
    values = []
    for (problem, _), loss in zip(units, losses, strict=True):
        p = results.problems[problem]
        if p.best is not None and p.median > p.best:
            values.append((loss - p.best) / (p.median - p.best))
    return _bootstrap([np.array(values)], lambda v: v.mean(-1)) if values else None


def _relative(a: Floats, b: Floats) -> Floats:
    """(a - b) / |b|, and 0 where both are 0."""
    scale = np.where(np.abs(b) > 0, np.abs(b), np.where(np.abs(a) > 0, np.abs(a), 1.0))
    return np.asarray((a - b) / scale)


def _sign(a: float, b: float) -> int:
    if abs(a - b) <= _TIE * max(abs(a), abs(b)):
        return 0
    return -1 if a < b else 1


def _ranks(losses: Sequence[Mapping[Unit, float]], units: Sequence[Unit]) -> Floats:
    """Rank of each method on each unit, 1 best, ties share; shape (n_methods, n_units)."""
    from scipy.stats import rankdata

    if not losses or not units:
        return np.empty((len(losses), 0))
    table = np.array([[known[u] for u in units] for known in losses])
    rounded = np.array([[float(f"{v:.9g}") for v in row] for row in table])
    return np.asarray(rankdata(rounded, axis=0))


def _bootstrap(values: Sequence[Floats], figure: Callable[..., Any]) -> Estimate:
    """`figure` of the values (shape (n_units,) each), with a percentile interval over units."""
    n = len(values[0])
    if not n:
        return Estimate(float("nan"), float("nan"), float("nan"))
    picked = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    drawn = figure(*(v[picked] for v in values))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(figure(*values)), float(low), float(high))


def limits(
    results: Results, at: int = 10, start: str = "default", suites: Iterable[str] | None = None
) -> dict[str, float]:
    """Problem -> relative change that the optimum itself would give: no method can do more."""
    chosen = None if suites is None else tuple(suites)
    found: dict[str, float] = {}
    for p in results.problems.values():
        if p.best is None or not p.evidence or (chosen is not None and p.suite not in chosen):
            continue
        curves = [c for c in p.expected.get(start, {}).values() if len(c) >= at]
        if curves:
            random = float(np.mean([c[at - 1] for c in curves]))
            found[p.name] = (p.best - random) / abs(random) if random else 0.0
    return found
