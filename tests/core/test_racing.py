"""Trials that are stopped before their last fold: the chance to win, and what becomes of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import optuna
import pytest

from hyperllama.core.evaluate.racing import Rival, prospect
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.study.claims import say_racing
from hyperllama.core.study.folding import fold
from hyperllama.core.study.history import state_of
from hyperllama.core.study.proposals import observed
from tests.core.fakes import Bench

RIVAL = Rival(3, (0.8, 0.7, 0.9, 0.8, 0.8), spread=0.02, reach=0.05, error=0.05)


def test_the_chance_follows_the_differences() -> None:
    worse, same, better = ([s + d for s in RIVAL.scores[:2]] for d in (-0.1, 0.0, 0.1))
    chances = [prospect(scores, RIVAL).chance for scores in (worse, same, better)]
    assert chances[0] < 0.01 < 0.4 < chances[1] < 0.6 < 0.99 < chances[2]
    assert prospect(worse, RIVAL).expected == pytest.approx(0.7, abs=0.02)
    noisy = Rival(3, RIVAL.scores, spread=0.2, reach=0.05, error=0.05)
    assert prospect(worse, noisy).chance > 0.2


def test_trials_that_would_win_are_hardly_ever_stopped() -> None:
    rng = np.random.default_rng(0)
    wrong = stopped = 0
    for _ in range(300):
        best = rng.normal(0.8, 0.03, 5)
        others = [best + rng.normal(0, 0.03) + rng.normal(0, 0.02, 5) for _ in range(6)]
        rival = Rival.of(0, best.tolist(), [o.tolist() for o in others], 0.05)
        assert rival is not None
        trial = best + rng.normal(0, 0.03) + rng.normal(0, 0.02, 5)
        if any(prospect(trial[:n].tolist(), rival).chance < 0.05 for n in range(1, 5)):
            stopped += 1
            wrong += trial.mean() > best.mean()
    assert stopped > 60 and wrong <= 0.05 * stopped


def test_without_enough_to_compare_nothing_is_raced() -> None:
    assert Rival.of(0, (0.5, 0.6), [(0.4, 0.5)] * 2, 0.05) is None
    assert Rival.of(0, (0.5, 0.6), [(0.5, 0.6)] * 9, 0.05) is None
    assert Rival.of(0, (0.5, 0.6), [(0.4,)] * 9, 0.05) is None


def test_a_stopped_trial_is_pruned_and_its_expected_score_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "a", budget=14, racing=0.3, proposer="random")
    bench.runner.slope = lambda config: 0.001 * config["max_depth"]
    assert bench.study().run().why == "budget"
    bench.reopen()
    store = bench.store
    state = state_of(StoredStudy("s", "maximize", store.attrs(), store.trials(), {}, None))
    pruned = [t for t in state.trials if t.state == "pruned"]
    assert pruned and state.done_count == 14
    for trial in pruned:
        assert trial.value is None and trial.folds == 3 > len(trial.fold_scores)
        assert "folds: a chance of" in trial.reason
        value = observed(trial).value
        assert value is not None and trial.expected == value
        assert state.best is not None and value < (state.best.value or 0.0)
    assert f"{len(pruned)} of 14 trials were stopped early" in say_racing(state)
    study = optuna.load_study(study_name="s", storage=bench.url)
    theirs = [t for t in study.trials if t.state == optuna.trial.TrialState.PRUNED]
    assert len(theirs) == len(pruned) and all(t.intermediate_values for t in theirs)
    assert math.isclose(theirs[0].intermediate_values[0], pruned[0].fold_scores[0])
    heard = fold((event, 0.0) for event in bench.events)
    assert [t.state for t in heard.trials] == [t.state for t in state.trials]
