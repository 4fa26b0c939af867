"""Where to look next, by a Gaussian process over the history: candidates, and expected improvement.

Values are greater-is-better; the process is fitted to losses with the bad tail pulled in. A prior
over the space, if there is one, bends the acquisition as in Hvarfner et al. 2022 ("piBO", arXiv
2204.11051): log EI + (weight / n) log prior, which fades as trials come in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.propose.gp.surrogate import GaussianProcess, log_expected_improvement, tame
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.trials.history import History

Floats = NDArray[np.float64]
LogPrior = Callable[[Floats], Floats]

RANDOM = 400
NEAR = 200
MOST_TRIALS = 150
"""Trials the process is fitted to: the best two thirds and the latest; a fit stays below 50 ms."""


@dataclass(frozen=True)
class Chosen:
    """What the acquisition picked.

    Attributes:
        config: a configuration nobody tried.
        mean, std: the value expected there, greater is better, and its standard deviation.
        lengths: relative length scale of every free parameter, by name; short ones matter.
    """

    config: Config
    mean: float
    std: float
    lengths: dict[str, float]


def choose(
    space: SearchSpace,
    history: History,
    rng: np.random.Generator,
    candidates: Sequence[Config] = (),
    log_prior: LogPrior | None = None,
    weight: float = 0.0,
) -> Chosen:
    """The untried configuration with the largest expected improvement.

    Args:
        history: needs two scored trials of `space` at least.
        candidates: configurations to consider beside random ones and the incumbent's neighbours.
        log_prior: log density of coordinates, shape (m, n_free) -> (m,).
        weight: of the prior, in trials: with n trials it counts weight / n.

    Raises:
        Exhausted: every configuration of the space was tried.
    """
    process, y = _fitted(space, history)
    x, categorical = process.x, process.categorical
    u = _candidates(space, x, y, process, categorical, rng)
    if candidates:
        u = np.concatenate([u, [space.to_unit(c) for c in candidates]])
    best = float(process.predict_mean(x).max())

    def utility(at: Floats) -> Floats:
        mean, std = process.predict(at)
        total = log_expected_improvement(mean, std, best)
        if log_prior is not None and weight > 0:
            total = total + weight / len(x) * log_prior(at)
        return total

    values = utility(u)
    for width in (0.1, 0.03):  # climb from the best few
        top = np.repeat(u[np.argsort(values)[-4:]], 24, axis=0)
        moved = _moved(top, width, process, categorical, rng)
        u, values = np.concatenate([u, moved]), np.concatenate([values, utility(moved)])
    for i in np.argsort(values)[::-1][:200]:
        config = space.from_unit(u[i])
        if history.is_new(space, config):
            break
    else:
        config = history.unseen(space, rng)
    mean, std = process.predict(space.to_unit(config)[None])
    lengths = {p.name: float(s) for p, s in zip(space.free, process.length, strict=True)}
    return Chosen(config, float(mean[0]), float(std[0]), lengths)


@dataclass(frozen=True)
class Promise:
    """What is expected of a candidate.

    Attributes:
        mean, std: the value expected there, greater is better, and its standard deviation.
        log_ei: logarithm of the expected improvement over the incumbent.
    """

    mean: float
    std: float
    log_ei: float


def promises(
    space: SearchSpace, history: History, candidates: Sequence[Config]
) -> list[Promise]:
    """What the process expects of each candidate; `history` needs two scored trials at least."""
    process, _ = _fitted(space, history)
    mean, std = process.predict(np.array([space.to_unit(c) for c in candidates]))
    log_ei = log_expected_improvement(mean, std, float(process.predict_mean(process.x).max()))
    return [
        Promise(float(m), float(s), float(e)) for m, s, e in zip(mean, std, log_ei, strict=True)
    ]


def _fitted(space: SearchSpace, history: History) -> tuple[GaussianProcess, Floats]:
    """The process fitted to the history, and the targets it was fitted to, shape (n,)."""
    scored = _kept(history.scored(space))
    x = np.array([space.to_unit(c) for c, _ in scored])
    losses = tame(-np.array([v for _, v in scored]))
    categorical = np.array([isinstance(p.domain, Categorical) for p in space.free])
    return GaussianProcess.fit(x, -losses, categorical), -losses


def _kept(scored: list[tuple[Config, float]]) -> list[tuple[Config, float]]:
    if len(scored) <= MOST_TRIALS:
        return scored
    order = sorted(range(len(scored)), key=lambda i: -scored[i][1])
    best = set(order[: MOST_TRIALS * 2 // 3])
    rest = sorted(set(order) - best)[len(best) - MOST_TRIALS :]
    return [scored[i] for i in sorted(best | set(rest))]


def _candidates(
    space: SearchSpace,
    x: Floats,
    y: Floats,
    process: GaussianProcess,
    categorical: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """Coordinates to consider, shape (RANDOM + NEAR, n_free)."""
    everywhere = rng.random((RANDOM, x.shape[1]))
    top = x[np.argsort(y)[-3:]]
    near = _moved(np.resize(top, (NEAR, x.shape[1])), 0.15, process, categorical, rng)
    return np.concatenate([everywhere, near])


def _moved(
    u: Floats,
    width: float,
    process: GaussianProcess,
    categorical: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """Neighbours of `u`: some coordinates moved, numbers a little, categories anywhere."""
    d = u.shape[1]
    chosen = rng.random(u.shape) < max(0.3, 1.5 / d)
    step = width * np.clip(process.length, 0.3, 2.0)
    numbers = np.clip(u + step * rng.standard_normal(u.shape), 0.0, 1.0 - 1e-9)
    other = np.where(categorical, rng.random(u.shape), numbers)
    return np.where(chosen, other, u)
