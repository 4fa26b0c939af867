"""Tasks to learn from: a space cut out of a surface.

All follows from a random generator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.estimators import family
from hyperllama.core.space import (
    Categorical,
    Config,
    Domain,
    Float,
    Integer,
    Param,
    SearchSpace,
)
from hyperllama.models.embedded import dialect
from workshop.draws import Rng, drawn
from workshop.spaces import FAMILY, WITHOUT_FAMILY
from workshop.surfaces import FittedSurface, Floats


@dataclass(frozen=True)
class Cut:
    """A free axis of a task: where it lies in its surface, and the range that the task allows."""

    column: int
    param: Param
    low: float
    high: float
    log: bool
    integer: bool
    choices: int

    def draw(self, rng: Rng, n: int) -> Floats:
        return rng.random(n)

    def natural(self, u: Floats) -> Floats:
        """Natural values at task coordinates in [0, 1]; category codes for categories."""
        if self.choices:
            return np.minimum((u * self.choices).astype(int), self.choices - 1).astype(float)
        low, high = self._edges()
        v = np.exp(low + u * (high - low)) if self.log else low + u * (high - low)
        return np.clip(np.round(v), self.low, self.high) if self.integer else v

    def unit(self, v: Floats) -> Floats:
        """Task coordinates of natural values."""
        if self.choices:
            return (v + 0.5) / self.choices
        low, high = self._edges()
        return np.asarray(((np.log(v) if self.log else v) - low) / max(high - low, 1e-12))

    def bins(self, v: Floats) -> NDArray[np.int64]:
        """Value tokens' indices for natural values."""
        if self.choices:
            return v.astype(np.int64)
        return np.clip((self.unit(v) * dialect.BINS).astype(np.int64), 0, dialect.BINS - 1)

    def _edges(self) -> tuple[float, float]:
        low, high = (self.low - 0.5, self.high + 0.5) if self.integer else (self.low, self.high)
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def wide(self, v: Floats) -> Floats:
        """Coordinates in the surface's own cube."""
        d = self.param.domain
        if isinstance(d, Categorical):
            return (v + 0.5) / len(d.choices)
        low, high = (d.low - 0.5, d.high + 0.5) if isinstance(d, Integer) else (d.low, d.high)
        if d.log:
            return np.asarray((np.log(v) - math.log(low)) / (math.log(high) - math.log(low)))
        return (v - low) / (high - low)


def cut(rng: Rng, p: Param, column: int, default_space: SearchSpace | None) -> Cut:
    """A range for one hyperparameter: the wide one, the default space's, or a random part."""
    d = p.domain
    if isinstance(d, Categorical):
        return Cut(column, p, 0, 0, False, False, len(d.choices))
    low, high = float(d.low), float(d.high)
    style = rng.random()
    if style < 0.35 and default_space is not None and p.name in default_space:
        other = default_space[p.name].domain
        assert not isinstance(other, Categorical)
        low, high = max(low, other.low), min(high, other.high)
    elif style < 0.75:
        a, b = np.sort(rng.random(2))
        if b - a < 0.35:
            a, b = max(0.0, a - 0.3), min(1.0, b + 0.3)
        low, high = float(d.from_unit(a)), float(d.from_unit(b))
    integer = isinstance(d, Integer)
    if integer and high <= low:
        low, high = float(d.low), float(d.high)
    return Cut(column, p, low, high, d.log, integer, 0)


def within(p: Param, column: int, domain: Domain) -> Cut:
    """The range of another domain for one hyperparameter."""
    d = p.domain
    if isinstance(d, Categorical) or isinstance(domain, Categorical):
        assert isinstance(d, Categorical)
        return Cut(column, p, 0, 0, False, False, len(d.choices))
    low, high = max(float(d.low), float(domain.low)), min(float(d.high), float(domain.high))
    return Cut(column, p, low, high, d.log, isinstance(d, Integer), 0)


def axis_of(c: Cut, taken: set[int], named: bool, family_name: str = "") -> dialect.DialectParam:
    """The dialect's name for a cut: the one that a study of the family asks by."""
    name = c.param.name if named else ""
    if family_name and family_name not in WITHOUT_FAMILY:
        name = family(family_name).embedded_names.get(name, name)
    token = dialect.identity(name, taken)
    if c.choices:
        assert isinstance(c.param.domain, Categorical)
        labels = tuple(str(v) if named else "?" for v in c.param.domain.choices)
        return dialect.DialectParam(token, "choice", choices=labels, bins=tuple(range(c.choices)))
    kind = ("int" if c.integer else "float") + (":log" if c.log else "")
    return dialect.DialectParam(token, kind, c.low, c.high)


