"""Trials side by side: what each proposal knows, what is cancelled, how work is counted."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.evaluate.results import Result
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.events import ProposalStarted, StudyOpened, TrialFinished
from hyperllama.core.events.requests import (
    Approve,
    ChangeJobs,
    Pause,
    Reject,
    Review,
    Step,
    StopNow,
)
from hyperllama.core.propose.gp.acquisition import suggest
from hyperllama.core.propose.gp.surrogate import GaussianProcess
from hyperllama.core.space import Config
from hyperllama.core.storage.request_log import send
from hyperllama.core.study import StateFold
from hyperllama.core.study.running.pool import TrialPool, TrialTask
from hyperllama.core.study.running.told_trials import ToldTrials, held_back
from hyperllama.core.study.starting import problem
from hyperllama.core.study.starting.options import Options
from hyperllama.core.task import sample_tasks
from hyperllama.core.trials import RUNNING, AskContext, Observed, Proposal
from tests.core.fakes import Bench, Drawn, FakeRunner
from tests.core.propose.test_acquisition import LINE, peak, spaced, told
from tests.core.propose.test_proposers import MAKERS, SMALL


class Crowd:
    """Runners that finish in an order of their own; counts how many train at a time.

    Each waits a little for the others, as long as `first_s` until all have trained at a time.
    """

    def __init__(self, size: int, order: int, first_s: float = 0.2) -> None:
        self.first_s = first_s
        self.rng, self.lock = random.Random(order), threading.Lock()
        self.now = self.most = 0
        self.left: list[int | None] = []  # of the budget, as each proposal was told
        self.stop = threading.Event()
        self.runners = [self._runner(size) for _ in range(size)]

    def _runner(self, size: int) -> FakeRunner:
        runner = FakeRunner()
        evaluate = runner.evaluate

        def slow(config: Config, **more: Any) -> Result:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
                wait_s = self.first_s if self.most < size else 0.2
                late_s = time.monotonic() + wait_s + self.rng.random() / 50
            while time.monotonic() < late_s and (self.now < size or self.rng.random() < 0.9):
                time.sleep(0.001)
            while self.stop.is_set() and not more["should_stop"]():
                time.sleep(0.001)
            result = evaluate(config, **more)
            with self.lock:
                self.now -= 1
            return result

        runner.evaluate = slow  # type: ignore[method-assign]
        return runner


def ran(folder: Path, order: int, proposer: str = "drawn", **more: Any) -> tuple[list[Any], Crowd]:
    crowd = Crowd(3, order, first_s=10.0)
    bench = Bench(folder, proposer=proposer, runners=crowd.runners, budget=7, **more)
    bench.study().run()
    made = bench.made[0]
    crowd.left = [c.trials_left for c in made.contexts] if isinstance(made, Drawn) else []
    return bench.trials(), crowd


@pytest.mark.parametrize("proposer", ["drawn", "gp"])
def test_the_same_seed_gives_the_same_study_whatever_is_quicker(
    tmp_path: Path, proposer: str
) -> None:
    first, crowd = ran(tmp_path / "a", 1, proposer)
    second, quicker = ran(tmp_path / "b", 2, proposer)
    assert first == second and crowd.most == 3
    assert len({str(sorted(config.items())) for _, _, config, _, _ in first}) == 7
    assert first[0][4] == "default"
    if proposer == "drawn":  # nor what it is told of the budget
        assert crowd.left == quicker.left == [6, 5, 4, 3, 2, 1]


def test_as_finished_every_trial_that_ended_is_known(tmp_path: Path) -> None:
    trials, crowd = ran(tmp_path / "a", 1, as_finished=True)
    assert len(trials) == 7 and crowd.most == 3
    assert len({str(sorted(config.items())) for _, _, config, _, _ in trials}) == 7


def test_what_was_cancelled_is_run_again_and_the_study_goes_on_the_same(tmp_path: Path) -> None:
    whole, _ = ran(tmp_path / "a", 1)
    crowd = Crowd(3, 5, first_s=10.0)
    bench = Bench(tmp_path / "b", runners=crowd.runners, budget=7)

    def stop(count: int, config: Config) -> Result | None:
        if crowd.now == 3 and not crowd.stop.is_set():
            crowd.stop.set()  # the others wait until they are cancelled
            send(bench.folder, StopNow())
        return None

    for runner in crowd.runners:
        runner.before = stop
    assert bench.study().run().why == "stopped"
    assert sum(trial.state == "WAITING" for trial in bench.store.trials()) >= 1
    crowd.stop.clear()
    for runner in crowd.runners:
        runner.before = lambda count, config: None
    bench.reopen()
    assert bench.study().run().why == "budget"
    assert bench.trials() == whole


def test_a_step_is_one_trial(tmp_path: Path) -> None:
    crowd = Crowd(3, 1)
    bench = Bench(tmp_path / "a", runners=crowd.runners, budget=9)
    for runner in crowd.runners:
        runner.before = lambda count, config: send(bench.folder, Pause())
    counts: list[int] = []

    def ask() -> None:
        if crowd.now or bench.now_s < 30:
            return
        bench.now_s = 0.0
        counts.append(sum(trial.state == "COMPLETE" for trial in bench.store.trials()))
        send(bench.folder, Step() if len(counts) == 1 else StopNow())

    bench.on_sleep = ask
    assert bench.study().run().why == "stopped"
    assert counts[1] == counts[0] + 1


@pytest.mark.parametrize("name", ["random", "tpe", "gp", "cmaes", "llama", "hybrid"])
def test_what_runs_is_not_proposed_again(name: str) -> None:
    proposer = MAKERS[name]()
    try:
        tried = [SMALL.default()]
        proposer.tell(Observed(0, tried[0], 0.5, proposer="default"))
        for number in range(1, 5):
            config = proposer.ask(SMALL, AskContext(number)).config
            assert SMALL.key(config) not in {SMALL.key(c) for c in tried}
            tried.append(config)
            proposer.tell(Observed(number, config, None, RUNNING, name))
    finally:
        proposer.close()


def test_the_gp_keeps_away_from_what_runs() -> None:
    history = told(spaced(5), peak)
    rng = np.random.default_rng(0)
    first = suggest(LINE, history, rng).config
    history.tell(Observed(9, first, None, RUNNING))
    x, y = np.array([[0.1], [0.4], [0.8]]), np.array([peak(v) for v in (0.1, 0.4, 0.8)])
    gp, at = GaussianProcess.fit(x, y), np.array([[0.6]])
    believing = gp.believing(at)
    assert believing.predict_mean(at)[0] == pytest.approx(gp.predict_mean(at)[0], abs=1e-3)
    assert believing.predict(at)[1][0] < 0.3 * gp.predict(at)[1][0]
    assert suggest(LINE, history, rng).config != first


def test_one_trial_is_proposed_before_a_runner_is_idle_and_waits_for_it() -> None:
    stop, go_on = threading.Event(), True
    runners = [FakeRunner(), FakeRunner()]
    release = [threading.Semaphore(0), threading.Semaphore(0)]
    trained: list[Config] = []
    for runner, may_end in zip(runners, release, strict=True):
        def held(config: Config, may_end: Any = may_end, **more: Any) -> Result:
            trained.append(config)
            assert may_end.acquire(timeout=20)
            return Result("cancelled" if more["should_stop"]() else "complete", 0.5)

        runner.evaluate = held  # type: ignore[method-assign]
    pool = TrialPool(runners, 0, lambda number, fold: None, True, lambda: go_on)
    for number in range(3):
        assert not pool.full
        pool.start(TrialTask(number, Proposal({"x": number}, "drawn")))
    assert pool.full and pool.running == (0, 1, 2) and {"x": 2} not in trained
    go_on = False  # as in a pause
    release[0].release()
    assert pool.collect(stop.is_set).trial.number == 0
    assert pool.running == (1, 2) and {"x": 2} not in trained
    go_on = True
    pool.go_on()
    pool.start(TrialTask(3, Proposal({"x": 3}, "drawn")))
    stop.set()
    for may_end in release:
        threading.Timer(0.3, may_end.release).start()
    ends = [pool.collect(stop.is_set) for _ in range(3)]
    assert {end.trial.number: end.result.state for end in ends} == dict.fromkeys(
        (1, 2, 3), "cancelled"
    )
    assert {"x": 2} in trained and {"x": 3} not in trained
    go_on = False
    stop.clear()
    pool.start(TrialTask(4, Proposal({"x": 4}, "drawn")))
    assert [end.result.state for end in pool.withdraw()] == ["cancelled"] and not pool.running


def test_in_review_mode_trials_go_on_while_a_proposal_waits(tmp_path: Path) -> None:
    crowd = Crowd(3, 1)
    crowd.stop.set()  # the default trains until the first proposal waits
    bench = Bench(tmp_path / "a", runners=crowd.runners, budget=5)
    send(bench.folder, Review(True))
    fold, decided, refused = StateFold(), set[int](), False

    def decide() -> None:
        nonlocal refused
        time.sleep(0.005)
        while bench.events:
            fold.apply(bench.events.pop(0), 0.0)
        waits = fold.state.awaiting
        if waits is None or waits.number in decided:
            return
        while not (decided or crowd.now):  # its thread has begun
            time.sleep(0.001)
        crowd.stop.clear()
        if waits.number == 3 and not refused:
            refused = True
            send(bench.folder, Reject(3))
        else:
            decided.add(waits.number)
            send(bench.folder, Approve(waits.number))

    bench.on_sleep = decide
    assert bench.study().run().why == "budget"
    assert [state for _, state, *_ in bench.trials()] == ["COMPLETE"] * 5
    assert decided == {1, 2, 3, 4} and refused
    assert len({str(sorted(config.items())) for _, _, config, _, _ in bench.trials()}) == 5


def test_work_that_overlaps_counts_once() -> None:
    folded = StateFold()
    folded.apply(StudyOpened("s", "", "", "", (), "", "", 0, 4, None, 9, 1, 3, jobs=2), 0.0)
    folded.apply(ProposalStarted(0, "gp"), 10.0)
    folded.apply(ProposalStarted(0, "gp"), 10.0)
    folded.apply(_training(0), 10.0)
    folded.apply(ProposalStarted(1, "gp"), 12.0)
    folded.apply(_training(1), 12.0)
    assert folded.state.under_way == 2 and folded.state.running == 1
    folded.apply(_ended(0, 5.0), 15.0)
    assert folded.state.under_way == 1 and folded.state.doing == "training"
    folded.apply(_ended(1, 8.0), 20.0)
    assert folded.state.worked_s == 10.0 and folded.state.done_count == 2
    assert [t.work_s for t in folded.state.trials] == [5.0, 8.0]
    opened = StudyOpened("s", "", "", "", (), "", "", 0, 4, None, 9, 1, 3, jobs=2)
    folded.apply(opened, 30.0)
    assert folded.state.worked_s == 10.0


def _training(number: int) -> Any:
    from hyperllama.core.events import ProposalMade

    return ProposalMade(number, "gp", {"x": 1})


def _ended(number: int, seconds: float) -> TrialFinished:
    return TrialFinished(number, "complete", {"x": 1}, 0.5, (0.5,), 0.0, None, seconds, "gp")




def test_a_slow_trial_holds_up_no_other_at_once() -> None:
    """With two runners, one trial may end while the one begun before it still runs."""
    told = ToldTrials(None, None, held_back(2))  # type: ignore[arg-type]
    for number in range(3):
        told.begun(number)
    assert told.waits_for({0}) and not told.waits_for({1, 2})


def test_the_number_of_trials_side_by_side_is_changed_while_they_run(tmp_path: Path) -> None:
    crowd = Crowd(3, 1)
    bench = Bench(tmp_path / "a", runners=crowd.runners[:1], budget=9)
    asked: list[int] = []

    def use(jobs: int) -> list[FakeRunner]:
        assert crowd.now == 0
        asked.append(jobs)
        return crowd.runners[:jobs]

    def change(count: int, config: Config) -> Result | None:
        if count == 2:
            send(bench.folder, ChangeJobs(3 if not asked else 2))
        return None

    bench.use_jobs = use
    crowd.runners[0].before = crowd.runners[1].before = change
    assert bench.study().run().why == "budget"
    assert asked == [3, 2]
    heard, at_once = StateFold(), list[int]()
    for event in bench.events:
        heard.apply(event, 0.0)
        at_once.append(heard.state.under_way)
    state = heard.state
    assert max(at_once) == 4  # one more waits for a runner
    assert state.opened is not None and state.opened.jobs == 2 and state.done_count == 9
    assert [a.text for a in state.actions] == [
        "3 trials run side by side from here on", "2 trials run side by side from here on"
    ]
    assert len({str(sorted(config.items())) for _, _, config, _, _ in bench.trials()}) == 9


def test_no_more_runners_start_ahead_than_there_are_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[TrialRunner] = []
    task = tmp_path / "task.toml"
    task.write_text(sample_tasks()[0].read_text(encoding="utf8"), encoding="utf8")
    monkeypatch.setattr(TrialRunner, "open", lambda runner, stop: opened.append(runner))
    monkeypatch.setattr(TrialRunner, "share_table", lambda runner, path: None)
    monkeypatch.setattr(problem, "default_threads", lambda: 3)
    open_problem = problem.OpenProblem(tmp_path, Options(jobs=60))
    open_problem.load(lambda: False)
    open_problem.close()
    assert len(open_problem.runners) == 60 and len(opened) == 1 + 3
