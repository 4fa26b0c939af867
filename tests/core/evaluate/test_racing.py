"""Trials that are stopped before their last fold: the chance to win, and what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from hyperllama.core.evaluate.racing import Raced, Rival, prospect
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.study.findings.claims import say_racing
from hyperllama.core.study.folding import fold
from hyperllama.core.study.history import state_of
from hyperllama.core.study.proposals import observed
from tests.core.fakes import Bench

RIVAL = Rival(3, (0.8, 0.7, 0.9, 0.8, 0.8), (0.0,) * 5, 0.02, 0.0, 0.05, 0.05)


def test_the_chance_follows_the_differences() -> None:
    worse, same, better = ([s + d for s in RIVAL.scores[:2]] for d in (-0.1, 0.0, 0.1))
    chances = [prospect(scores, RIVAL).chance for scores in (worse, same, better)]
    assert chances[0] < 0.01 < 0.4 < chances[1] < 0.6 < 0.99 < chances[2]
    assert prospect(worse, RIVAL).expected == pytest.approx(0.7, abs=0.02)
    assert prospect(worse, replace(RIVAL, spread=0.2)).chance > 0.2
    low = replace(RIVAL, centre=-0.03, reach=0.02)
    assert prospect(same, low).chance < chances[1] - 0.1


def test_the_luck_of_the_incumbent_on_a_fold_is_no_sign() -> None:
    lucky = (-0.1, 0.025, 0.025, 0.025, 0.025)  # all others lack 0.1 on the first fold
    behind = [RIVAL.scores[0] - 0.1]
    assert prospect(behind, RIVAL).chance < 0.05 < 0.4 < prospect(
        behind, replace(RIVAL, luck=lucky)
    ).chance
    rng = np.random.default_rng(1)
    others = [raced(n, np.add(RIVAL.scores, lucky) + rng.normal(-0.02, 0.02, 5)) for n in range(30)]
    found = Rival.of(3, RIVAL.scores, others, 0.05)
    assert found is not None and found.luck[0] < -0.06 and abs(sum(found.luck)) < 1e-9


@pytest.mark.parametrize("error", [0.02, 0.05, 0.1])
def test_the_share_of_wrong_stops_is_the_error(error: float) -> None:
    """In studies that find better trials the more rarely the longer they go on."""
    rng = np.random.default_rng(0)
    wrong = stopped = folds = 0
    for _ in range(100):
        best = raced(0, rng.normal(0.8, 0.03, 5))
        earlier: list[Raced] = []
        for number in range(1, 16):
            rival = Rival.of(best.number, best.scores, earlier, error)
            assert rival is not None
            mean = rng.normal(rival.centre, rival.reach)
            scores = np.add(best.scores, mean + rng.normal(0, 0.02, 5))
            trial = raced(number, scores)
            for n in range(1, 5):
                now = prospect(trial.scores[:n], rival)
                if now.chance < rival.limit:
                    stopped, folds = stopped + 1, folds + 5 - n
                    wrong += scores.mean() > np.mean(best.scores)
                    trial = Raced(number, trial.scores[:n], now.chance)
                    break
            if trial.chance is None and scores.mean() > np.mean(best.scores):
                best, trial = trial, best
            earlier.append(trial)
    assert 0 < wrong <= 1.3 * error * stopped and folds > 0.2 * 5 * 1500


def test_doubtful_trials_are_stopped_as_far_as_clear_ones_leave_room() -> None:
    def limit(*chances: float | None) -> float:
        others = [Raced(9, (0.7,), chance) for chance in chances]
        rival = Rival.of(3, RIVAL.scores, others, 0.05)
        assert rival is not None
        return rival.limit

    assert limit() == limit(None) == pytest.approx(0.05)
    assert limit(0.01) == pytest.approx(0.09) and limit(*[0.0] * 9) == pytest.approx(0.15)
    assert limit(0.05, 0.14) == 0.0


def test_without_differences_between_folds_nothing_is_raced() -> None:
    others = [raced(1, [0.4, 0.5])] * 9
    assert Rival.of(0, (0.5,), others, 0.05) is None
    assert Rival.of(0, (0.5, 0.5), [], 0.05) is None
    assert Rival.of(0, (0.5, 0.6), [], 0.05) is not None


def test_the_longer_the_incumbent_holds_the_less_is_hoped_for() -> None:
    others = [raced(n, np.add(RIVAL.scores, (n % 3 - 1) / 50)) for n in range(20) if n != 3]
    young, old = (Rival.of(n, RIVAL.scores, others, 0.05) for n in (19, 3))
    assert young is not None and old is not None
    assert prospect(RIVAL.scores[:1], old).chance < prospect(RIVAL.scores[:1], young).chance - 0.05


def raced(number: int, scores: Sequence[float]) -> Raced:
    return Raced(number, tuple(scores))


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
