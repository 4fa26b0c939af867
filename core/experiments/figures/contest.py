"""Who stands where after a number of trials: gains, ranks, costs and pairs.

A *unit* is a task (its loss the mean over seeds) or, by="run", a task under one seed. Intervals are
over seeds within each task (by="seed"), over tasks (by="problem") or over runs (by="run").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.figures.claims import pair_claim
from hyperllama.core.experiments.figures.references import RANDOM, TaskReference
from hyperllama.core.experiments.figures.rows import ContenderPair, ContenderRow
from hyperllama.core.experiments.figures.statistics import (
    FEWEST_SEEDS,
    Estimate,
    compared,
    gain,
    loss_of,
    mean_with_other_seeds,
    over_seeds,
    over_units,
    paired_gains,
    ranks,
    wilcoxon_p,
)
from hyperllama.core.experiments.reading import Comparison

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contest:
    """Who stands where after `at` trials.

    Attributes:
        losses: contender -> task -> seed -> loss of the incumbent.
        random: task -> seed -> random search's expected loss; tasks without one are missing.
    """

    comparison: Comparison
    references: Mapping[str, TaskReference]
    start: str
    at: int
    by: str
    losses: Mapping[str, Mapping[str, Mapping[int, float]]]
    random: Mapping[str, Mapping[int, float]]

    @classmethod
    def of(
        cls, comparison: Comparison, references: Mapping[str, TaskReference], start: str, at: int,
        by: str, against: str,
    ) -> Contest:  # fmt: skip
        losses: dict[str, dict[str, dict[int, float]]] = {}
        random: dict[str, dict[int, float]] = {}
        reference_start = start if against == "same" else "none"
        for c in comparison.grid.contenders:
            for task, reference in references.items():
                for facts in comparison.of(c.label, task, start, at):
                    seed = facts.cell.seed
                    expected = reference.random(reference_start, seed, at)
                    if expected is not None:
                        random.setdefault(task, {})[seed] = expected
                    elif reference.record is not None:
                        continue
                    mine = losses.setdefault(c.label, {}).setdefault(task, {})
                    mine[seed] = reference.loss(facts, at)
        if comparison.problems and losses and against == "same":
            losses[RANDOM] = random
        return cls(comparison, references, start, at, by, losses, random)

    def rows(self) -> list[ContenderRow]:
        """A row a contender, the best first."""
        units = {label: self._units(table) for label, table in self.losses.items()}
        every = sorted(set().union(*units.values()))
        whole = [label for label in units if len(units[label]) == len(every)]
        places = ranks(np.array([[units[m][u].mean() for u in every] for m in whole]))
        best = places == places.min(axis=0) if places.size else places
        place = {m: (places[i], int(best[i].sum())) for i, m in enumerate(whole)}
        rows = [self._row(label, units[label], place.get(label)) for label in self.losses]
        return sorted(rows, key=_order)

    def _units(self, table: Mapping[str, Mapping[int, float]]) -> dict[tuple[str, int], Floats]:
        """Losses of each unit, shape (n_seeds,); seed -1 stands for all of them."""
        if self.by == "run":
            return {(t, s): np.array([v]) for t, seeds in table.items() for s, v in seeds.items()}
        return {(t, -1): np.array(list(seeds.values())) for t, seeds in table.items()}

    def _random_of(self, unit: tuple[str, int], label: str) -> float:
        """Random search's mean loss on a unit, over the seeds that a contender has."""
        task, seed = unit
        seeds = self.losses[label][task] if seed == -1 else (seed,)
        return fmean(self.random[task][s] for s in seeds)

    def _row(
        self, label: str, units: Mapping[tuple[str, int], Floats],
        place: tuple[Floats, int] | None,
    ) -> ContenderRow:  # fmt: skip
        known = [u for u in sorted(units) if u[0] in self.random and label != RANDOM]
        gains = np.array([gain(units[u].mean(), self._random_of(u, label)) for u in known])
        by_units = self.by != "seed"
        better = [
            float(compared(float(units[u].mean()), self._random_of(u, label)) < 0) for u in known
        ]
        rank = None
        if place is not None:
            rank = over_units(place[0], np.mean) if by_units else Estimate(float(place[0].mean()))
        contenders = {c.label: c for c in self.comparison.grid.contenders}
        c = contenders.get(label)
        return ContenderRow(
            label, c.proposer if c else label, c.model if c else "", self.start, self.at,
            len(units), 0 if c is None else sum(map(len, self.losses[label].values())),
            over_units(np.array(better), np.mean) if by_units and known else None,
            over_units(gains, np.median) if by_units and known else None,
            None if not known else over_units(gains, np.mean) if by_units
            else self._gain_over_pool(label, [t for t, _ in known]),
            None if by_units else self._gain_over_default(label),
            None if by_units else self._confirmed_gain(label),
            None if by_units else self._gain_on_test_rows(label),
            rank, place[1] if place else 0, self._regret(units),
            **(_costs(self.comparison, label, self.start, self.at) if c else {}),
        )  # fmt: skip

    def _gain_over_pool(self, label: str, tasks: Sequence[str]) -> Estimate:
        """Mean gain over random search; seeds, and its configurations, are resampled apart."""
        mine = [np.array(list(self.losses[label][t].values())) for t in tasks]
        references = [self.references[t] for t in tasks]
        pools = [len(r.pool.observed) for r in references if r.pool is not None]
        n = len(tasks)

        def figure(*picked: Any) -> Any:
            found = [
                gain(mean_with_other_seeds(mine[i], picked[i]), r.expected(picked[n + i], self.at))
                for i, r in enumerate(references)
            ]
            return np.mean(found, axis=0)

        sizes = [*map(len, mine), *pools]
        if min(r.seeds for r in references) < FEWEST_SEEDS:
            return Estimate(float(figure(*map(np.arange, sizes))))
        return over_seeds(figure, sizes)

    def _gain_over_default(self, label: str) -> Estimate | None:
        return _mean_gain([
            (np.array(list(seeds.values())), d)
            for t, seeds in self.losses[label].items()
            if (d := self.references[t].default) is not None
        ])  # fmt: skip

    def _confirmed_gain(self, label: str) -> Estimate | None:
        found: list[tuple[Floats, Floats | float]] = []
        for task, reference in self.references.items() if self.comparison.confirms else ():
            cells = self.comparison.of(label, task, self.start, self.at)
            gains = [g for c in cells if (g := c.confirmed_gain) is not None]
            if len(gains) < len(cells):
                return None  # a mean of the others would leave out the cells with a gain
            if gains and reference.default is not None:
                found.append((reference.default - np.array(gains), reference.default))
        return _mean_gain(found)

    def _gain_on_test_rows(self, label: str) -> Estimate | None:
        found: list[tuple[Floats, Floats | float]] = []
        for task, reference in self.references.items():
            cells = self.comparison.of(label, task, self.start, self.at)
            ends = [c.end for c in cells if c.end.get("test_value") is not None]
            if ends:
                mine = [loss_of(float(e["test_value"]), reference.negated) for e in ends]
                default = loss_of(float(ends[0]["default_test_value"]), reference.negated)
                found.append((np.array(mine), default))
        return _mean_gain(found)

    def _regret(self, units: Mapping[tuple[str, int], Floats]) -> Estimate | None:
        values = [
            (float(units[u].mean()) - p.best) / (p.median - p.best)
            for u in sorted(units)
            if (p := self.references[u[0]].record) is not None
            and p.best is not None and p.median > p.best
        ]  # fmt: skip
        return over_units(np.array(values), np.mean) if values else None

    def pair(self, a: str, b: str, pairs: int) -> ContenderPair | None:
        """Two contenders, paired by task and seed; None where they share nothing.

        Args:
            pairs: that are compared, this one among them.
        """
        first, second = self.losses.get(a, {}), self.losses.get(b, {})
        shared = {
            t: seeds for t in first
            if (seeds := sorted(first[t].keys() & second.get(t, {}).keys()))
        }  # fmt: skip
        if not shared:
            return None
        mine = self._units({t: {s: first[t][s] for s in seeds} for t, seeds in shared.items()})
        theirs = self._units({t: {s: second[t][s] for s in seeds} for t, seeds in shared.items()})
        x = np.array([mine[u].mean() for u in mine])
        y = np.array([theirs[u].mean() for u in mine])
        sign = [compared(p, q) for p, q in zip(x, y, strict=True)]
        differences = [
            paired_gains([first[t][s] for s in seeds], [second[t][s] for s in seeds])
            for t, seeds in shared.items()
        ]  # fmt: skip
        return ContenderPair(
            a, b, self.start, self.at, len(mine), len(shared), pair_claim(differences, pairs),
            self._on_test_rows(a, b), float(np.median(gain(x, y))),
            sign.count(-1), sign.count(1), sign.count(0), wilcoxon_p(x, y), self.by,
        )  # fmt: skip

    def _on_test_rows(self, a: str, b: str) -> float | None:
        """Mean gain of a over b on the rows that no trial saw, over the tasks that have them."""
        found = []
        for task, reference in self.references.items():
            mine, theirs = (
                {c.cell.seed: loss_of(float(c.end["test_value"]), reference.negated)
                 for c in self.comparison.of(m, task, self.start, self.at)
                 if c.end.get("test_value") is not None}
                for m in (a, b)
            )  # fmt: skip
            if seeds := sorted(mine.keys() & theirs.keys()):
                gains = paired_gains([mine[s] for s in seeds], [theirs[s] for s in seeds])
                found.append(fmean(gains))
        return fmean(found) if found else None

    def limits(self) -> list[float]:
        """Gain that the optimum itself would give on each task where it is known."""
        return [
            gain(p.best, random) if random else 0.0
            for t, seeds in self.random.items()
            if (p := self.references[t].record) is not None and p.best is not None
            for random in [fmean(seeds.values())]
        ]

    def mean_gains(self) -> dict[str, float]:
        """Contender -> mean gain over random search."""
        tables = {m: self._units(table) for m, table in self.losses.items()}
        return {
            m: fmean(gain(float(v.mean()), self._random_of(u, m)) for u, v in units.items())
            for m, units in tables.items()
        }


