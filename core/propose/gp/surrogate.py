"""A Gaussian process on the unit cube, fitted in milliseconds to ten to a few hundred trials.

Matern 5/2 with one length scale a coordinate, fitted by maximum a posteriori. scikit-learn's
`GaussianProcessRegressor` has no priors on its length scales; with four to ten trials its maximum
likelihood then often explains everything by noise or by one coordinate (`benchmarks/gp.py` compares
both). Shapes: n trials, d coordinates, m candidates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are loaded where they are first used: half the start of a study process
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Trend = Callable[[Floats], Floats]
"""What is expected before any trial, in units of the targets: shape (m, d) -> (m,)."""
_SQRT5 = math.sqrt(5.0)
_LENGTH_MEAN, _LENGTH_SD = math.log(0.5), 0.8
# Prior on the logarithm of the noise variance in units of the targets' variance.
_NOISE_MEAN, _NOISE_SD = math.log(3e-3), 1.2
_BELIEVED = 4


@dataclass(frozen=True)
class LengthPrior:
    """What is believed of the logarithms of length scales, in units of the cube's edge.

    Attributes:
        centre, spread: mean and standard deviation of each coordinate's, shape (d,).
    """

    centre: Floats
    spread: Floats

    @classmethod
    def usual(cls, d: int) -> LengthPrior:
        """Of coordinates of which nothing is known: grown with sqrt(d) as in Hvarfner et al. 2024
        (arXiv 2402.02229)."""
        return cls(np.full(d, _LENGTH_MEAN + 0.5 * math.log(max(d, 1))), np.full(d, _LENGTH_SD))


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted Gaussian process; targets are standardised inside, and may be losses or scores.

    Attributes:
        x: shape (n, d), coordinates in [0, 1].
        categorical: shape (d,), True where coordinates are only equal or different.
        length: shape (d,), length scales in units of the cube's edge.
        noise: variance of a usual trial's noise over the variance of the targets.
        mean, std: of the targets.
        chol: lower Cholesky factor of the kernel matrix, shape (n, n).
        weights: kernel matrix inverse times the standardised targets, shape (n,).
        shares: of each trial, the variance of its noise over `noise`, shape (n,).
        trend: the prior mean; None for a constant one. All of the above is of what it leaves over.
    """

    x: Floats
    categorical: NDArray[np.bool_]
    length: Floats
    noise: float
    mean: float
    std: float
    chol: Floats
    weights: Floats
    shares: Floats
    trend: Trend | None = None

    @classmethod
    def fit(
        cls,
        x: Floats,
        y: Floats,
        categorical: NDArray[np.bool_] | None = None,
        trend: Trend | None = None,
        shares: Floats | None = None,
        lengths: LengthPrior | None = None,
        left: float = 0.0,
    ) -> GaussianProcess:
        """Fit to targets `y`, shape (n,), at `x`, shape (n, d).

        Args:
            categorical: shape (d,); none by default.
            trend: the prior mean; what is left over is fitted.
            shares: how noisy each target is, see above; all alike by default.
            lengths: what is believed of the length scales.
            left: how much the targets are believed to deviate from the trend, a standard deviation
                that counts as much as `_BELIEVED` targets do.
        """
        if trend is not None:
            rest = cls.fit(x, y - trend(x), categorical, None, shares, lengths, left)
            return replace(rest, trend=trend)
        n, d = x.shape
        shares = np.ones(n) if shares is None else shares
        if categorical is None:
            categorical = np.zeros(d, dtype=bool)
        mean, std = float(y.mean()), float(y.std())
        std = math.sqrt((n * std**2 + _BELIEVED * left**2) / (n + _BELIEVED)) if left else std
        z = (y - mean) / std if std > 1e-12 else np.zeros(n)
        std = std if std > 1e-12 else 1.0
        distances = _squared_differences(x, x, categorical)
        lengths = lengths or LengthPrior.usual(d)
        centre = np.append(lengths.centre, _NOISE_MEAN)
        spread = np.append(lengths.spread, _NOISE_SD)
        found = scipy.optimize.minimize(
            _negative_log_posterior,
            centre,
            args=(distances, z, shares, centre, spread),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-5.0, 5.0)] * d + [(-14.0, 1.0)],
            options={"maxiter": 30, "ftol": 1e-4},
        )
        length, noise = np.exp(found.x[:d]), float(np.exp(found.x[d]))
        k = _matern(np.tensordot(1.0 / length**2, distances, 1)) + np.diag(noise * shares + 1e-8)
        chol = scipy.linalg.cholesky(k, lower=True)
        weights = scipy.linalg.cho_solve((chol, True), z)
        return cls(x, categorical, length, noise, mean, std, chol, weights, shares)

    def predict(self, candidates: Floats) -> tuple[Floats, Floats]:
        """Posterior mean and standard deviation (without noise) at `candidates`, shape (m, d)."""
        k = self._kernel(candidates)
        mean = k @ self.weights
        v = scipy.linalg.solve_triangular(self.chol, k.T, lower=True)
        variance = np.maximum(1.0 - np.einsum("ij,ij->j", v, v), 1e-12)
        return self._from_targets(mean, candidates), self.std * np.sqrt(variance)

    def predict_mean(self, candidates: Floats) -> Floats:
        """Posterior mean alone, shape (m,): cheaper."""
        return self._from_targets(self._kernel(candidates) @ self.weights, candidates)

    def believing(self, at: Floats) -> GaussianProcess:
        """As if its posterior mean had been observed `at`, shape (k, d): the place of trials that
        still run (kriging believer, Ginsbourger et al. 2010)."""
        x = np.concatenate([self.x, at])
        z = self.chol @ (self.chol.T @ self.weights)
        z = np.concatenate([z, self._kernel(at) @ self.weights])
        distances = _squared_differences(x, x, self.categorical)
        shares = np.append(self.shares, np.ones(len(at)))
        k = _matern(np.tensordot(1.0 / self.length**2, distances, 1))
        chol = scipy.linalg.cholesky(k + np.diag(self.noise * shares + 1e-8), lower=True)
        weights = scipy.linalg.cho_solve((chol, True), z)
        return replace(self, x=x, chol=chol, weights=weights, shares=shares)

    def _from_targets(self, standardised: Floats, candidates: Floats) -> Floats:
        """Standardised posterior means in units of the targets, the trend added."""
        mean: Floats = self.mean + self.std * standardised
        return mean if self.trend is None else mean + self.trend(candidates)

    def _kernel(self, candidates: Floats) -> Floats:
        if not self.categorical.any():
            a, b = candidates / self.length, self.x / self.length
            r2 = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * a @ b.T
            return _matern(np.maximum(r2, 0.0))
        d2 = _squared_differences(candidates, self.x, self.categorical)
        return _matern(np.tensordot(1.0 / self.length**2, d2, 1))


