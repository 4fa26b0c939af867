"""Surfaces of the second corpus: what a family does on all targets, bent by what one target says.

A unit has sixteen configurations, too few for a surface of nine hyperparameters. So all units of a
family share a trend: ridge regression on random Fourier features of configuration and facts (Rahimi
and Recht 2007), fitted to losses standardised within each unit. A Gaussian process through what the
trend leaves over makes the surface of each unit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.estimators import Facts
from hyperllama.core.propose.gp.surrogate import GaussianProcess, compress_tail
from hyperllama.core.space import Categorical, SearchSpace
from hyperllama.models.embedded import dialect
from workshop.spaces import wide_space
from workshop.surfaces import METRIC_KINDS, FittedSurface, Floats
from workshop.survey import FOLDS, METRICS, Unit, all_units, coordinates
from workshop.targets import is_reserved, load

FEWEST = 10
_FEATURES, _LENGTH, _RIDGE = 384, 0.6, 3.0


@dataclass(frozen=True)
class Scored:
    """A unit's losses of one metric, ready to be fitted.

    Attributes:
        x: coordinates of the configurations, those that failed last, shape (n, d).
        y: losses on fresh rows where there are any, else the mean of the folds, shape (n,).
        ahead: held-out loss minus the loss on the rows fitted to, of those that did not fail.
        noise: of a mean over folds: its standard deviation over that of `y`, in [0, 1].
        default_left: the share of a constant's loss that the default leaves; None where it failed.
    """

    unit: Unit
    space: SearchSpace
    metric: str
    x: Floats
    y: Floats
    ahead: Floats
    noise: float
    default_left: float | None


def space_of(unit: Unit) -> SearchSpace:
    """The wide space that a unit's points lie in.

    Raises:
        ValueError: the space has changed since the unit was made.
    """
    kind = "regression" if unit.kind == "regression" else "classification"
    space = wide_space(unit.family, kind, Facts(**unit.facts))
    if [p.name for p in space.free] != unit.names:
        raise ValueError(f"{unit.family} had other hyperparameters when {unit.target} was scored")
    return space


def scored(unit: Unit) -> list[Scored]:
    """A unit's metrics that tell configurations apart. What failed counts as much as the worst."""
    kept = [i for i, s in enumerate(unit.scores) if s]
    failed = [i for i, s in enumerate(unit.scores) if not s]
    if len(kept) < FEWEST:
        return []
    space = space_of(unit)
    x = coordinates(unit, space)[kept + failed]
    table = np.array([unit.scores[i] for i in kept], dtype=float) / 1e4
    found = []
    for m, metric in enumerate(METRICS[unit.kind]):
        folds, fresh = table[:, m, :FOLDS], table[:, m, -1]
        mean = folds.mean(axis=1)
        y = fresh if fresh.min() >= 0 else mean
        if y.std() < 1e-3:
            continue
        rest = folds - mean[:, None]
        rest = rest - rest.mean(axis=0)  # how hard a fold is, is no noise
        noise = float(np.median(rest.std(axis=1)) / math.sqrt(FOLDS) / y.std())
        left = float(y[0]) * 1e4 / unit.chance[m] if kept[0] == 0 else None
        ahead = mean - table[:, m, FOLDS]
        y = np.append(compress_tail(y), np.full(len(failed), compress_tail(y).max()))
        found.append(Scored(unit, space, metric, x, y, ahead, min(noise, 1.0), left))
    return found


def fitted(
    units_: Sequence[Unit], learn: Collection[str] | None = None
) -> list[tuple[Scored, FittedSurface]]:
    """The surface of every unit, one model a metric; the trends come from `learn`'s targets alone.

    Args:
        learn: names of targets; all by default.
    """
    found = []
    for name in sorted({(u.family, _kind(u)) for u in units_}):
        mine = [s for u in units_ if (u.family, _kind(u)) == name for s in scored(u)]
        trend = _Trend.fit([s for s in mine if learn is None or s.unit.target in learn])
        by_unit: dict[tuple[str, str, int], list[Scored]] = {}
        for s in mine:
            by_unit.setdefault(s.unit.key, []).append(s)
        found += [(group[0], _surface(group, trend)) for group in by_unit.values()]
    return found


def load_folder(folder: Path, held_out: bool) -> list[FittedSurface]:
    """The surfaces of a folder's reserved targets, or of all others; without those of pipelines,
    whose choices differ from table to table."""
    held = {t.name for t in load(folder / "targets.jsonl") if is_reserved(t.group)}
    everything = [u for u in all_units(folder).values() if u.family != "pipeline"]
    learn = {u.target for u in everything} - held
    return [f for s, f in fitted(everything, learn) if (s.unit.target in held) == held_out]


