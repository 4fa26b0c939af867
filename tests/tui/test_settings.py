"""Settings: the look and the keys are changed, kept, and told about when they cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hyperllama.core.storage.paths import home
from hyperllama.tui import actions, settings
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.dialogs.help import HelpDialog
from hyperllama.tui.library import TaskEntry
from hyperllama.tui.screens.models import Models
from hyperllama.tui.screens.settings import PressKey, SettingsScreen
from tests.tui.conftest import text_of
from tests.tui.test_home import NOW


def app() -> HyperLlama:
    return HyperLlama(clock=lambda: NOW)


def interface(pilot: Pilot[None]) -> HyperLlama:
    assert isinstance(pilot.app, HyperLlama)
    return pilot.app


async def opened(pilot: Pilot[None], words: str = "") -> None:
    await pilot.press("f3")
    await pilot.pause()
    assert isinstance(pilot.app.screen, SettingsScreen)
    if words:
        await pilot.press("slash")
        pilot.app.screen.query_one("#filter", Input).value = words
        await pilot.press("enter")
        await pilot.pause()


async def test_a_theme_is_kept_for_the_next_start(tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert "hyperllama-light" in text_of(pilot)
    assert app().theme == "hyperllama-light"
    async with app().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("backspace", "down", "enter", "down", "enter")
        await pilot.pause()
        assert text_of(pilot).count("on ") >= 2
    again = app()
    assert again.theme == "hyperllama-dark" and again.glyphs.best == "*"
    assert again.settings.animations and again.animation_level == "full"


async def test_a_key_is_given_taken_and_refused(
    tasks: list[TaskEntry], two_models: object
) -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        await opened(pilot, "home.models")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PressKey)
        await pilot.press("n")
        await pilot.pause()
        assert "already the key of home.new" in interface(pilot).reports[-1][2]
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("x")
        await pilot.pause()
        assert '"home.models" = "x"' in actions.keys_file().read_text()
        await pilot.press("escape", "escape")
        await pilot.pause()
        await pilot.press("x")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Models)
        await pilot.press("escape")
        await pilot.pause()
        await opened(pilot, "home.models")
        await pilot.press("backspace")
        await pilot.pause()
        assert "home.models" not in actions.keys_file().read_text()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert interface(pilot).keys == {}


async def test_help_is_about_the_pane_and_all_keys_are_one_key_away(tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(120, 200)) as pilot:
        await pilot.press("f1")
        await pilot.pause()
        assert "Help: Tasks" in text_of(pilot) and "History of trials" not in text_of(pilot)
        await pilot.press("escape", "question_mark")
        await pilot.pause()
        assert isinstance(pilot.app.screen, HelpDialog) and "History of trials" in text_of(pilot)


async def test_an_error_stays_until_it_is_dismissed_and_is_in_the_log(
    tasks: list[TaskEntry],
) -> None:
    async with app().run_test(size=(120, 40), notifications=True) as pilot:
        interface(pilot).report("error", "the disk [is] full")
        await pilot.pause()
        assert "the disk [is] full" in text_of(pilot) and "F9 closes" in text_of(pilot)
        (shown,) = pilot.app._notifications
        assert shown.time_left > 3600
        await pilot.press("f9")
        await pilot.pause()
        assert "the disk" not in text_of(pilot)
        await pilot.press("f12")
        await pilot.pause()
        assert "the disk [is] full" in text_of(pilot)
    assert "error: the disk [is] full" in (home() / "logs" / "interface.log").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('theme = "pink"', "one of hyperllama-dark"),
        ("animations = 1", "true or false"),
        ("colour = true", "no setting 'colour'"),
        ("theme = ", "usual settings hold"),
    ],
)
def test_a_wrong_setting_is_named(text: str, said: str) -> None:
    path = settings.settings_file()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    found, problems = settings.read_settings(("hyperllama-dark", "terminal"))
    assert found == settings.Settings() and said in problems[0]


def test_comments_in_the_files_stay(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('# mine\n"study.pause" = "f7"  # as in a player\n')
    settings.write(path, ("home.new",), "x")
    assert path.read_text().startswith("# mine\n") and "# as in a player" in path.read_text()
    assert actions.read_keymap(path) == ({"study.pause": "f7", "home.new": "x"}, [])


async def test_nothing_but_ascii_where_there_is_no_unicode(
    tasks: list[TaskEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERLLAMA_ASCII", "1")
    async with app().run_test(size=(100, 30)) as pilot:
        for keys in ("m", "escape", "f3", "escape", "question_mark"):
            await pilot.press(keys)
            await pilot.pause()
            drawn = pilot.app.export_screenshot(simplify=True)
            words = re.sub(r"&#(\d+);", lambda m: chr(int(m[1])), drawn)
            assert words.replace("\xa0", " ").isascii(), [c for c in words if ord(c) > 127][:9]


async def test_a_colon_can_be_typed_in_a_field(tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        await pilot.press("slash", "a", "colon", "comma", "question_mark")
        await pilot.pause()
        assert pilot.app.screen.query_one("#filter", Input).value == "a:,?"
