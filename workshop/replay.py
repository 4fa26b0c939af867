"""Proposers replayed on held-out surfaces of the corpus: a comparison in minutes, without training.

A surface is asked anywhere through its Gaussian process, and every configuration has a deviation of
its own, as large as the scores of the corpus have: the same whenever it is asked, and in half of
the tasks the same within each cell of a grid of ten steps, as in tables of exhaustive benchmarks.
Those are judged by what a method sees, the others by the surface without the deviation.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.estimators import Facts, canonical_name, family, likely_family
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from workshop.spaces import FAMILY, WITHOUT_FAMILY
from workshop.surfaces import FittedSurface

Floats = NDArray[np.float64]
_CELLS = 10
_POPULATION = 4000
_SCORERS = {
    "error": ("accuracy", 1.0), "rank": ("roc_auc", 1.0), "probability": ("neg_log_loss", 0.0),
    "squared": ("neg_root_mean_squared_error", 0.0), "absolute": ("neg_mean_absolute_error", 0.0),
}  # fmt: skip
"""Kinds of metrics -> a scorer of that kind, and its score where the loss is zero."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class ReplayTask:
    """A space of a surface, with losses everywhere.

    Attributes:
        which: of the surface's losses.
        cells: whether the deviations, and all else, are constant in the cells of a grid.
        wide: whether the space is the corpus' own, or the family's usual one.
    """

    surface: FittedSurface
    which: int
    cells: bool
    wide: bool

    @property
    def name(self) -> str:
        s = self.surface
        return f"{s.dataset} {s.family} {self.which}"

    @property
    def key(self) -> str:
        """The name, and how the task was made of its surface."""
        return f"{self.name} {'cells ' * self.cells}{'wide' * self.wide}"

    @property
    def kind(self) -> str:
        return "regression" if self.surface.facts.kind == "regression" else "classification"

    @property
    def family(self) -> str:
        return FAMILY.get(self.surface.family, self.surface.family)

    @property
    def estimators(self) -> tuple[str, ...]:
        """The family as `LlamaSampler` would find it by the names."""
        known = canonical_name(self.family) or likely_family(self.space.names)
        return (known,) if known else ()

    @property
    def facts(self) -> Facts:
        f = self.surface.facts
        classes = {"regression": 0, "binary": 2}.get(f.kind, 3)
        return Facts(f.rows or 500, f.features or 10, classes, f.minority_share or 0.0,
                     f.categorical_share or 0.0, f.missing_share or 0.0)

    @cached_property
    def space(self) -> SearchSpace:
        wide = self.surface.space
        if self.wide or self.surface.family in WITHOUT_FAMILY:
            return wide
        usual = family(self.family).space(self.kind, self.facts)
        kept = [p for p in usual.params if p.name in wide and p.when is None
                and not isinstance(p.domain, Categorical)]  # fmt: skip
        return SearchSpace(kept) if len(kept) > 1 else wide

    def losses(self, configs: list[Config]) -> tuple[Floats, Floats]:
        """What a method sees of each configuration, and what it is judged by, shape (n,)."""
        own = np.array([self.space.to_unit(c) for c in configs])
        if self.cells:
            numbers = [not isinstance(p.domain, Categorical) for p in self.space.free]
            middles = (np.minimum((own * _CELLS).astype(int), _CELLS - 1) + 0.5) / _CELLS
            own = np.where(numbers, middles, own)
            configs = [self.space.from_unit(u) for u in own]
        wide = self.surface.space
        inside = [wide.complete({n: v for n, v in c.items() if n in wide}) for c in configs]
        units = np.clip([wide.to_unit(c) for c in inside], 0.0, 1.0 - 1e-9)
        judged = self.surface.losses(self.which, np.asarray(units))
        model = self.surface.models[self.which]
        seed = zlib.crc32(self.name.encode())
        observed = judged + model.std * np.sqrt(model.noise) * _deviations(own, seed)
        return observed, observed if self.cells else judged

    @cached_property
    def random(self) -> RandomSearch:
        """Random search's losses, and with them the least that there is."""
        rng = np.random.default_rng(0)
        configs = [self.space.sample(rng) for _ in range(_POPULATION)]
        observed, judged = self.losses(configs)
        return RandomSearch.of(observed, judged, np.full(len(observed), 1.0), self.default)

    @cached_property
    def default(self) -> tuple[float, float]:
        """The losses of the default: what a method sees, and what it is judged by."""
        observed, judged = self.losses([self.space.default()])
        return float(observed[0]), float(judged[0])

    @property
    def least(self) -> float:
        return float(np.quantile(self.random.judged, 1e-3))