def _kind(unit: Unit) -> str:
    return "regression" if unit.kind == "regression" else "classification"


def _surface(group: list[Scored], trend: _Trend | None) -> FittedSurface:
    first = group[0]
    f = first.unit.facts
    facts = dialect.TableFacts(
        first.unit.kind, f["rows"], f["features"], f["minority_share"], f["categorical_share"],
        f["missing_share"], f["classes"],
    )  # fmt: skip
    surface = FittedSurface(first.unit.target, first.unit.family, facts, first.space)
    categorical = _categorical(first.space)
    for s in group:
        shaped = trend.of(s) if trend is not None and trend.width == s.x.shape[1] else None
        surface.models.append(GaussianProcess.fit(s.x, s.y, categorical, shaped))
        surface.ahead.append(GaussianProcess.fit(s.x[: len(s.ahead)], s.ahead, categorical))
        surface.noises.append(s.noise)
        surface.metrics.append(METRIC_KINDS[s.metric])
        surface.lefts.append(s.default_left)
    return surface


def _categorical(space: SearchSpace) -> NDArray[np.bool_]:
    return np.array([isinstance(p.domain, Categorical) for p in space.free])


@dataclass(frozen=True)
class _Trend:
    """Standardised loss by configuration and facts."""

    width: int
    waves: Floats
    shifts: Floats
    weights: Floats

    @classmethod
    def fit(cls, all_of_them: list[Scored]) -> _Trend | None:
        """None where there is too little."""
        widths = {s.x.shape[1] for s in all_of_them}
        if len(widths) != 1 or len(all_of_them) < 8:
            return None  # pipelines have other choices on every table
        width = widths.pop()
        rng = np.random.default_rng(0)
        d = width + len(_about(all_of_them[0]))
        waves = rng.standard_normal((d, _FEATURES)) / (_LENGTH * math.sqrt(d / 3))
        made = cls(width, waves, rng.uniform(0, 2 * math.pi, _FEATURES), np.zeros(_FEATURES))
        phi = np.concatenate([made._phi(s, s.x) for s in all_of_them])
        z = np.concatenate([(s.y - s.y.mean()) / s.y.std() for s in all_of_them])
        weights = np.linalg.solve(phi.T @ phi + _RIDGE * np.eye(_FEATURES), phi.T @ z)
        return cls(width, waves, made.shifts, weights)

    def of(self, s: Scored) -> UnitTrend:
        """The trend for one unit, in units of its losses."""
        phase = _about(s) @ self.waves[self.width :] + self.shifts
        scale = float(s.y.std()) * math.sqrt(2 / _FEATURES)
        return UnitTrend(self.waves32, phase.astype(np.float32), scale, self.weights)

    @cached_property
    def waves32(self) -> NDArray[np.float32]:
        """Frequencies by coordinate of a configuration, shape (width, _FEATURES)."""
        return self.waves[: self.width].astype(np.float32)

    def _phi(self, s: Scored, x: Floats) -> Floats:
        about = np.tile(_about(s), (len(x), 1))
        whole = np.concatenate([x, about], axis=1)
        return np.asarray(np.cos(whole @ self.waves + self.shifts) * math.sqrt(2 / _FEATURES))


@dataclass(frozen=True)
class UnitTrend:
    """The trend of one unit; in single precision, which takes a quarter of the time.

    Attributes:
        waves: shape (d, features).
        phase: of each feature, with the facts of the unit in it, shape (features,).
        scale: of the weighted sum of the features.
        weights: shape (features,).
    """

    waves: NDArray[np.float32]
    phase: NDArray[np.float32]
    scale: float
    weights: Floats

    def __call__(self, x: Floats) -> Floats:
        """Losses at coordinates, shape (m, d) -> (m,)."""
        waves = np.cos(x.astype(np.float32) @ self.waves + self.phase)
        return np.asarray(self.scale * (waves @ self.weights32), dtype=float)

    @cached_property
    def weights32(self) -> NDArray[np.float32]:
        return self.weights.astype(np.float32)


def _about(s: Scored) -> Floats:
    f = s.unit.facts
    return np.array([
        math.log10(f["rows"]) / 2, math.log10(f["features"]) / 2, f["categorical_share"],
        f["minority_share"], 0.5 * (s.metric in ("error", "balanced_error")),
        0.5 * (s.metric == "auc_loss"),
    ])  # fmt: skip
