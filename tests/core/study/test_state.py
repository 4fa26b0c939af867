"""Events fold into the state of a study, whatever happened to its process."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hyperllama.core.events import (
    CandidateStarted,
    ConfirmedCandidate,
    Event,
    ModelLoaded,
    ModelLoading,
    PromptReading,
    ProposalMade,
    ProposalStarted,
    ProposalText,
    QuestionAnswered,
    QuestionAsked,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    TrialFinished,
    TrialNoted,
    from_json,
    to_json,
)
from hyperllama.core.storage.trial_rows import StoredTrial
from hyperllama.core.study import StateFold, fold
from hyperllama.core.study.history import stored_events
from hyperllama.tui.text import wording
from tests.tui import recorded

Heard = tuple[Event, float]


def test_nothing_heard_is_a_waiting_study() -> None:
    state = StateFold().state
    assert state.phase == "waiting" and state.best is None and state.current is None
    assert state.left_s(0.0) is None and state.elapsed_s(5.0) == 0.0


def test_a_finished_study_keeps_its_best_and_its_gain() -> None:
    state = fold(recorded.finished(20))
    assert state.phase == "finished" and state.done_count == 20
    assert state.best is not None and state.best.number == state.incumbent
    values = [t.value for t in state.trials if t.value is not None]
    assert state.best.value == max(values)
    assert state.gain == pytest.approx(max(values) - values[0])
    assert [t.number for t in state.trials if t.state == "fail"] == [4, 13]


def test_a_running_trial_shows_its_folds_and_words() -> None:
    state = fold(recorded.live(9, 0.75))
    assert state.current is not None and state.current.state == "training"
    assert 0 < len(state.current.fold_scores) < 5 and state.current.reasoning
    assert state.done_count == 9
    left = state.left_s(state.last_t)
    assert left is not None and 60 < left < 600


def test_words_add_up_and_end_with_the_whole_text() -> None:
    state = fold(recorded.live(9, 0.3))
    assert state.current is not None and state.current.state == "proposing"
    assert recorded.WORDS.format(a=8).startswith(state.current.reasoning)


def test_a_trial_that_was_running_when_the_process_died_is_gone_after_resuming() -> None:
    before = recorded.live(3, 0.5)
    opened = next(e for e, _ in before if isinstance(e, StudyOpened))
    state = fold([*before, (opened, before[-1][1] + 60)])
    assert [t.number for t in state.trials] == [0, 1, 2]
    earlier = sum(t.work_s for t in state.trials)
    assert earlier > 0 and state.elapsed_s(before[-1][1] + 70) == pytest.approx(earlier)


def trial(number: int, t: float, asked_s: float = 0.0, by: str = "llama") -> list[Heard]:
    """A trial that begins at `t`, is proposed within `asked_s` seconds and trains for ten."""
    made = ProposalMade(number, by, {"a": number})
    end = TrialFinished(number, "complete", {"a": number}, 0.8, seconds=10.0, proposer=by)
    began = t + asked_s
    return [(ProposalStarted(number, by), t), (made, began), (end, began + 10)]


def test_pauses_do_not_count_as_time() -> None:
    start = next(iter(recorded.events(0)))
    t = start[1]
    paused = [start, *trial(0, t), (StudyPaused(), t + 5)]
    state = fold([*paused, (StudyResumed(), t + 40), *trial(1, t + 40)[:2]])
    assert state.elapsed_s(t + 50) == pytest.approx(20)
    assert fold(paused).elapsed_s(t + 99) == pytest.approx(10)


def test_time_that_a_proposal_waits_for_approval_does_not_count() -> None:
    start = next(iter(recorded.events(0)))
    t = start[1]
    begun, (made, _), (end, _) = trial(0, t)
    assert isinstance(made, ProposalMade)
    held = [start, begun, (replace(made, awaits_approval=True), t + 6)]
    assert fold(held).elapsed_s(t + 500) == pytest.approx(6)
    state = fold([*held, (made, t + 500), (end, t + 510)])
    assert state.elapsed_s(t + 900) == pytest.approx(16)


def test_a_finished_study_took_what_its_trials_took_whatever_is_noted_later() -> None:
    recording = [*recorded.finished(3)]
    took = fold(recording).elapsed_s(0.0)
    later = recording[-1][1] + 9000
    opened = next(e for e, _ in recording if isinstance(e, StudyOpened))
    end = recording[-1][0]
    assert fold([*recording, (TrialNoted(1, "odd"), later)]).elapsed_s(later) == took
    # A question opens the study again, and ends it again.
    asked = [(opened, later), (QuestionAsked(0, "why?"), later + 1)]
    answering = fold([*recording, *asked])
    assert answering.phase == "answering" and answering.left_s(later + 30) is None
    assert answering.elapsed_s(later + 30) == pytest.approx(
        sum(t.work_s for t in answering.trials)
    )
    assert fold([*recording, *asked, (end, later + 99)]).elapsed_s(later + 99) == took


def test_the_time_left_counts_proposals_also_those_that_a_stand_in_had_to_make() -> None:
    start = next(iter(recorded.events(0)))
    t = start[1]
    default = [start, *trial(0, t, by="default")]
    assert fold(default).left_s(t + 11) is None  # nothing was proposed yet
    # 18 s of a model that gave no answer, then a proposal by TPE within milliseconds.
    state = fold([*default, *trial(1, t + 20, 18.0, by="tpe")])
    assert state.left_s(t + 50) == pytest.approx(18 * 28)


def test_a_time_limit_counts_the_trials_before_the_newest_opening() -> None:
    (start, t), *_ = recorded.events(0)
    assert isinstance(start, StudyOpened)
    start = replace(start, budget_trials=None, budget_s=100.0)
    past = [(e, then) for e, then in trial(0, t) if not isinstance(e, ProposalStarted)]
    # The study process writes its opening first, then what happened before it.
    state = fold([(start, t + 1000), *past, *trial(1, t + 1000, 5.0)])
    assert state.elapsed_s(t + 1015) == pytest.approx(25)
    assert state.left_s(t + 1015) == pytest.approx(75)


def test_a_prompt_is_being_read_until_the_first_word() -> None:
    (start, t), *_ = recorded.events(0)
    loaded = ModelLoaded("m", 1.0)
    asked = [(start, t), (ProposalStarted(1, "llama"), t), (ModelLoading("m", 0.5), t)]
    assert fold(asked).phase == "loading"
    stopped = [*asked, (QuestionAsked(0, "?"), t), (QuestionAnswered(0, "", cut="stopped"), t)]
    assert fold(stopped).phase == "proposing"
    reading = [*asked, (loaded, t), (PromptReading(512, 2048, 8.0), t + 8)]
    state = fold(reading)
    assert state.phase == "proposing"  # the model was loaded for this trial
    assert state.reading is not None
    told = wording.reading(state.reading.done, state.reading.total, state.reading.seconds)
    assert told == "reading the prompt, 512 of 2.0k tokens, 64 tokens/s, 24s left"
    assert fold([*reading, (ProposalText(1, "I"), t + 33)]).reading is None
    assert fold([*reading, (PromptReading(2048, 2048, 32.0), t + 32)]).reading is None


def test_notes_are_counted_beyond_those_that_are_kept() -> None:
    state = fold([*recorded.events(0), *((recorded.noted(str(i)), 0.0) for i in range(250))])
    assert state.noted == 250 and len(state.notes) == 200


def test_a_pause_asked_for_in_the_middle_lets_the_trial_end() -> None:
    recording = recorded.live(3, 0.6)
    t = recording[-1][1]
    end = TrialFinished(3, "complete", {}, 0.9, incumbent=True)
    state = fold([*recording, (StudyPaused(), t + 1), (end, t + 2)])
    assert state.phase == "paused" and state.incumbent == 3


def test_late_words_do_not_reopen_a_finished_trial() -> None:
    recording = [*recorded.finished(3)]
    state = fold([*recording, (ProposalText(1, "late"), recording[-1][1] + 1)])
    trial = state.trial(1)
    assert trial is not None and trial.done and "late" not in trial.reasoning


def test_an_older_snapshot_never_changes() -> None:
    folding = StateFold()
    for event, t in recorded.live(2, 1.0):
        folding.apply(event, t)
    old = folding.state
    trials = old.trials
    folding.apply(StudyFinished("stopped", 0, 0.8, 0.8), 2e9)
    assert old.trials is trials and old.finished is None
    assert folding.state.finished is not None


def test_the_winner_is_the_confirmed_trial_until_another_one_ends() -> None:
    recording = [*recorded.finished(8)]
    end = next(e for e, _ in recording if isinstance(e, StudyFinished))
    t = recording[-1][1]
    while isinstance(recording[-1][0], StudyFinished):
        recording.pop()
    state = fold([*recording, (CandidateStarted(0, 1, 8, (0, 3), (0, 3)), t)])
    assert state.phase == "confirming" and state.winner == state.best
    candidates = (ConfirmedCandidate(0, 0.8, fits=5), ConfirmedCandidate(3, 0.82, 0.02, 0, 0.04, 5))
    confirmed = StudyConfirmed(3, 0.05, 0.02, 0.0, 0.04, 1, candidates, 2.5, "it is", 8)
    back = from_json(to_json(confirmed, t))
    assert back is not None and back[0] == confirmed
    end = replace(end, test_value=0.7, default_test_value=0.6, winner_number=3, test_rows_used=2)
    state = fold([*recording, (confirmed, t), (end, t)])
    assert state.confirmation == confirmed and state.confirming is None
    assert state.winner == state.trial(3) != state.best
    assert (state.test_value, state.default_test_value, state.test_rows_used) == (0.7, 0.6, 2)
    more = TrialFinished(8, "complete", {}, 0.5)
    state = fold([*recording, (confirmed, t), (end, t), (more, t + 1)])
    assert state.confirmation is None and state.winner == state.best
    assert state.test_value is None


def test_stored_trials_come_in_the_order_of_their_numbers_whatever_the_clock_said() -> None:
    (start, _), *_ = recorded.events(0)
    assert isinstance(start, StudyOpened)
    noon = datetime(2026, 1, 1, 12)
    trials = [
        StoredTrial(number=n, trial_id=n, state="COMPLETE", config={"max_depth": n + 3},
                    value=0.8 + n / 100, ours=True, ended=noon - timedelta(hours=n))
        for n in (2, 1, 0)
    ]  # fmt: skip
    attrs = {"steered": [[noon.timestamp() + 9e6, 0, "hint: shallow"]]}
    events = [event for event, _ in stored_events(trials, attrs, start, {})]
    told = [e.number for e in events if isinstance(e, TrialFinished)]
    assert told == [0, 1, 2]
    assert [type(e).__name__ for e in events[2:4]] == ["StudySteered", "ProposalMade"]
    state = fold([(start, 0.0), *stored_events(trials, attrs, start, {})])
    assert [t.best_then for t in state.trials] == [True, True, True] and state.incumbent == 2
