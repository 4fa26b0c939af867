"""Keys that come while a study process starts, ends or is gone: nothing is lost, nothing fails."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from hyperllama.core.events import requests, to_json
from hyperllama.core.events.requests import Hint, Pause, Stop
from hyperllama.core.storage.folder import EVENTS, Lock
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.request_log import Inbox
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.dialogs import AnswerDialog, PickDialog, PromptDialog
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.home import Home
from hyperllama.tui.screens.preview import Preview
from hyperllama.tui.screens.study import StudyScreen
from hyperllama.tui.widgets.study.history import History
from tests.tui import recorded
from tests.tui.conftest import Opened, text_of

ROOT = Path(__file__).resolve().parents[2]
SLOW = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from hyperllama.core.events import to_json
from hyperllama.core.storage.folder import EVENTS, Lock
from hyperllama.core.storage.request_log import Inbox
from hyperllama.core.storage.paths import study_dir
open("go").read()
Lock(study_dir(sys.argv[sys.argv.index("--study") + 1])).take()
open("end").read()
"""
"""A study process that starts when something is written to `go`, and ends likewise."""


@pytest.fixture
def slow(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Study processes that wait; the function says go, or end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bridge, "COMMAND", (sys.executable, "-c", SLOW))
    for name in ("go", "end"):
        os.mkfifo(name)

    def say(word: str) -> None:
        (tmp_path / word).write_text("now", "utf8")

    return say


def asked(name: str) -> list[str]:
    file = study_dir(name) / "commands.jsonl"
    return [json.loads(line)["do"] for line in file.read_text("utf8").splitlines()]


async def until(pilot: Pilot[None], true: Callable[[], object]) -> None:
    for _ in range(2000):
        if true():
            return
        await pilot.pause(0.01)
    raise AssertionError(text_of(pilot))


def told(pilot: Pilot[None], text: str) -> bool:
    """A message with this text is shown."""
    return any(text in note.message for note in pilot.app._notifications)


async def test_what_is_asked_before_the_folder_is_there_is_heard(
    slow: Callable[[str], None],
) -> None:
    link = await bridge.start(Path("task.toml"))
    assert link.starting and link.opening and link.alive
    link.send(Hint("early"))
    link.send(Pause())
    assert not study_dir("task").exists()
    slow("go")
    await link.delivered()
    assert asked("task") == ["hint", "pause"] and not link.starting
    link.send(Stop())
    assert asked("task")[-1] == "stop"
    slow("end")
    assert link.process is not None and await link.process.wait() == 0


async def test_what_was_asked_of_a_process_that_failed_is_forgotten(
    slow: Callable[[str], None],
) -> None:
    link = await bridge.start(Path("task.toml"))
    link.send(Pause())
    assert link.process is not None
    link.process.kill()
    await link.delivered()
    assert link.refused and not link.alive and not study_dir("task").exists()


async def test_keys_in_the_study_screen_while_its_process_starts(
    slow: Callable[[str], None], tasks: list[TaskEntry]
) -> None:
    async with HyperLlama().run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, StudyScreen))
        await pilot.press("v", "s")
        assert isinstance(pilot.app, HyperLlama)
        assert not [text for _, level, text in pilot.app.reports if level == "error"]
        name = pilot.app.last_study
        slow("go")
        await pilot.app.links[name].delivered()
        assert asked(name) == ["review", "stop"]
        slow("end")


async def test_leaving_waits_until_the_study_was_told(
    slow: Callable[[str], None], tasks: list[TaskEntry]
) -> None:
    async with HyperLlama().run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, StudyScreen))
        assert isinstance(pilot.app, HyperLlama)
        name = pilot.app.last_study
        await pilot.press("q")
        await until(pilot, lambda: isinstance(pilot.app.screen, AnswerDialog))
        await pilot.press("s")
        await until(pilot, lambda: told(pilot, "wait for the study to begin"))
        assert not pilot.app._exit
        slow("go")
        await until(pilot, lambda: pilot.app._exit)
        assert asked(name) == ["stop"]
        slow("end")


