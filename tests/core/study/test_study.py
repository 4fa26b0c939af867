"""The study loop on fakes: what it asks, keeps, tells, and how it ends."""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from hyperllama.core.errors import EngineError, StudyError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.events import (
    Event,
    FoldFinished,
    Noted,
    ProposalMade,
    ProposalText,
    StudyFinished,
    TrialFinished,
    from_json,
)
from hyperllama.core.events.requests import (
    Extend,
    Hint,
    Note,
    Pause,
    QueueTrial,
    Rerun,
    Resume,
    Step,
    Stop,
    StopNow,
    SwitchProposer,
)
from hyperllama.core.space import Categorical, Config, Integer, Param, SearchSpace
from hyperllama.core.storage.proposal_log import read_beliefs, read_proposals
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.storage.request_log import send
from hyperllama.core.study import StateFold, StudyState, fold
from hyperllama.core.study.history import state_of, stored_events
from hyperllama.core.trials import AskContext, Cancelled, Proposal
from tests.core.fakes import SPACE, Bench, Drawn, FakeRunner, quality


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "study")


@functools.cache
def in_peace(proposer: str) -> list[tuple[int, str, Config, float | None, str]]:
    """The trials of a study that nobody killed."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Bench(Path(folder), proposer=proposer)
        whole.study().run()
        return whole.trials()


class Stopper(BaseException):
    """Stands for a kill: nothing in the study may catch it."""


def test_begins_with_the_default_and_ends_with_the_budget(bench: Bench) -> None:
    end = bench.study().run()
    trials = bench.trials()
    assert [t[0] for t in trials] == list(range(6))
    assert {t[1] for t in trials} == {"COMPLETE"}
    assert trials[0][2] == SPACE.default() and trials[0][4] == "default"
    assert {t[4] for t in trials[1:]} == {"drawn"}
    best = max(trials, key=lambda t: t[3] or 0.0)
    assert (end.why, end.best_number, end.best_value) == ("budget", best[0], best[3])
    assert end.default_value == quality(SPACE.default())
    assert end.test_value == pytest.approx(best[3] - 0.01)
    assert bench.runner.tested[0] == best[2]


def test_tells_proposers_everything_and_closes_them(bench: Bench) -> None:
    bench.study().run()
    drawn = bench.made[0]
    assert isinstance(drawn, Drawn) and drawn.closed
    assert [t.number for t in drawn.told] == list(range(6))
    assert drawn.told[1].fold_scores and drawn.told[1].train_value is not None
    assert "Smaller" in drawn.told[1].reasoning
    bench.reopen()
    again = [t.reasoning for t in bench.store.trials()]
    assert again == [t.reasoning for t in drawn.told]
    assert [c.number for c in drawn.contexts] == [1, 2, 3, 4, 5]
    assert [c.trials_left for c in drawn.contexts] == [5, 4, 3, 2, 1]


def test_events_tell_the_whole_story(bench: Bench) -> None:
    bench.study().run()
    assert bench.kinds()[:6] == [
        "StudyOpened", "ProposalStarted", "ProposalMade",
        "FoldFinished", "FoldFinished", "FoldFinished",
    ]
    assert bench.kinds().count("TrialFinished") == 6 and bench.kinds()[-1] == "StudyFinished"
    assert any(isinstance(e, ProposalText) and "Smaller" in e.text for e in bench.events)
    lines = (bench.folder / "events.jsonl").read_text("utf8").splitlines()
    parsed = [from_json(line) for line in lines]
    assert [type(p[0]).__name__ for p in parsed if p] == bench.kinds()
    made = [e for e in bench.events if isinstance(e, ProposalMade)]
    assert made[1].changes and made[1].tokens == {"prompt": 10.0, "seconds": 0.25}
    incumbents = [e for e in bench.events if isinstance(e, TrialFinished) and e.incumbent]
    assert incumbents[-1].number == max(bench.trials(), key=lambda t: t[3] or 0.0)[0]


def test_every_proposal_is_in_the_log(bench: Bench) -> None:
    bench.study().run()
    records = list(read_proposals(bench.folder / "proposals.jsonl"))
    assert [r["number"] for r in records] == list(range(6))
    assert records[1]["prompt"] == "P" and records[1]["reply"] == "R"
    assert [r["config"] for r in records] == [t[2] for t in bench.trials()]


def test_the_same_seed_gives_the_same_study(tmp_path: Path) -> None:
    first, second, other = (Bench(tmp_path / str(i), seed=s) for i, s in enumerate((3, 3, 4)))
    for b in (first, second, other):
        b.study().run()
    assert first.trials() == second.trials() != other.trials()


@pytest.mark.parametrize(
    ("proposer", "at"), [("drawn", 1), ("drawn", 2), ("drawn", 6), ("random", 4), ("tpe", 4)]
)
def test_killed_while_training_goes_on_as_if_never_killed(
    tmp_path: Path, proposer: str, at: int
) -> None:
    killed = Bench(tmp_path / "killed", proposer=proposer)

    def kill(count: int, config: Config) -> None:
        if count == at:
            raise Stopper

    killed.runner.before = kill
    with pytest.raises(Stopper):
        killed.study().run()
    assert killed.trials()[-1][1] == "RUNNING"
    killed.reopen()
    killed.study().run()
    assert killed.trials() == in_peace(proposer)
    assert len(killed.runner.evaluated) == 7  # the interrupted one twice, no other


def test_killed_between_result_and_state_is_evaluated_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = type(bench.store._storage)
    real = storage.set_trial_state_values
    calls = []

    def torn(self: object, trial_id: int, state: object, values: object = None) -> bool:
        calls.append(trial_id)
        if len(calls) == 3:
            raise Stopper
        return bool(real(self, trial_id, state, values))  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "set_trial_state_values", torn)
    with pytest.raises(Stopper):
        bench.study().run()
    bench.reopen()
    bench.study().run()
    assert [t[1] for t in bench.trials()] == ["COMPLETE"] * 6


def test_stopping_puts_the_running_trial_back_and_resume_takes_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "stopped")

    def stop(count: int, config: Config) -> None:
        bench.interrupted = count == 3

    bench.runner.before = stop
    end = bench.study().run()
    assert end.why == "stopped" and end.test_value is None
    assert [t[1] for t in bench.trials()] == ["COMPLETE", "COMPLETE", "WAITING"]
    bench.reopen()
    bench.study().run()
    assert bench.trials() == in_peace("drawn")


def test_resume_tells_watchers_what_was(bench: Bench) -> None:
    bench.budget = 3
    bench.study().run()
    bench.reopen()
    bench.events.clear()
    bench.budget = 5
    bench.study().run()
    lines = (bench.folder / "events.jsonl").read_text("utf8").splitlines()
    told = [e[0] for e in map(from_json, lines) if e]
    assert [e.number for e in told if isinstance(e, TrialFinished)] == [0, 1, 2, 3, 4]
    assert [e.number for e in bench.events if isinstance(e, TrialFinished)] == [3, 4]
    first_again = next(e for e in told if isinstance(e, TrialFinished) and e.number == 1)
    assert first_again.reasoning == "Smaller steps." and first_again.std
    believed = {e.number: e.beliefs for e in told if isinstance(e, ProposalMade)}
    assert believed[1] == believed[4] == {"x": [[1, 0.5]]}


def test_failed_trials_count_and_are_told_with_their_reason(bench: Bench) -> None:
    bench.runner.before = lambda count, config: (
        Result("failed", reason="max_depth is silly") if count == 2 else None
    )
    bench.study().run()
    assert [t[1] for t in bench.trials()].count("FAIL") == 1
    assert len(bench.trials()) == 6
    drawn = bench.made[0]
    assert isinstance(drawn, Drawn)
    assert (drawn.told[1].value, drawn.told[1].reason) == (None, "max_depth is silly")


def test_a_score_that_is_no_number_is_a_failed_trial(tmp_path: Path) -> None:
    bench = Bench(tmp_path, runner=FakeRunner(lambda config: float("nan")))
    end = bench.study().run()
    assert {t[1] for t in bench.trials()} == {"FAIL"} and end.best_number is None


def test_a_hopeless_study_stops_and_says_why(bench: Bench) -> None:
    bench.budget = 50
    bench.runner.before = lambda count, config: Result("failed", reason="no such column")
    end = bench.study().run()
    assert end.why == "error" and "no such column" in end.message
    assert len(bench.trials()) == 5


def test_a_dead_engine_gives_way_to_a_classical_proposer(bench: Bench) -> None:
    class Dying(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            if context.number >= 3:
                raise EngineError("the engine died with SIGABRT", "see engine.log")
            return super().ask(space, context)

    made = bench._make
    bench.make = lambda name: Dying(3) if name == "drawn" else _plain(name)
    bench.study().run()
    del made
    assert [t[4] for t in bench.trials()] == ["default", "drawn", "drawn", "tpe", "tpe", "tpe"]
    notes = [e for e in bench.events if isinstance(e, Noted)]
    assert notes[0].level == "error" and "SIGABRT" in notes[0].text
    fallback = [e.fallback for e in bench.events if isinstance(e, TrialFinished)]
    assert not any(fallback[:3]) and all("SIGABRT" in f for f in fallback[3:])


def test_a_mistake_in_a_proposer_does_not_end_the_study(bench: Bench) -> None:
    class Wrong(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            raise ZeroDivisionError("division by zero")

    bench.make = lambda name: Wrong(3) if name == "drawn" else _plain(name)
    assert bench.study().run().why == "budget"
    assert any("ZeroDivisionError" in e.text for e in bench.events if isinstance(e, Noted))


def test_proposals_outside_the_space_or_tried_are_replaced(bench: Bench) -> None:
    class Stubborn(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            config = space.default()
            if context.number == 2:
                config["max_depth"] = 99
            return Proposal(config, self.name)

    bench.make = lambda name: Stubborn(3) if name == "drawn" else _plain(name)
    bench.study().run()
    configs = [SPACE.key(t[2]) for t in bench.trials()]
    assert len(set(configs)) == 6
    fallback = [e.fallback for e in bench.events if isinstance(e, TrialFinished)]
    assert "tried" in fallback[1] and "max_depth" in fallback[2]


def test_a_small_space_is_exhausted(tmp_path: Path) -> None:
    space = SearchSpace([Param("n", Integer(1, 2), 1), Param("c", Categorical(("a", "b")), "a")])
    bench = Bench(
        tmp_path, space=space, budget=50, runner=FakeRunner(lambda config: float(config["n"]))
    )
    end = bench.study().run()
    assert end.why == "exhausted"
    assert len({space.key(t[2]) for t in bench.trials()}) == len(bench.trials()) == 4


def test_optunas_queue_goes_first_and_wrong_entries_are_refused(bench: Bench) -> None:
    study = optuna.load_study(study_name="s", storage=bench.url)
    study.enqueue_trial({"max_depth": 3})
    study.enqueue_trial({"max_depth": 400})
    study.enqueue_trial({"depth": 4})
    bench.reopen()
    end = bench.study().run()
    trials = bench.store.trials()
    assert [t.proposer for t in trials[:4]] == ["queue", "queue", "queue", "default"]
    assert trials[0].state == "COMPLETE"
    assert trials[0].config == {**SPACE.default(), "max_depth": 3}
    assert [t.state for t in trials[1:3]] == ["FAIL", "FAIL"]
    assert "max_depth = 400" in trials[1].reason and "unknown" in trials[2].reason
    assert end.why == "budget" and len(bench.runner.evaluated) == 6
    again = optuna.load_study(study_name="s", storage=bench.url)
    assert again.best_value == end.best_value and again.direction.name == "MAXIMIZE"
    assert again.metric_names == ["accuracy"]


def test_requests_are_heard_between_trials(bench: Bench) -> None:
    def ask(count: int, config: Config) -> None:
        if count == 2:
            send(bench.folder, QueueTrial({"max_depth": 2, "booster": "dart"}))
            send(bench.folder, QueueTrial({"max_depth": 0}))
            send(bench.folder, Hint("keep it shallow"))
            send(bench.folder, Extend(trials=1))

    bench.runner.before = ask
    bench.study().run()
    trials = bench.trials()
    assert len(trials) == 7
    assert trials[2][4] == "queue" and trials[2][2]["max_depth"] == 2
    assert trials[2][2]["learning_rate"] == 0.1
    assert any("max_depth = 0" in e.text for e in bench.events if isinstance(e, Noted))
    drawn = bench.made[0]
    assert isinstance(drawn, Drawn)
    assert drawn.contexts[-1].hints == ("keep it shallow",)
    bench.reopen()
    assert bench.store.attrs()["hints"] == ["keep it shallow"]


def test_pause_step_resume(bench: Bench) -> None:
    naps = []

    def ask(count: int, config: Config) -> None:
        if count == 2:
            send(bench.folder, Pause())

    def nap() -> None:
        naps.append(len(bench.runner.evaluated))
        send(bench.folder, Step() if len(naps) == 1 else Resume())

    bench.runner.before, bench.on_sleep = ask, nap
    bench.study().run()
    assert naps == [2, 3]
    kinds = bench.kinds()
    assert kinds.count("StudyPaused") == kinds.count("StudyResumed") == 1
    assert [s["state"] for s in bench.summaries].count("paused") >= 2
    assert bench.summaries[-1]["state"] == "finished"


def test_a_pause_is_heard_that_was_asked_while_the_process_began(bench: Bench) -> None:
    study = bench.study()
    send(bench.folder, Pause())
    bench.on_sleep = lambda: send(bench.folder, Resume())
    study.run()
    assert bench.kinds().count("StudyPaused") == 1


@pytest.mark.parametrize("now", [False, True])
def test_stop_requests(bench: Bench, now: bool) -> None:
    def ask(count: int, config: Config) -> None:
        if count == 3:
            send(bench.folder, StopNow() if now else Stop())

    bench.runner.before = ask
    assert bench.study().run().why == "stopped"
    assert [t[1] for t in bench.trials()][2:] == ["WAITING" if now else "COMPLETE"]


def test_requests_made_while_nobody_listened(bench: Bench) -> None:
    send(bench.folder, StopNow())
    send(bench.folder, QueueTrial({"max_depth": 2}))
    assert bench.study().run().why == "budget"
    assert bench.trials()[0][2]["max_depth"] == 2
    bench.reopen()
    bench.budget = 7
    bench.study().run()
    assert [t[4] for t in bench.trials()].count("queue") == 1


def test_another_proposer_takes_over(bench: Bench) -> None:
    def ask(count: int, config: Config) -> None:
        if count == 2:
            send(bench.folder, SwitchProposer("random"))
        if count == 4:
            send(bench.folder, SwitchProposer("nobody"))

    bench.runner.before = ask
    bench.study().run()
    assert [t[4] for t in bench.trials()][1:] == ["drawn", "random", "random", "random", "random"]
    assert any("nobody" in e.text for e in bench.events if isinstance(e, Noted))


def test_minutes_end_a_study_but_not_before_something_was_found(tmp_path: Path) -> None:
    bench = Bench(tmp_path, budget=None, minutes=0.1)
    end = bench.study().run()
    assert end.why == "minutes" and end.best_number is not None
    states = [t[1] for t in bench.trials()]
    assert states.count("COMPLETE") >= 1 and "RUNNING" not in states


def test_a_cancelled_proposal_stores_nothing(bench: Bench) -> None:
    class Slow(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            bench.interrupted = True
            assert context.should_stop()
            raise Cancelled

    bench.make = lambda name: Slow(3)
    assert bench.study().run().why == "stopped"
    assert [t[4] for t in bench.trials()] == ["default"]


def test_a_runner_that_is_gone_for_good_is_an_error_and_a_study_that_resumes(bench: Bench) -> None:
    def fail(count: int, config: Config) -> None:
        if count == 2:
            raise StudyError("data.csv is gone", "put it back")

    bench.runner.before = fail
    with pytest.raises(StudyError, match="is gone"):
        bench.study().run()
    assert isinstance(bench.events[-1], StudyFinished) and bench.events[-1].why == "error"
    assert bench.summaries[-1]["state"] == "error"
    bench.reopen()
    assert bench.study().run().why == "budget"
    assert [t[1] for t in bench.trials()] == ["COMPLETE"] * 6


def test_trials_of_other_programs_are_learnt_from(bench: Bench) -> None:
    study = optuna.load_study(study_name="s", storage=bench.url)
    for params in (SPACE.default() | {"max_depth": 4}, {"alien": 1.0}):
        distributions: dict[str, optuna.distributions.BaseDistribution] = dict(
            SPACE.to_distributions()
            if "alien" not in params
            else {"alien": optuna.distributions.FloatDistribution(0, 2)}
        )
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(params), distributions=distributions, value=0.9
            )
        )
    bench.reopen()
    bench.study().run()
    drawn = bench.made[0]
    assert isinstance(drawn, Drawn)
    assert [t.number for t in drawn.told] == [0, 2, 3, 4, 5, 6]


def test_folds_are_reported_as_they_finish(bench: Bench) -> None:
    bench.study().run()
    folds = [e for e in bench.events if isinstance(e, FoldFinished) and e.number == 0]
    assert [(f.fold, f.folds) for f in folds] == [(0, 3), (1, 3), (2, 3)]


def test_summaries_are_json_and_complete(bench: Bench) -> None:
    bench.study().run()
    last = json.loads(json.dumps(bench.summaries[-1]))
    assert last["trials"] == 6 and last["state"] == "finished" and last["best_value"] is not None
    assert last["test_value"] is not None and last["default_value"] is not None


def _plain(name: str) -> Drawn:
    from hyperllama.core.propose import make_proposer
    from hyperllama.core.trials import ProposerSetting

    return make_proposer(name, setting=ProposerSetting(seed=3))  # type: ignore[return-value]


def test_a_trial_keeps_its_number_when_another_is_queued_while_the_proposer_thinks(
    bench: Bench,
) -> None:
    class Thoughtful(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            if context.number == 2:
                send(bench.folder, QueueTrial({"max_depth": 2}))
                bench.now_s += 1
                context.should_stop()
            return super().ask(space, context)

    bench.make = lambda name: Thoughtful(3)
    bench.study().run()
    trials = bench.trials()
    assert [t[4] for t in trials] == ["default", "drawn", "drawn", "queue", "drawn", "drawn"]
    records = {r["number"]: r for r in read_proposals(bench.folder / "proposals.jsonl")}
    assert all(records[t[0]]["config"] == t[2] for t in trials if t[4] != "queue")
    made = {e.number: e.config for e in bench.events if isinstance(e, ProposalMade)}
    assert made == {t[0]: t[2] for t in trials}


def test_killed_while_the_proposer_thinks_uses_the_number_again(bench: Bench) -> None:
    class Killed(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            if context.number == 2:
                raise Stopper
            return super().ask(space, context)

    bench.make = lambda name: Killed(3)
    with pytest.raises(Stopper):
        bench.study().run()
    assert [t[0] for t in bench.trials()] == [0, 1]
    theirs = optuna.load_study(study_name="s", storage=bench.url)
    assert [t.state.name for t in theirs.trials] == ["COMPLETE", "COMPLETE", "RUNNING"]
    theirs.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-3, 1, log=True), 1)
    bench.reopen()
    bench.make = None
    bench.study().run()
    numbers = [t[0] for t in bench.trials() if t[4] == "drawn"]
    assert numbers == [1, 2, 4, 5] and {t[1] for t in bench.trials()} == {"COMPLETE"}


def test_stopped_while_the_proposer_thinks_leaves_no_running_trial(bench: Bench) -> None:
    class Stopped(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            if context.number == 2:
                bench.interrupted = True
                assert context.should_stop()
                raise Cancelled
            return super().ask(space, context)

    bench.make = lambda name: Stopped(3)
    assert bench.study().run().why == "stopped"
    theirs = optuna.load_study(study_name="s", storage=bench.url)
    assert [t.state.name for t in theirs.trials] == ["COMPLETE", "COMPLETE", "WAITING"]
    bench.reopen()
    assert bench.store.waiting() == []
    bench.make, bench.interrupted = None, False
    bench.study().run()
    assert [(t[0], t[1]) for t in bench.trials()] == [(n, "COMPLETE") for n in range(6)]


def test_a_stopped_studys_number_may_be_taken_by_another_program(bench: Bench) -> None:
    number = bench.store.reserve()
    bench.store.put_back(number)
    theirs = optuna.load_study(study_name="s", storage=bench.url)
    trial = theirs.ask()
    assert trial.number == number
    trial.suggest_float("learning_rate", 1e-3, 1, log=True)
    bench.reopen()
    assert bench.store.reserved() is None and bench.store.reserve() == number + 1


@pytest.mark.parametrize("state", ["FAIL", "COMPLETE"])
def test_a_reserved_trial_that_another_program_ends_gives_way_to_a_new_one(
    bench: Bench, state: str
) -> None:
    class Disturbed(Drawn):
        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            if context.number == 2:
                theirs = optuna.load_study(study_name="s", storage=bench.url)
                values = 1.0 if state == "COMPLETE" else None
                theirs.tell(2, values, state=optuna.trial.TrialState[state])
            return super().ask(space, context)

    bench.make = lambda name: Disturbed(3)
    assert bench.study().run().why == "budget"
    trials = [(t.number, t.state) for t in bench.store.trials()]
    assert trials == [(n, "COMPLETE") for n in (0, 1, 3, 4, 5, 6)]
    asked = bench.made[0].contexts  # type: ignore[attr-defined]
    assert [c.number for c in asked] == [1, 2, 4, 5, 6]
    here = fold((event, 0.0) for event in bench.events)
    assert [t.number for t in here.trials] == [0, 1, 3, 4, 5, 6] and here.running is None
    notes = [e.text for e in bench.events if isinstance(e, Noted)]
    assert notes == ["another program ended trial 2: it is trial 3 now"]
    records = list(read_proposals(bench.folder / "proposals.jsonl"))
    assert [r["number"] for r in records] == [0, 1, 2, 3, 4, 5, 6]
    assert records[2]["config"] == records[3]["config"]


def test_the_storage_holds_the_state_that_the_loop_had(bench: Bench) -> None:
    def ask(count: int, config: Config) -> None:
        if count == 3:
            for request in (Hint("shallow"), Note(0, "odd"), Rerun(1, 2), Extend(1)):
                send(bench.folder, request)

    bench.runner.before = ask
    bench.study().run()
    bench.reopen()
    here = fold((event, 0.0) for event in bench.events)
    assert here.opened is not None
    beliefs = read_beliefs(bench.folder / "proposals.jsonl")
    past = stored_events(bench.store.trials(), bench.store.attrs(), here.opened, beliefs)
    there = fold([(here.opened, 0.0), *past])
    untimed = {"trains_t": 0.0, "ended_t": 0.0, "work_s": 0.0}
    assert [replace(t, **untimed) for t in there.trials] == [  # type: ignore[arg-type]
        replace(t, **untimed) for t in here.trials  # type: ignore[arg-type]
    ]
    assert [a.text for a in there.actions] == [a.text for a in here.actions] and here.actions
    assert there.incumbent == here.incumbent
    assert there.tested == here.tested and here.test_value == bench.store.attrs()["test_score"]
    assert here.default_test_value == pytest.approx(quality(SPACE.default()) - 0.01)


def test_a_test_score_outlives_a_resume_until_a_better_trial_is_found(bench: Bench) -> None:
    def now() -> StudyState:
        return state_of(StoredStudy("s", "maximize", store.attrs(), store.trials(), {}, None))

    bench.study().run()
    store = bench.store
    first = now()
    assert first.test_value is not None and first.finished is not None

    def stop(count: int, config: Config) -> Result:
        send(bench.folder, Stop())
        return Result("complete", scores.pop())

    scores = [2.0, -1.0]
    bench.runner.before = stop
    for score in (-1.0, 2.0):
        bench.budget = 9
        bench.study().run()
        state = now()
        assert state.finished is not None and state.finished.why == "stopped"
        assert state.finished.test_value is None and state.trials[-1].value == score
        assert state.test_value == (None if score > 1 else first.test_value)


def test_a_study_of_version_0_1_0_has_its_seed_and_test_scores() -> None:
    scores = {"test_score": 0.8, "test_of": 4, "default_test_score": 0.7}
    attrs = {"metric": "accuracy", "settings": {"seed": 7}, **scores}
    summary = {"why": "budget", "best_number": 4, "best_value": 0.9, "default_value": 0.6,
               "test_value": 0.8}  # fmt: skip
    state = state_of(StoredStudy("s", "maximize", attrs, [], summary, None))
    assert state.opened is not None and state.opened.seed == 7
    assert (state.test_value, state.default_test_value) == (0.8, 0.7)



def test_damaged_attributes_cost_themselves_and_a_note(bench: Bench) -> None:
    bench.store.set_attrs(
        {"steered": [[1.0, 0, "paused"], "x"], "talk": [{"asked": 3}], "reruns": {"0": [{}]},
         "notes": ["x"], "hints": 3, "ranges": {"max_depth": "x"}}
    )  # fmt: skip
    assert bench.study().run().why == "budget"
    lines = (bench.folder / "events.jsonl").read_text("utf8").splitlines()
    notes = [e[0].text for e in map(from_json, lines) if e and isinstance(e[0], Noted)]
    assert sum("is damaged and was left out" in text for text in notes) == 3


def test_a_long_history_folds_quickly() -> None:
    events: list[tuple[Event, float]] = []
    for number in range(10_000):
        events.append((ProposalMade(number, "tpe", {"a": number}), float(number)))
        end = TrialFinished(number, "complete", {"a": number}, 0.5, (0.5,), incumbent=number == 7)
        events.append((end, number + 0.5))
    folding = StateFold()
    for event, t in events:
        folding.apply(event, t)
    assert folding.state.done_count == 10_000 and folding.state.best == folding.state.trials[7]
