"""Rules that a study keeps to: what becomes the incumbent, when time is up, which seed is used."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.evaluate.results import Result
from hyperllama.core.events import TrialFinished
from hyperllama.core.space import Config
from hyperllama.core.storage.store import StoredTrial
from hyperllama.core.study.budget import WorkClock
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
