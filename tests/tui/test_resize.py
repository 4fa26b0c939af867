"""Every screen goes along with its terminal, from large to small and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from hyperllama.models.gguf import ModelFile
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.screens.settings import SettingsScreen
from hyperllama.tui.widgets.about.page import AboutPane
from hyperllama.tui.widgets.lists.models import ModelTable
from tests.tui import recorded
from tests.tui.conftest import Opened, text_of
from tests.tui.test_compare_screen import sizes as sizes
from tests.tui.test_home import app, put_events, put_study

LARGE = (140, 45)
SIZES = ((60, 20), (100, 30), (30, 8), LARGE)


async def settle(pilot: Pilot[None]) -> None:
    """Nothing is left to read or to draw."""
    await pilot.pause()
    for _ in range(100):
        abouts = list(pilot.app.screen.query(AboutPane))
        tables = list(pilot.app.screen.query(ModelTable))
        if not any(a.reading for a in abouts) and all(t.searched for t in tables):
            break
        await pilot.pause(0.02)
    await pilot.pause()


async def through_all_sizes(pilot: Pilot[None]) -> None:
    """The screen is drawn whole at each size, and looks at the end as at the beginning."""
    await settle(pilot)
    before, focused = text_of(pilot), pilot.app.screen.focused
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        await settle(pilot)
        lines = text_of(pilot).splitlines()
        assert len(lines) == height and all(len(line) <= width for line in lines)
        if width >= 60 and pilot.app.screen.query("#keys"):
            assert "quit" in text_of(pilot, "#keys")
    if pilot.app.screen.focused is focused:  # a list that had no room loses it to another
        assert text_of(pilot).split() == before.split()


@pytest.mark.parametrize(
    "keys",
    ["", "i", "tab tab", "tab space", "m", "c", "c enter", "c n", "n", "f3", "f1"],
)
async def test_every_screen_is_resized(
    keys: str, tasks: list[TaskEntry], two_models: list[ModelFile], sizes: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    put_study("mine", "finished")
    put_events("mine", recorded.finished(20))
    async with app().run_test(size=LARGE) as pilot:
        for key in keys.split():
            await settle(pilot)
            await pilot.press(key)
        await through_all_sizes(pilot)


@pytest.mark.parametrize("key", ["", "z", "3", "6", "a", "w", "f4"])
async def test_the_study_screen_is_resized(opened: Opened, key: str) -> None:
    async with opened(recorded.Replay(recorded.flown())) as pilot:
        if key:
            await pilot.press(key)
        await through_all_sizes(pilot)


async def test_settings_over_a_study_are_resized(opened: Opened) -> None:
    async with opened(recorded.Replay(recorded.live())) as pilot:
        assert isinstance(pilot.app, HyperLlama)
        await pilot.press("f3")
        await pilot.pause()
        assert isinstance(pilot.app.screen, SettingsScreen)
        await through_all_sizes(pilot)
