"""At its end a study scores the default and its best trials on fresh folds, and names a winner."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.events import CandidateStarted, Noted, StudyConfirmed, StudyFinished
from hyperllama.core.events.requests import Confirm, Extend, Pause, Resume, Stop
from hyperllama.core.experiments.running.cell_end import confirmed_end, scores_on_test_rows
from hyperllama.core.space import Config
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.request_log import send
from hyperllama.core.study import StudyState, fold
from hyperllama.core.study.findings.claims import say_gain, say_test_rows
from hyperllama.core.study.history import stored_events
from hyperllama.core.trials.noise import PairedDifference
from hyperllama.core.trials.race import FreshScores, Heat, Racer, in_order, race, shrunk, starters
from hyperllama.tui.cli.study.live import PlainOutput
from tests.core.fakes import SPACE, Bench, FakeRunner, quality


def harsh(config: Config) -> float:
    """Far worse at the default than nearly everywhere else."""
    return quality(config) - 0.5 * (config == SPACE.default())


class NoisyRunner(FakeRunner):
    """Five folds, each with luck of its own that depends on configuration and folds."""

    def __init__(self, score: Callable[[Config], float] = harsh, noise: float = 0.02) -> None:
        super().__init__(score)
        self.noise, self.fresh = noise, 0

    def evaluate(  # type: ignore[no-untyped-def]
        self, config, *, seed, fold_seed=None, on_fold=None, should_stop=None, rival=None
    ) -> Result:
        self.fresh += fold_seed is not None
        self.evaluated.append(dict(config))
        other = self.before(len(self.evaluated), config)
        if other is not None:
            return other
        if should_stop is not None and should_stop():
            return Result("cancelled")
        luck = np.random.default_rng([zlib.crc32(str(config).encode()), fold_seed or 0])
        scores = self.score(config) + self.noise * luck.standard_normal(5)
        folds = tuple(FoldResult(i, 5, float(s)) for i, s in enumerate(scores))
        return Result("complete", float(scores.mean()), folds, seconds=0.5)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "study", confirm=True, budget=12, runner=NoisyRunner())


def state_of(bench: Bench) -> StudyState:
    return fold((e, 0.0) for e in bench.events)


def confirmed(bench: Bench) -> StudyConfirmed:
    return [e for e in bench.events if isinstance(e, StudyConfirmed)][-1]


def end_of(bench: Bench) -> StudyFinished:
    return [e for e in bench.events if isinstance(e, StudyFinished)][-1]


def reread(bench: Bench) -> StudyState:
    """The state as another process would read it from the storage."""
    opened = state_of(bench).opened
    assert opened is not None
    bench.reopen()
    return fold([(opened, 0.0), *stored_events(bench.store.trials(), bench.store.attrs(),
                                               opened, {})])


def test_a_better_trial_is_confirmed_on_fresh_folds_for_a_third_of_the_cost(bench: Bench) -> None:
    end = bench.study().run()
    found, state = confirmed(bench), state_of(bench)
    assert isinstance(bench.runner, NoisyRunner)
    assert 2 <= bench.runner.fresh <= 12 / 3 and found.repeats >= 1
    assert found.seconds <= sum(t.seconds for t in state.trials) / 3
    winner = state.winner
    assert winner is not None and winner.number == found.winner == end.winner_number != 0
    assert found.claimed_gain == state.gain
    assert found.gain is not None and found.gain_low is not None and found.gain_high is not None
    assert found.gain_low < found.gain < found.gain_high
    default = next(c for c in found.candidates if c.number == 0)
    own = next(c for c in found.candidates if c.number == found.winner)
    assert default.value is not None and own.value is not None and default.gain is None
    assert own.gain == pytest.approx(own.value - default.value, abs=0.02)
    assert found.gain < own.gain  # what luck may be in it is taken off
    assert bench.runner.tested == [dict(winner.config), SPACE.default()]
    assert bench.summaries[-1]["gain"] == found.gain
    assert bench.summaries[-1]["winner_number"] == found.winner
    assert "confirmed gain +" in say_gain(state) and "claimed +" in say_gain(state)
    stored = reread(bench)
    assert stored.confirmation == found and stored.winner_number == found.winner


def test_the_default_stays_where_luck_is_all_there_is(tmp_path: Path) -> None:
    runner = NoisyRunner(lambda config: 0.8 + 0.1 * (config == SPACE.default()), noise=0.001)
    bench = Bench(tmp_path, confirm=True, budget=12, runner=runner)
    lucky = Result("complete", 0.95, tuple(FoldResult(i, 5, 0.95) for i in range(5)), seconds=0.5)
    runner.before = lambda count, config: lucky if count == 7 else None
    end = bench.study().run()
    state = state_of(bench)
    assert state.incumbent == 6 and (state.gain or 0) > 0.04
    assert end.winner_number == 0 and confirmed(bench).gain is None
    assert state.winner == state.default and runner.tested == [SPACE.default()]
    assert end.test_value == end.default_test_value
    assert re.fullmatch(r"no gain on \d+ sets? of fresh folds; claimed \+0.0\d+", say_gain(state))
    assert say_test_rows(state) == f"on the test rows: {end.test_value:.5g}"


def test_no_confirm_leaves_it_out_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, confirm=False, budget=12, runner=NoisyRunner())
    bench.study().run()
    assert not any(isinstance(e, (CandidateStarted, StudyConfirmed)) for e in bench.events)
    state = state_of(bench)
    assert state.winner == state.best and "--no-confirm" in say_gain(state)


def test_what_cannot_be_confirmed_says_why(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "few", confirm=True, budget=4, runner=NoisyRunner())
    bench.study().run()
    assert confirmed(bench).repeats == 0 and "too few trials" in confirmed(bench).why
    assert state_of(bench).winner == state_of(bench).best
    runner = NoisyRunner()
    runner.other_folds = False
    bench = Bench(tmp_path / "groups", confirm=True, budget=12, runner=runner)
    bench.study().run()
    assert runner.fresh == 0 and "no other folds can be drawn" in say_gain(state_of(bench))


class Killed(BaseException):
    """Stands for a kill: nothing in the study may catch it."""


def test_killed_while_confirming_it_begins_again_and_trains_no_trial_twice(bench: Bench) -> None:
    def kill(count: int, config: Config) -> None:
        if count == 14:
            raise Killed

    bench.runner.before = kill
    with pytest.raises(Killed):
        bench.study().run()
    before = bench.trials()
    bench.runner = NoisyRunner()
    bench.reopen()
    bench.study().run()
    assert bench.trials() == before and end_of(bench).why == "budget"
    assert confirmed(bench).repeats >= 1
    assert len(bench.runner.evaluated) == bench.runner.fresh <= 4


def test_a_stop_ends_it_and_a_resume_confirms(bench: Bench) -> None:
    def stop(count: int, config: Config) -> None:
        if count == 14:
            send(bench.folder, Stop())

    bench.runner.before = stop
    assert bench.study().run().why == "stopped"
    assert state_of(bench).confirmation is None and len(bench.runner.evaluated) == 14
    bench.reopen()
    assert bench.study().run().why == "budget"
    assert confirmed(bench).repeats >= 1


def test_a_pause_holds_it_and_more_trials_put_it_off(bench: Bench) -> None:
    phases = []

    def ask(count: int, config: Config) -> None:
        if count == 13:
            send(bench.folder, Pause())
        if count == 14:
            send(bench.folder, Extend(trials=3))

    def wake() -> None:
        phases.append(state_of(bench).phase)
        send(bench.folder, Resume())

    bench.runner.before, bench.on_sleep = ask, wake
    end = bench.study().run()
    assert "paused" in phases and end.why == "budget" and len(bench.trials()) == 15
    assert [e.trials for e in bench.events if isinstance(e, StudyConfirmed)] == [15]


def test_more_trials_are_confirmed_anew_and_the_test_rows_are_marked_as_used(
    bench: Bench,
) -> None:
    first = bench.study().run()
    assert first.test_rows_used == 0 and "scored" not in say_test_rows(state_of(bench))
    bench.reopen()
    again = bench.study().run()  # nothing was added, so nothing is scored again
    assert (again.test_value, again.test_rows_used) == (first.test_value, 0)
    assert len(bench.runner.tested) == 2
    assert sum(isinstance(e, StudyConfirmed) for e in bench.events) == 1
    bench.budget = 18
    bench.runner.score = lambda config: harsh(config) + config["max_depth"] / 10
    bench.reopen()
    later = bench.study().run()
    assert any(isinstance(e, Noted) and "test rows" in e.text for e in bench.events)
    assert confirmed(bench).trials == 18 and later.winner_number != first.winner_number
    assert later.test_rows_used == 1 and "scored once before" in say_test_rows(state_of(bench))
    assert reread(bench).test_rows_used == 1
    assert len(bench.runner.tested) == 3  # the default is not scored there again


def test_confirm_can_be_asked_for_at_any_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, confirm=False, budget=4, runner=NoisyRunner())
    bench.study().run()
    bench.reopen()
    send(bench.folder, Confirm())
    bench.study().run()
    assert confirmed(bench).repeats == 1 and confirmed(bench).trials == 4
    assert len(bench.runner.evaluated) == 4 + 2


def test_hopeless_racers_are_dropped_and_a_failed_one_does_not_win() -> None:
    racers = [Racer(n, 0.5, (0.5,) * 5, 1.0) for n in range(4)]
    means, heats = {0: 0.5, 1: 0.7, 2: 0.55, 3: 0.9}, []

    def score(heat: Heat) -> FreshScores:
        heats.append(heat)
        rng = np.random.default_rng([heat.number, heat.repeat])
        noise = 0.01 * rng.standard_normal(5)
        scores = tuple(float(means[heat.number] + x) for x in noise)
        return FreshScores(None if heat.number == 3 else scores, 1.0)

    end = race(racers, score, 100.0, 0.2)
    assert end is not None and end.winner == 1
    assert end.gains[1].mean == pytest.approx(0.2, abs=0.02) and 3 not in end.gains
    assert heats[0].racing == (0, 1, 2, 3) and heats[-1].racing == (0, 1)
    assert [r.number for r in starters(racers, 2.5)] == [0, 1]
    assert [r.number for r in starters(racers, 6.5)] == [0, 1, 2]
    assert len(starters(racers, 1.5)) == 1


def test_a_gain_is_drawn_towards_the_default_by_its_error() -> None:
    assert shrunk(PairedDifference(0.1, 0.1, 10)) is None
    assert shrunk(PairedDifference(0.1, None, 1)) is None
    left, few = shrunk(PairedDifference(0.1, 0.05, 999)), shrunk(PairedDifference(0.1, 0.05, 5))
    assert left is not None and left.mean == pytest.approx(0.075, abs=1e-4)
    assert left.error == pytest.approx(0.05 * 0.75**0.5, abs=1e-4)
    assert few is not None and few.mean == pytest.approx(0.0674, abs=1e-3)  # t is 1.142
    sure = PairedDifference(0.1, 0.0, 10)
    assert shrunk(sure) == sure


def test_of_racers_that_score_alike_one_runs_and_the_default_leads() -> None:
    given = [(3, 0.7, (0.6, 0.8)), (1, 0.9, (0.9, 0.9)), (0, 0.5, (0.5, 0.5)), (2, 0.7, (0.6, 0.8))]
    racers = [Racer(number, value, scores, 1.0) for number, value, scores in given]
    assert [r.number for r in in_order(racers, 0)] == [0, 1, 2]
    assert in_order(racers, 7) == []


def test_a_cell_of_a_comparison_ends_with_its_confirmed_winner() -> None:
    runner = NoisyRunner(noise=0.01)
    configs = [{**SPACE.default(), "max_depth": depth} for depth in (6, 4, 12, 1, 2, 3, 5)]
    trials = []
    for number, config in enumerate(configs):
        result = runner.evaluate(config, seed=0)
        trials.append({"number": number, "config": config, "value": result.value,
                       "fold_scores": list(result.fold_scores), "seconds": 0.5})  # fmt: skip

    def evaluate(config: Config, seed: int) -> Result:
        return runner.evaluate(config, seed=seed, fold_seed=seed)

    end = confirmed_end(trials, evaluate, 3, 0.2)
    assert end is not None and runner.fresh == 2
    assert end["winner"] == max(trials, key=lambda t: t["value"])["number"] != 0
    assert end["confirmed_low"] < end["confirmed_gain"] < end["confirmed_high"]
    tested = scores_on_test_rows(trials, lambda config: float(config["max_depth"]), 3)
    assert tested == {"test_value": 1.0, "default_test_value": 6.0}
    assert confirmed_end(trials, lambda config, seed: Result("cancelled"), 3, 0.2) is None
    assert confirmed_end(trials[:1] * 7, evaluate, 3, 0.2) == {}  # nothing but the default


def test_the_end_of_a_resumed_study_tells_what_was_confirmed_before(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(study_dir("s"), confirm=True, budget=12, runner=NoisyRunner())
    bench.study().run()
    bench.reopen()
    study = bench.study()
    bench.log.follow(PlainOutput().hear)
    study.run()  # nothing is left to do
    assert "confirmed gain +" in capsys.readouterr().out