class Task:
    """A space cut out of a function, with candidates scored over it.

    Attributes:
        axes: the free hyperparameters in the dialect.
        values: natural values of the candidates, shape (n, n_axes).
        bins: value indices of the same, shape (n, n_axes).
        losses: shape (n,).
    """

    def __init__(self, estimator: str, facts: dialect.TableFacts, cuts: list[Cut],
                 axes: list[dialect.DialectParam]) -> None:
        self.estimator, self.facts, self.cuts, self.axes = estimator, facts, cuts, axes

    def score(self, u: Floats) -> Floats:
        raise NotImplementedError

    def active(self, row: NDArray[np.int64]) -> list[int]:
        return list(range(len(self.axes)))

    def bins(self, u: Floats) -> NDArray[np.int64]:
        return np.stack([c.bins(c.natural(u[:, i])) for i, c in enumerate(self.cuts)], axis=1)

    def elsewhere(self, rng: Rng, u: Floats) -> Floats | None:
        """What the same candidates lose on another surface of the same kind, if there is one."""
        return None

    def default(self) -> Floats | None:
        """Task coordinates of the library's default, shape (n_axes,), if there is one."""
        return None

    def ahead(self, u: Floats) -> Floats | None:
        """How far training is ahead of validation, shape (n,), where that is known."""
        return None

    @property
    def noise(self) -> float | None:
        """Of a score, over the spread of random candidates' losses, where that is known."""
        return None

    def point(self, row: NDArray[np.int64]) -> dict[int, int]:
        return {a: int(row[a]) for a in self.active(row)}


_ROUNDS = ("n_estimators", "max_iter")
_NOISES = math.log(0.02), math.log(0.5)
"""Of scores, where the corpus does not know: what five folds of some hundred rows have."""


class RealTask(Task):
    """A task cut out of a fitted surface, perhaps mixed with another data set's.

    Mostly it is a draw from what the Gaussian process of the surface holds possible (Matheron's
    rule, Wilson et al. 2020, arXiv 2002.09309), not its mean: between few scores the mean is smooth
    and alike from data set to data set, and real losses are not.
    """

    def __init__(
        self, rng: Rng, surface: FittedSurface, others: Sequence[FittedSurface] = ()
    ) -> None:
        self.surface = surface
        self.others = others
        self.which = int(rng.integers(len(surface.models)))
        params = surface.space.params
        kept = list(range(len(params)))
        if rng.random() < 0.45 and len(params) > 2:
            kept = [j for j in kept if rng.random() < 0.65] or [int(rng.integers(len(params)))]
        if surface.family == "svm" and 1 in kept and rng.random() < 0.7:
            kept.remove(1)  # the kernel stays rbf
        default = None if surface.family in WITHOUT_FAMILY else family(surface.family).space(
            "regression" if surface.facts.kind == "regression" else "classification",
            _estimator_facts(surface.facts))
        if rng.random() < 0.5:
            kept = [kept[i] for i in rng.permutation(len(kept))]
            if surface.family == "svm":
                kept.sort()
        kept = [j for j in kept if not self._dead(params[j], kept)] or [0]
        cuts = [cut(rng, params[j], j, default) for j in kept]
        named = rng.random() > 0.07
        taken: set[int] = set()
        self._noise, facts = _told(rng, surface, self.which)
        name = FAMILY.get(surface.family, surface.family)
        super().__init__(name if rng.random() > 0.05 else "?", facts, cuts,
                         [axis_of(c, taken, named, surface.family) for c in cuts])
        self.base = np.array([p.domain.to_unit(p.start) for p in params])
        if params[0].name in _ROUNDS and rng.random() < 0.5:  # people hold it where it is large
            self.base[0] = rng.uniform(params[0].domain.to_unit(params[0].start), 1 - 1e-9)
        self.share = float(rng.uniform(0.0, 0.8)) if rng.random() < 0.5 else 0.0
        self.mixed: tuple[FittedSurface, int] | None = None
        if self.others and self.share:  # a data set between two: fewer surfaces to know by heart
            other = self.others[int(rng.integers(len(self.others)))]
            alike = [i for i, m in enumerate(other.metrics) if m == surface.metrics[self.which]]
            self.mixed = (other, alike[int(rng.integers(len(alike)))]) if alike else None
        self.drawn = drawn(rng, surface.models[self.which]) if rng.random() < 0.8 else None
        self.kernel = next((i for i, c in enumerate(cuts) if c.param.name == "kernel"), None)

    def _dead(self, p: Param, kept: list[int]) -> bool:
        """degree without a choice of kernel has no effect: the kernel stays rbf."""
        return p.name == "degree" and self.surface.family == "svm" and 1 not in kept

    def score(self, u: Floats) -> Floats:
        wide = self._wide(u)
        losses = self.surface.losses(self.which, wide)
        if self.mixed is not None:
            other, which = self.mixed
            theirs = other.models[which]
            z = (other.losses(which, wide) - theirs.mean) / theirs.std
            losses = losses + self.share * self.surface.models[self.which].std * z
        if self.drawn is not None:
            losses = losses + self.drawn(wide)
        return losses

    def elsewhere(self, rng: Rng, u: Floats) -> Floats | None:
        if not self.others:
            return None
        other = self.others[int(rng.integers(len(self.others)))]
        return other.losses(int(rng.integers(len(other.models))), self._wide(u))

    def ahead(self, u: Floats) -> Floats | None:
        known = self.surface.ahead
        return known[self.which].predict_mean(self._wide(u)) if known else None

    @property
    def noise(self) -> float | None:
        return self._noise

    def default(self) -> Floats | None:
        found = []
        for c in self.cuts:
            start, d = c.param.start, c.param.domain
            if isinstance(d, Categorical):
                found.append(d.to_unit(start))
            else:
                whole = Integer(int(c.low), int(c.high), c.log) if c.integer else None
                part = whole or Float(c.low, c.high, c.log)
                found.append(part.to_unit(part.cast(start)))
        return np.clip(np.array(found), 0, 1 - 1e-9)

    def _wide(self, u: Floats) -> Floats:
        wide = np.tile(self.base, (len(u), 1))
        for i, c in enumerate(self.cuts):
            wide[:, c.column] = c.wide(c.natural(u[:, i]))
        if self.surface.family == "svm":  # inactive ones sit in the middle
            names = [p.name for p in self.surface.space.params]
            kernel = wide[:, names.index("kernel")]
            wide[(kernel > 1 / 3) & (kernel < 2 / 3), names.index("gamma")] = 0.5
            wide[kernel < 2 / 3, names.index("degree")] = 0.5
        return wide

    def active(self, row: NDArray[np.int64]) -> list[int]:
        if self.kernel is None:
            return list(range(len(self.axes)))
        kernel = int(row[self.kernel])
        off = {0: ("degree",), 1: ("gamma", "degree"), 2: ()}[kernel]
        return [i for i, c in enumerate(self.cuts) if c.param.name not in off]


