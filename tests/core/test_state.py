"""Events fold into the state of a study, whatever happened to its process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hyperllama.core.events import (
    CandidateStarted,
    ConfirmedCandidate,
    ProposalText,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    TrialFinished,
    from_json,
    to_json,
)
from hyperllama.core.study import StateFold, fold
from tests.tui import recorded


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
    assert state.elapsed_s(before[-1][1] + 70) == pytest.approx(10)


def test_pauses_do_not_count_as_time() -> None:
    start = next(iter(recorded.events(0)))
    t = start[1]
    state = fold([start, (StudyPaused(), t + 10), (StudyResumed(), t + 40)])
    assert state.elapsed_s(t + 50) == pytest.approx(20)
    assert fold([start, (StudyPaused(), t + 10)]).elapsed_s(t + 99) == pytest.approx(10)


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