def tasks(surfaces: list[FittedSurface], most: int = 10**6, each: int = 2) -> list[ReplayTask]:
    """Tasks of each surface, one for each of its first losses: in cells or not, wide or not, in
    turn. At most `most` of them, the same whenever they are asked for."""
    found: list[ReplayTask] = []
    for surface in surfaces:
        for which in range(min(each, len(surface.models))):
            i = len(found)
            task = ReplayTask(surface, which, bool(i % 2), bool(i // 2 % 2))
            if len(task.space.free) > 1:
                found.append(task)
    rng = np.random.default_rng(0)
    return [found[i] for i in sorted(rng.permutation(len(found))[:most])]


def play(task: ReplayTask, method: str, seed: int, budget: int) -> Floats:
    """The judged loss of the incumbent after each trial, from the default on, shape (budget,)."""
    played = trials(task, method, seed, budget)
    return played.judged[[int(np.argmin(played.seen[: n + 1])) for n in range(budget)]]


class Played(NamedTuple):
    """The trials of a study.

    Attributes:
        seen, judged: what the method sees of each, and what each is judged by, shape (budget,).
    """

    seen: Floats
    judged: Floats
    configs: list[Config]


def trials(task: ReplayTask, method: str, seed: int, budget: int) -> Played:
    """Play a study, from the default on.

    Args:
        method: as `workshop.measure.made` takes it.
    """
    from workshop.measure import made  # with all the rivals, which trainings do without

    left, default = task.surface.lefts[task.which], task.default
    scorer, best = _SCORERS[task.surface.metrics[task.which]]
    setting = ProposerSetting(seed=seed, kind=task.kind, estimators=task.estimators,
                              facts=task.facts, metric=scorer)
    if left and default:
        setting = replace(setting, chance=(best - default[0] / left,))
    proposer = made(method, task.family, setting)
    seen, judged, configs = np.empty(budget), np.empty(budget), []
    for n in range(budget):
        config, who = task.space.default(), "default"
        if n:
            proposal = proposer.ask(task.space, AskContext(n, budget - n))
            config, who = proposal.config, proposal.proposer
        configs.append(config)
        observed, real = task.losses([config])
        seen[n], judged[n] = observed[0], real[0]
        proposer.tell(Observed(n, config, best - float(observed[0]), proposer=who))
    proposer.close()
    return Played(seen, judged, configs)


def closed(task: ReplayTask, curve: Floats) -> Floats:
    """The share of the gap between random search and the least that is closed, shape (budget,)."""
    random = task.random.curve(len(curve), "default")
    gap = np.maximum(random - task.least, 1e-9)
    return np.asarray(np.clip((random - curve) / gap, -1.0, 1.0))


def compare(
    every: Sequence[ReplayTask], methods: Sequence[str], budget: int, seeds: int,
    kept: Path | None = None, say: Callable[[str], None] = print,
) -> dict[str, Floats]:  # fmt: skip
    """Play every method on every task; method -> closed shares, shape (tasks, seeds, budget).

    Said are the mean, the half width of a 90 % interval of the paired difference to the first
    method, over the tasks, and the share of tasks that a method does better on than random search.

    Args:
        kept: a file of shares, one JSON line each: it is added to, and gone on from.
    """
    from hyperllama.core.experiments.running.engines import close_engines

    lines = kept.read_text(encoding="utf8").splitlines() if kept and kept.exists() else []
    known = {tuple(key): shares for key, shares in map(json.loads, lines)}
    for task, method, seed in product(every, methods, range(seeds)):
        key = task.key, method, seed
        if len(known.get(key, ())) < budget:
            known[key] = closed(task, play(task, method, seed, budget)).round(4).tolist()
            if kept is not None:
                with kept.open("a", encoding="utf8") as out:
                    out.write(json.dumps([key, known[key]]) + "\n")
    close_engines()
    found = {m: np.array([[known[t.key, m, s][:budget] for s in range(seeds)] for t in every])
             for m in methods}
    first = found[methods[0]].mean(axis=1)
    for method, shares in found.items():
        mean = shares.mean(axis=1)
        half = 1.645 * (mean - first).std(axis=0) / np.sqrt(len(every))
        say(f"{method:12} " + "  ".join(
            f"{b}: {mean[:, b - 1].mean():6.1%} ({(mean - first)[:, b - 1].mean():+6.1%} "
            f"± {half[b - 1]:.1%}), ahead on {np.mean(mean[:, b - 1] > 0):.0%}"
            for b in (3, 5, 10, 20, 30, 50, 100) if b <= budget))  # fmt: skip
    return found


def _deviations(units: Floats, seed: int) -> Floats:
    """A standard normal number of each row, the same whenever it is asked, shape (n,)."""
    words = np.round(units * 1e6).astype(np.uint64)
    state = np.full(len(units), seed, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for j in range(words.shape[1]):
            state = (state ^ words[:, j]) * _MIX
            state ^= state >> np.uint64(29)
        other = (state + np.uint64(1)) * _MIX
        other ^= other >> np.uint64(32)
    u = ((state >> np.uint64(11)) + np.uint64(1)).astype(float) / 2.0**53
    v = (other >> np.uint64(11)).astype(float) / 2.0**53
    return np.asarray(np.sqrt(-2 * np.log(np.minimum(u, 1.0))) * np.cos(2 * np.pi * v))
