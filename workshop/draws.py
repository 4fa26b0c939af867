"""Random functions: draws from Gaussian processes, before and after they have seen scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hyperllama.core.propose.gp.surrogate import Floats, GaussianProcess

Rng = np.random.Generator


def drawn(rng: Rng, gp: GaussianProcess) -> Callable[[Floats], Floats]:
    """A draw from the posterior of a surface less its mean, in units of its losses."""
    apart = np.where(gp.categorical, 3.0, 1.0)  # as far as the kernel holds two categories apart
    prior = waves(rng, gp.length / apart)
    noise = math.sqrt(gp.noise) * rng.standard_normal(len(gp.x))
    k = gp._kernel(gp.x)
    k.flat[:: len(k) + 1] += gp.noise + 1e-6
    weights = np.linalg.solve(k, prior(gp.x) + noise)

    def f(u: Floats) -> Floats:
        return np.asarray(gp.std * (prior(u) - gp._kernel(u) @ weights))

    return f


def waves(rng: Rng, length: Floats) -> Callable[[Floats], Floats]:
    """A draw from a Gaussian process with a Matern 5/2 kernel of variance 1, by random Fourier
    features.

    Args:
        length: shape (d,).
    """
    w = rng.standard_normal((len(length), 64)) / length[:, None] / np.sqrt(rng.chisquare(5, 64) / 5)
    b, a = rng.uniform(0, 2 * math.pi, 64), rng.standard_normal(64)

    def f(u: Floats) -> Floats:
        return np.asarray(np.cos(u @ w + b) @ a * math.sqrt(2 / 64))

    return f
