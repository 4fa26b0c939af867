"""Paired differences, their error, and what a study calls noise: checked on simulated folds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from hyperllama.core.evaluate.results import std
from hyperllama.core.trials.noise import (
    inflated,
    paired_difference,
    study_noise,
    t_quantile,
)


def test_there_is_one_standard_deviation() -> None:
    assert std([1.0, 3.0]) == pytest.approx(2**0.5) and std([1.0]) is None


@pytest.mark.parametrize("p", [0.005, 0.05, 0.3, 0.9, 0.95, 0.99, 0.995])
def test_quantiles_of_students_t(p: float) -> None:
    for freedom in (1, 2, 3, 4, 5, 10, 40):
        assert t_quantile(p, freedom) == pytest.approx(student.ppf(p, freedom), rel=0.01)
    with pytest.raises(ValueError, match="degree of freedom"):
        t_quantile(p, 0)


def test_a_difference_is_taken_fold_by_fold() -> None:
    found = paired_difference([0.9, 0.5, 0.7], [0.8, 0.3, 0.7])
    assert (found.mean, found.n) == (pytest.approx(0.1), 3)
    assert found.error == pytest.approx(0.1 / 3**0.5)  # not that of the folds, which is 0.2
    low, high = found.interval(0.95) or (0, 0)
    assert (low + high) / 2 == pytest.approx(0.1)
    assert high - low == pytest.approx(2 * 4.3027 * 0.1 / 3**0.5, rel=1e-4)
    single = paired_difference([0.9], [0.8])
    assert single.error is None and single.interval() is None
    with pytest.raises(ValueError):
        paired_difference([0.9, 0.8], [0.8])


def test_overlapping_training_sets_widen_the_error() -> None:
    """Nadeau and Bengio: of 5 folds the variance is (1/5 + 1/4) of that of a difference."""
    a, b = [0.9, 0.5, 0.7, 0.6, 0.8], [0.8, 0.3, 0.7, 0.6, 0.9]
    apart, folds = paired_difference(a, b), paired_difference(a, b, 1 / 5)
    assert folds.mean == apart.mean and apart.error is not None and folds.error is not None
    assert folds.error / apart.error == pytest.approx((0.45 / 0.2) ** 0.5)


def folds_of(rng: np.random.Generator, studies: int, trials: int, folds: int) -> np.ndarray:
    """Fold scores of equal trials, shape (studies, trials, folds); overlapping training sets make
    the scores of a trial correlated by the share of test rows."""
    shared = rng.standard_normal((studies, trials, 1)) * (1 / folds) ** 0.5
    return shared + rng.standard_normal((studies, trials, folds)) * (1 - 1 / folds) ** 0.5


@pytest.mark.parametrize(("trials", "folds"), [(2, 3), (4, 5), (12, 5), (12, 10), (40, 5)])
def test_the_best_of_equal_trials_is_beyond_noise_in_one_of_20_studies(
    trials: int, folds: int
) -> None:
    scores = folds_of(np.random.default_rng(trials + folds), 400, trials, folds)
    claims = naive = 0
    for study in scores:
        found = study_noise(study[0].tolist(), study[1:].tolist(), 1 / folds)
        assert found is not None and found.trials == trials - 1
        gain = study[1:].mean(1).max() - study[0].mean()
        claims += gain > found.margin
        naive += gain > t_quantile(0.95, folds - 1) * found.error
    assert claims <= 30  # 20 expected at most; 31 or more in less than 1 of 100 such tests
    assert trials < 12 or naive > 40  # without the correction for picking the best


def test_a_study_without_another_trial_on_its_folds_has_no_noise() -> None:
    assert study_noise([0.5, 0.6], []) is None
    assert study_noise([0.5], [[0.6]]) is None
    assert study_noise([0.5, 0.6], [[0.5, 0.6, 0.7]]) is None


def test_a_few_bad_trials_do_not_widen_the_noise() -> None:
    default, near = [0.80, 0.82, 0.81], [[0.81, 0.82, 0.82], [0.80, 0.83, 0.81]]
    calm = study_noise(default, near)
    wild = study_noise(default, [*near, [0.1, 0.9, 0.5]])
    assert calm is not None and wild is not None
    assert wild.error == pytest.approx(calm.error)
    assert inflated(3, 0.0) == pytest.approx(1 / 3)
