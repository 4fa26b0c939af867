"""What every screen looks like, at two sizes and in two themes.

After a wanted change: `pytest tests/tui/test_looks.py --snapshot-update`, and look at each picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from hyperllama.core.events import ImportanceFound
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.screens.preview import Preview
from hyperllama.tui.widgets.about.page import AboutPane
from hyperllama.tui.widgets.lists.home import ModelList
from tests.tui import recorded
from tests.tui.test_home import NOW, put_events, put_study

SIZES = {"80x24": (80, 24), "140x45": (140, 45)}
THEMES = {"dark": "hyperllama-dark", "light": "hyperllama-light"}


@pytest.fixture(autouse=True)
def short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The help names the settings file; temporary folders have no place in a picture."""
    monkeypatch.setenv("HYPERLLAMA_SETTINGS", "settings.toml")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=[f"{size}-{theme}" for size in SIZES for theme in THEMES])
def look(request: pytest.FixtureRequest) -> tuple[tuple[int, int], str]:
    size, theme = request.param.split("-")
    return SIZES[size], THEMES[theme]


def study_app(link: recorded.Replay, theme: str) -> HyperLlama:
    app = HyperLlama(theme=theme, clock=lambda: link.last_t + 3)
    app.call_later(app.show_study, link)
    return app


def live() -> recorded.Replay:
    return recorded.Replay(recorded.live(9, 0.75))


async def settle(pilot: Pilot[None]) -> None:
    """Everything is mounted, the words are rendered, and nothing is left to draw."""
    for _ in range(3):
        await pilot.pause()
        words = [w for w in pilot.app.workers if w.group in ("reasoning", "fit")]
        if words:  # an empty list would mean all, and a dialog's worker waits for keys
            await pilot.app.workers.wait_for_complete(words)
    lists = [m for screen in pilot.app.screen_stack for m in screen.query(ModelList)]
    for _ in range(200):
        if all(m.searched for m in lists):
            break
        await pilot.pause(0.02)
    for about in (a for screen in pilot.app.screen_stack for a in screen.query(AboutPane)):
        while about.reading:
            await pilot.pause(0.02)
    await pilot.pause(0.15)


def test_study_live(snap_compare: Any, look: tuple[tuple[int, int], str]) -> None:
    size, theme = look
    assert snap_compare(study_app(live(), theme), terminal_size=size, run_before=settle)


def test_study_finished(snap_compare: Any, look: tuple[tuple[int, int], str]) -> None:
    size, theme = look
    link = recorded.Replay(recorded.finished(20))
    link.alive = False
    assert snap_compare(study_app(link, theme), terminal_size=size, run_before=settle)


def test_study_steered(snap_compare: Any, look: tuple[tuple[int, int], str]) -> None:
    """Steering lines, notes and re-runs in the history; a conversation below."""

    async def go(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("6")
        await settle(pilot)

    size, theme = look
    app = study_app(recorded.Replay(recorded.flown()), theme)
    assert snap_compare(app, terminal_size=size, run_before=go)


def test_a_proposal_waits(snap_compare: Any, look: tuple[tuple[int, int], str]) -> None:
    size, theme = look
    app = study_app(recorded.Replay(recorded.held()), theme)
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_views_of_the_search_space(snap_compare: Any, turns: int) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("3", *["x"] * turns)
        await settle(pilot)

    past = [*recorded.finished(40)]
    importance = next(pair for pair in recorded.flown() if isinstance(pair[0], ImportanceFound))
    link = recorded.Replay([*past[:-1], (importance[0], past[-1][1]), past[-1]])
    app = study_app(link, "hyperllama-dark")
    assert snap_compare(app, terminal_size=(140, 45), run_before=go)


@pytest.mark.parametrize("keys", [("w",), ("w", "enter"), ("o",), ("c",), ("slash",), ("f4",)])
def test_steering_dialogs(snap_compare: Any, keys: tuple[str, ...]) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)

    app = study_app(recorded.Replay(recorded.flown()), "hyperllama-dark")
    assert snap_compare(app, terminal_size=(100, 30), run_before=go)


@pytest.mark.parametrize("key", ["2", "3", "4", "5"])
def test_study_panes_in_little_room(snap_compare: Any, key: str) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(key)
        await settle(pilot)

    assert snap_compare(study_app(live(), "hyperllama-dark"), run_before=go)


@pytest.mark.parametrize("key", ["a", "q", "t", "question_mark"])
def test_dialogs(snap_compare: Any, key: str) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(key)
        await settle(pilot)

    app = study_app(live(), "hyperllama-dark")
    assert snap_compare(app, terminal_size=(100, 30), run_before=go)


def test_home(
    snap_compare: Any, look: tuple[tuple[int, int], str], tasks: list[TaskEntry], two_models: object
) -> None:
    size, theme = look
    put_study("bank-churn", "running", 5, model="Qwen2.5-1.5B-Instruct-Q4_K_M.gguf")
    put_study("breast-cancer", "finished", 11_000, best_value=0.9951, default_value=0.992)
    put_study("diabetes-3", "stopped", 90_000, proposer="tpe", model="", metric="r2")
    put_events("bank-churn", recorded.live(7, 0.9))
    app = HyperLlama(theme=theme, clock=lambda: NOW)
    assert snap_compare(app, terminal_size=size, run_before=settle)


def test_empty_home(snap_compare: Any, tasks: list[TaskEntry], two_models: object) -> None:
    assert snap_compare(HyperLlama(clock=lambda: NOW), run_before=settle)


@pytest.mark.parametrize("theme", ["hyperllama-dark", "terminal"])
def test_command_palette(
    snap_compare: Any, tasks: list[TaskEntry], two_models: object, theme: str
) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("ctrl+p", *"task")
        await settle(pilot)
        await pilot.press("down")
        await settle(pilot)

    app = HyperLlama(theme=theme, clock=lambda: NOW)
    assert snap_compare(app, terminal_size=(100, 30), run_before=go)


def test_preview(
    snap_compare: Any, look: tuple[tuple[int, int], str], tasks: list[TaskEntry],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    size, theme = look
    app = HyperLlama(theme=theme, clock=lambda: NOW)
    entry = TaskEntry(Path("diabetes.toml"), "diabetes")
    app.call_later(app.push_screen, Preview(entry))
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("theme", ["high-contrast", "terminal"])
def test_other_themes(snap_compare: Any, theme: str) -> None:
    assert snap_compare(study_app(live(), theme), terminal_size=(140, 45), run_before=settle)


def test_without_colours_and_unicode(snap_compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("HYPERLLAMA_ASCII", "1")
    app = study_app(live(), "hyperllama-dark")
    assert snap_compare(app, terminal_size=(140, 45), run_before=settle)
