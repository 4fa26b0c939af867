"""Fixtures of the interface's tests: an app with a fixed clock, tasks of the test's own."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot, WaitForScreenTimeout

from hyperllama.core.propose.gp.landscape import drawn, levels_of
from hyperllama.models.gguf import Machine, ModelFile
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content import library
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.preferences import settings
from hyperllama.tui.screens.study import StudyScreen
from tests.tui import recorded

Opened = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture(autouse=True)
def plain_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the person who runs the tests reach them."""
    for name in ("NO_COLOR", "HYPERLLAMA_THEME", "HYPERLLAMA_ASCII", "TEXTUAL_ANIMATIONS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HYPERLLAMA_SETTINGS", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HYPERLLAMA_CONFIG", str(tmp_path / "settings"))
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "UTF-8")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture(autouse=True)
def removed_widgets_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot asks every widget of a screen for a sign; one that is removed meanwhile gives none,
    and the pilot fails after its time limit. What a test asserts then says whether all is well."""
    wait = Pilot._wait_for_screen

    async def patient(pilot: Pilot[None], timeout: float = 10.0) -> bool:
        with suppress(WaitForScreenTimeout):
            return await wait(pilot, min(timeout, 10.0))
        return False

    monkeypatch.setattr(Pilot, "_wait_for_screen", patient)


@pytest.fixture(autouse=True)
def idle_is_noticed_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot takes an app for idle that has hardly computed for 20 ms, and waits for that twice
    a key, which took half of the time of these tests. 5 ms say as much: no timer here is shorter.
    """
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.005)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 0.00025)


class ReckonedFit:
    """Instead of the child process that fits the GP: a hill in the middle of the axes."""

    def __init__(self, *args: object) -> None:
        self.asked: list[Mapping[str, Any]] = []

    async def ask(self, do: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(fields)
        if do == "picture":
            return {"png": base64.b64encode(b"png").decode()}
        low, high = min(fields["y"]), max(fields["y"])
        hill = low + (high - low) * np.sin(np.pi * np.array(fields["across_at"]))
        if do == "profile":
            spread = 0.1 * (high - low)
            lines = {"mean": hill, "low": hill - spread, "high": hill + spread}
            return {name: values.tolist() for name, values in lines.items()}
        grid = np.minimum(hill[None, :], np.array(fields["up_at"])[:, None] + low)
        bands, lines_ = drawn(grid, levels_of(grid), fields["columns"], fields["rows"])
        return {"levels": levels_of(grid), "bands": bands, "lines": lines_}

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_fitting_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperllama.tui.screens.study.plotting.JsonChild", ReckonedFit)


def keep_settings(text: str) -> None:
    """Write the settings file."""
    settings.file().parent.mkdir(parents=True, exist_ok=True)
    settings.file().write_text(text, "utf8")


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[TaskEntry]:
    """Three task files instead of those that ship."""
    entries = []
    for name, about in (
        ("breast_cancer", "Binary, small, quick."),
        ("diabetes", "Regression on a few hundred rows."),
        ("machine_fault", "Three classes, missing values, several estimators."),
    ):
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'# {about}\nname = "{name}"\nestimator = "xgboost"\n\n[data]\n'
            f'path = "{name}.csv"\ntarget = "y"\n\n[budget]\ntrials = 12\n',
            "utf8",
        )
        entries.append(TaskEntry(Path(f"{name}.toml"), name, about, ("xgboost",), 12))
    found = [TaskEntry(tmp_path / e.path, e.name, e.about, e.estimators, e.trials) for e in entries]
    monkeypatch.setattr(library, "tasks", lambda: found)
    return found


@pytest.fixture
def two_models(monkeypatch: pytest.MonkeyPatch) -> list[ModelFile]:
    """Two models and a broken one instead of those of this machine."""
    found = [
        ModelFile(
            Path("/models/hyperllama-1m.gguf"), "HyperLlama 1M", "llama", 1_120_000, "F16",
            2_212_000, trained_context=1024, layers=4, vocabulary=900, width=128, dialect_version=1,
            metadata={"license": "Apache-2.0"}, kv_values=1024,
        ),
        ModelFile(
            Path("/models/Qwen2.5-1.5B-Instruct-Q4_K_M.gguf"), "Qwen2.5 1.5B Instruct", "qwen2",
            1_543_714_304, "Q4_K_M", 986_048_768, trained_context=32_768, layers=28,
            vocabulary=151_936, width=1536, chat_template="{{ x }}", kv_values=14_336,
        ),
        ModelFile(Path("/models/torn.gguf"), "torn", "", 0, "", 4, problem="it is cut short"),
    ]  # fmt: skip
    monkeypatch.setattr("hyperllama.models.gguf.find_models", lambda: found)
    monkeypatch.setattr("hyperllama.tui.screens.models.find_models", lambda: found)
    monkeypatch.setattr("hyperllama.tui.screens.models.machine", lambda: Machine(3000.0))
    monkeypatch.setattr(
        "hyperllama.tui.screens.models.usual_folders", lambda *first: [Path("/models")]
    )
    monkeypatch.setattr("hyperllama.models.gguf.machine", lambda: Machine(3000.0))
    monkeypatch.setattr("hyperllama.tui.screens.models.resolve_model", lambda name: found[0].path)
    return found


@pytest.fixture
def opened() -> Opened:
    """An app with a study screen over a replayed study; the clock stands 3 s after its end."""

    @asynccontextmanager
    async def open_study(
        link: recorded.Replay, size: tuple[int, int] = (140, 45), theme: str = ""
    ) -> AsyncIterator[Pilot[None]]:
        app = HyperLlama(theme=theme, clock=lambda: link.last_t + 3)
        async with app.run_test(size=size) as pilot:
            app.show_study(link)
            await pilot.pause()
            await pilot.pause()
            assert isinstance(app.screen, StudyScreen)
            yield pilot

    return open_study


def text_of(pilot: Pilot[None], selector: str = "") -> str:
    """What is to be read on the screen, or in one widget, line by line."""
    screen = pilot.app.screen
    if not selector:
        lines = screen._compositor.render_strips()
        return "\n".join("".join(s.text for s in line) for line in lines)
    if not screen.query(selector):
        return ""
    region = screen.query_one(selector).region
    lines = screen._compositor.render_strips()
    cut = lines[region.y : region.bottom]
    return "\n".join("".join(s.text for s in line)[region.x : region.right] for line in cut)


async def until(pilot: Pilot[None], said: str, where: str = "") -> None:
    """Wait until something is to be read on the screen, or in one widget."""
    for _ in range(2000):
        if said in text_of(pilot, where):
            return
        await pilot.pause(0.02)
    raise AssertionError(text_of(pilot))

