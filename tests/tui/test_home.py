"""The first screen: an empty home, the list of studies, running a task, leaving."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from hyperllama.core.events import Event, to_json
from hyperllama.core.events.requests import Stop
from hyperllama.core.storage import trash
from hyperllama.core.storage.database import open_storage
from hyperllama.core.storage.folder import EVENTS, Lock, free_name, write_summary
from hyperllama.core.storage.paths import study_dir
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content import library
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.dialogs import AnswerDialog
from hyperllama.tui.dialogs.help import HelpDialog
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.home import Home, StudyList
from hyperllama.tui.screens.preview import Preview
from hyperllama.tui.screens.study import StudyScreen
from hyperllama.tui.widgets.lists.rows import ListColumn, fit
from tests.tui import recorded
from tests.tui.conftest import keep_settings, text_of

NOW = time.time()


def put_study(name: str, state: str, ago_s: float = 60.0, **more: object) -> None:
    folder = study_dir(name)
    folder.mkdir(parents=True, exist_ok=True)
    write_summary(
        folder,
        {
            "study": name, "state": state, "task": "bank", "metric": "roc_auc", "proposer": "llama",
            "model": "embedded", "best_value": 0.86, "default_value": 0.83, "trials": 7,
            "budget_trials": 20, "updated_t": NOW - ago_s, **more,
        },
    )  # fmt: skip


def put_events(name: str, past: Iterable[tuple[Event, float]]) -> None:
    """What happened in a study, as if it had just happened."""
    events = list(past)
    with (study_dir(name) / EVENTS).open("w", encoding="utf8") as file:
        for event, t in events:
            file.write(to_json(event, NOW - 5 + t - events[-1][1]) + "\n")


def app() -> HyperLlama:
    return HyperLlama(clock=lambda: NOW)


def test_only_a_gain_beyond_noise_is_green(tasks: list[TaskEntry]) -> None:
    put_study("old", "finished")
    put_study("luck", "finished", beyond_noise=False)
    put_study("real", "finished", beyond_noise=True)
    listed = StudyList()
    styles = {e.name: listed.draw(e, "gain", 8).spans[0].style for e in library.studies()}
    assert styles == {"luck": "$dim", "old": "$dim", "real": "$good"}


async def test_an_empty_home_names_the_next_key(tasks: list[TaskEntry]) -> None:
    async with app().run_test() as pilot:
        text = text_of(pilot)
        assert "No study yet" in text and "n makes a study of it" in text
        assert "breast_cancer" in text and "↵ run" in text_of(pilot, "#keys")


async def test_studies_are_listed_newest_first(tasks: list[TaskEntry]) -> None:
    put_study("older", "finished", 90_000)
    put_study("newer", "running")
    async with app().run_test(size=(140, 45)) as pilot:
        text = text_of(pilot, "#studies")
        assert text.index("newer") < text.index("older")
        assert "interrupted" in text and "+0.0300" in text and "7/20" in text and "1 d ago" in text
        assert "↵ open" in text_of(pilot, "#keys") and "r resume" in text_of(pilot, "#keys")


async def test_the_cursor_stays_on_its_study(tasks: list[TaskEntry]) -> None:
    for i in range(4):
        put_study(f"study-{i}", "finished", 100.0 * (i + 1))
    async with app().run_test() as pilot:
        await pilot.press("down", "down")
        put_study("brand-new", "finished", 0.0)
        home = pilot.app.screen
        assert isinstance(home, Home)
        home.refresh_home()
        entry = home.query_one(StudyList).entry
        assert entry is not None and entry.name == "study-2"


async def test_coming_home_the_cursor_is_on_the_study_that_was_left(
    tasks: list[TaskEntry],
) -> None:
    for i in range(4):
        put_study(f"study-{i}", "finished", 100.0 * (i + 1))
    async with app().run_test() as pilot:
        assert isinstance(pilot.app, HyperLlama)
        await pilot.press("down")
        pilot.app.open_study("study-3")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        entry = pilot.app.screen.query_one(StudyList).entry
        assert entry is not None and entry.name == "study-3"


async def test_foreign_names_cannot_reach_the_terminal(tasks: list[TaskEntry]) -> None:
    put_study("evil", "finished", task="\x1b]0;x\x07[red]task")
    async with app().run_test(size=(140, 30)) as pilot:
        await pilot.press("i")
        assert "[red]task" in text_of(pilot, "#studies")


async def test_enter_runs_a_task_and_shows_it(
    tasks: list[TaskEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Path, bridge.Choices]] = []

    async def start(task: Path, choices: bridge.Choices) -> recorded.Replay:
        started.append((task, choices))
        return recorded.Replay(recorded.live(2, 0.5))

    monkeypatch.setattr(bridge, "start", start)
    async with app().run_test() as pilot:
        await pilot.press("down", "enter")
        await pilot.pause()
        await pilot.pause()
        assert started == [(tasks[1].path, bridge.Choices())]
        assert isinstance(pilot.app.screen, StudyScreen)
        await pilot.press("escape", "q")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AnswerDialog)


async def test_a_task_is_looked_at_and_run_with_choices(
    tasks: list[TaskEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bridge.Choices] = []

    async def start(task: Path, choices: bridge.Choices) -> recorded.Replay:
        started.append(choices)
        return links.pop(0)

    failed = recorded.Replay(())
    failed.alive, failed.refused, failed.words = False, True, "hyperllama: the table is gone"
    links = [failed, recorded.Replay(recorded.live(2, 0.5))]
    monkeypatch.setattr(bridge, "start", start)
    async with app().run_test() as pilot:
        await pilot.press("space")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Preview) and "[data]" in text_of(pilot)
        await pilot.press("down", *"tpe", "down", "8", "up", "down", "end", "backspace", "7")
        await pilot.press("ctrl+r")
        await pilot.pause()
        await pilot.pause()
        assert started == [bridge.Choices(proposer="tpe", budget="7")]
        assert "the table is gone" in text_of(pilot, "#history")
        await pilot.press("escape")  # the start failed: what was typed is still there
        assert isinstance(pilot.app.screen, Preview)
        await pilot.press("backspace", "9", "ctrl+r")
        await pilot.pause()
        await pilot.pause()
        assert started[1:] == [bridge.Choices(proposer="tpe", budget="9")]
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, Home)


async def test_a_preview_can_be_left(tasks: list[TaskEntry]) -> None:
    async with app().run_test() as pilot:
        await pilot.press("space")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Home)


async def test_an_interrupted_study_is_resumed(
    tasks: list[TaskEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[str] = []

    async def resume(name: str) -> recorded.Replay:
        resumed.append(name)
        return recorded.Replay(recorded.live(2, 0.5))

    monkeypatch.setattr(bridge, "resume", resume)
    put_study("mine", "running")
    async with app().run_test() as pilot:
        await pilot.press("r")
        await pilot.pause()
        await pilot.pause()
        assert resumed == ["mine"] and isinstance(pilot.app.screen, StudyScreen)


async def test_a_study_of_another_process_is_opened(tasks: list[TaskEntry]) -> None:
    put_study("mine", "finished")
    async with app().run_test() as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, StudyScreen) and "mine" in text_of(pilot, "#status")


async def test_tab_goes_to_the_other_list(tasks: list[TaskEntry]) -> None:
    put_study("mine", "finished")
    async with app().run_test() as pilot:
        for name in ("tasks", "studies"):
            await pilot.press("tab")
            focused = pilot.app.screen.focused
            assert focused is not None and focused.id == name


async def test_leaving_can_stop_the_studies_that_were_started_here(tasks: list[TaskEntry]) -> None:
    link = recorded.Replay(recorded.live(2, 0.5))
    async with app().run_test() as pilot:
        assert isinstance(pilot.app, HyperLlama)
        pilot.app.adopt(link)
        await pilot.press("q")
        await pilot.pause()
        await pilot.press("s")
        await pilot.pause()
        assert link.sent == [Stop()] and pilot.app._exit


async def test_help_themes_palette_log_and_picture(
    tasks: list[TaskEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with app().run_test(size=(100, 30)) as pilot:
        for key, said in (("question_mark", "Help: all keys"), ("f1", "Task files")):
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(pilot.app.screen, HelpDialog) and said in text_of(pilot)
            await pilot.press("escape")
            await pilot.pause()
        await pilot.press("f2")
        assert pilot.app.theme == "hyperllama-light"
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"picture")
        await pilot.pause(0.3)
        assert "Save the screen as an SVG picture   F5   Everywhere" in text_of(pilot)
        await pilot.press(*["backspace"] * 7, *"high")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert pilot.app.theme == "high-contrast"
        await pilot.press("f12")
        await pilot.pause()
        assert "Nothing was reported" in text_of(pilot)
        await pilot.press("escape", "f5")
        await pilot.pause()
        assert len(list(tmp_path.rglob("*.svg"))) == 1


async def test_changed_keys_hold_everywhere(tasks: list[TaskEntry]) -> None:
    keep_settings('[keys]\n"home.preview" = "v"\n"home.fly" = "w"\n')
    async with app().run_test() as pilot:
        assert "v show task" in text_of(pilot, "#keys")
        await pilot.press("v")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Preview)
        assert isinstance(pilot.app, HyperLlama) and "home.fly" in pilot.app.reports[0][2]


@pytest.mark.parametrize("size", [(60, 20), (30, 8), (200, 60)])
async def test_no_size_breaks_it(tasks: list[TaskEntry], size: tuple[int, int]) -> None:
    put_study("mine", "finished")
    async with app().run_test(size=size) as pilot:
        await pilot.press("tab", "down")
        await pilot.pause()


def test_task_files_at_hand_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('[data]\npath = "a.csv"\n', "utf8")
    (tmp_path / "other.toml").write_text("[tool]\nx = 1\n", "utf8")
    (tmp_path / "torn.toml").write_text("[data\n", "utf8")
    names = [entry.name for entry in library.tasks() if not entry.sample]
    assert names == ["mine"]
    assert all(not entry.problem for entry in library.tasks())


async def test_studies_are_sorted_and_filtered(tasks: list[TaskEntry]) -> None:
    put_study("alpha", "finished", 500, best_value=0.9)
    put_study("beta", "running", 10, best_value=0.84, proposer="tpe")
    async with app().run_test(size=(140, 45)) as pilot:
        home = pilot.app.screen
        studies = home.query_one(StudyList)
        assert [e.name for e in studies.entries] == ["beta", "alpha"]
        await pilot.press("o")
        assert [e.name for e in studies.entries] == ["alpha", "beta"]
        await pilot.press("o")
        assert "sorted by gain" in text_of(pilot, "#studies")
        await pilot.press("slash", *"tpe")
        await pilot.pause()
        assert [e.name for e in studies.entries] == ["beta"]
        await pilot.press("enter", "escape")
        await pilot.pause()
        assert len(studies.entries) == 2 and studies.has_focus


async def test_a_study_is_renamed_archived_deleted_and_taken_back(tasks: list[TaskEntry]) -> None:
    put_study("mine", "finished")
    put_study("other", "finished", 500)
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("R", *["backspace"] * 4, *"churn", "enter")
        await pilot.pause()
        assert "churn" in text_of(pilot, "#studies")
        await pilot.press("A")
        assert "churn" not in text_of(pilot, "#studies") and "1 archived" in text_of(pilot)
        await pilot.press("full_stop")
        assert "churn (archived)" in text_of(pilot, "#studies")
        await pilot.press("u")
        assert "(archived)" not in text_of(pilot, "#studies")
        await pilot.press("g", "d")
        assert "churn" not in text_of(pilot, "#studies") and not study_dir("mine").exists()
        assert free_name("mine") == "mine-2"
        await pilot.press("u", "u")
        await pilot.pause()
        assert "mine" in text_of(pilot, "#studies") and "u undo" not in text_of(pilot, "#keys")


async def test_a_running_study_cannot_be_deleted(tasks: list[TaskEntry]) -> None:
    put_study("mine", "running")
    lock = Lock(study_dir("mine"))
    lock.take()
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("d")
        assert isinstance(pilot.app, HyperLlama) and "is running" in pilot.app.reports[-1][2]
        assert study_dir("mine").exists()
    lock.release()


async def test_studies_are_marked(tasks: list[TaskEntry]) -> None:
    put_study("one", "finished", 1)
    put_study("two", "finished", 2)
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("space", "space")
        assert "2 marked" in text_of(pilot) and "◆ one" in text_of(pilot)
        await pilot.press("space")
        assert "1 marked" in text_of(pilot)


def test_the_trash_is_emptied_after_a_week() -> None:
    put_study("mine", "finished", storage="sqlite:////nowhere/x.db")
    trash.delete("mine")
    now = time.time()
    assert not trash.overdue(now + 6 * 86_400)
    (folder,) = trash.overdue(now + 8 * 86_400)
    assert trash.empty_trash(now + 8 * 86_400) == [] and folder.exists(), "storage out of reach"


async def test_the_trash_is_emptied_in_a_process_of_its_own(tasks: list[TaskEntry]) -> None:
    put_study("old", "finished", storage=f"sqlite:///{study_dir('old').parent}/x.db")
    open_storage(f"sqlite:///{study_dir('old').parent}/x.db")
    trash.delete("old")
    (trash.trash() / "old" / "deleted").write_text("1.0")
    async with app().run_test() as pilot:
        for _ in range(400):
            await pilot.pause(0.05)
            if not (trash.trash() / "old").exists():
                return
    raise AssertionError("it is still there")


def test_a_flexible_column_gives_way_before_a_number_is_cut() -> None:
    columns = [ListColumn("name", "task", 13), ListColumn("about", "about", 0),
               ListColumn("trials", "trials", 6, right=True)]  # fmt: skip
    assert [cells for _, cells in fit(columns, 55, 34)] == [13, 32, 6]
    assert [cells for _, cells in fit(columns, 80, 34)] == [13, 57, 6]