async def test_leaving_twice_leaves_at_once(
    slow: Callable[[str], None], tasks: list[TaskEntry]
) -> None:
    async with HyperLlama().run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, StudyScreen))
        await pilot.press("p", "q")
        await until(pilot, lambda: isinstance(pilot.app.screen, AnswerDialog))
        await pilot.press("l")
        await until(pilot, lambda: told(pilot, "wait for the study to begin"))
        await pilot.press("q")
        await until(pilot, lambda: pilot.app._exit)
        slow("go")
        slow("end")


def test_a_process_that_was_started_outlives_the_interface(
    slow: Callable[[str], None],
) -> None:
    pids: list[int] = []

    async def interface() -> None:
        link = await bridge.start(Path("task.toml"))
        assert link.process is not None
        pids.append(link.process.pid)

    asyncio.run(interface())
    gc.collect()
    slow("go")
    slow("end")  # blocks where nobody reads
    _, status = os.waitpid(pids[0], 0)
    assert status == 0


async def test_a_study_is_resumed_once_however_often_that_is_asked(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[str] = []

    async def resume(name: str) -> recorded.Replay:
        resumed.append(name)
        return recorded.Replay(recorded.live(10, 0.2))

    monkeypatch.setattr(bridge, "resume", resume)
    link = recorded.Replay(recorded.live(9, 0.5))
    link.alive = False
    async with opened(link) as pilot:
        await pilot.press("r", "r")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app, HyperLlama)
        assert await pilot.app.resume_study("bank-churn") is pilot.app.links["bank-churn"]
    assert resumed == ["bank-churn"]


async def test_a_refused_resumption_says_why(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = recorded.Replay(recorded.finished(5))
    again.alive, again.refused, again.words = False, True, "hyperllama: the table is gone"

    async def resume(name: str) -> recorded.Replay:
        return again

    monkeypatch.setattr(bridge, "resume", resume)
    link = recorded.Replay(recorded.finished(5))
    link.alive = False
    async with opened(link) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen) and isinstance(pilot.app, HyperLlama)
        await screen.resume_study()
        await until(pilot, lambda: told(pilot, "the table is gone"))
        screen.refresh_study()
        assert len([1 for _, level, _ in pilot.app.reports if level == "error"]) == 1


async def test_steering_right_after_a_kill_waits_for_the_next_process(home: Path) -> None:
    lock = Lock(study_dir("mine"))
    lock.take()
    link = bridge.FolderLink("mine")
    lock.release()  # as a kill does; the screen has not looked yet
    link.send(Hint("shallow"))
    link.send(Pause())
    left = Inbox(study_dir("mine")).read_unowned()
    assert left == [Hint("shallow"), Pause()]
    assert [r for r in left if isinstance(r, requests.LASTING)] == [Hint("shallow")]


class Drop(recorded.Replay):
    """Gives one event at a time, as a long file gives its pieces."""

    def poll(self) -> bool:
        rest, self._new = self._new[1:], self._new[:1]
        changed = super().poll()
        self._new, self.behind = rest, bool(rest)
        return changed


async def test_a_key_that_needs_the_process_finds_out_that_it_is_gone(opened: Opened) -> None:
    link = recorded.Replay(recorded.live(9, 0.5))
    async with opened(link) as pilot:
        link.alive = False  # the screen looks once a second
        await pilot.press("p")
        assert link.sent == [] and told(pilot, "process is gone")
        assert "interrupted" in text_of(pilot, "#status")


async def test_a_finished_study_with_a_long_log_is_not_called_interrupted(opened: Opened) -> None:
    link = Drop(list(recorded.finished(20)))
    link.alive = False
    async with opened(link) as pilot:
        await until(pilot, lambda: link.state.finished is not None)
        assert not told(pilot, "process is gone")
        history = pilot.app.screen.query_one(History)
        await until(pilot, lambda: history.selected == link.state.incumbent)


def test_until_the_next_process_speaks_the_past_stays(home: Path) -> None:
    path = study_dir("mine") / EVENTS
    path.parent.mkdir(parents=True)
    lines = [to_json(event, t) + "\n" for event, t in recorded.live(9, 0.5)]
    path.write_text("".join(lines), "utf8")
    before, after = bridge.FolderLink("mine"), bridge.FolderLink("mine")
    while before.poll():
        pass
    assert before.state.current is not None
    after.continue_from(before)
    assert after.state.done_count == len(after.state.trials) == 9
    assert after.state.phase == "waiting" and after.state.opened is not None


