"""What a study has come to, as plain sentences: a pure function of its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hyperllama.core.events import (
    ConfirmedCandidate,
    Event,
    ImportanceFound,
    Noted,
    ProposalMade,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    TrialFinished,
)
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.storage.folder import EVENTS
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.study import StudyState, fold
from hyperllama.core.study.findings.verdict import verdict, verdict_lines
from hyperllama.core.study.history import state_of
from tests.tui import recorded

FOLDS = (0.80, 0.82, 0.79, 0.81, 0.80)


def study(gains: Sequence[float], depth: int = 4, *more: Event) -> StudyState:
    """The default, then a trial a gain over it, each fold a little more or less than that."""
    (opened, t), *_ = recorded.events(0)
    assert isinstance(opened, StudyOpened)
    space = [{**recorded.SPACE[0], "log": True}, {**recorded.SPACE[1], "log": True},
             {**recorded.SPACE[2], "type": "integer", "low": 2, "high": 12}]  # fmt: skip
    events: list[Event] = [replace(opened, space=tuple(space))]
    best = -1.0
    for number, gain in enumerate([0.0, *gains]):
        by = "llama" if number else "default"
        config = {**recorded.DEFAULT, "max_depth": depth if number else 6}
        config["n_estimators"] = 100 + number
        wobble = [0.001 * ((fold + number) % 3) for fold in range(5)] if number else [0.0] * 5
        scores = tuple(f + gain + w for f, w in zip(FOLDS, wobble, strict=True))
        value = sum(scores) / 5
        events += [
            ProposalMade(number, by, config),
            TrialFinished(number, "complete", config, value, scores, 0.01, proposer=by,
                          incumbent=value > best),
        ]  # fmt: skip
        best = max(best, value)
    shares = ImportanceFound({"max_depth": 0.7, "n_estimators": 0.3}, len(gains), "PED-ANOVA")
    return fold((event, t + n) for n, event in enumerate([*events, shares, *more]))


def test_a_confirmed_winner() -> None:
    pairs = (ConfirmedCandidate(0, 0.8, fits=10), ConfirmedCandidate(2, 0.84, 0.04, 0.03, 0.05, 10))
    confirmed = StudyConfirmed(2, 0.041, 0.04, 0.03, 0.05, 2, pairs, 9.0, "", 4)
    end = StudyFinished("budget", 2, 0.845, 0.804, 0.83, 9.0, "", 0.79, 2)
    found = verdict(study([0.02, 0.04, 0.01], 4, confirmed, end))
    assert found is not None and found.better
    assert found.headline == "Trial 2 is better than the default: confirmed on fresh folds."
    facts = dict(found.facts)
    assert facts["folds"] == "ahead of the default in 5 of 5"
    assert "+0.04" in facts["gain"] and "90 % interval +0.03 to +0.05" in facts["gain"]
    assert facts["test"].startswith("0.83, the default 0.79")
    assert facts["mattered"] == "max_depth 70 %, n_estimators 30 %"
    assert facts["changed"] == "max_depth 6 to 4, n_estimators 100 to 102"


def test_what_mattered_is_read_from_the_log_of_a_stored_study() -> None:
    stored = StoredStudy("s", "maximize", {}, [], {}, None)
    assert state_of(stored).importance is None
    study_dir("s").mkdir(parents=True)
    log = EventLog(study_dir("s") / EVENTS)
    log.begin(next(recorded.events(0))[0], [])
    told = [ImportanceFound({"x": share, "y": 1 - share}, 9, "PED-ANOVA") for share in (0.2, 0.7)]
    for event in (told[0], told[1], Noted("info", '"ImportanceFound"')):
        log.emit(event)
    assert state_of(stored).importance == told[1]


def test_a_default_that_stays_the_best() -> None:
    stays = StudyConfirmed(0, 0.04, None, None, None, 2, (), 9.0, "", 4)
    found = verdict(study([0.02, 0.04, 0.01], 4, stays))
    assert found is not None and found.better is False and not found.changes
    assert found.headline == "Nothing is confirmed to be better than the default: use the default."
    once = verdict_lines(study([0.02, 0.04, 0.01], 4, stays))
    assert sum("default" in line for line in once) == 1, once
    assert once[1] == "no gain on 2 sets of fresh folds; claimed +0.04"
    worse = study([-0.02, -0.04, -0.01])
    lines = verdict_lines(worse)
    assert lines[0] == "No trial scored better than the default: use the default."
    assert not any("gain" in line for line in lines)


def test_a_gain_within_noise_is_not_called_better() -> None:
    found = verdict(study([0.0002, -0.01, -0.02]))
    assert found is not None and found.better is False
    assert "not above the default by more than noise" in found.headline
    fresh = StudyConfirmed(1, 0.01, 0.005, -0.01, 0.02, 2, (), 9.0, "", 4)
    found = verdict(study([0.01, -0.01, -0.02], 4, fresh))
    assert found is not None and found.better is False
    assert found.headline.startswith("Trial 1 is the one to use: ahead of the default on fresh")
    assert found.gain.startswith("within noise: +0.005 of trial 1, 90 % interval -0.01 to +0.02")
    assert verdict(fold(recorded.events(0))) is None


def test_best_values_at_the_end_of_a_range_are_told_with_a_wider_one() -> None:
    found = verdict(study([0.03 + 0.001 * n for n in range(9)], depth=12))
    assert found is not None
    (edge,) = found.edges
    assert (edge.name, edge.upper, edge.bound) == ("max_depth", True, 12)
    assert (edge.low, edge.high) == (2, 24)
    assert "max_depth lie at its upper bound, 12" in dict(found.facts)["range"]
    assert verdict(study([0.03] * 9, depth=7)).edges == ()  # type: ignore[union-attr]
