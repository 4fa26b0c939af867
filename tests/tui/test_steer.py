"""Every steering key of the study screen, and how the history is arranged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.events import TrialFinished, requests
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study import StateFold, SteeringAction, StudyState
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content.arrange import Order, RerunLine, parse, rows
from hyperllama.tui.dialogs import PickDialog, PromptDialog, TextDialog
from hyperllama.tui.dialogs.configuration import ConfigurationDialog
from hyperllama.tui.preferences import settings
from hyperllama.tui.screens.study.panes import TITLES
from hyperllama.tui.screens.study.steering import parse_budget
from hyperllama.tui.text import bounds
from hyperllama.tui.widgets.study.history import History
from tests.tui import recorded
from tests.tui.conftest import Opened, text_of


@pytest.fixture
def held() -> recorded.Replay:
    return recorded.Replay(recorded.held())


@pytest.fixture
def flown() -> recorded.Replay:
    return recorded.Replay(recorded.flown())


def state_of(events: list[Any]) -> StudyState:
    watch = StateFold()
    for event, t in events:
        watch.apply(event, t)
    return watch.state


# Review


async def test_a_proposal_that_waits_is_shown_and_accepted(
    opened: Opened, held: recorded.Replay
) -> None:
    async with opened(held) as pilot:
        assert "waiting for your approval" in text_of(pilot, "#status")
        assert "waiting" in text_of(pilot, "#history")
        for said in ("space approve", "e edit", "d reject", "D another"):
            assert said in text_of(pilot, "#keys")
        await pilot.press("space")
        assert held.sent == [requests.Approve(9)]


async def test_a_waiting_proposal_is_changed(opened: Opened, held: recorded.Replay) -> None:
    async with opened(held, size=(80, 24)) as pilot:
        await pilot.press("e")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConfigurationDialog)
        assert "number 0.005 to 0.5, log scale" in text_of(pilot)
        await pilot.press("up", "ctrl+u", *"tree", "enter")  # the last field
        await pilot.pause()
        assert "one of gbtree, dart" in text_of(pilot, "#field-told") and held.sent == []
        await pilot.press("ctrl+u", *"dart", "down", "down", "up")
        assert "whole number 50 to 1000, log scale" in text_of(pilot, "#field-told")
        await pilot.press("ctrl+u", *"333", "enter")
        await pilot.pause()
        (asked,) = held.sent
        assert isinstance(asked, requests.Approve) and asked.number == 9
        assert asked.config["n_estimators"] == 333


async def test_every_field_of_a_long_configuration_can_be_reached() -> None:
    space = [{"name": f"n{i}", "text": f"range {i}", "description": "trees"} for i in range(40)]
    app = HyperLlama()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ConfigurationDialog(space, {}, "the default", "queue"))
        await pilot.pause()
        assert "n0 " in text_of(pilot) and "range 0  trees" in text_of(pilot, "#field-told")
        await pilot.press("up")
        await pilot.pause()
        assert "n39 " in text_of(pilot) and "range 39  trees" in text_of(pilot, "#field-told")


async def test_a_waiting_proposal_is_turned_down(opened: Opened, held: recorded.Replay) -> None:
    async with opened(held) as pilot:
        await pilot.press("d")
        await pilot.pause()
        await pilot.press(*"slow", "enter")
        await pilot.pause()
        await pilot.press("D")
        assert held.sent == [requests.Reject(9, "slow"), requests.Reject(9)]


async def test_review_is_switched_on_and_off(opened: Opened, held: recorded.Replay) -> None:
    async with opened(held) as pilot:
        await pilot.press("v")
        held.add((recorded.steered("review off", 9, review=False), held.last_t + 1))
        await pilot.pause(0.2)
        await pilot.press("v")
        assert held.sent == [requests.Review(False), requests.Review(True)]
        starting = recorded.Replay([])  # what is on is not heard yet: the second key takes it back
        pilot.app.show_study(starting)  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press("v", "v")
        assert starting.sent == [requests.Review(True), requests.Review(False)]


async def test_keys_of_a_review_are_free_when_nothing_waits(opened: Opened) -> None:
    link = recorded.Replay(recorded.live())
    async with opened(link) as pilot:
        await pilot.press("space", "D")
        assert link.sent == []


# The search space, the model, the budget


async def test_a_range_is_narrowed(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        await pilot.press("w")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PickDialog)
        text = text_of(pilot)
        assert "task: integer 2 to 12" in text and "frozen at gbtree" in text
        await pilot.press(*"depth", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PromptDialog) and "best" in text_of(pilot)
        await pilot.press("ctrl+u", *"9 to 4", "enter")
        await pilot.pause()
        assert "9 is above 4" in text_of(pilot)
        await pilot.press("ctrl+u", *"4", "enter")
        await pilot.pause()
        assert flown.sent == [requests.Freeze("max_depth", 4)]


INT = {"name": "n", "type": "integer", "low": 1, "high": 9, "log": False}
REAL = {"name": "r", "type": "float", "low": 0.1, "high": 1.0, "log": True}
WORD = {"name": "w", "type": "categorical", "choices": ["a"], "task_choices": ["a", "b", None]}


@pytest.mark.parametrize(
    ("text", "param", "request_"),
    [
        ("2 to 8", INT, requests.Range("n", 2, 8)),
        ("2..20", INT, requests.Range("n", 2, 20)),
        ("3", INT, requests.Freeze("n", 3)),
        ("", INT, requests.ResetRange("n")),
        ("0.2, 0.2", REAL, requests.Freeze("r", 0.2)),
        ("1e-3 5", REAL, requests.Range("r", 1e-3, 5.0)),
        ("b", WORD, requests.Freeze("w", "b")),
        ("none, a", WORD, requests.Range("w", choices=("a", None))),
        ("task", WORD, requests.ResetRange("w")),
    ],
)
def test_a_line_is_a_range(text: str, param: dict[str, Any], request_: requests.Request) -> None:
    asked = bounds.parse(text, param)
    if isinstance(asked, requests.Range) and asked.choices:
        assert set(asked.choices) == set(request_.choices)  # type: ignore[union-attr]
    else:
        assert asked == request_


@pytest.mark.parametrize(
    ("text", "param", "said"),
    [
        ("2.5", INT, "whole numbers"), ("a", INT, "numbers are needed"), ("1 2 3", INT, "two for"),
        ("5 2", INT, "above"), ("0", REAL, "above 0"), ("0 1", REAL, "above 0"),
        ("c", WORD, "not one of"), ("inf", INT, "two for"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_explained(text: str, param: dict[str, Any], said: str) -> None:
    asked = bounds.parse(text, param)
    assert isinstance(asked, str) and said in asked


async def test_another_proposer_and_model_take_over(
    opened: Opened, flown: recorded.Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [("/models/a.gguf", "small-chat", "0.5B")]
    monkeypatch.setattr("hyperllama.tui.screens.study.steering.chat_models", lambda: found)
    async with opened(flown) as pilot:
        await pilot.press("M")
        await pilot.pause()
        await pilot.press(*"tpe", "enter")
        await pilot.pause()
        await pilot.press("M")
        await pilot.pause()
        await pilot.press(*"chat GGUF", "enter")
        for _ in range(20):
            await pilot.pause(0.02)
            if len(pilot.app.screen_stack) > 2:
                break
        await pilot.press(*"small", "enter")
        await pilot.pause()
        assert flown.sent == [
            requests.SwitchProposer("tpe"), requests.SwitchProposer("llama", "/models/a.gguf")
        ]  # fmt: skip


async def test_steered_settings_show_at_once(opened: Opened, flown: recorded.Replay) -> None:
    flown.add((recorded.steered("tpe proposes", 9, proposer="tpe", model="", budget_trials=44),
               flown.last_t))  # fmt: skip
    async with opened(flown) as pilot:
        status = text_of(pilot, "#status")
        assert "of 44" in status and "tpe" in status


@pytest.mark.parametrize(
    ("text", "request_"),
    [("10", requests.Extend(10)), ("-5 trials", requests.Extend(-5)), ("0", None), ("x", None),
     ("30 min", requests.Extend(0, 30.0)), ("2h", requests.Extend(0, 120.0)), ("1.5", None)],
)  # fmt: skip
def test_a_line_is_a_budget(text: str, request_: requests.Extend | None) -> None:
    assert parse_budget(text) == request_


# Beside the search


async def test_rerun_note_and_undo(opened: Opened, flown: recorded.Replay) -> None:
    flown.add((recorded.steered("hint: shallow", 9, undo="hint: shallow"), flown.last_t))
    async with opened(flown) as pilot:
        best = flown.state.incumbent
        await pilot.press("R")
        await pilot.press("g", "j", "R", "N")
        await pilot.pause()
        await pilot.press(*"odd", "enter")
        await pilot.pause()
        await pilot.press("u")
        assert flown.sent == [
            requests.Rerun(best if best is not None else -1, 3), requests.Rerun(1, 3),
            requests.Note(1, "odd"), requests.Undo(),
        ]  # fmt: skip
        assert "hint: shallow" in text_of(pilot)


async def test_a_key_that_means_nothing_to_a_finished_study_says_why(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[str] = []

    async def resume(name: str) -> recorded.Replay:
        resumed.append(name)
        return recorded.Replay(recorded.live(20, 0.2))

    monkeypatch.setattr("hyperllama.tui.processes.bridge.resume", resume)
    link = recorded.Replay(recorded.finished(20))
    link.alive = False
    async with opened(link) as pilot:
        page = text_of(pilot, "#verdict")
        for said in ("is better than the default", "5 of 5", "learning_rate", "P predict new rows"):
            assert said in page
        below = [name for name in TITLES if pilot.app.screen.query_one(f"#{name}").region]
        assert below == ["history", "progress"]
        await pilot.press("u", "n", "s", "p")
        assert link.sent == [] and len(pilot.app.screen_stack) == 2
        told = [note.message for note in pilot.app._notifications]
        assert told == ["The study is finished: m adds trials and goes on."] * 4
        await pilot.press("M")
        assert isinstance(pilot.app.screen, PickDialog)  # it holds for the trials to come
        await pilot.press("escape")
        study_dir(link.name).mkdir(parents=True)
        await pilot.press("U")
        assert "is the one to use: a person chose it" in text_of(pilot, "#verdict")
        await pilot.press("0")
        assert not pilot.app.screen.query_one("#verdict").display
        await pilot.press("W", "R")
        assert link.sent == [requests.Rerun(link.state.incumbent or 0, 3)]
        await pilot.pause()
        assert resumed == ["bank-churn"]


# The history


async def test_steering_reruns_and_notes_have_lines(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        text = text_of(pilot, "#history")
        assert "hint: keep the trees shallow" in text and '"odd: fold 2"' in text
        assert "rerun on other folds" in text and "0.8497" in text
        failed = next(line for line in text.splitlines() if "✗" in line)
        assert "out of memory: 2,100 MB asked for, the limit is" in failed
        history = pilot.app.screen.query_one(History)
        history.cursor = next(i for i in range(20) if isinstance(history.row_at(i), SteeringAction))
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, TextDialog) and "shallow" in text_of(pilot)


async def test_sorting_keeps_the_cursor_on_its_trial(
    opened: Opened, flown: recorded.Replay
) -> None:
    async with opened(flown) as pilot:
        history = pilot.app.screen.query_one(History)
        history.select(2)
        await pilot.press("o")
        await pilot.pause()
        await pilot.press(*"best first", "enter")
        await pilot.pause()
        assert history.trial is not None and history.trial.number == 2
        scores = [t.value for i in range(10) if (t := history.trial_at(i)) and t.value]
        assert scores == sorted(scores, reverse=True) and "score▼" in text_of(pilot, "#history")
        for title in ("score▲", "score▼"):
            await pilot.click("#history", offset=(20, 1))
            await pilot.pause()
            assert title in text_of(pilot, "#history")
        flown.add((TrialFinished(9, "complete", recorded.DEFAULT, 0.99, incumbent=True),
                   flown.last_t + 1))  # fmt: skip
        await pilot.pause(0.2)
        first = history.trial_at(0)
        assert first is not None and first.number == 9 and history.trial.number == 2
        top, height = history.scroll_offset.y, history.size.height - history.header_lines
        assert top <= history.cursor < top + height
        assert isinstance(pilot.app, HyperLlama) and set(pilot.app.orders) == {"bank-churn"}
        assert settings.read().layout.sort == "number"  # other studies stay as they are


async def test_columns_are_chosen(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        await pilot.press("c")
        await pilot.pause()
        await pilot.press(*"train", "space", "ctrl+u", *"max_depth", "space", "enter")
        await pilot.pause()
        header = text_of(pilot, "#history").splitlines()[1]
        assert "train" not in header and "max_depth" in header


async def test_a_filter_shows_what_fits(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        history = pilot.app.screen.query_one(History)
        await pilot.press("slash")
        await pilot.pause()
        await pilot.press(*"score>x", "enter")
        await pilot.pause()
        assert "needs a number" in text_of(pilot)
        await pilot.press("ctrl+u", *"failed", "enter")
        await pilot.pause()
        assert history.row_count() == 1 and "filter: failed" in text_of(pilot, "#history")
        await pilot.press("slash")
        await pilot.pause()
        await pilot.press("ctrl+u", *"nonsense", "enter")
        await pilot.pause()
        assert "No trial fits" in text_of(pilot, "#history")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("failed", [4]), ("by=tpe", [5]), ("-by=llama", [0, 5]), ("noted", [2]), ("rerun", [7]),
        ("out of memory", [4]), ("odd", [2]), ("trial>=7 trial<9", [7, 8]),
        ("booster=gbtree trial=3", [3]), ("by!=llama", [0, 5]), ("score > 2", []),
    ],
)  # fmt: skip
def test_filters(text: str, numbers: list[int]) -> None:
    state = state_of(recorded.flown())
    found = rows(state, Order(text=text))
    assert [state.trials[r].number for r in found if isinstance(r, int)] == numbers


def test_lines_stand_where_they_were_done() -> None:
    state = state_of(recorded.flown())
    found = rows(state, Order())
    at = next(i for i, r in enumerate(found) if isinstance(r, SteeringAction))
    assert found[at - 1] == 3 and found[at + 1] == 4
    assert found[found.index(7) + 1] == RerunLine(7)
    assert isinstance(parse("score>high"), str)
    failed_last = rows(state, Order("score", True))
    assert state.trials[failed_last[-1]].value is None  # type: ignore[index]


def test_a_note_on_a_study_at_rest_is_seen_and_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hyperllama.core.events import to_json
    from hyperllama.core.storage.request_log import Inbox
    from hyperllama.tui.processes.bridge import FolderLink

    folder = study_dir("bank-churn")
    folder.mkdir(parents=True)
    text = "".join(to_json(event, t) + "\n" for event, t in recorded.finished(3))
    (folder / "events.jsonl").write_text(text, "utf8")
    link = FolderLink("bank-churn")
    while link.poll():
        pass
    link.send(requests.Note(1, "look again"))
    again = FolderLink("bank-churn")
    while again.poll():
        pass
    for seen in (link, again):
        trial = seen.state.trial(1)
        assert trial is not None and trial.note == "look again"
    assert Inbox(folder).read() == [requests.Note(1, "look again")]