async def test_enter_takes_a_line_before_the_keys_after_it(tasks: list[TaskEntry]) -> None:
    said: list[str | None] = []
    async with HyperLlama().run_test() as pilot:
        await pilot.app.push_screen(PromptDialog("Tell", "", ""), said.append)
        await pilot.pause()
        for key in (*"deep", "enter", "b"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: said)
        assert said == ["deep"]


async def test_a_long_past_is_read_at_once_after_resuming(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten reads a second would take minutes."""
    again = Drop(recorded.live(60, 0.2))

    async def resume(name: str) -> recorded.Replay:
        return again

    monkeypatch.setattr(bridge, "resume", resume)
    link = recorded.Replay(recorded.live(9, 0.5))
    link.alive = False
    async with opened(link) as pilot:
        await pilot.press("r")
        await until(pilot, lambda: again.state.done_count == 60)
        again.add(*list(recorded.events(90))[-400:])  # its process wrote all events anew
        await until(pilot, lambda: again.state.done_count > 85)


async def test_a_note_goes_to_the_trial_that_was_chosen_a_moment_ago(opened: Opened) -> None:
    link = recorded.Replay(recorded.live(9, 0.5))
    async with opened(link) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen)
        screen.action_best()
        assert screen.selected == link.state.incumbent


async def test_keys_typed_before_a_dialog_is_there_reach_it(opened: Opened) -> None:
    link = recorded.Replay(recorded.live(9, 0.5))
    async with opened(link) as pilot:
        for key in ("m", "1", "5", "enter"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: link.sent)
        assert link.sent == [requests.Extend(15)]
        await until(pilot, lambda: isinstance(pilot.app.screen, StudyScreen))
        pilot.app.screen.query_one("#progress").focus()
        history = pilot.app.screen.query_one(History)
        for key in ("slash", *"default", "enter"):  # the filter, from another pane
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: history.order.text == "default")


async def test_keys_act_in_the_order_they_were_typed(tasks: list[TaskEntry]) -> None:
    async with HyperLlama().run_test() as pilot:
        await pilot.app.push_screen(Preview(tasks[0]))
        await pilot.pause()
        fields = list(pilot.app.screen.query(Input))
        fields[0].focus()
        fields[0].value = "12"
        await pilot.pause()
        for key in (*["backspace"] * 2, "7", "tab", "5", "tab", "6"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: [field.value for field in fields[:3]] == ["7", "5", "6"])


async def test_a_text_typed_faster_than_it_is_drawn_narrows_a_list(tasks: list[TaskEntry]) -> None:
    chosen: list[object] = []
    async with HyperLlama().run_test() as pilot:
        await pilot.app.push_screen(
            PickDialog("Which", [(n, n, "") for n in ("alpha", "beta", "gamma")]), chosen.append
        )
        await pilot.pause()
        for key in (*"gam", "enter"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: chosen)
        assert chosen == [["gamma"]]
        assert isinstance(pilot.app.screen, Home)
        names = [(n, n, "") for n in ("alpha", "beta", "gamma")]
        await pilot.app.push_screen(
            PickDialog("Which ones", names, ["alpha"], many=True), chosen.append
        )
        await pilot.pause()
        for key in ("space", *"bex", "backspace", *"t", "space", "enter"):
            pilot.app.post_message(events.Key(key, {"space": " "}.get(key, key[:1])))
        await until(pilot, lambda: chosen[1:])
        assert chosen[1:] == [["beta"]]  # the first space unmarked alpha
        await pilot.app.push_screen(PickDialog("Which ones", names, many=True), chosen.append)
        await pilot.pause()
        for key in ("space", "down", "pagedown", "space", "enter"):
            pilot.app.post_message(events.Key(key, {"space": " "}.get(key)))
        await until(pilot, lambda: chosen[2:])
        assert chosen[2:] == [["alpha", "gamma"]]
