"""The form: from a table to a task file and a study, with the keyboard alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hyperllama.core.task.draft.server import DraftServer
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content import draft as drafts
from hyperllama.tui.content.draft import range_value
from hyperllama.tui.content.paths import complete
from hyperllama.tui.dialogs import AnswerDialog, PickDialog, PromptDialog
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.home import Home
from hyperllama.tui.screens.new_study import NewStudy
from hyperllama.tui.screens.study import StudyScreen
from hyperllama.tui.widgets.form.lines import BY_ID
from hyperllama.tui.widgets.form.space_table import SpaceTable
from hyperllama.tui.widgets.form.table_look import ColumnList, Files
from tests.small import write_task
from tests.tui import recorded
from tests.tui.conftest import text_of
from tests.tui.test_home import NOW

NAMES = {"/": "slash", ".": "full_stop", "_": "underscore", " ": "space", ",": "comma"}


class NearDesk:
    """The form's child without a process: the same answers, at once."""

    def __init__(self, *_: object) -> None:
        self.desk = DraftServer()

    async def ask(self, do: str, fields: Any, on_event: Any = None) -> dict[str, Any]:
        await asyncio.sleep(0)
        (answer,) = self.desk.handle({**fields, "do": do})  # type: ignore[arg-type]
        return answer

    def kill(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one table, in which the program was started."""
    write_task(tmp_path / "here").unlink()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(drafts, "JsonChild", NearDesk)
    monkeypatch.setattr("hyperllama.models.gguf.find_models", list)
    monkeypatch.setattr("hyperllama.tui.screens.new_study.base._CHECK_AFTER_S", 0.0)
    return tmp_path / "here"


async def settle(pilot: Pilot[None], until: Callable[[], bool] = lambda: True) -> None:
    for _ in range(100):
        await pilot.pause()
        screen = pilot.app.screen
        busy = screen._busy if isinstance(screen, NewStudy) else ""
        workers = [w for w in pilot.app.workers if w.group in ("child", "finish") and w.is_running]
        if until() and not busy and not workers:
            return
    raise AssertionError(text_of(pilot))


async def write(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*(NAMES.get(c, c) for c in text))


def form(pilot: Pilot[None]) -> NewStudy:
    assert isinstance(pilot.app.screen, NewStudy)
    return pilot.app.screen


async def opened(pilot: Pilot[None]) -> NewStudy:
    """The form with the table looked at."""
    await pilot.app.workers.wait_for_complete()  # the first screen stands
    await pilot.press("n")
    await pilot.pause()
    await write(pilot, "quick.csv")
    await pilot.press("enter")
    screen = form(pilot)
    await settle(pilot, lambda: bool(screen.draft.task))
    return screen


def app() -> HyperLlama:
    return HyperLlama(clock=lambda: NOW)



async def focus(pilot: Pilot[None], key: str) -> None:
    field = next(i for i, f in BY_ID.items() if f.key == key)
    pilot.app.screen.query_one(f"#{field}").focus()
    await pilot.pause()


async def test_tab_reaches_every_field(folder: Path) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+n")
        seen = {screen.focused.id if screen.focused else None}
        for _ in BY_ID:
            screen.focus_next()
            seen.add(screen.focused.id if screen.focused else None)
        assert set(BY_ID) <= seen


async def test_a_study_is_made_from_a_table_without_a_mouse(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Path, bridge.Choices]] = []

    async def start(task: Path, choices: bridge.Choices) -> recorded.Replay:
        started.append((task, choices))
        link = recorded.Replay(())
        link.alive, link.refused, link.words = False, True, "hyperllama: the table is gone"
        return link

    monkeypatch.setattr(bridge, "start", start)
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        assert "80 rows, 4 columns" in text_of(pilot) and "predict this" in text_of(pilot, "#keys")
        await pilot.press("ctrl+n")
        await focus(pilot, "budget.trials")
        await pilot.press("end", "backspace", "backspace", "7")
        await settle(pilot, lambda: screen.draft.said(("budget", "trials")) == 7)
        await focus(pilot, "run.proposer")
        await pilot.press("right")
        await pilot.press("ctrl+r")
        await settle(pilot, lambda: isinstance(pilot.app.screen, StudyScreen))
        assert "the table is gone" in " ".join(n.message for n in pilot.app._notifications)
        assert "esc back" in text_of(pilot, "#keys")
        await pilot.press("escape")  # what was filled in for a start that failed is still there
        assert form(pilot) is screen
        await focus(pilot, "run.proposer")
        assert "llama" in text_of(pilot, "#f-run-proposer")
        await pilot.press("ctrl+r")
        await settle(pilot, lambda: len(started) == 2)
    assert started[0] == started[1]
    (file, choices), text = started[0], (folder / "quick.toml").read_text()
    assert file == folder / "quick.toml" and "trials = 7" in text and 'target = "y"' in text
    assert choices.proposer == "llama"


async def test_target_and_columns_are_chosen_in_the_table(folder: Path) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        await pilot.press("d")
        await settle(pilot, lambda: screen.draft.said(("data", "drop")) == ["a"])
        await pilot.press("d")
        await settle(pilot, lambda: not screen.draft.said(("data", "drop")))
        for key, names in (("categorical", ["a"]), ("drop", ["a"]), ("categorical", None)):
            await pilot.press("c")
            await settle(pilot, lambda k=key, n=names: screen.draft.said(("data", k)) == n)
        assert screen.draft.said(("data", "drop")) is None
        await pilot.press("t")
        await settle(pilot, lambda: screen.draft.said(("data", "target")) == "a")
        assert screen.draft.task is not None and screen.draft.task["kind"] == "regression"
        await settle(pilot, lambda: "target a " in text_of(pilot, "#table-told"))


async def test_close_targets_are_asked_about_and_notes_acted_on(folder: Path) -> None:
    rows = [f"t{i % 9},{i * 7 % 50},{i * 11 % 60},{i % 40 if i % 4 else -999}" for i in range(80)]
    (folder / "quick.csv").write_text("\n".join(["town,income,cost,e", *rows]))
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.app.workers.wait_for_complete()
        await pilot.press("n")
        await pilot.pause()
        screen = form(pilot)
        await write(pilot, "quick.csv")
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, PickDialog))
        assert "Which column is to be predicted?" in text_of(pilot)
        assert re.search(r"town +category", text_of(pilot).split("narrow the list")[1])
        await pilot.press("down", "enter")
        await settle(pilot, lambda: screen.draft.said(("data", "target")) == "cost")
        screen.query_one(ColumnList).focus()
        await pilot.press("a")
        await settle(pilot, lambda: isinstance(pilot.app.screen, PickDialog))
        await pilot.press("enter")
        await settle(pilot, lambda: screen.draft.said(("data", "missing")) == {"e": [-999]})
        assert not screen.draft.faults


async def test_the_space_is_edited_frozen_and_reset(folder: Path) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        before = screen.draft.text
        await pilot.press("ctrl+n", "ctrl+n", "j", "j", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PromptDialog)
        line = pilot.app.screen.query_one(Input)
        line.value = "9 .. 2"
        await pilot.press("enter")
        await pilot.pause()
        assert "is above" in text_of(pilot)
        pilot.app.screen.query_one(Input).value = "2 .. 8"
        await pilot.press("enter")
        await settle(pilot, lambda: "max_depth = {low = 2, high = 8}" in screen.draft.text)
        assert "2 .. 8" in text_of(pilot, "#space-table")
        await pilot.press("backspace")
        await settle(pilot, lambda: screen.draft.text == before)
        await pilot.press("v")
        await settle(pilot, lambda: "\nmax_depth = 6" in screen.draft.text)
        assert "frozen" in text_of(pilot, "#space-table")
        await pilot.press("v")
        await settle(pilot, lambda: screen.draft.text == before)
        assert screen.query_one(SpaceTable).cursor == 2


async def test_errors_stand_beside_their_field_and_nothing_is_saved(folder: Path) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+n")
        await focus(pilot, "validation.time")
        await pilot.press("down", "end", "backspace", "x")  # the next field is folds
        await pilot.pause()
        assert "a whole number is needed" in text_of(pilot)
        await pilot.press("backspace", "1")
        await settle(pilot, lambda: bool(screen.draft.faults))
        assert "1 is not allowed" in text_of(pilot) and "at least 2" in text_of(pilot)
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert not (folder / "quick.toml").exists()
        assert isinstance(pilot.app, HyperLlama) and "Not saved" in pilot.app.reports[-1][2]


async def test_the_file_can_be_written_by_hand(folder: Path) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        await pilot.press("f4", "ctrl+home")
        await write(pilot, "seed 3")
        await settle(pilot, lambda: bool(screen.draft.faults))
        assert "line 1: not valid TOML" in text_of(pilot)
        await pilot.press("ctrl+shift+k")
        await settle(pilot)


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_in_little_room_the_file_is_a_step(folder: Path, size: tuple[int, int]) -> None:
    async with app().run_test(size=size) as pilot:
        screen = await opened(pilot)
        await pilot.press("f4")
        await pilot.pause()
        assert screen.step == "text" and "[data]" in text_of(pilot)
        await pilot.press("f4")
        await pilot.pause()
        assert screen.step == "task"
        await pilot.press("shift+f6")
        assert screen.step == "table"
        await pilot.resize_terminal(140, 45)
        await pilot.pause()
        await settle(pilot, lambda: "[data]" in text_of(pilot))


async def test_estimators_are_marked_in_a_list(folder: Path) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+n")
        await focus(pilot, "estimators")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PickDialog)
        await write(pilot, "sup")
        await pilot.press("space", "enter")
        await settle(pilot, lambda: screen.draft.estimators() == ["xgboost", "svm"])
        assert "[space.svm]" in screen.draft.text


async def test_changes_that_come_faster_than_the_file_is_written_are_all_kept(
    folder: Path,
) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        screen.rewrite("b")
        screen.rewrite(estimators=("decision_tree",))
        screen.set_key(("budget", "trials"), 7)
        screen.action_save()
        await settle(pilot, lambda: bool(screen._saved))
        said = screen.draft.said
        assert said(("data", "target")) == "b" and said(("budget", "trials")) == 7
        assert screen.draft.estimators() == ["decision_tree"]
        assert screen._saved == screen.draft.text


async def test_leaving_asks_only_when_something_would_be_lost(folder: Path) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        await opened(pilot)
        await pilot.press("d")
        await settle(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AnswerDialog)
        await pilot.press("s")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Home))
        assert (folder / "quick.toml").exists()
        await pilot.press("n", "escape")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Home))


async def test_a_task_file_is_taken_up_and_kept(folder: Path) -> None:
    write_task(folder)
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("end", "e")
        await pilot.pause()
        screen = form(pilot)
        await settle(pilot, lambda: bool(screen.draft.task))
        assert screen.draft.file == folder / "quick.toml" and screen.step == "task"
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert (folder / "quick.toml").read_text() == screen.draft.text


async def test_paths_are_completed(folder: Path) -> None:
    (folder / "tables").mkdir()
    (folder / "tables" / "b.csv").write_text("x,y\n1,2\n")
    async with app().run_test(size=(100, 30)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        await write(pilot, "ta")
        await pilot.press("tab")
        path = form(pilot).query_one("#table-path", Input)
        assert path.value == "tables/"
        await pilot.pause()
        assert "b.csv" in text_of(pilot, "#table-files")
        await pilot.press("tab")
        assert path.value == "tables/b.csv"


def test_hidden_files_are_shown_on_demand(folder: Path) -> None:
    (folder / ".secret").mkdir()
    assert ".secret" not in [p.name for p in complete("")[1]]
    assert [p.name for p in complete(".s")[1]] == [".secret"]
    assert complete("nowhere/")[1] == []


ROW = {"usual": {"low": 0.01, "high": 1.0, "log": True}}
CHOICES = {"usual": {"choices": ["rbf", "linear", None]}}


@pytest.mark.parametrize(
    ("text", "row", "meant"),
    [
        ("0.1 .. 1", ROW, {"low": 0.1}),
        ("0.1 to 1 log", ROW, {"low": 0.1}),
        ("0.01..0.5 linear", ROW, {"high": 0.5, "log": False}),
        ("0.01 .. 1 log", ROW, None),
        ("0.3", ROW, 0.3),
        ("", ROW, None),
        ("rbf, none", CHOICES, {"choices": ["rbf", "none"]}),
        ("linear", CHOICES, "linear"),
    ],
)
def test_ranges_as_they_are_typed(text: str, row: dict[str, Any], meant: object) -> None:
    assert range_value(text, row) == meant


@pytest.mark.parametrize(
    ("text", "row"), [("1 .. x", ROW), ("2 .. 1", ROW), ("3 log", ROW), ("poly", CHOICES)]
)
def test_what_is_no_range_is_refused(text: str, row: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        range_value(text, row)


async def test_folders_are_walked_with_the_keyboard(folder: Path) -> None:
    (folder / "tables").mkdir()
    async with app().run_test(size=(100, 30)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        path = form(pilot).query_one("#table-path", Input)
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert path.value == "tables/"
        form(pilot).query_one(Files).focus()
        await pilot.press("backspace")
        await pilot.pause()
        assert path.value == f"{folder}/" or path.value == "./"
        assert "quick.csv" in text_of(pilot, "#table-files")