def log_expected_improvement(mean: Floats, std: Floats, best: float) -> Floats:
    """Logarithm of the expected improvement over `best`, greater is better, shape (m,).

    Stable far below the incumbent: Ament et al. 2023 (arXiv 2310.20708), appendix A.
    """
    z = (mean - best) / std
    result = np.empty_like(z)
    near = z > -1.0
    zn = z[near]
    phi = np.exp(-0.5 * zn * zn) / math.sqrt(2 * math.pi)
    result[near] = np.log(np.maximum(phi + zn * np.exp(scipy.special.log_ndtr(zn)), 1e-300))
    zf = z[~near]
    ratio = math.sqrt(math.pi / 2) * scipy.special.erfcx(-zf / math.sqrt(2)) * np.abs(zf)
    exact = np.log1p(-np.minimum(ratio, 1 - 1e-12))
    tail = np.where(zf < -1e4, -2 * np.log(np.abs(zf)), exact)
    result[~near] = -0.5 * zf * zf - 0.5 * math.log(2 * math.pi) + tail
    return result + np.log(std)


def compress_tail(losses: Floats) -> Floats:
    """Losses with the bad tail pulled in, shape (n,), so that one divergence hides no structure.

    Losses up to the median stay as they are; beyond it the excess over the median, in units of the
    distance from best to median, grows logarithmically.
    """
    best, middle = float(losses.min()), float(np.median(losses))
    scale = middle - best
    if scale <= 0:
        scale = float(losses.std()) or 1.0
    excess = np.maximum(losses - middle, 0.0) / scale
    return np.asarray(np.minimum(losses, middle) + scale * np.log1p(excess))


def _squared_differences(a: Floats, b: Floats, categorical: NDArray[np.bool_]) -> Floats:
    d2 = np.square(a.T[:, :, None] - b.T[:, None, :])
    if categorical.any():
        d2[categorical] = d2[categorical] > 1e-12
    return np.asarray(d2)


def _matern(r2: Floats) -> Floats:
    r = _SQRT5 * np.sqrt(r2)
    return np.asarray((1.0 + r + (5.0 / 3.0) * r2) * np.exp(-r))


def _negative_log_posterior(
    theta: Floats, distances: Floats, z: Floats, shares: Floats, centre: Floats, spread: Floats
) -> tuple[float, Floats]:
    """The negative log posterior and its gradient, shape (d + 1,).

    Args:
        theta: log length scales and log noise, shape (d + 1,).
        distances: squared, shape (d, n, n).
    """
    d, n, _ = distances.shape
    inverse = np.exp(-2.0 * theta[:d])
    noise = math.exp(theta[d])
    flat = distances.reshape(d, n * n)
    r2 = inverse @ flat
    r = _SQRT5 * np.sqrt(r2)
    e = np.exp(-r)
    k = ((1.0 + r + (5.0 / 3.0) * r2) * e).reshape(n, n)
    k.flat[:: n + 1] += noise * shares + 1e-8
    try:
        chol = scipy.linalg.cholesky(k, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros(d + 1)
    weights = scipy.linalg.cho_solve((chol, True), z, check_finite=False)
    inverse_k = scipy.linalg.cho_solve((chol, True), np.eye(n), check_finite=False)
    gap = (theta - centre) / spread
    value = 0.5 * float(z @ weights) + float(np.log(np.diag(chol)).sum()) + 0.5 * float(gap @ gap)
    outer = np.outer(weights, weights) - inverse_k  # d(log p)/dK = outer / 2
    shared = (outer.ravel() * (5.0 / 3.0) * (1.0 + r) * e) * 0.5
    gradient = np.empty(d + 1)
    gradient[:d] = -(flat @ shared) * inverse
    gradient[d] = -0.5 * noise * float(np.diag(outer) @ shares)
    return value, gradient + gap / spread
