"""The interface stays light, and tells people where it cannot be drawn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperllama.tui.app import HyperLlama, pictures, run
from hyperllama.tui.preferences import themes
from hyperllama.tui.text import glyphs

HEAVY = (
    "optuna sklearn xgboost polars llama_cpp joblib numpy scipy pandas pydantic torch sqlalchemy "
    "textual_plot multiprocessing.pool"
)


@pytest.mark.parametrize("module", ["app", "screens.study", "dialogs.help"])
def test_nothing_heavy_is_loaded(module: str) -> None:
    loaded = f"print(*[m for m in {HEAVY.split()!r} if m in sys.modules])"
    code = f"import sys, hyperllama.tui.{module}; {loaded}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_draw_is_told_what_to_do(
    term: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run({"TERM": term}) == 2
    said = capsys.readouterr().err
    assert f"TERM={term}" in said and "hyperllama run TASK" in said


def test_no_terminal_at_all() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "hyperllama"],
        cwd=root, env={**os.environ, "TERM": "xterm"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "not a terminal" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({"TERM": "xterm-16color"}, "terminal"),
        ({"TERM": "linux"}, "terminal"),
        ({"TERM": "xterm-256color"}, "hyperllama-dark"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "hyperllama-dark"),
    ],
)
def test_a_terminal_of_few_colours_keeps_its_own(environment: dict[str, str], theme: str) -> None:
    colours = themes.colours(environment)
    assert HyperLlama(colours=colours).theme == theme
    assert HyperLlama(colours=colours, theme="hyperllama-light").theme == "hyperllama-light"


def test_tints_become_greys_where_there_are_256_colours() -> None:
    few, many = (themes.fitted(themes.DARK, system) for system in ("256", "truecolor"))
    assert many is themes.DARK and few.primary == themes.DARK.primary
    for name in ("row-cursor", "border-blurred", "dim", "faint"):
        red, green, blue = (few.variables[name][i : i + 2] for i in (1, 3, 5))
        assert red == green == blue, name
    assert few.background != few.panel and few.variables["row-cursor"] != few.background


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"LC_ALL": "C"}, glyphs.ASCII),
        ({"LC_ALL": "POSIX"}, glyphs.ASCII),
        ({"LC_ALL": "C.UTF-8"}, glyphs.UNICODE),
        ({"HYPERLLAMA_ASCII": "1"}, glyphs.ASCII),
        ({"LC_ALL": "C", "HYPERLLAMA_ASCII": "0"}, glyphs.UNICODE),
    ],
)
def test_which_characters_are_drawn(
    environment: dict[str, str], found: glyphs.Glyphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert glyphs.choose() is found


async def test_without_colours_nothing_has_the_colour_of_its_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for theme in themes.THEMES:
        async with HyperLlama(theme=theme.name).run_test() as pilot:
            await pilot.pause()
            for strip in pilot.app.screen._compositor.render_strips():
                for text, style, _ in strip:
                    if text.strip() and style is not None and style.color is not None:
                        same = style.color == style.bgcolor and not style.color.is_default
                        assert not same, (theme.name, text)


@pytest.mark.parametrize(
    ("setting", "environment", "drawn"),
    [
        ("auto", {"TERM": "xterm-kitty"}, True),
        ("auto", {"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, True),
        ("auto", {"TERM": "xterm-kitty", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, False),
        ("on", {"TERM": "xterm-kitty", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, True),
        ("auto", {"TERM": "xterm-256color"}, False),
        ("off", {"TERM": "xterm-kitty"}, False),
    ],
)
def test_pictures_are_drawn_where_they_can_be_shown_but_not_over_ssh_unasked(
    setting: str, environment: dict[str, str], drawn: bool
) -> None:
    assert pictures.wanted(setting, environment) is drawn
