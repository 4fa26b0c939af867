"""The paper's figures from bench results: how much better than random search, and than each other.

A *unit* is a problem (its loss the mean over seeds) or, by="run", a problem under one seed. The
change is minus the gain (`statistics.gain`): negative is better; the normalised regret is
(loss - best) / (median random configuration's - best).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.figures.statistics import (
    Estimate,
    compared,
    gain,
    over_units,
    ranks,
    wilcoxon_p,
)
from hyperllama.core.experiments.results import BenchResults, BenchRun

Floats = NDArray[np.float64]
AT = (5, 10, 20, 30)
RANDOM = "random"


@dataclass(frozen=True)
class MethodRow:
    """One method after `at` evaluations.

    Attributes:
        method, start, at: which.
        units: how many problems (or runs) it is the mean of.
        runs: how many runs are behind it.
        better: share of units better than random search, in [0, 1].
        median, mean: change of the loss against random search; negative is better.
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
class MethodPair:
    """Two methods on the units both have, after `at` evaluations.

    Attributes:
        wins, losses, ties: units on which `a` is better, worse, equal.
        change: mean change of a's loss against b's; negative: a is better.
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
class BenchFigures:
    """All figures, and what a reader has to know of them.

    Attributes:
        rows: by start, evaluations, then mean rank.
        against: "same": random search with the same start; "plain": without the default.
        by: "problem" or "run".
        problems: names of the problems the figures are about.
        broken: (method, problem, error) of runs that broke off, once each.
        notes: what was left out and why; plain text.
    """

    rows: tuple[MethodRow, ...]
    against: str
    by: str
    problems: tuple[str, ...]
    broken: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


Unit = tuple[str, int]
"""Problem id and seed; seed -1 stands for the mean over seeds."""


@dataclass(frozen=True)
class _UnitLosses:
    """A method's losses after `at` evaluations on each unit, and random search's on the same."""

    loss: dict[Unit, float]
    random: dict[Unit, float]
    runs: list[BenchRun]

    @property
    def change(self) -> Floats:
        """Minus the gain on each unit, shape (n_units,)."""
        units = sorted(self.loss)
        mine = np.array([self.loss[u] for u in units])
        return np.asarray(-gain(mine, np.array([self.random[u] for u in units])))


def bench_figures(
    results: BenchResults,
    *,
    at: Sequence[int] = AT,
    starts: Sequence[str] = ("default", "none"),
    methods: Sequence[str] | None = None,
    suites: Sequence[str] | None = None,
    against: str = "same",
    by: str = "problem",
) -> BenchFigures:
    """Figures for all methods side by side.

    After n evaluations a method is judged by its runs with a budget of n where there are any, else
    by those with the smallest budget above n. Problems that prove nothing are left out.
    """
    ids = _problems(results, suites)
    rows: list[MethodRow] = []
    for start in starts:
        for n in at:
            found = _unit_losses(results, ids, start, n, methods, against, by)
            if found:
                rows.extend(_rows(results, found, start, n, methods, against))
    broken = {(r.method, r.problem): r.error for r in results.runs.values() if r.error}
    return BenchFigures(
        rows=tuple(rows),
        against=against,
        by=by,
        problems=tuple(results.problems[i].name for i in ids),
        broken=tuple((m, p, e) for (m, p), e in sorted(broken.items())),
        notes=tuple(
            f"{p.name} is left out: guessing the origin solves it"
            for p in results.problems.values()
            if not p.evidence and (suites is None or p.suite in suites)
        ),
    )


def compare_methods(
    results: BenchResults,
    a: str,
    b: str,
    *,
    at: int = 10,
    start: str = "default",
    by: str = "problem",
    suites: Sequence[str] | None = None,
) -> MethodPair:
    """Method `a` against method `b` on the units that both have ("random" is allowed)."""
    found = _unit_losses(results, _problems(results, suites), start, at, None, "same", by)
    first, second = _losses_of(found, a), _losses_of(found, b)
    units = sorted(first.keys() & second.keys())
    x = np.array([first[u] for u in units])
    y = np.array([second[u] for u in units])
    sign = np.array([compared(p, q) for p, q in zip(x, y, strict=True)], dtype=int)
    change = np.asarray(-gain(x, y))
    return MethodPair(
        a=a, b=b, start=start, at=at, units=len(units),
        wins=int((sign < 0).sum()), losses=int((sign > 0).sum()), ties=int((sign == 0).sum()),
        change=over_units(change, np.mean),
        median=float(np.median(change)) if len(change) else float("nan"),
        p=wilcoxon_p(x, y),
    )  # fmt: skip


def _problems(results: BenchResults, suites: Sequence[str] | None) -> list[str]:
    """Ids of the problems that count, by name."""
    found = [
        i for i, p in results.problems.items()
        if p.evidence and (suites is None or p.suite in suites)
    ]  # fmt: skip
    return sorted(found, key=lambda i: results.problems[i].name)


def _unit_losses(
    results: BenchResults, ids: Sequence[str], start: str, n: int,
    methods: Sequence[str] | None, against: str, by: str,
) -> dict[str, _UnitLosses]:  # fmt: skip
    """By method; the newest identity of a method counts."""
    wanted = set(ids)
    newest = {r.method: r.method_id for r in results.whole()}
    runs: dict[tuple[str, str, int], BenchRun] = {}
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
    gathered: dict[str, dict[Unit, list[tuple[float, float, BenchRun]]]] = {}
    for (method, problem, seed), run in runs.items():
        reference = start if against == "same" else "none"
        random = results.problems[problem].random_curve(reference, seed)
        if len(random) < n:
            continue
        unit = (problem, seed if by == "run" else -1)
        entry = (run.curve[n - 1], float(random[n - 1]), run)
        gathered.setdefault(method, {}).setdefault(unit, []).append(entry)
    return {
        method: _UnitLosses(
            {u: float(np.mean([e[0] for e in es])) for u, es in units.items()},
            {u: float(np.mean([e[1] for e in es])) for u, es in units.items()},
            [e[2] for es in units.values() for e in es],
        )
        for method, units in gathered.items()
    }


def _losses_of(found: Mapping[str, _UnitLosses], method: str) -> dict[Unit, float]:
    """A method's losses; of "random", those on the units of all others."""
    if method in found:
        return found[method].loss
    if method != RANDOM:
        return {}
    return {unit: loss for each in found.values() for unit, loss in each.random.items()}


