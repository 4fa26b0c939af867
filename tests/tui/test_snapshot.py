"""Events fold into what the screen shows, whatever happened to the study process."""

from __future__ import annotations

import pytest

from hyperllama.core.events import (
    ProposalText,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    TrialFinished,
)
from hyperllama.core.study import StateFold, StudyState
from tests.tui import recorded


def fold(recording: object) -> StudyState:
    watch = StateFold()
    for event, t in recording:  # type: ignore[attr-defined]
        watch.apply(event, t)
    return watch.state


def test_nothing_heard_is_a_waiting_study() -> None:
    snapshot = StateFold().state
    assert snapshot.phase == "waiting" and snapshot.best is None and snapshot.current is None
    assert snapshot.left_s(0.0) is None and snapshot.elapsed_s(5.0) == 0.0


def test_a_finished_study_keeps_its_best_and_its_gain() -> None:
    snapshot = fold(recorded.finished(20))
    assert snapshot.phase == "finished" and snapshot.done_count == 20
    assert snapshot.best is not None and snapshot.best.number == snapshot.incumbent
    values = [t.value for t in snapshot.trials if t.value is not None]
    assert snapshot.best.value == max(values)
    assert snapshot.gain == pytest.approx(max(values) - values[0])
    assert [t.number for t in snapshot.trials if t.state == "fail"] == [4, 13]


def test_a_running_trial_shows_its_folds_and_words() -> None:
    snapshot = fold(recorded.live(9, 0.75))
    assert snapshot.current is not None and snapshot.current.state == "training"
    assert 0 < len(snapshot.current.fold_scores) < 5 and snapshot.current.reasoning
    assert snapshot.done_count == 9
    left = snapshot.left_s(snapshot.last_t)
    assert left is not None and 60 < left < 600


def test_words_add_up_and_end_with_the_whole_text() -> None:
    snapshot = fold(recorded.live(9, 0.3))
    assert snapshot.current is not None and snapshot.current.state == "proposing"
    assert recorded.WORDS.format(a=8).startswith(snapshot.current.reasoning)


def test_a_trial_that_was_running_when_the_process_died_is_gone_after_resuming() -> None:
    before = recorded.live(3, 0.5)
    opened = next(e for e, _ in before if isinstance(e, StudyOpened))
    snapshot = fold([*before, (opened, before[-1][1] + 60)])
    assert [t.number for t in snapshot.trials] == [0, 1, 2]
    assert snapshot.elapsed_s(before[-1][1] + 70) == pytest.approx(10)


def test_pauses_do_not_count_as_time() -> None:
    start = next(iter(recorded.events(0)))
    t = start[1]
    snapshot = fold([start, (StudyPaused(), t + 10), (StudyResumed(), t + 40)])
    assert snapshot.elapsed_s(t + 50) == pytest.approx(20)
    assert fold([start, (StudyPaused(), t + 10)]).elapsed_s(t + 99) == pytest.approx(10)


def test_a_pause_asked_for_in_the_middle_lets_the_trial_end() -> None:
    recording = recorded.live(3, 0.6)
    t = recording[-1][1]
    end = TrialFinished(3, "complete", {}, 0.9, incumbent=True)
    snapshot = fold([*recording, (StudyPaused(), t + 1), (end, t + 2)])
    assert snapshot.phase == "paused" and snapshot.incumbent == 3


def test_late_words_do_not_reopen_a_finished_trial() -> None:
    recording = [*recorded.finished(3)]
    snapshot = fold([*recording, (ProposalText(1, "late"), recording[-1][1] + 1)])
    trial = snapshot.trial(1)
    assert trial is not None and trial.done and "late" not in trial.reasoning


def test_an_older_snapshot_never_changes() -> None:
    watch = StateFold()
    for event, t in recorded.live(2, 1.0):
        watch.apply(event, t)
    old = watch.state
    trials = old.trials
    watch.apply(StudyFinished("stopped", 0, 0.8, 0.8), 2e9)
    assert old.trials is trials and old.finished is None
    assert watch.state.finished is not None