class PlayedTask(RealTask):
    """The task of a study that was played on a surface: all of a space, and the surface as it is.

    Args:
        space: of hyperparameters of the surface's own.
    """

    def __init__(self, rng: Rng, surface: FittedSurface, which: int, space: SearchSpace) -> None:
        self.surface, self.which, self.others = surface, which, ()
        column = {p.name: j for j, p in enumerate(surface.space.params)}
        cuts = [within(surface.space[p.name], column[p.name], p.domain) for p in space.free]
        self._noise, facts = _told(rng, surface, which)
        taken: set[int] = set()
        Task.__init__(self, FAMILY.get(surface.family, surface.family), facts, cuts,
                      [axis_of(c, taken, True, surface.family) for c in cuts])
        self.base = np.array([p.domain.to_unit(p.start) for p in surface.space.params])
        self.mixed, self.drawn, self.share = None, None, 0.0
        self.kernel = next((i for i, c in enumerate(cuts) if c.param.name == "kernel"), None)

    def coordinates(self, configs: Sequence[Config]) -> Floats:
        """Task coordinates of configurations, shape (n, n_axes); inactive ones are in the
        middle."""
        found = np.full((len(configs), len(self.cuts)), 0.5)
        for i, c in enumerate(self.cuts):
            d = c.param.domain
            for n, config in enumerate(configs):
                if c.param.name in config:
                    value = config[c.param.name]
                    number = d.choices.index(value) if isinstance(d, Categorical) else value
                    found[n, i] = c.unit(np.array([float(number)]))[0]
        return np.clip(found, 0.0, 1 - 1e-9)


def _told(
    rng: Rng, surface: FittedSurface, which: int
) -> tuple[float | None, dialect.TableFacts]:
    """The noise of a task's scores where it is known, and what a prompt tells of the table."""
    made_up = math.exp(rng.uniform(*_NOISES)) if rng.random() < 0.6 else None
    told = surface.told(which)
    if not surface.noises:
        told = replace(told, noise=made_up)
    if rng.random() > 0.3:
        return told.noise, _some(rng, told)
    return told.noise, dialect.TableFacts(told.kind if rng.random() < 0.5 else "?")


_INEXACT = ("rows", "features", "minority_share", "default_left")
_LEFT_OUT = {"rows": 0.05, "features": 0.05, "minority_share": 0.1, "categorical_share": 0.1,
             "missing_share": 0.1, "classes": 0.2, "metric": 0.1}  # fmt: skip
_MEASURED = {"default_left": 0.3, "noise": 0.3}


def _some(rng: Rng, facts: dialect.TableFacts) -> dialect.TableFacts:
    """The facts, each left out now and then, and inexact: exact ones would give a data set away.

    In half of the studies nothing is measured yet.
    """
    measured = _MEASURED if rng.random() < 0.5 else dict.fromkeys(_MEASURED, 1.0)
    found: dict[str, Any] = {name: None if rng.random() < share else getattr(facts, name)
                             for name, share in {**_LEFT_OUT, **measured}.items()}  # fmt: skip
    for name in _INEXACT:
        if found[name] is not None:
            found[name] *= 2 ** rng.normal(0, 0.4)
    return replace(facts, **found)


def _estimator_facts(facts: dialect.TableFacts):  # type: ignore[no-untyped-def]
    from hyperllama.core.estimators import Facts

    return Facts(rows=facts.rows or 500, features=facts.features or 10)
