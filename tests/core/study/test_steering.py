"""Steering a study on fakes: review, ranges, undo, re-runs, notes, questions; all of it lasts."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.errors import ModelFileError, SpaceError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.events import (
    AnswerText,
    ImportanceFound,
    Noted,
    ProposalMade,
    ProposalRejected,
    QuestionAnswered,
    QuestionAsked,
    RerunFinished,
    StudyOpened,
    StudySteered,
    TrialNoted,
    from_json,
    requests,
)
from hyperllama.core.events.requests import Request, parse
from hyperllama.core.space import (
    Categorical,
    Condition,
    Config,
    Float,
    Integer,
    Param,
    SearchSpace,
)
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.storage.request_log import send
from hyperllama.core.study.findings.importance import importance
from hyperllama.core.study.steering.conversation import suggested
from hyperllama.core.trials import Answer, Observed, Proposer, Question
from hyperllama.tui.dialogs.record import describe_records
from tests.core.fakes import SPACE, Bench, Drawn, quality


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "study")


def at_trial(bench: Bench, asked: dict[int, Sequence[Request]]) -> None:
    """Send requests while the n-th evaluation runs, counted from 1."""

    def before(count: int, config: Config) -> Result | None:
        for request in asked.get(count, ()):
            send(bench.folder, request)
        return None

    bench.runner.before = before


def asleep(bench: Bench, *asked: Request) -> None:
    """Send one request at each nap of the study, in this order; then end it."""
    left = list(asked)

    def nap() -> None:
        send(bench.folder, left.pop(0) if left else requests.StopNow())

    bench.on_sleep = nap


def lines(bench: Bench) -> list[str]:
    return [e.text for e in bench.events if isinstance(e, StudySteered)]


def warned(bench: Bench) -> list[str]:
    return [f"{e.text} {e.hint}" for e in bench.events if isinstance(e, Noted)]


def retold(bench: Bench) -> list[Any]:
    """The events in the file, as a watcher that comes later reads them."""
    text = (bench.folder / "events.jsonl").read_text("utf8")
    return [pair[0] for line in text.splitlines() if (pair := from_json(line)) is not None]


# Review


def test_a_proposal_waits_is_accepted_edited_and_turned_down(bench: Bench) -> None:
    bench.budget = 4
    at_trial(bench, {1: [requests.Review(True)]})
    asleep(
        bench,
        requests.Reject(1, "too deep"),
        requests.Approve(7),  # not the one that waits
        requests.Approve(1),
        requests.Approve(2, {"max_depth": 99}),
        requests.Approve(2, {"max_depth": 3, "learning_rate": 0.05, "booster": "dart"}),
        requests.Review(False),
    )
    bench.study().run()
    trials = bench.trials()
    assert [t[4] for t in trials] == ["default", "drawn", "edited", "drawn"]
    assert trials[2][2] == {"max_depth": 3, "learning_rate": 0.05, "booster": "dart"}
    held = [e for e in bench.events if isinstance(e, ProposalMade) and e.awaits_approval]
    (no,) = [e for e in bench.events if isinstance(e, ProposalRejected)]
    assert [e.number for e in held] == [1, 1, 2, 3]
    assert no.reason == "too deep" and no.config == held[0].config != held[1].config
    assert trials[1][2] == held[1].config
    drawn = bench.made[0]
    assert isinstance(drawn, Drawn)
    assert drawn.contexts[1].attempt == 1 and "too deep" in drawn.contexts[1].rejected[0]
    assert drawn.contexts[-1].hints and "too deep" in drawn.contexts[-1].hints[0]
    assert any("max_depth = 99" in text for text in warned(bench))
    records = list(read_proposals(bench.folder / "proposals.jsonl"))
    assert [r.get("turned_down") for r in records if r["number"] == 1] == ["too deep", None]
    assert next(r for r in records if r["number"] == 2)["proposed_by"] == "drawn"


def test_a_program_can_be_read_before_it_is_approved(bench: Bench) -> None:
    rendered: list[int] = []

    def program(config: Mapping[str, Any], line: str) -> str:
        rendered.append(config["max_depth"])
        return f"depth {config['max_depth']}"

    bench.budget, bench.program = 2, program
    send(bench.folder, requests.Review(True))
    log, waiting = bench.folder / "proposals.jsonl", []

    def nap() -> None:
        waiting.extend(r for r in read_proposals(log) if r.get("waits"))
        send(bench.folder, requests.Approve(1))

    bench.on_sleep = nap
    bench.study().run()
    assert waiting[0]["number"] == 1
    assert waiting[0]["program"] == f"depth {waiting[0]['config']['max_depth']}"
    records = [r for r in read_proposals(log) if r["number"] == 1]
    assert [r.get("waits") for r in records] == [True, None]
    assert len(rendered) == len(set(rendered)) == 2  # once for the default, once for the proposal
    assert "waits" not in describe_records(records).plain


def test_review_uses_no_budget_and_outlives_the_process(bench: Bench) -> None:
    bench.minutes = 60
    send(bench.folder, requests.Review(True))
    naps = []

    def nap() -> None:
        naps.append(bench.summaries[-1]["seconds"])
        bench.interrupted = len(naps) == 50

    bench.on_sleep = nap
    bench.study().run()
    assert [t[4] for t in bench.trials()] == ["default"]
    assert bench.summaries[-1]["seconds"] < 5 < bench.now_s
    bench.reopen()
    bench.on_sleep = lambda: None
    asleep(bench, requests.Approve(1))
    bench.study().run()
    opened = [e for e in retold(bench) if isinstance(e, StudyOpened)]
    assert opened[0].review and len(bench.trials()) == 2


def test_a_turned_down_configuration_is_not_proposed_again(bench: Bench) -> None:
    class Stubborn(Drawn):
        def ask(self, space: SearchSpace, context: Any) -> Any:
            return super().ask(space, type(context)(context.number))  # deaf to the attempt

    bench.make = lambda name: Stubborn(3) if name == "drawn" else plain(name)
    send(bench.folder, requests.Review(True))
    asleep(bench, requests.Reject(1), requests.Approve(1))
    bench.study().run()
    made = [e for e in bench.events if isinstance(e, ProposalMade)]
    first, second = [e for e in made if e.awaits_approval][:2]
    assert first.config != second.config and "rejected" in second.fallback


# The search space


def test_a_frozen_hyperparameter_stays_and_earlier_trials_too(bench: Bench) -> None:
    at_trial(bench, {2: [requests.Freeze("booster", "dart"), requests.Range("max_depth", 2, 5)]})
    bench.study().run()
    trials = bench.trials()
    assert {t[2]["booster"] for t in trials[2:]} == {"dart"}
    assert all(2 <= t[2]["max_depth"] <= 5 for t in trials[2:])
    bench.reopen()
    bench.budget, bench.runner.before = 9, lambda count, config: None
    bench.study().run()
    again = bench.trials()
    assert again[:6] == trials and {t[2]["booster"] for t in again[2:]} == {"dart"}
    drawn = bench.made[-1]
    assert isinstance(drawn, Drawn) and [t.number for t in drawn.told][:6] == list(range(6))
    opened = next(e for e in retold(bench) if isinstance(e, StudyOpened))
    depth, booster = (next(p for p in opened.space if p["name"] == n)
                      for n in ("max_depth", "booster"))
    assert (depth["low"], depth["high"], depth["task"]) == (2, 5, "integer 1 to 12")
    assert booster["frozen"] and booster["task_choices"] == ["gbtree", "dart"]


@pytest.mark.parametrize("proposer", ["tpe", "gp", "random", "cmaes"])
def test_every_classical_proposer_obeys(bench: Bench, proposer: str) -> None:
    bench.proposer, bench.budget = proposer, 9
    at_trial(
        bench,
        {4: [requests.Freeze("booster", "dart"), requests.Range("learning_rate", 0.5, 4.0)],
         7: [requests.ResetRange("booster"), requests.Freeze("learning_rate", 0.7)]},
    )  # fmt: skip
    bench.study().run()
    configs = [t[2] for t in bench.trials()]
    assert {c["booster"] for c in configs[4:7]} == {"dart"}
    assert all(0.5 <= c["learning_rate"] <= 4.0 for c in configs[4:7])
    assert {c["learning_rate"] for c in configs[7:]} == {0.7}
    assert {t[1] for t in bench.trials()} == {"COMPLETE"} and not warned(bench)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (requests.Freeze("depth", 3), "unknown hyperparameter 'depth'"),
        (requests.Freeze("max_depth", 2.5), "whole numbers"),
        (requests.Freeze("booster", "gblinear"), "not one of"),
        (requests.Range("max_depth", 9, 2), "low 9 is above high 2"),
        (requests.Range("learning_rate", 0.0, 1.0), "log scale"),
        (requests.Range("booster"), "at least one choice"),
        (requests.Freeze("max_depth", "deep"), "needs a number"),
    ],
)
def test_what_is_no_range_changes_nothing(bench: Bench, request_: Request, said: str) -> None:
    bench.budget = 2
    send(bench.folder, request_)
    bench.study().run()
    assert any(said in text for text in warned(bench))
    assert "ranges" not in bench.store.attrs()


def test_the_last_free_hyperparameter_cannot_be_held() -> None:
    ranges = Ranges(SPACE).freeze("max_depth", 3).freeze("booster", "dart")
    with pytest.raises(SpaceError, match="every hyperparameter"):
        ranges.freeze("learning_rate", 0.1)


def test_what_cannot_count_any_more_leaves_the_space() -> None:
    space = SearchSpace(
        [
            Param("kernel", Categorical(("rbf", "poly")), "rbf"),
            Param("degree", Integer(2, 5), 3, when=Condition("kernel", ("poly",))),
            Param("c", Float(0.1, 10.0, log=True), 1.0),
        ]
    )
    held = Ranges(space).freeze("kernel", "rbf")
    assert held.space.names == ("kernel", "c") and held.stored == space
    assert Ranges(space, held.kept).space == held.space
    assert held.release("kernel").space == space


def test_a_change_while_the_proposer_thinks_interrupts_it(bench: Bench) -> None:
    class Slow(Drawn):
        def ask(self, space: SearchSpace, context: Any) -> Any:
            if context.number == 2 and len(self.contexts) == 1:
                self.contexts.append(context)
                send(bench.folder, requests.Freeze("max_depth", 4))
                from hyperllama.core.trials import Cancelled

                for _ in range(3):
                    if context.should_stop():
                        raise Cancelled
                raise AssertionError("nobody stopped it")
            return super().ask(space, context)

    bench.make = lambda name: Slow(3)
    bench.study().run()
    depths = [t[2]["max_depth"] for t in bench.trials()]
    assert len(depths) == 6 and set(depths[2:]) == {4}


# Undo, hints, proposers, models


def test_changes_are_taken_back_newest_first(bench: Bench) -> None:
    at_trial(
        bench,
        {2: [requests.Hint("shallow"), requests.Freeze("max_depth", 2), requests.Extend(5),
             requests.QueueTrial({"max_depth": 2}), requests.SwitchProposer("random"),
             requests.Stop()],
         3: [requests.Undo() for _ in range(7)]},
    )  # fmt: skip
    before = bench.runner.before

    def rewind(count: int, config: Config) -> Result | None:
        before(count, config)
        if count == 2:
            send(bench.folder, requests.Undo())  # the stop
        return None

    bench.runner.before = rewind
    bench.study().run()
    trials = bench.trials()
    assert len([t for t in trials if t[1] == "COMPLETE"]) == 6
    assert {t[4] for t in trials[4:]} == {"drawn"} and len({t[2]["max_depth"] for t in trials}) > 2
    assert bench.store.attrs()["hints"] == [] and bench.store.attrs()["budget_trials"] == 6
    said = lines(bench)
    for part in ("hint: shallow", "max_depth frozen", "budget is now 11", "queued:", "random"):
        assert any(part in text for text in said)
        assert any(text.startswith("undone") and part in text for text in said)
    assert "there is nothing to undo" in " ".join(warned(bench))
    bench.reopen()
    bench.study().run()
    again = [e.text for e in retold(bench) if isinstance(e, StudySteered)]
    assert again[: len(said)] == said


def test_another_model_takes_over_and_an_unusable_one_does_not(bench: Bench) -> None:
    used = []

    def use(name: str) -> str:
        if name == "broken.gguf":
            raise ModelFileError("broken.gguf is no GGUF file", "choose another")
        used.append(name)
        return f"/models/{name}"

    bench.use_model = use
    at_trial(bench, {2: [requests.SwitchProposer(model="small.gguf")],
                     3: [requests.SwitchProposer("random")],
                     4: [requests.SwitchProposer("drawn", "broken.gguf")]})  # fmt: skip
    bench.study().run()
    assert used == ["small.gguf"] and len(bench.made) >= 3
    settings = [e.settings for e in bench.events if isinstance(e, StudySteered)]
    assert settings[0]["model"] == "/models/small.gguf" and settings[-1]["proposer"] == "random"
    assert any("broken.gguf" in text for text in warned(bench))


def test_who_cannot_read_a_hint_is_named(bench: Bench) -> None:
    send(bench.folder, requests.Hint("shallow"))
    bench.budget = 2
    bench.study().run()
    assert any("drawn reads no hints" in text for text in warned(bench))


# Beside the search


def test_a_rerun_stands_beside_the_trial_and_is_none(bench: Bench) -> None:
    at_trial(bench, {3: [requests.Rerun(times=2), requests.Rerun(1, 1), requests.Rerun(99)]})
    bench.study().run()
    assert len(bench.trials()) == 6 and len(bench.runner.evaluated) == 9
    found = [e for e in bench.events if isinstance(e, RerunFinished)]
    assert [e.seed for e in found] in ([4, 5, 4], [4, 5, 6]) and len(found) == 3
    best = {e.number for e in found[:2]}.pop()
    config = next(t[2] for t in bench.trials() if t[0] == best)
    assert found[0].value == pytest.approx(quality(config) - 0.004)
    drawn = bench.made[0]
    assert isinstance(drawn, Drawn) and len(drawn.told) == 6
    assert any("no scored trial 99" in text for text in warned(bench))
    bench.reopen()
    bench.events.clear()
    bench.study().run()
    assert [e for e in retold(bench) if isinstance(e, RerunFinished)] == found


def test_a_paused_study_runs_a_trial_again(bench: Bench) -> None:
    at_trial(bench, {2: [requests.Pause()]})
    asleep(bench, requests.Rerun(0, 2), requests.Resume())
    bench.study().run()
    kinds = bench.kinds()
    assert kinds.count("RerunFinished") == 2
    assert kinds.index("RerunFinished") < kinds.index("StudyResumed")


def test_notes_stay_with_their_trials(bench: Bench) -> None:
    at_trial(bench, {2: [requests.Note(0, "the baseline"), requests.Note(1, "odd"),
                         requests.Note(77, "none")],
                     3: [requests.Note(1, "")]})  # fmt: skip
    bench.study().run()
    assert bench.store.attrs()["notes"] == {"0": "the baseline"}
    bench.reopen()
    bench.study().run()
    told = [(e.number, e.text) for e in retold(bench) if isinstance(e, TrialNoted)]
    assert told == [(0, "the baseline")]


def test_importance_names_what_matters(bench: Bench) -> None:
    bench.budget = 12
    bench.study().run()
    found = [e for e in bench.events if isinstance(e, ImportanceFound)]
    assert found[0].trials == 8 and found[-1].trials == 12
    assert sum(found[-1].shares.values()) == pytest.approx(1.0)
    assert min(found[-1].shares, key=lambda n: found[-1].shares[n]) == "booster"
    assert importance(SPACE, [Observed(0, SPACE.default(), 1.0)]) == {}


# Talk


class Speaker(Drawn):
    """Answers with the facts it was given, slowly enough that a trial ends meanwhile."""

    can_answer = True

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.facts: list[str] = []
        self.about: list[str] = []
        self.computed: list[str] = []
        self.earlier: list[tuple[str, str]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def answer(self, question: Question) -> Answer:
        self.facts, self.earlier = list(question.facts), list(question.earlier)
        self.about, self.computed = list(question.about), list(question.computed)
        question.on_text("Depth 12 ")
        self.go_on.wait(5)
        if question.should_stop():
            return Answer("Depth 12 ", cut="it was stopped")
        question.on_text("overfits.")
        return Answer('Depth 12 overfits. {"max_depth": 3, "depth": 1}', "talker", 0.5)


def test_a_question_is_answered_from_the_facts(bench: Bench) -> None:
    speaker = Speaker(3)
    bench.make = lambda name: speaker
    at_trial(bench, {3: [requests.AskQuestion("why is max_depth 12 bad in trial 1?")]})
    bench.study().run()
    (answer,) = [e for e in bench.events if isinstance(e, QuestionAnswered)]
    assert answer.text.startswith("Depth 12 overfits") and answer.model == "talker"
    assert answer.config["max_depth"] == 3 and SPACE.contains(answer.config)
    said = "".join(e.text for e in bench.events if isinstance(e, AnswerText))
    assert said == "Depth 12 overfits."
    (asked,) = [e for e in bench.events if isinstance(e, QuestionAsked)]
    assert bench.events.index(asked) < bench.events.index(answer)
    assert asked.computed == answer.computed == tuple(speaker.computed)
    assert asked.computed[0].startswith("Trial 1 scored")
    assert "than the default" in asked.computed[0]
    facts = "\n".join([*speaker.facts, *speaker.about])
    for part in ("Search space", "Asked about: trial 1", "Scores by max_depth", "accuracy"):
        assert part.lower() in facts.lower()
    assert len(bench.trials()) == 6


def test_a_conversation_lasts_and_finished_studies_answer(bench: Bench) -> None:
    speaker = Speaker(3)
    bench.make = lambda name: speaker
    send(bench.folder, requests.AskQuestion("what now?"))
    bench.study().run()
    bench.reopen()
    send(bench.folder, requests.AskQuestion("and then?"))
    bench.study().run()
    assert [asked for asked, _ in speaker.earlier] == ["what now?"]
    answers = [e for e in retold(bench) if isinstance(e, QuestionAnswered)]
    assert len(answers) == 2 and len(bench.trials()) == 6


def test_an_answer_is_cut_short(bench: Bench) -> None:
    speaker = Speaker(3)
    speaker.go_on.clear()
    bench.make = lambda name: speaker
    send(bench.folder, requests.Pause())
    at_trial(bench, {1: [requests.Pause(), requests.AskQuestion("why?")]})
    naps = []

    def nap() -> None:
        naps.append(1)
        if len(naps) == 3:
            send(bench.folder, requests.StopAnswer())
        elif len(naps) > 3:
            speaker.go_on.set()
            send(bench.folder, requests.Resume())

    bench.on_sleep = nap
    bench.study().run()
    (answer,) = [e for e in bench.events if isinstance(e, QuestionAnswered)]
    assert answer.text == "Depth 12 " and answer.cut == "it was stopped"


def test_a_question_is_told_of_at_once_and_can_be_stopped_before_the_model_hears_it(
    bench: Bench,
) -> None:
    """Both questions come while the first one is answered: the second waits, and is ended."""
    speaker = Speaker(3)
    speaker.go_on.clear()
    bench.make = lambda name: speaker
    at_trial(bench, {1: [requests.Pause(), requests.AskQuestion("why?"),
                         requests.AskQuestion("is trial 0 good?")]})  # fmt: skip

    def nap() -> None:
        kinds = [type(e) for e in bench.events]
        if QuestionAnswered in kinds:  # that of the one that waited: the stop was heard
            speaker.go_on.set()
            send(bench.folder, requests.Resume())
        elif kinds.count(QuestionAsked) == 2 and AnswerText in kinds:
            send(bench.folder, requests.StopAnswer())

    bench.on_sleep = nap
    bench.study().run()
    answers = [e for e in bench.events if isinstance(e, QuestionAnswered)]
    assert {a.asked: (a.text, a.cut) for a in answers} == {
        "is trial 0 good?": ("", "it was stopped"), "why?": ("Depth 12 ", "it was stopped"),
    }  # fmt: skip
    assert [e.text for e in bench.events if isinstance(e, QuestionAsked)] == [
        "why?", "is trial 0 good?"
    ]  # fmt: skip


def test_without_a_chat_model_what_is_computed_answers(bench: Bench) -> None:
    bench.budget = 4
    send(bench.folder, requests.AskQuestion("why?"))
    at_trial(bench, {3: [requests.AskQuestion("is trial 1 better than the default?")]})
    bench.study().run()
    first, second = [e for e in bench.events if isinstance(e, QuestionAnswered)]
    assert first.computed == ("No trial has a score yet.",)
    assert not second.problem and "drawn has no chat model" in second.hint
    assert second.computed[0].startswith("Trial 1 scored") and not second.text
    again = [e for e in retold(bench) if isinstance(e, QuestionAsked)]
    assert again[-1].computed == second.computed


def test_only_usable_configurations_are_taken_from_an_answer() -> None:
    assert suggested("none here {broken", SPACE, {}) == {}
    assert suggested('{"max_depth": 99}', SPACE, {}) == {}
    assert suggested('Try {"booster": "dart"}.', SPACE, {}) == {
        **SPACE.default(), "booster": "dart",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b'{"do": "accept", "number": "x"}',
        b'{"do": "accept", "number": 1, "config": 3}',
        b'{"do": "propose"}',
        b'{"do": "rerun", "number": 1, "times": 1000}',
        b'{"do": "range", "name": "a", "low": "x"}',
        b'{"do": "note", "number": 1, "text": 3}',
        b'{"do": "talk", "text": " "}',
    ],
)
def test_malformed_requests_are_refused(line: bytes) -> None:
    assert isinstance(parse(line), str)


def plain(name: str) -> Proposer:
    from hyperllama.core.propose import make_proposer
    from hyperllama.core.trials import ProposerSetting

    return make_proposer(name, setting=ProposerSetting(seed=3))
