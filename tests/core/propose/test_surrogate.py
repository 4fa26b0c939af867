"""The Gaussian process: its gradient, fit and uncertainty; and the compressed tail of losses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.stats import norm

from hyperllama.core.propose.gp import surrogate
from hyperllama.core.propose.gp.noise import noise_shares
from hyperllama.core.propose.gp.surrogate import (
    GaussianProcess,
    compress_tail,
    log_expected_improvement,
)


def test_gradient_of_the_posterior_is_right() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((9, 3))
    categorical = np.array([False, False, True])
    x[:, 2] = np.round(x[:, 2])
    distances = surrogate._squared_differences(x, x, categorical)
    z, centre, spread = rng.standard_normal(9), np.full(4, -0.7), np.ones(4)
    shares = rng.uniform(0.2, 5.0, 9)

    def value(t: np.ndarray) -> float:
        return surrogate._negative_log_posterior(t, distances, z, shares, centre, spread)[0]

    def gradient(t: np.ndarray) -> np.ndarray:
        return surrogate._negative_log_posterior(t, distances, z, shares, centre, spread)[1]

    for _ in range(5):
        assert check_grad(value, gradient, rng.normal(-0.5, 0.4, 4)) < 1e-4


def test_finds_the_coordinate_that_matters() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((25, 4))
    gp = GaussianProcess.fit(x, np.sin(5 * x[:, 2]))
    assert int(np.argmin(gp.length)) == 2
    at = rng.random((200, 4))
    mean, std = gp.predict(at)
    assert np.corrcoef(mean, np.sin(5 * at[:, 2]))[0, 1] > 0.95
    assert np.all(gp.predict(x)[1] < std.mean())
    assert np.allclose(gp.predict_mean(at), mean)


def test_constant_targets_are_no_accident() -> None:
    x = np.random.default_rng(2).random((5, 2))
    mean, std = GaussianProcess.fit(x, np.full(5, 3.0)).predict(x)
    assert np.allclose(mean, 3.0) and np.all(np.isfinite(std))


@pytest.mark.parametrize("z", [-20.0, -3.0, -0.5, 0.0, 2.0])
def test_expected_improvement_against_its_definition(z: float) -> None:
    found = log_expected_improvement(np.array([z * 0.3]), np.array([0.3]), 0.0)[0]
    direct = norm.pdf(z) + z * norm.cdf(z)
    if z > -10:
        assert found == pytest.approx(np.log(0.3 * direct), rel=1e-6)
    else:  # where the definition cancels
        asymptote = norm.logpdf(z) - 2 * np.log(abs(z)) + np.log1p(-3 / z**2) + np.log(0.3)
        assert found == pytest.approx(asymptote, rel=1e-3)


@given(st.lists(st.floats(-1e3, 1e6), min_size=2, max_size=40))
def test_a_compressed_tail_keeps_the_order_and_the_better_half(losses: list[float]) -> None:
    given_ = np.array(losses)
    compressed = compress_tail(given_)
    better = given_ <= np.median(given_)
    assert np.allclose(compressed[better], given_[better])
    order = np.argsort(given_, kind="stable")
    assert np.all(np.diff(compressed[order]) >= -1e-6 * (1 + np.abs(compressed[order][:-1])))


def test_folds_that_disagree_make_a_trial_noisy() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=8)
    easy = np.array([0.5, -0.2, -0.3])  # of the folds, for all trials alike
    own = 0.01 * rng.normal(size=(8, 3))
    own[5] *= 8
    folds = [tuple(row) for row in values[:, None] + easy + own - own.mean(axis=1, keepdims=True)]
    shares = noise_shares(folds, values)
    assert shares.argmax() == 5 and shares[5] > 5 and np.median(shares) == pytest.approx(1, rel=0.3)
    folds[2] = ()
    assert noise_shares(folds, values)[2] == 1
    assert (noise_shares([()] * 8, values) == 1).all()
    assert (noise_shares(folds[:3], values[:3]) == 1).all()


def test_a_noisy_target_is_believed_less() -> None:
    x = np.linspace(0, 1, 9)[:, None]
    y = np.sin(3 * x[:, 0])
    y[4] += 1.0
    shares = np.ones(9)
    shares[4] = 100.0
    gap = [
        abs(float(GaussianProcess.fit(x, y, shares=s).predict_mean(x[4:5])[0]) - np.sin(1.5))
        for s in (None, shares)
    ]
    assert gap[1] < 0.5 * gap[0]