def _rows(
    results: BenchResults, found: dict[str, _UnitLosses], start: str, n: int,
    methods: Sequence[str] | None, against: str,
) -> list[MethodRow]:  # fmt: skip
    if against == "same" and (methods is None or RANDOM in methods):
        random = _losses_of(found, RANDOM)
        found = {RANDOM: _UnitLosses(random, random, []), **found}
    every = sorted(set().union(*(f.loss for f in found.values())))
    whole = [m for m, f in found.items() if len(f.loss) == len(every)]
    table = np.array([[found[m].loss[u] for u in every] for m in whole])
    by_name = dict(zip(whole, ranks(table), strict=True))
    rows = [_row(results, m, found[m], by_name.get(m), start, n) for m in found]
    return sorted(rows, key=lambda r: (r.rank.value if r.rank else 1e9, r.mean.value))


def _row(
    results: BenchResults, method: str, found: _UnitLosses, places: Floats | None,
    start: str, n: int,
) -> MethodRow:  # fmt: skip
    better = [float(compared(a, found.random[u]) < 0) for u, a in sorted(found.loss.items())]
    seconds = [s for r in found.runs for s in r.ask_s[: n if start == "none" else n - 1]]
    fallen = sum(number < n for r in found.runs for number in r.fell_back)
    return MethodRow(
        method=method, start=start, at=n, units=len(found.loss), runs=len(found.runs),
        better=over_units(np.array(better), np.mean),
        median=over_units(found.change, np.median),
        mean=over_units(found.change, np.mean),
        rank=None if places is None else over_units(places, np.mean),
        regret=_regret(results, found.loss),
        ask_ms=float(np.median(seconds) * 1000) if seconds else None,
        fallbacks=fallen / len(seconds) if seconds else 0.0,
    )  # fmt: skip


def _regret(results: BenchResults, losses: Mapping[Unit, float]) -> Estimate | None:
    values = []
    for (problem, _), loss in sorted(losses.items()):
        p = results.problems[problem]
        if p.best is not None and p.median > p.best:
            values.append((loss - p.best) / (p.median - p.best))
    return over_units(np.array(values), np.mean) if values else None


def limits(
    results: BenchResults, at: int = 10, start: str = "default",
    suites: Iterable[str] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Problem -> change that the optimum itself would give: no method can do more."""
    found: dict[str, float] = {}
    for i in _problems(results, None if suites is None else tuple(suites)):
        p = results.problems[i]
        curves = [c for c in p.expected.get(start, {}).values() if len(c) >= at]
        if p.best is not None and curves:
            random = float(np.mean([c[at - 1] for c in curves]))
            found[p.name] = -gain(p.best, random) if random else 0.0
    return found


def mean_changes(
    results: BenchResults, start: str, methods: Sequence[str]
) -> dict[str, list[float]]:
    """Method -> mean change against random search after 1, 2, ... evaluations."""
    found: dict[str, list[float]] = {}
    longest = max((r.budget for r in results.whole() if r.start == start), default=0)
    ids = _problems(results, None)
    for n in range(1, longest + 1):
        for method, losses in _unit_losses(
            results, ids, start, n, methods, "same", "problem"
        ).items():
            found.setdefault(method, []).append(float(losses.change.mean()))
    return found


def mean_curves(results: BenchResults, problem_id: str, start: str) -> dict[str, list[float]]:
    """Method -> mean best loss after 1, 2, ... evaluations of a problem; "random" first."""
    longest: dict[str, list[BenchRun]] = {}
    for run in results.whole():
        if run.problem_id == problem_id and run.start == start:
            known = longest.setdefault(run.method, [])
            if known and run.budget > known[0].budget:
                known.clear()
            if not known or run.budget == known[0].budget:
                known.append(run)
    seeds = {r.seed for runs in longest.values() for r in runs}
    record = results.problems[problem_id]
    random = [c for s in seeds if (c := record.random_curve(start, s))]
    found = {RANDOM: _mean_curve(random)} if random else {}
    return found | {m: _mean_curve([r.curve for r in runs]) for m, runs in sorted(longest.items())}


def _mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Mean over curves, as long as the shortest."""
    shortest = min(map(len, curves))
    mean: list[float] = np.mean([c[:shortest] for c in curves], axis=0).tolist()
    return mean
