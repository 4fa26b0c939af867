"""Training sequences: a surface, a space cut out of it, a history, and where its optimum lies.

Surfaces are Gaussian processes through the corpus (real ones) or random functions (synthetic ones,
with nameless hyperparameters). An example is a prompt in the dialect and two continuations: plan
and configuration of the optimum, and of a point among the best 1.5 %. All follows from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.estimators import family
from hyperllama.core.propose.gp.surrogate import GaussianProcess, compress_tail
from hyperllama.core.space import Categorical, Float, Integer, Param, SearchSpace
from hyperllama.models.embedded import dialect
from workshop.corpus import FAMILY, Surface, read, wide_space

Floats = NDArray[np.float64]
Rng = np.random.Generator
CANDIDATES = 320


@dataclass(frozen=True)
class Example:
    """One training example.

    Attributes:
        prompt: token ids up to and including <propose>.
        continuations: plan, <config>, and the target configuration, each.
    """

    prompt: list[int]
    continuations: list[list[int]]


@dataclass
class FittedSurface:
    """A surface that can be asked anywhere in its wide space."""

    dataset: str
    family: str
    facts: dialect.TableFacts
    space: SearchSpace
    models: list[GaussianProcess] = field(default_factory=list)

    def losses(self, which: int, units: Floats) -> Floats:
        return self.models[which].predict_mean(units)


def fit(surface: Surface) -> FittedSurface | None:
    """Gaussian processes through every loss of a surface; None where too few trials succeeded."""
    space = wide_space(surface.family, surface.kind)
    units = np.array([space.to_unit(c) for c in surface.configs])
    categorical = np.array([isinstance(p.domain, Categorical) for p in space.free])
    f = surface.facts
    kind = "regression" if surface.kind == "regression" else (
        "binary" if f["classes"] == 2 else "multiclass")
    facts = dialect.TableFacts(kind, f["rows"], f["features"], f["minority_share"],
                          f["categorical_share"], f["missing_share"])
    result = FittedSurface(surface.dataset, surface.family, facts, space)
    for losses in surface.losses.values():
        known = np.array([v is not None for v in losses])
        if known.sum() < 12:
            continue
        y = compress_tail(np.array([v for v in losses if v is not None]))
        if y.std() < 1e-6:
            continue
        result.models.append(GaussianProcess.fit(units[known], y, categorical))
    return result if result.models else None


def load(paths: Sequence[Path], held_out: bool, every: int = 12) -> list[FittedSurface]:
    """Fitted surfaces of a corpus; one data set in `every` is held out."""
    found = []
    for path in paths:
        for surface in read(path):
            number = sum(surface.dataset.encode()) + int(
                "".join(c for c in surface.dataset if c.isdigit()) or 0)
            if (number % every == 0) == held_out:
                fitted = fit(surface)
                if fitted is not None:
                    found.append(fitted)
    return found


@dataclass(frozen=True)
class _Cut:
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

    def bins(self, v: Floats) -> NDArray[np.int64]:
        """Value tokens' indices for natural values."""
        if self.choices:
            return v.astype(np.int64)
        low, high = self._edges()
        u = ((np.log(v) if self.log else v) - low) / max(high - low, 1e-12)
        return np.clip((u * dialect.BINS).astype(np.int64), 0, dialect.BINS - 1)

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


def cut(rng: Rng, p: Param, column: int, default_space: SearchSpace | None) -> _Cut:
    """A range for one hyperparameter: the wide one, the default space's, or a random part."""
    d = p.domain
    if isinstance(d, Categorical):
        return _Cut(column, p, 0, 0, False, False, len(d.choices))
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
    return _Cut(column, p, low, high, d.log, integer, 0)


