"""Where to look next, by a Gaussian process over the history: candidates, and expected improvement.

Values are greater-is-better; the GP is fitted to losses with the bad tail pulled in. A prior over
the space, if there is one, weights the acquisition as in Hvarfner et al. 2022 ("piBO", arXiv
2204.11051): log EI + (weight / n) log prior, which fades as trials come in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.goals import LogGain, log_gain
from hyperllama.core.propose.gp.noise import noise_shares
from hyperllama.core.propose.gp.places import beside, realised
from hyperllama.core.propose.gp.surrogate import (
    Floats,
    GaussianProcess,
    compress_tail,
)
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory
from hyperllama.core.trials.protocol import Observed

LogPrior = Callable[[Floats], Floats]

METRIC = Goals()
RANDOM = 400
NEAR = 200
_CHANGED = 0.05
"""Share of the candidates in which a choice of a pipeline differs from a good trial's."""
MOST_TRIALS, MOST_FAILED = 150, 30
"""Trials the GP is fitted to: the best two thirds and the latest, of those that failed the latest;
a fit stays below 50 ms."""


@dataclass(frozen=True)
class Expected:
    """What the GP expects of a configuration.

    Attributes:
        mean, std: the value expected there, greater is better, and its standard deviation.
        log_ei: logarithm of the expected improvement over the incumbent, or of the front.
    """

    mean: float
    std: float
    log_ei: float


@dataclass(frozen=True)
class Suggestion:
    """An untried configuration with the largest acquisition.

    Attributes:
        expected: what the GP expects there.
        lengths: relative length scale of every free hyperparameter, by name; short ones matter.
    """

    config: Config
    expected: Expected
    lengths: dict[str, float]


def suggest(
    space: SearchSpace,
    history: TrialHistory,
    rng: np.random.Generator,
    candidates: Sequence[Config] = (),
    priors: Sequence[tuple[LogPrior, float]] = (),
    earlier: EarlierTrials | None = None,
    goals: Goals = METRIC,
) -> Suggestion:
    """The untried configuration with the largest expected improvement, beside no trial if possible.

    Args:
        history: needs two scored trials of `space` at least.
        candidates: configurations to consider beside random ones and the incumbent's neighbours.
        priors: log densities of coordinates, shape (m, n_free) -> (m,), each with its weight in
            trials: with n trials it counts weight / n.
        earlier: what is known before the first trial.
        goals: what is to be improved, see `log_gain`.

    Raises:
        Exhausted: every configuration of the space was tried.
    """
    gp, y = fitted(space, history, earlier)
    u = realised(space, _candidates(gp, y, rng, structure_of(space)))
    if candidates:
        u = np.concatenate([u, [space.to_unit(c) for c in candidates]])
    gain = log_gain(gp, space, history, goals)

    def utility(at: Floats) -> Floats:
        total = gain(at)
        for log_prior, weight in priors:
            total = total + weight / len(gp.x) * log_prior(at)
        return total

    values = utility(u)
    for width in (0.1, 0.03):  # climb from the best few
        top = np.repeat(u[np.argsort(values)[-4:]], 24, axis=0)
        moved = realised(space, _moved(top, width, gp, rng, structure_of(space)))
        u, values = np.concatenate([u, moved]), np.concatenate([values, utility(moved)])
    near = beside(u, gp.x)
    ordered = (space.from_unit(u[i]) for i in np.lexsort((-values, near))[:200])
    config = next((c for c in ordered if history.is_new(space, c)), None)
    if config is None:
        config = history.unseen(space, rng)
    lengths = {p.name: float(s) for p, s in zip(space.free, gp.length, strict=True)}
    return Suggestion(config, _expected(gp, gain, space, [config])[0], lengths)


def expectations(
    space: SearchSpace, history: TrialHistory, candidates: Sequence[Config],
    earlier: EarlierTrials | None = None, goals: Goals = METRIC,
) -> list[Expected]:  # fmt: skip
    """What the GP expects of each candidate; `history` needs two scored trials at least."""
    gp = fitted(space, history, earlier)[0]
    return _expected(gp, log_gain(gp, space, history, goals), space, candidates)


