"""Paired differences, their error, and what a study calls noise: checked on simulated folds."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import t as student

from hyperllama.core.evaluate.results import std
from hyperllama.core.events import StudyConfirmed, StudyOpened
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.findings.plateau import advice_to_stop, since_rise
from hyperllama.core.task.spec import Validation
from hyperllama.core.trials.noise import (
    inflated,
    paired_difference,
    study_noise,
    t_quantile,
)
from hyperllama.tui.content.sentences import describe
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import UNICODE
from hyperllama.tui.widgets.study.score_curve import ScoreCurve


def test_there_is_one_standard_deviation() -> None:
    assert std([1.0, 3.0]) == pytest.approx(2**0.5) and std([1.0]) is None
    assert std([0.0, 1.9e154]) == std([1e308, 1.7e308]) == float("inf")  # as stored data may be


@pytest.mark.parametrize("p", [0.005, 0.05, 0.3, 0.9, 0.95, 0.99, 0.995])
def test_quantiles_of_students_t(p: float) -> None:
    for freedom in (1, 2, 3, 4, 5, 10, 40):
        assert t_quantile(p, freedom) == pytest.approx(student.ppf(p, freedom), rel=1e-9)
    assert t_quantile(p, 2000) == pytest.approx(student.ppf(p, 2000), rel=0.002)
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
    assert study_noise([0.5], [[0.6]]) is None and study_noise([], [[]]) is None
    assert study_noise([0.5, 0.6], [[0.5, 0.6, 0.7]]) is None


def test_a_few_bad_trials_do_not_widen_the_noise() -> None:
    default, near = [0.80, 0.82, 0.81], [[0.81, 0.82, 0.82], [0.80, 0.83, 0.81]]
    calm = study_noise(default, near)
    wild = study_noise(default, [*near, [0.1, 0.9, 0.5]])
    assert calm is not None and wild is not None
    assert wild.error == pytest.approx(calm.error)
    assert inflated(3, 0.0) == pytest.approx(1 / 3)


def study_of(*scores: tuple[float, ...]) -> StudyState:
    """A study whose trial 0 is the default; fold scores of each trial."""
    trials = tuple(
        TrialState(
            i, "default" if i == 0 else "gp", "complete", {"x": i}, fmean(folds), folds, len(folds)
        )
        for i, folds in enumerate(scores)
    )
    opened = StudyOpened("s", "t", "", "roc_auc", (), "gp", "", 0, 20, None, 100, 3, 5)
    best = max(trials, key=lambda t: t.value or 0.0).number
    return StudyState(opened=opened, trials=trials, incumbent=best)


def shifted(by: float, *wobble: float) -> tuple[float, ...]:
    """The default's fold scores, which lie far apart, with something added to each."""
    return tuple(f + by + w for f, w in zip(DEFAULT, wobble or (0.0,) * 5, strict=True))


DEFAULT = (0.80, 0.85, 0.90, 0.83, 0.87)
WOBBLE = (0.01, -0.02, 0.005, 0.015, -0.01)


def test_a_studys_noise_is_that_of_differences_on_its_folds() -> None:
    alike = study_of(DEFAULT, shifted(0.002, 0.0001, -0.0001, 0.0, 0.0, 0.0))
    assert alike.noise is not None and alike.noise.margin < 0.0005  # folds differ by 0.1
    assert alike.beyond_noise is True
    by_chance = study_of(DEFAULT, shifted(0.0005, *WOBBLE))
    assert by_chance.gain == pytest.approx(0.0005) and by_chance.beyond_noise is False
    assert wording.gain_style(by_chance.beyond_noise) == "$dim"  # not green
    assert wording.within_noise(by_chance.gain, by_chance.beyond_noise) == "within noise"
    assert "within noise" in " ".join(describe(by_chance, "s", True))


def test_what_cannot_be_told_is_not_claimed() -> None:
    assert study_of((0.8,), (0.9,)).beyond_noise is None  # one fold
    assert study_of(DEFAULT).beyond_noise is False  # the default is the best: no gain at all
    assert wording.gain_style(None) == "$dim" and wording.within_noise(0.1, None) == ""
    assert wording.within_noise(0.0, False) == ""


def test_fresh_folds_decide_over_the_noise_of_the_study() -> None:
    by_chance = study_of(DEFAULT, shifted(0.0005, *WOBBLE))
    better = replace(by_chance, confirmation=StudyConfirmed(1, 0.0005, 0.0004, 0.0001, 0.0007, 3))
    assert better.beyond_noise is True
    assert replace(better, confirmation=StudyConfirmed(0, repeats=3)).beyond_noise is False
    unsure = StudyConfirmed(1, 0.0005, 0.0004, -0.0001, 0.0009, 3)
    assert replace(better, confirmation=unsure).beyond_noise is False
    unscored = replace(better, confirmation=StudyConfirmed(1, why="no time"))
    assert unscored.beyond_noise is False


def test_the_share_of_rows_that_a_fold_scores_widens_the_noise() -> None:
    study = study_of(DEFAULT, shifted(0.01, *WOBBLE))
    assert study.opened is not None and study.noise is not None
    half = replace(study, opened=replace(study.opened, scored_share=0.5))
    assert half.noise is not None
    assert half.noise.margin / study.noise.margin == pytest.approx((1.2 / 0.45) ** 0.5)
    shares = {"split": 0.25, "time": 0.25, "group": 0.2, "kfold": 0.2}
    for method, share in shares.items():
        given = {"group": "g"} if method == "group" else {"time": "t"} if method == "time" else {}
        assert Validation(method=method, folds=5, **given).scored_share == share


def test_the_band_of_the_plot_is_as_wide_as_the_noise() -> None:
    study = study_of(DEFAULT, shifted(0.02, *WOBBLE), shifted(-0.1), shifted(0.05, *WOBBLE))
    plot = ScoreCurve(study, {}, UNICODE).plot(60, 40)
    shaded = [y for y in range(40) if "row-cursor" in plot.row(y).markup]
    assert study.best is not None and study.best.value is not None and study.noise is not None
    ends = (study.best.value + study.noise.margin, study.best.value - study.noise.margin)
    assert plot.up.low < ends[1] < ends[0] < plot.up.high
    assert [plot.cell_of(0, plot.level(v))[1] for v in ends] == [shaded[0], shaded[-1]]


def test_more_trials_are_advised_against_once_none_rises_beyond_noise() -> None:
    rise = shifted(0.1, *WOBBLE)
    study = study_of(DEFAULT, rise, *(shifted(0.1 + i / 1e4, *WOBBLE) for i in range(12)))
    assert since_rise(study) == 12
    assert study.noise is not None
    assert "In the last 12 trials" in advice_to_stop(study)
    assert f"±{study.noise.margin:.2g}" in advice_to_stop(study)
    rising = study_of(DEFAULT, *(shifted(0.1 * i, *WOBBLE) for i in range(1, 14)))
    assert since_rise(rising) == 0 and advice_to_stop(rising) == ""
    assert since_rise(study_of((0.8,), (0.9,))) is None
