"""Which sample of a model opens: the middle of what it believes in, then what is far from it."""

from __future__ import annotations

import numpy as np

from hyperllama.core.propose.embedded.coverage import most_covering

RNG = np.random.default_rng(0)
LARGE = 0.2 + 0.03 * RNG.standard_normal((30, 3))
SMALL = 0.8 + 0.03 * RNG.standard_normal((10, 3))
SAMPLES = np.concatenate([LARGE, SMALL])
EVERY = np.ones(len(SAMPLES), dtype=bool)


def test_the_middle_of_the_largest_cluster_comes_first() -> None:
    first = most_covering(SAMPLES, EVERY, np.empty((0, 3)))
    assert first < 30
    assert np.abs(SAMPLES[first] - LARGE.mean(axis=0)).max() < 0.05


def test_what_a_trial_covers_is_not_tried_again() -> None:
    assert most_covering(SAMPLES, EVERY, LARGE[:1]) >= 30
    assert most_covering(SAMPLES, EVERY, SMALL[:1]) < 30


def test_only_what_is_allowed() -> None:
    allowed = np.zeros(len(SAMPLES), dtype=bool)
    allowed[17] = True
    assert most_covering(SAMPLES, allowed, SAMPLES) == 17
