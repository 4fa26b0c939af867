"""Settings: the look and the keys are changed, kept, and told about when they cannot be used."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.paths import home, study_dir
from hyperllama.tui import actions
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.dialogs.help import HelpDialog
from hyperllama.tui.preferences import settings, themes
from hyperllama.tui.preferences.chosen import ChosenTrials
from hyperllama.tui.screens.models import Models
from hyperllama.tui.screens.settings import PressKey, SettingsScreen
from tests.tui.conftest import keep_settings, text_of
from tests.tui.test_home import NOW

SPEED = {"read": 9.5, "write": 4, "threads": 2, "gpu_layers": 0}


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


def test_the_trial_to_use_is_kept_with_its_study() -> None:
    chosen = ChosenTrials()
    assert chosen.get("one") is None
    study_dir("one").mkdir(parents=True)
    chosen.choose("one", 7)
    assert ChosenTrials().get("one") == 7 and chosen.get("other") is None
    (study_dir("one") / "chosen_trial").write_text("seven")
    assert chosen.get("one") is None
    for _ in range(2):
        chosen.choose("one", None)
    assert not list(study_dir("one").iterdir())


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
        assert actions.BY_ID["home.models"].help in text_of(pilot, "#settings-files")
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
        assert '"home.models" = "x"' in settings.file().read_text()
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
        assert "home.models" not in settings.file().read_text()
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
        ('theme = "pink"', "theme: one of hyperllama-dark"),
        ("animations = 1", "animations: true or false"),
        ("colour = true", "no setting 'colour'"),
        ("theme = ", "The default settings apply"),
        ("keys = 1", "keys: a table is needed"),
        ("[models]\nx = {threads = -1}", "x: threads: a whole number from 0"),
        ("[models]\nx = {gpu_layers = 1.5}", "gpu_layers: auto, none, all or a number"),
        ("[models]\nx = {speed = {read = 1.0}}", "speed: a number for each of read"),
        ("[layout]\nleft = 5", "layout: left: a whole number from 20 to 80"),
        ("[layout]\ncolumns = 5", "layout: columns: a list of names"),
        ("[layout]\nfolded = true", "layout: there is no setting 'folded'"),
    ],
)
def test_a_wrong_setting_is_named_and_the_default_applies(text: str, said: str) -> None:
    keep_settings(text)
    found = settings.read()
    expected = {"x": settings.ModelSettings()} if "x = " in text else {}
    assert found == settings.Settings(models=expected) and said in found.problems[0]
    assert app()._problems == list(found.problems)


def test_the_file_is_read_again_when_it_has_changed() -> None:
    assert settings.read() == settings.Settings()
    for theme in ("terminal", "hyperllama-light"):
        keep_settings(f'theme = "{theme}"')
        assert settings.read().theme == theme
    settings.keep_model("/a b/[x].y.gguf", threads=2, speed=SPEED)
    settings.keep_model("/a b/[x].y.gguf", threads=None, gpu_layers="all")
    kept = settings.of_model("/a b/[x].y.gguf")
    assert kept == settings.ModelSettings(gpu_layers="all", speed=SPEED)
    assert kept.arguments() == ["--gpu-layers", "all"]
    settings.keep_model("/a b/[x].y.gguf", gpu_layers=None, speed=None)
    assert settings.read() == settings.Settings(theme="hyperllama-light")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"study.fly" = "w"', "no action 'study.fly'"),
        ('"study.pause" = 3', "needs a key"),
        ('"study.pause" = "t"', "already the key of study.hint"),
        ('"study.pause" = "k"', "already the key of list.up"),
        ("study.pause = ", "default settings apply"),
    ],
)
def test_a_wrong_key_is_named_and_the_default_one_applies(text: str, said: str) -> None:
    keep_settings(f"[keys]\n{text}")
    found = app()
    assert not found.keys and said in found._problems[0]


def test_comments_in_the_file_stay() -> None:
    keys = '"study.pause" = "f7"  # as in a player\n[keys.history]\ncopy = "Z"\n'
    keep_settings(f"# mine\n[keys]\n{keys}")
    settings.write({("keys", "home.new"): "x", ("animations",): True})
    text = settings.file().read_text()
    assert text.startswith("# mine\n") and "# as in a player" in text
    assert app().keys == {"study.pause": "f7", "home.new": "x", "history.copy": "Z"}
    assert app().settings.animations


def test_the_files_of_version_0_1_0_are_taken_over_once() -> None:
    keep_settings("animations = true  # I like it\n[layout]\nplot = 30\n")
    folder = settings.folder()
    (folder / "keys.toml").write_text('# mine\n"home.new" = "x"\n[study]\npause = "f7"\n')
    model = {"context_length": 512, "gpu_layers": "all", "speed": SPEED, "torn": 1}
    models = {"default": "/m/a.gguf", "models": {"/m/a.gguf": model}}
    (folder / "models.json").write_text(json.dumps(models))
    old = {"left": 5000, "plot": 40, "side": 3, "columns": ["score"], "new": 1}
    (folder / "study.json").write_text(json.dumps(old))
    first = app()
    assert not first._problems and first.keys == {"home.new": "x", "study.pause": "f7"}
    found = settings.read()
    assert found.animations and found.default_model == "/m/a.gguf"
    kept = settings.ModelSettings(512, "all", speed=SPEED)
    assert found.models == {"/m/a.gguf": kept}
    assert found.layout == settings.Layout(left=80, plot=30, columns=("score",))
    text = settings.file().read_text()
    assert "# I like it" in text and "# mine" in text
    names = {path.name for path in folder.iterdir()}
    assert names == {"settings.toml", "keys.toml.old", "models.json.old", "study.json.old"}
    assert app().settings == found and settings.file().read_text() == text


def test_torn_files_of_version_0_1_0() -> None:
    keep_settings("")
    for name, text in {"keys.toml": "x =", "models.json": "{", "study.json": "[1]"}.items():
        (settings.folder() / name).write_text(text)
    first = app()
    assert settings.read() == settings.Settings()
    (said,) = first._problems
    assert "keys.toml cannot be moved" in said and (settings.folder() / "keys.toml").exists()
    assert (settings.folder() / "models.json.old").exists()


def test_every_setting_is_described_here_and_in_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "interface.md").read_text("utf8")
    known = set()
    for kind in (settings.Settings, settings.ModelSettings, settings.Layout):
        for field in fields(kind):
            if field.name != "problems":
                assert field.metadata["about"] in page and f"`{field.name}`" in page, field.name
                known.add(field.name)
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", page)) == known
    assert tuple(theme.name for theme in themes.THEMES) == settings.THEMES


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


def test_settings_that_are_not_text_leave_the_default_ones() -> None:
    settings.file().parent.mkdir(parents=True, exist_ok=True)
    settings.file().write_bytes(b'theme = "\xff"')
    (problem,) = settings.read().problems
    assert problem.endswith("not UTF-8 at byte 9. The default settings apply.")
    settings.file().write_bytes(b"#" * (settings.MOST_BYTES + 1))
    (problem,) = settings.read().problems
    assert "has more than" in problem
    settings.file().unlink()
    os.mkfifo(settings.file())  # opening it would wait for its writer
    (problem,) = settings.read().problems
    assert "is a pipe" in problem and problem.endswith("The default settings apply.")
    with pytest.raises(StudyError, match="is a pipe"):
        settings.write({("theme",): "terminal"})
