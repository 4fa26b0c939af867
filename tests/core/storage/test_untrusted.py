"""Whatever JSON stands in the storage and in a study's files, it costs itself and a line."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperllama.core.events import Noted
from hyperllama.core.storage.event_log import read_events
from hyperllama.core.storage.folder import (
    COMMANDS,
    EVENTS,
    PROPOSALS,
    SUMMARY,
    TASK,
    all_summaries,
)
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.proposal_log import read_beliefs
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.storage.request_log import Inbox
from hyperllama.core.storage.store import stored_trial
from hyperllama.core.storage.trash import LABEL, read_label
from hyperllama.core.storage.trial_rows import StoredTrial, sound_attrs
from hyperllama.core.study import fold
from hyperllama.core.study.history import events_of
from hyperllama.core.study.starting.options import DEFAULTS, over_stored
from hyperllama.tui.content import library
from tests.core.fakes import SPACE, Bench

LEAVES = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8)
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner)
)
TRIAL_ATTRS = ("proposer", "reasoning", "fallback", "fold_scores", "train_score", "seconds",
               "reason", "tokens", "facts", "peak_memory_mb", "rejected")  # fmt: skip
STUDY_ATTRS = ("version", "task", "metric", "created_t", "budget_trials", "budget_s", "proposer",
               "opened", "finished", "review", "hints", "ranges", "steered", "talk", "notes",
               "reruns", "confirmed", "test_score", "test_of", "default_test_score", "test_looks",
               "task_file", "versions", "data_sha256")  # fmt: skip
MANY = settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FILES = (SUMMARY, LABEL, EVENTS, PROPOSALS, COMMANDS)


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Three trials as Optuna has them."""
    bench = Bench(tmp_path_factory.mktemp("bench"))
    for depth in (3, 4, 5):
        number = bench.store.reserve()
        bench.store.propose(number, SPACE.complete({"max_depth": depth}), SPACE, {"proposer": "gp"})
        bench.store.finish(number, depth / 10, {"fold_scores": [0.1], "seconds": 1.0})
    return list(optuna.load_study(study_name="s", storage=bench.url).trials)


def damaged(trial: Any, attrs: dict[str, Any]) -> StoredTrial:
    named = {f"hyperllama:{name}": value for name, value in attrs.items()}
    other = copy.copy(trial)  # what is read from Optuna is not changed
    other.user_attrs = {**trial.user_attrs, **named}
    return stored_trial(other)


@MANY
@given(
    of_trial=st.dictionaries(st.sampled_from(TRIAL_ATTRS), JSON, min_size=1, max_size=4),
    of_study=st.dictionaries(st.sampled_from(STUDY_ATTRS), JSON, max_size=6),
)
def test_random_attributes(
    trials: list[Any], of_trial: dict[str, Any], of_study: dict[str, Any]
) -> None:
    one, two, three = trials
    stored = [damaged(one, of_trial), stored_trial(two), stored_trial(three)]
    attrs = sound_attrs({"metric": "accuracy", "settings": of_study, **of_study})
    study = StoredStudy("s", "maximize", attrs, stored, {}, None)
    state = fold(events_of(study))
    assert [t.value for t in state.trials if t.number > 0] == [0.4, 0.5]
    assert state.incumbent == 2 and state.elapsed_s(0.0) >= 0.0
    for trial in state.trials:
        assert trial.proposal_s == trial.proposal_s and isinstance(trial.reasoning, str)
    if stored[0].damaged and not stored[0].rejected:
        assert any(isinstance(note, Noted) and "damaged" in note.text for _, note in state.notes)
    over_stored(DEFAULTS, attrs, "s", 0)


@MANY
@given(name=st.sampled_from(FILES), content=JSON, known=st.dictionaries(
    st.sampled_from(("study", "state", "updated_t", "trials", "best_value", "metric", "title",
                     "event", "number", "beliefs", "config", "request")), JSON, max_size=4))
def test_random_files(home: Path, name: str, content: Any, known: dict[str, Any]) -> None:
    whole, folder = study_dir("whole"), study_dir("damaged")
    for place in (whole, folder):
        place.mkdir(parents=True, exist_ok=True)
        (place / TASK).write_text("")
    (whole / SUMMARY).write_text('{"study": "whole", "updated_t": 5.0}')
    for file in FILES:
        (folder / file).unlink(missing_ok=True)
    event = {"event": "TrialFinished", **known}
    lines = [json.dumps(value) for value in (content, known, event)]
    (folder / name).write_text(lines[0] if isinstance(content, dict) else "\n".join(lines))
    if name in (SUMMARY, LABEL):
        (folder / name).write_text(lines[1])
    assert "whole" in [summary["study"] for summary in all_summaries()]
    assert "whole" in [entry.name for entry in library.studies()]
    read_label(folder)
    read_beliefs(folder / PROPOSALS)
    fold(list(read_events(folder / EVENTS)))
    Inbox(folder, 0).read()