def axis_of(c: _Cut, taken: set[int], named: bool) -> dialect.DialectParam:
    """The dialect's name for a cut."""
    token = dialect.identity(c.param.name if named else "", taken)
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

    def __init__(self, estimator: str, facts: dialect.TableFacts, cuts: list[_Cut],
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

    def point(self, row: NDArray[np.int64]) -> dict[int, int]:
        return {a: int(row[a]) for a in self.active(row)}


_ROUNDS = ("n_estimators", "max_iter")


class RealTask(Task):
    """A task cut out of a fitted surface, perhaps mixed with another data set's, perhaps bent a
    little by a random smooth function."""

    def __init__(
        self, rng: Rng, surface: FittedSurface, others: Sequence[FittedSurface] = ()
    ) -> None:
        self.surface = surface
        self.others = [s for s in others if len(s.space) == len(surface.space)]
        self.which = int(rng.integers(len(surface.models)))
        params = surface.space.params
        kept = list(range(len(params)))
        if rng.random() < 0.45 and len(params) > 2:
            kept = [j for j in kept if rng.random() < 0.65] or [int(rng.integers(len(params)))]
        if surface.family == "svm" and 1 in kept and rng.random() < 0.7:
            kept.remove(1)  # the kernel stays rbf
        default = None if surface.family in FAMILY else family(surface.family).space(
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
        facts = surface.facts if rng.random() > 0.3 else dialect.TableFacts(
            surface.facts.kind if rng.random() < 0.5 else "?")
        name = FAMILY.get(surface.family, surface.family)
        super().__init__(name if rng.random() > 0.05 else "?", facts, cuts,
                         [axis_of(c, taken, named) for c in cuts])
        self.base = np.array([p.domain.to_unit(p.start) for p in params])
        if params[0].name in _ROUNDS and rng.random() < 0.5:  # people hold it where it is large
            self.base[0] = rng.uniform(params[0].domain.to_unit(params[0].start), 1 - 1e-9)
        self.share = float(rng.uniform(0.0, 0.8)) if rng.random() < 0.5 else 0.0
        self.mixed: tuple[FittedSurface, int] | None = None
        if self.others and self.share:  # a data set between two: fewer surfaces to know by heart
            other = self.others[int(rng.integers(len(self.others)))]
            self.mixed = other, int(rng.integers(len(other.models)))
        self.bend = _waves(rng, len(params)) if rng.random() < 0.5 else None
        self.amplitude = float(rng.uniform(0.1, 0.6))
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
        if self.bend is not None:
            losses = losses + self.amplitude * losses.std() * self.bend(wide)
        return losses

    def elsewhere(self, rng: Rng, u: Floats) -> Floats | None:
        if not self.others:
            return None
        other = self.others[int(rng.integers(len(self.others)))]
        return other.losses(int(rng.integers(len(other.models))), self._wide(u))

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


def _estimator_facts(facts: dialect.TableFacts):  # type: ignore[no-untyped-def]
    from hyperllama.core.estimators import Facts

    return Facts(rows=facts.rows or 500, features=facts.features or 10)


class SyntheticTask(Task):
    """A random function of nameless hyperparameters: nothing helps here but the history."""

    def __init__(self, rng: Rng) -> None:
        d = int(rng.integers(1, 9)) if rng.random() < 0.7 else 2
        cuts, axes = [], []
        taken: set[int] = set()
        for j in range(d):
            style = rng.random()
            if style < 0.12:
                k = int(rng.integers(2, 7))
                p = Param(f"x{j}", Categorical(tuple(range(k))))
                c = _Cut(j, p, 0, 0, False, False, k)
            else:
                log = rng.random() < 0.4
                low = 10 ** rng.uniform(-6, 1) if log else rng.choice([0.0, -5.0, -10.0, 0.1, 1.0])
                high = low * 10 ** rng.uniform(1, 6) if log else low + 10 ** rng.uniform(-0.5, 2)
                integer = bool(rng.random() < 0.2 and high - low > 3 and low >= 1)
                if integer:
                    low, high = float(round(low)), float(round(high))
                c = _Cut(j, Param(f"x{j}", Integer(1, 2)), low, high, bool(log), integer, 0)
            cuts.append(c)
            axes.append(axis_of(c, taken, False))
        super().__init__("?", dialect.TableFacts(), cuts, axes)
        self.f = _random_function(rng, d)

    def score(self, u: Floats) -> Floats:
        return self.f(u)


def _waves(rng: Rng, d: int):  # type: ignore[no-untyped-def]
    """A draw from a Gaussian process with variance about 1, by random Fourier features."""
    scale = np.exp(rng.normal(math.log(0.45 * math.sqrt(d)), 0.5, size=d))
    w = rng.standard_normal((d, 48)) / scale[:, None] / np.sqrt(rng.chisquare(5, 48) / 5)
    b, a = rng.uniform(0, 2 * math.pi, 48), rng.standard_normal(48)

    def f(u: Floats) -> Floats:
        return np.asarray(np.cos(u @ w + b) @ a * math.sqrt(2 / 48))

    return f


def _random_function(rng: Rng, d: int):  # type: ignore[no-untyped-def]
    style = rng.random()
    centre = rng.uniform(0.02, 0.98, d)
    mix = np.linalg.qr(rng.standard_normal((d, d)))[0] if rng.random() < 0.5 else np.eye(d)
    stretch = np.exp(rng.normal(0, 0.8, d))
    waves = _waves(rng, d)
    power = float(rng.choice([0.5, 1.0, 2.0, 3.0]))

    def bowl(u: Floats) -> Floats:
        z = ((u - centre) @ mix) * stretch
        return np.asarray((np.square(z).sum(1) + 1e-12) ** (power / 2))

    if style < 0.35:
        return waves
    if style < 0.7:
        return bowl
    amount = rng.uniform(0.05, 0.5)
    return lambda u: bowl(u) + amount * waves(u)


def sequence(rng: Rng, task: Task) -> Example:
    """A prompt with a history of up to `most_trials` trials, and near-optimal continuations."""
    d = len(task.axes)
    u = rng.random((CANDIDATES, d))
    losses = task.score(u)
    order = np.argsort(losses)
    best = u[order[:5]]
    for width in (0.12, 0.04):  # sharpen the optimum by two rounds of perturbation
        near = np.repeat(best, 24, axis=0)
        moved = rng.random(near.shape) < max(0.4, 1.5 / d)
        near = np.clip(near + moved * rng.normal(0, width, near.shape), 0, 1 - 1e-9)
        near = np.concatenate([best, near])
        scored = task.score(near)
        best = near[np.argsort(scored)[:5]]
    good = u[order[rng.integers(5)]]
    targets = np.stack([best[0], good])
    n = 0 if rng.random() < 0.1 else 1 + int(rng.exponential(7.0))
    n = min(n, dialect.most_trials(task.axes))
    chosen, scores = _history(rng, task, u, losses, n)
    points = [task.point(row) for row in task.bins(chosen)] if n else []
    told: list[float | None] = list(scores)
    if n > 2 and rng.random() < 0.1:
        worst = int(np.argmax(scores))
        told[worst] = None
    prompt = dialect.header(task.estimator, task.facts, task.axes)
    incumbent = None
    if n:
        prompt += dialect.history(task.axes, points, told)
        known = [i for i in range(n) if told[i] is not None]
        incumbent = points[min(known, key=lambda i: scores[i])]
    prompt.append(dialect.INDEX["<propose>"])
    continuations = []
    for row in task.bins(targets):
        target = task.point(row)
        tokens = dialect.plan(task.axes, incumbent, target) + [dialect.INDEX["<config>"]]
        for a, value in target.items():
            tokens += [task.axes[a].token, task.axes[a].value_token(value)]
        continuations.append(tokens)
    return Example(prompt, continuations)


def _history(
    rng: Rng, task: Task, u: Floats, losses: Floats, n: int
) -> tuple[Floats, Floats]:
    """n points as a study would try them, without knowing the answer.

    Either at random, or what does well on other surfaces; then perhaps near the incumbent. The
    library's default often comes first.
    """
    if n == 0:
        return u[:0], losses[:0]
    rows = np.arange(n)
    if rng.random() < 0.6 and task.elsewhere(rng, u[:2]) is not None:
        tops = []
        for _ in range(3):
            other = task.elsewhere(rng, u)
            assert other is not None
            tops.append(np.argsort(other)[: CANDIDATES // 12])
        rows = rng.choice(np.unique(np.concatenate(tops)), size=n, replace=False)
    chosen, scores = u[rows].copy(), losses[rows].copy()
    first = task.default()
    if first is not None and rng.random() < 0.6:
        chosen[0] = first
        scores[:1] = task.score(chosen[:1])
    if rng.random() < 0.4 and n > 2:  # the later part perturbs what was best
        k = int(rng.integers(1, n))
        width = rng.uniform(0.03, 0.25)
        source = chosen[np.argmin(scores[: n - k])]
        moved = rng.random((k, u.shape[1])) < 0.6
        chosen[n - k :] = np.clip(source + moved * rng.normal(0, width, (k, u.shape[1])), 0,
                                  1 - 1e-9)
        scores[n - k :] = task.score(chosen[n - k :])
    noise = losses.std() * (0.0 if rng.random() < 0.4 else rng.uniform(0.01, 0.15))
    return chosen, scores + noise * rng.standard_normal(n)


# How often each family is drawn; real surfaces of a family share its weight.
WEIGHTS = {"xgboost": 2.0, "mlp": 2.5, "svm": 1.2, "decision_tree": 1.2, "random_forest": 1.2,
           "hist_gradient_boosting": 1.0, "extra_trees": 0.7, "linear": 0.7, "sgd": 0.7,
           "knn": 0.5}


class Source:
    """Draws training sequences for ever; sequence number i is a pure function of (seed, i)."""

    def __init__(self, surfaces: Sequence[FittedSurface], seed: int, synthetic: float) -> None:
        self.by_family: dict[str, list[FittedSurface]] = {}
        for s in surfaces:
            self.by_family.setdefault(s.family, []).append(s)
        self.names = sorted(self.by_family)
        weights = np.array([WEIGHTS.get(n, 1.0) for n in self.names])
        self.weights = weights / weights.sum() if len(weights) else weights
        self.seed, self.synthetic = seed, synthetic

    def draw(self, i: int) -> Example:
        rng = np.random.default_rng([self.seed, i])
        if not self.names or rng.random() < self.synthetic:
            return sequence(rng, SyntheticTask(rng))
        mine = self.by_family[str(rng.choice(self.names, p=self.weights))]
        return sequence(rng, RealTask(rng, mine[int(rng.integers(len(mine)))], mine))
