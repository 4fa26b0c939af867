"""Rules that a study keeps to: what becomes the incumbent, when time is up, which seed is used."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.events import Noted, TrialFinished
from hyperllama.core.space import Config
from hyperllama.core.storage.store import StoredTrial
from hyperllama.core.study.budget import WorkClock
from hyperllama.core.study.findings.chance import beats_chance
from hyperllama.core.study.history import trial_events
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
    assert all("all 8 trials" in text and "accuracy of 0.5," in text for text in notes)
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