def _expected(
    gp: GaussianProcess, gain: LogGain, space: SearchSpace, configs: Sequence[Config]
) -> list[Expected]:
    at = np.array([space.to_unit(c) for c in configs])
    found = zip(*gp.predict(at), gain(at), strict=True)
    return [Expected(*map(float, row)) for row in found]


def fitted(
    space: SearchSpace, history: TrialHistory, earlier: EarlierTrials | None = None
) -> tuple[GaussianProcess, Floats]:
    """The GP fitted to the history, and the targets it was fitted to, shape (n,).

    A trial that failed counts as one as far below the worst as that is below the best.
    """
    scored, failed = _kept(history.inside(space)), history.failed(space)[-MOST_FAILED:]
    x = np.array([space.to_unit(c) for c in (*(c for c, _ in scored), *failed)])
    values, n = np.array([_value(t) for _, t in scored]), len(scored)
    y = -compress_tail(-values)
    earlier = earlier or EarlierTrials(())
    trend, left = earlier.mean(space, x[:n], y)
    shares = np.append(noise_shares([t.fold_scores for _, t in scored], values),
                       np.ones(len(failed)))  # fmt: skip
    y = np.append(y, np.full(len(failed), y.min() - (float(np.ptp(y)) or 1.0)))
    categorical = np.array([isinstance(p.domain, Categorical) for p in space.free])
    prior = earlier.family_prior(n)
    lengths = prior.lengths(space) if prior is not None else None
    gp = GaussianProcess.fit(x, y, categorical, trend, shares, lengths, left)
    running = history.running(space)
    return gp.believing(np.array([space.to_unit(c) for c in running])) if running else gp, y


def _value(trial: Observed) -> float:
    assert trial.value is not None
    return trial.value


def _kept(scored: list[tuple[Config, Observed]]) -> list[tuple[Config, Observed]]:
    if len(scored) <= MOST_TRIALS:
        return scored
    order = sorted(range(len(scored)), key=lambda i: -_value(scored[i][1]))
    best = set(order[: MOST_TRIALS * 2 // 3])
    rest = sorted(set(order) - best)[len(best) - MOST_TRIALS :]
    return [scored[i] for i in sorted(best | set(rest))]


def structure_of(space: SearchSpace) -> NDArray[np.bool_]:
    """Which coordinates say what a pipeline is made of, shape (n_free,)."""
    return np.array([bool(p.prior) for p in space.free])


def _candidates(
    gp: GaussianProcess, y: Floats, rng: np.random.Generator, structure: NDArray[np.bool_]
) -> Floats:
    """Coordinates to consider, shape (RANDOM + NEAR, n_free).

    The structure of a pipeline is mostly that of one of the best trials: there are too many for
    trials to tell apart.
    """
    d = gp.x.shape[1]
    top = gp.x[np.argsort(y)[-3:]]
    everywhere = rng.random((RANDOM, d))
    if structure.any():
        kept = structure & (rng.random((RANDOM, d)) >= _CHANGED)
        everywhere = np.where(kept, np.resize(top, (RANDOM, d)), everywhere)
    return np.concatenate([everywhere, neighbours(gp, y, rng, structure)])


def neighbours(
    gp: GaussianProcess, y: Floats, rng: np.random.Generator, structure: NDArray[np.bool_]
) -> Floats:
    """Coordinates near the best three trials, shape (NEAR, n_free)."""
    top = gp.x[np.argsort(y)[-3:]]
    return _moved(np.resize(top, (NEAR, gp.x.shape[1])), 0.15, gp, rng, structure)


def _moved(
    u: Floats, width: float, gp: GaussianProcess, rng: np.random.Generator,
    structure: NDArray[np.bool_],
) -> Floats:  # fmt: skip
    """Neighbours of `u`: some coordinates moved, numbers a little, categories anywhere."""
    share = np.where(structure, _CHANGED, max(0.3, 1.5 / u.shape[1]))
    chosen = rng.random(u.shape) < share
    step = width * np.clip(gp.length, 0.3, 2.0)
    numbers: NDArray[np.float64] = u + step * rng.standard_normal(u.shape)
    other = np.where(gp.categorical, rng.random(u.shape), np.clip(numbers, 0.0, 1.0 - 1e-9))
    return np.where(chosen, other, u)
