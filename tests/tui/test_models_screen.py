"""The models screen: facts from headers, settings that are kept, an engine that is let go."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hyperllama.models.gguf import Gpu, Machine, ModelFile
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.preferences import settings
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.home import Home
from hyperllama.tui.screens.models import Models
from hyperllama.tui.text.glyphs import UNICODE
from hyperllama.tui.widgets.lists.models import ModelRow, ModelTable
from tests.models.tiny_gguf import write_tiny
from tests.tui.conftest import text_of, until
from tests.tui.test_home import NOW


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model and a broken one in a folder of the person's own; a machine without GPU."""
    folder = tmp_path / "gguf"
    folder.mkdir()
    write_tiny(folder / "small.gguf")
    (folder / "torn.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("HYPERLLAMA_MODELS", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("hyperllama.tui.screens.models.machine", lambda: Machine(4000.0))
    return folder / "small.gguf"


async def opened(pilot: Pilot[None]) -> Models:
    await pilot.press("m")
    for _ in range(50):
        await pilot.pause(0.01)
        screen = pilot.app.screen
        if isinstance(screen, Models) and screen.query_one(ModelTable).searched:
            return screen
    raise AssertionError(text_of(pilot))


def to(screen: Models, name: str) -> None:
    table = screen.query_one(ModelTable)
    table.cursor = [r.model.path.stem for r in table.entries].index(name)


def app() -> HyperLlama:
    return HyperLlama(clock=lambda: NOW)


async def test_models_are_shown_with_what_they_need(small: Path, tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        text = text_of(pilot)
        assert "small" in text and "✓ fits" in text and "3.91 GB of memory free" in text
        to(screen, "torn")
        await pilot.pause()
        assert "cannot be used" in text_of(pilot) and "make default" not in text_of(pilot, "#keys")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Home)


async def test_in_little_room_all_of_a_page_can_be_turned_to(
    small: Path, tasks: list[TaskEntry]
) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        to(screen, "small")
        await pilot.pause()
        seen = [text_of(pilot, "#model-costs")]
        assert "lines 1 to 1" in seen[0] and "space shows more" in seen[0]
        while "shows the beginning" not in seen[-1]:
            await pilot.press("space")
            seen.append(text_of(pilot, "#model-costs"))
        for part in ("memory", "Other context lengths", "Folders that are searched", "tokenizer",
                     "No study with it yet"):  # fmt: skip
            assert any(part in text for text in seen), part
        await pilot.press("space")
        assert text_of(pilot, "#model-costs") == seen[0] and len(seen) < 6


def test_what_a_model_does_stays_beside_a_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelTable, "glyphs", UNICODE)
    table = ModelTable()
    table.state = lambda model: "measuring"
    model = ModelFile(Path("SmolLM2-135M-Instruct.Q4_1.gguf"), "", "llama", 0, "", 0)
    drawn = table.draw(ModelRow(model, settings.ModelSettings()), "name", 30).plain
    assert len(drawn) == 30 and drawn.startswith("SmolLM2") and drawn.endswith("measuring")


async def test_a_model_too_large_says_how_much_is_missing(
    small: Path, tasks: list[TaskEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Machine(1.0, (Gpu("Card", 900.0, 1000.0),))
    monkeypatch.setattr("hyperllama.tui.screens.models.machine", lambda: here)
    async with app().run_test(size=(140, 45)) as pilot:
        await opened(pilot)
        text = text_of(pilot)
        assert "✗ too large" in text and "too much" in text
        assert "built for the CPU alone" in text and "Card" in text


async def test_settings_are_kept_and_given_to_studies(
    small: Path, tasks: list[TaskEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        to(screen, "small")
        context = ("c", *"99999", "enter", *["backspace"] * 5, *"512")
        for keys in (context, ("v", *"all"), ("t", "1")):
            await pilot.press(*keys, "enter")
            await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        text = text_of(pilot)
        assert "context 512   GPU layers all   threads 1" in text and "◆ small" in text
    assert settings.read().default_model == str(small)
    given = bridge.settled(bridge.Choices(budget="3")).arguments()
    assert given == [
        "--model", str(small), "--budget", "3",
        "--context", "512", "--gpu-layers", "all", "--threads", "1",
    ]  # fmt: skip
    small.unlink()
    assert bridge.settled(bridge.Choices()).arguments() == []


async def test_a_model_is_loaded_and_let_go(small: Path, tasks: list[TaskEntry]) -> None:
    pytest.importorskip("llama_cpp")
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        to(screen, "small")
        await pilot.press("l")
        await until(pilot, "loaded    in")
        assert "no layer" in text_of(pilot)
        assert "l unload" in text_of(pilot, "#keys") and screen.work.engine.pid is not None
        await pilot.press("l")
        await until(pilot, "l load")
        assert screen.work.engine.pid is None


FAKE_BENCH = """\
import json, sys, time
if "--threads=7" in sys.argv: time.sleep(60)
print(json.dumps([{"threads": 1, "gpu_layers": 0, "tests": [
    {"tokens_per_s": 512.3}, {"tokens_per_s": 45.6}]}]))
"""


async def test_speed_is_measured_kept_and_can_be_stopped(
    small: Path, tasks: list[TaskEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench.py").write_text(FAKE_BENCH)
    monkeypatch.setattr(bridge, "COMMAND", (sys.executable, str(tmp_path / "bench.py")))
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        to(screen, "small")
        await pilot.press("b")
        await until(pilot, "reads 512, writes 46 tokens/s")
        settings.keep_model(str(small), threads=7)
        await pilot.press("r")
        await until(pilot, "threads 7")
        to(screen, "small")
        await pilot.press("b")
        await until(pilot, "measuring")
        await pilot.press("escape")
        await until(pilot, "b speed")
        assert isinstance(pilot.app.screen, Models)


async def test_a_measurement_that_fails_says_why(
    small: Path, tasks: list[TaskEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench.py").write_text("raise SystemExit('no memory left')")  # at once
    monkeypatch.setattr(bridge, "COMMAND", (sys.executable, str(tmp_path / "bench.py")))
    async with app().run_test(size=(140, 45)) as pilot:
        screen = await opened(pilot)
        to(screen, "small")
        await pilot.press("b")
        assert isinstance(pilot.app, HyperLlama)
        for _ in range(400):
            if pilot.app.reports:
                break
            await pilot.pause(0.02)
        assert "no memory left" in pilot.app.reports[-1][2]