def _order(row: ContenderRow) -> tuple[float, float]:
    found = row.over_random or row.over_default
    return (
        row.rank.value if row.rank is not None else math.inf,
        -(found.value if found is not None else 0.0),
    )


def _mean_gain(tasks: Sequence[tuple[Floats, Floats | float]]) -> Estimate | None:
    """Mean over tasks of the gain; seeds of a task are resampled together.

    Args:
        tasks: (losses, the reference's losses) of each, shape (n_seeds,) each; or one number.
    """
    if not tasks:
        return None

    def figure(*picked: Any) -> Any:
        found = [
            gain(
                mean_with_other_seeds(mine, p),
                other if isinstance(other, float) else mean_with_other_seeds(other, p),
            )
            for (mine, other), p in zip(tasks, picked, strict=True)
        ]
        return np.mean(found, axis=0)

    return over_seeds(figure, [len(mine) for mine, _ in tasks])


def _costs(comparison: Comparison, label: str, start: str, at: int) -> dict[str, Any]:
    """What a contender's proposals and trials took, as fields of its row."""
    cells = [
        c for c in comparison.cells
        if (c.cell.contender, c.cell.start) == (label, start)
    ]  # fmt: skip
    asked = [t for c in cells for t in c.asked if t["number"] < at]
    replies = sum(t["replies"] for t in asked) or 1
    found = {
        "repeated": sum(t["repeated"] + bool(t.get("repeat")) for t in asked) / replies,
        "invalid": sum(t["invalid"] for t in asked) / replies,
        "fallbacks": sum(bool(t["fallback"]) for t in asked) / max(len(asked), 1),
        "ask_s": _of(median, (t["ask_s"] for t in asked)),
        "train_s": _of(fmean, (t["seconds"] for c in cells for t in c.trials)),
    }
    if comparison.grid.contender(label).model:
        found |= {
            "prompt_tokens": _of(fmean, (t["tokens"].get("prompt") for t in asked)),
            "reply_tokens": _of(fmean, (t["tokens"].get("generated") for t in asked)),
            "engine_mb": max((t["engine_mb"] for t in asked), default=0.0) or None,
            "joules": _of(fmean, (t["joules"] for t in asked)),
        }
    return found


def _of(figure: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    known = [float(v) for v in values if v is not None]
    return figure(known) if known else None
