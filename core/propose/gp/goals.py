"""Several objectives and constraints: a Gaussian process of each, and what they say of candidates.

With several objectives it is the expected improvement of the hypervolume that the front dominates
(Emmerich et al. 2006). It is an integral over the region that no trial dominates: of the chance
that a candidate dominates a point there. The chance has a closed form for independent Gaussians,
and the mean over random points of the region stands for the integral, so any number of objectives
costs the same. Constraints multiply with the chance that they are kept (Gardner et al. 2014).

Costs are fitted as logarithms, and volumes are taken of those: a model half the size is as much of
a gain at 1 kB as at 1 MB. Shapes: n trials, m candidates, k objectives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from hyperllama.core.objectives import COSTS, Objective
from hyperllama.core.propose.gp.surrogate import (
    Floats,
    GaussianProcess,
    log_expected_improvement,
)
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory
from hyperllama.core.trials.protocol import Observed

LogGain = Callable[[Floats], Floats]
"""Coordinates, shape (m, d) -> logarithm of what is to be gained there, shape (m,)."""
MOST_TRIALS = 150
_POINTS = 256
_DRAWN = 2048
_BEYOND = 0.5  # of the front's reach, that the region goes beyond its best values
_TAIL = 3.0  # how many times the distance from best to median the region reaches down


def log_gain(
    metric: GaussianProcess, space: SearchSpace, history: TrialHistory, goals: Goals
) -> LogGain:
    """What is to be gained from a trial of each candidate.

    Args:
        metric: the GP of the metric, fitted to all trials.
    """
    if goals.plain:
        best = float(metric.predict_mean(metric.x).max())
        return lambda at: log_expected_improvement(*metric.predict(at), best)
    known = history.inside(space)[-MOST_TRIALS:]
    running = [space.to_unit(c) for c in history.running(space)]
    models = _Models(space, known, running, goals)
    chances = [_kept_chance(models, c.name, c.below, c.bound) for c in goals.constraints]
    kept = np.array([space.to_unit(c) for c, t in known
                     if not goals.broken(t) and goals.gains(t) is not None])  # fmt: skip
    gain = _front_gain(metric, models, kept, running, goals) if len(kept) else None

    def total(at: Floats) -> Floats:
        found = np.zeros(len(at)) if gain is None else gain(at)
        for chance in chances:
            found = found + chance(at)
        return found

    return total


@dataclass(frozen=True)
class _Models:
    """The GPs of single quantities, as scores or as logarithms of costs."""

    space: SearchSpace
    known: Sequence[tuple[Config, Observed]]
    running: Sequence[Floats]
    goals: Goals

    def of(self, name: str) -> GaussianProcess | None:
        """The GP of a quantity; None with fewer than two values."""
        pairs = [(c, v) for c, t in self.known if (v := self.goals.value(t, name)) is not None]
        if len(pairs) < 2:
            return None
        x = np.array([self.space.to_unit(c) for c, _ in pairs])
        y = np.array([scaled(name, v) for _, v in pairs])
        categorical = np.array([isinstance(p.domain, Categorical) for p in self.space.free])
        gp = GaussianProcess.fit(x, y, categorical)
        return gp.believing(np.array(self.running)) if len(self.running) else gp


def scaled(name: str, value: float) -> float:
    """A value as it is fitted."""
    return float(np.log10(max(value, 1e-9))) if name in COSTS else value


def _kept_chance(models: _Models, name: str, below: bool, bound: float) -> LogGain:
    """Logarithm of the chance that a bound is kept."""
    gp, limit, sign = models.of(name), scaled(name, bound), 1.0 if below else -1.0
    if gp is None:
        return lambda at: np.zeros(len(at))

    def chance(at: Floats) -> Floats:
        mean, std = gp.predict(at)
        return np.asarray(scipy.special.log_ndtr(sign * (limit - mean) / std))

    return chance


def _front_gain(
    metric: GaussianProcess, models: _Models, kept: Floats, running: Sequence[Floats], goals: Goals
) -> LogGain:
    """The expected gain over the trials that keep the constraints, at `kept`, shape (n, d)."""
    at = np.concatenate([kept, np.array(running)]) if len(running) else kept
    if not goals.objectives:
        best = float(metric.predict_mean(at).max())
        return lambda u: log_expected_improvement(*metric.predict(u), best)
    pairs = [(o, metric if o.name == goals.metric else models.of(o.name)) for o in goals.objectives]
    fitted = [(_sign(o), gp) for o, gp in pairs if gp is not None]
    front = np.stack([sign * gp.predict_mean(at) for sign, gp in fitted], axis=1)
    points = undominated(front, np.random.default_rng(0))

    def gain(u: Floats) -> Floats:
        total = np.zeros((len(u), len(points)))
        for j, (sign, gp) in enumerate(fitted):
            mean, std = gp.predict(u)
            total += scipy.special.log_ndtr((sign * mean[:, None] - points[:, j]) / std[:, None])
        return np.asarray(scipy.special.logsumexp(total, axis=1))

    return gain


def _sign(objective: Objective) -> float:
    return -1.0 if objective.minimize else 1.0


def undominated(front: Floats, rng: np.random.Generator) -> Floats:
    """Random points, shape (up to 256, k), that none of `front`, shape (n, k), dominates.

    They fill the region from the worst values, without a bad tail, to beyond the best ones; greater
    is better. At least one point is beyond the best of everything.
    """
    best, middle = front.max(axis=0), np.median(front, axis=0)
    reach = np.where(best > middle, best - middle, front.std(axis=0))
    low = np.maximum(front.min(axis=0), best - _TAIL * reach) - 0.1 * reach - 1e-6
    high = best + _BEYOND * (best - low)
    points = low + (high - low) * rng.random((_DRAWN, len(best)))
    dominated = (front[:, None, :] >= points[None, :, :]).all(axis=2).any(axis=0)
    return np.concatenate([points[~dominated][: _POINTS - 1], high[None, :]])
