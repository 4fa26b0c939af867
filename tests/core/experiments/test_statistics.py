"""The definitions behind every figure of an experiment: gain, spread, ties, ranks, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hyperllama.core.experiments.figures import statistics as s
from hyperllama.core.experiments.figures.table import experiment_figures
from tests.core.experiments.test_compare import cells_of, comparison


def test_a_gain_is_the_share_of_the_references_loss_that_was_saved() -> None:
    assert s.gain(0.09, 0.1) == pytest.approx(0.1) and s.gain(0.2, 0.1) == pytest.approx(-1.0)
    assert s.gain(-3.0, -2.0) == pytest.approx(0.5)  # losses of negated errors may be negative
    assert s.gain(0.0, 0.0) == 0.0 and s.gain(0.3, 0.0) == -1.0
    assert s.gain(np.array([0.5, 0.0]), np.array([1.0, 0.0])).tolist() == [0.5, 0.0]
    assert s.loss_of(0.9, negated=False) == pytest.approx(0.1)
    assert s.loss_of(-0.9, negated=True) == 0.9


def test_losses_that_differ_in_the_tenth_digit_are_a_tie() -> None:
    assert [s.compared(1.0, b) for b in (1.0 + 1e-11, 1.001, 0.999)] == [0, -1, 1]
    ranks = s.ranks(np.array([[0.5, 0.3], [0.5 + 1e-12, 0.2], [0.6, 0.1]]))
    assert ranks.tolist() == [[1.5, 3.0], [1.5, 2.0], [3.0, 1.0]]


def test_holms_correction() -> None:
    assert s.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert s.holm([]) == [] and s.holm([0.6, 0.7]) == [1.0, 1.0]


def test_paired_gains_average_to_the_gain_of_the_means() -> None:
    losses, references = [0.1, 0.3, 0.5], [0.2, 0.4, 0.5 + 1e-12]
    gains = s.paired_gains(losses, references)
    assert np.mean(gains) == pytest.approx(s.gain(np.mean(losses), np.mean(references)))
    assert gains[2] == 0.0 and s.paired_gains([0.2], [0.0]) == [-1.0]


def test_too_few_seeds_have_no_interval() -> None:
    losses = np.array([0.1, 0.2])
    assert s.over_seeds(lambda p: losses[p].mean(-1), [2]) == s.Estimate(pytest.approx(0.15))
    three = s.over_seeds(lambda p: np.array([0.1, 0.2, 0.3])[p].mean(-1), [3])
    assert three.low is not None and three.low < three.value < (three.high or 0)


@pytest.mark.parametrize("n", [3, 4, 8])
def test_resampled_seeds_spread_as_much_as_the_mean_really_does(n: int) -> None:
    rng = np.random.default_rng(0)
    losses = rng.normal(size=n)
    means = s.mean_with_other_seeds(losses, rng.integers(0, n, (200_000, n)))
    assert means.mean() == pytest.approx(losses.mean(), abs=0.01)
    assert means.std() == pytest.approx(losses.std(ddof=1) / math.sqrt(n), rel=0.02)


def test_units_are_resampled_whole() -> None:
    found = s.over_units(np.array([0.1, 0.2, 0.3, 0.4]), np.mean)
    assert found.value == pytest.approx(0.25)
    assert 0.1 <= (found.low or 0) < 0.25 < (found.high or 0) <= 0.4
    assert s.over_units(np.array([0.7]), np.median) == s.Estimate(0.7, 0.7, 0.7)
    assert math.isnan(s.over_units(np.array([]), np.mean).value)


def test_the_signed_ranks_of_equal_and_of_different_losses() -> None:
    a = np.linspace(0.1, 0.9, 12)
    assert s.wilcoxon_p(a, a) == 1.0 and s.wilcoxon_p(a, a * 1.2) < 0.01


def test_the_best_contender_of_a_task_and_failed_random_configurations() -> None:
    made = comparison(
        cells_of("random", "t", {0: [0.5, math.nan, 0.6], 1: [0.5, math.nan, math.nan]}),
        cells_of("model-a", "t", {0: [0.5, 0.8, 0.8], 1: [0.5, 0.9, 0.9]}),
    )
    for trial in (t for cell in made.cells for t in cell.trials):
        if math.isnan(trial["value"]):
            trial["value"] = None  # type: ignore[index]
    rows = {r.contender: r for r in experiment_figures(made).rows}
    assert rows["model-a"].best_on == 1 and rows["random"].best_on == 0
    # two of {0.6, three failures}: 0.6 is among them every other time, a failure counts as 0.5
    assert rows["model-a"].over_random is not None
    assert rows["model-a"].over_random.value == pytest.approx((0.45 - 0.15) / 0.45)


def test_contenders_are_compared_on_the_seeds_that_both_have() -> None:
    made = comparison(
        cells_of("model-a", "t", {s: [0.5, 0.6 + s / 10] for s in (0, 1, 2)}),
        cells_of("model-b", "t", {s: [0.5, 0.6 + s / 10] for s in (1, 2, 3)}),
    )
    (pair,) = experiment_figures(made).pairs
    assert pair.claim.verdict == "tie" and (pair.wins, pair.losses, pair.ties) == (0, 0, 1)
