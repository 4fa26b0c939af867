"""Rules that a study keeps to: what becomes the incumbent, when time is up, which seed is used."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.events import Noted, StudyOpened, TrialFinished
from hyperllama.core.space import Config, Integer, Param, SearchSpace
from hyperllama.core.storage.trial_rows import StoredTrial
from hyperllama.core.study.budget import WorkClock
from hyperllama.core.study.findings.default_rounds import default_rounds_note, other_rounds
from hyperllama.core.study.history import trial_events
from hyperllama.core.study.state import StudyState, TrialState
from hyperllama.core.trials.chance import beats_chance
from tests.core.fakes import SPACE, Bench, FakeRunner


def scored(*values: float) -> FakeRunner:
    """Scores that come in this order, whatever the configuration."""
    queue = list(values)
    return FakeRunner(lambda config: queue.pop(0) if queue else -9.0)


@pytest.mark.parametrize(("values", "best"), [
    ((0.5, 0.5, 0.5), 0), ((0.5, 0.7, 0.7), 1), ((0.0, -0.1, -0.2), 0), ((-0.2, 0.0, -0.1), 1),
])
def test_only_a_higher_score_makes_another_incumbent(
    tmp_path: Path, values: tuple[float, ...], best: int
) -> None:
    bench = Bench(tmp_path, budget=3, runner=scored(*values))
    end = bench.study().run()
    finished = [e for e in bench.events if isinstance(e, TrialFinished)]
    assert end.best_number == best and end.best_value == values[best]
    assert max(e.number for e in finished if e.incumbent) == best
    bench.reopen()
    bench.budget = 4
    assert bench.study().run().best_number == best


def test_a_score_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    bench = Bench(tmp_path, budget=3, runner=scored(math.nan, 0.5, math.inf))
    end = bench.study().run()
    finished = [e for e in bench.events if isinstance(e, TrialFinished)]
    assert [(e.state, e.value) for e in finished] == [
        ("fail", None), ("complete", 0.5), ("fail", None),
    ]
    assert end.best_number == 1 and "finite" in finished[0].reason


@pytest.mark.parametrize(("gain", "told"), [(0.0, 1), (-0.2, 1), (0.05, 0)])
def test_a_study_at_chance_says_so_once(tmp_path: Path, gain: float, told: int) -> None:
    def spread(count: int, config: Config) -> Result:  # fold scores 0.02 apart, chance is level
        value = 0.5 + gain * (count == 3) + 0.01 * (count % 2)
        folds = tuple(FoldResult(i, 3, value + (i - 1) / 50) for i in range(3))
        return Result("complete", value, folds)

    bench = Bench(tmp_path, budget=9, chance=(0.5, 0.5, 0.5))
    bench.runner.before = spread
    bench.study().run()
    notes = [e.text for e in bench.events if isinstance(e, Noted) and "chance" in e.text]
    assert len(notes) == told
    assert all("all 8 trials" in text and "has accuracy 0.5," in text for text in notes)
    bench.reopen()
    bench.budget = 10
    bench.study().run()
    assert sum(isinstance(e, Noted) and "chance" in e.text for e in bench.events) == told


def test_what_beats_chance_is_above_it_in_paired_folds() -> None:
    chance = (0.3, 0.5, 0.7, 0.5, 0.4)
    assert beats_chance([c + 0.01 + c / 500 for c in chance], chance)
    assert not beats_chance([0.51, 0.49, 0.6, 0.5, 0.5], chance)
    # differences 0.15 and 0.25: three standard errors are 3 * sqrt(0.005 * 1.5) = 0.26
    assert not beats_chance((0.65, 0.75), (0.5, 0.5)) and beats_chance((0.7, 0.75), (0.5, 0.5))
    assert beats_chance((0.6,), (0.5,)) and not beats_chance((0.5,), (0.5,))


def test_a_stored_tie_is_no_new_incumbent() -> None:
    def stored(number: int, value: float) -> StoredTrial:
        return StoredTrial(
            number=number, trial_id=number, state="COMPLETE", config=SPACE.default(), value=value
        )

    _, first = trial_events(stored(0, 0.5))
    assert first.incumbent and not trial_events(stored(1, 0.5), first)[1].incumbent
    assert trial_events(stored(1, 0.6), first)[1].incumbent


def test_the_first_trial_is_not_stopped_by_the_time_limit(tmp_path: Path) -> None:
    bench = Bench(tmp_path, budget=None, minutes=0.02)
    states: list[bool] = []

    def before(count: int, config: Config) -> Result | None:
        bench.now_s += 60.0
        return None

    bench.runner.before = before
    end = bench.study().run()
    states = [t[1] == "COMPLETE" for t in bench.trials()]
    assert end.why == "minutes" and end.best_number == 0 and states == [True]


def test_the_time_of_earlier_sessions_counts() -> None:
    now = [0.0]
    work = WorkClock(lambda: now[0])
    work.add(30.0)
    work.start()
    now[0] = 5.0
    with work.resting():
        now[0] = 100.0
    now[0] = 102.0
    work.stop()
    now[0] = 200.0
    assert work.spent_s == 37.0


def test_estimators_get_the_studys_seed_and_both_are_rated_on_the_test_rows(
    tmp_path: Path
) -> None:
    seeds: list[int] = []

    class Noting(FakeRunner):
        def evaluate(self, config: Config, *, seed: int, **more: Any) -> Result:
            seeds.append(seed)
            return super().evaluate(config, seed=seed, **more)

    runner = Noting(lambda config: 0.5 + 0.1 * (config != SPACE.default()))
    end = Bench(tmp_path, seed=41, budget=3, runner=runner).study().run()
    assert seeds == [41, 41, 41] and end.best_number == 1
    assert (end.test_value, end.default_test_value) == pytest.approx((0.59, 0.49))


ROUNDS = SearchSpace([Param("n_estimators", Integer(10, 500, log=True), 100),
                      Param("max_depth", Integer(1, 9), 6)])


@pytest.mark.parametrize(("best", "rounds", "space", "now"), [
    (24, 100, ROUNDS, 25), (99, 100, ROUNDS, 400), (2, 100, ROUNDS, 10), (None, 100, ROUNDS, None),
    (24, 100, SearchSpace([*list(ROUNDS)[1:]]), None),
])
def test_the_default_with_the_rounds_that_its_curve_advises(
    best: int | None, rounds: int, space: SearchSpace, now: int | None
) -> None:
    default = TrialState(0, "default", "complete", ROUNDS.default(), 0.7,
                         facts={"best_iteration": best, "iterations": rounds})
    found = other_rounds(default, space, ("xgboost",))
    assert (found.now if found else None) == now
    assert found is None or found.config == {"n_estimators": now, "max_depth": 6}


@pytest.mark.parametrize(("value", "said"), [
    (0.76, "n_estimators = 25 instead of 100 the default scores 0.76 instead of 0.7: that alone is "
     "60 % of the best trial's gain"),
    (0.9, "100 % of the best trial's gain"), (0.7, ""), (None, ""),
])
def test_a_gain_that_is_only_the_number_of_rounds_is_told(value: float | None, said: str) -> None:
    facts = {"best_iteration": 24, "iterations": 100}
    trials = (TrialState(0, "default", "complete", ROUNDS.default(), 0.7, facts=facts),
              TrialState(1, "tpe", "complete", {"n_estimators": 30, "max_depth": 3}, 0.8))
    opened = StudyOpened("s", "t", "classification", "roc_auc", ("xgboost",), "tpe", "", 0, 2,
                         None, 100, 3, 5)
    state = StudyState(opened=opened, trials=trials, incumbent=1)
    note = default_rounds_note(state, ROUNDS, lambda config: Result("complete", value))
    assert (said in note.text) if said and note else note is None and not said
    alone = replace(state, incumbent=0)
    assert default_rounds_note(alone, ROUNDS, lambda config: Result("complete", 0.9)) is None


def test_a_booster_is_told_what_its_rounds_alone_would_bring(tmp_path: Path) -> None:
    class Boosted(FakeRunner):
        def evaluate(self, config: Config, **more: Any) -> Result:
            facts = {"best_iteration": 24, "iterations": 100}
            value = 0.7 + 0.06 * (config["n_estimators"] == 25) + 0.1 * (config["max_depth"] < 6)
            self.evaluated.append(config)
            return Result("complete", value, (FoldResult(0, 1, value),), facts=facts)

    bench = Bench(tmp_path, budget=6, space=ROUNDS, runner=Boosted(lambda config: 0.5))
    bench.study().run()
    texts = [e.text for e in bench.events if isinstance(e, Noted)]
    assert any("that alone is 60 % of the best trial's gain" in text for text in texts)
    assert bench.runner.evaluated[-1] == {"n_estimators": 25, "max_depth": 6}
    assert len(bench.trials()) == 6
