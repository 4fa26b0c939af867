"""What the form, the models and comparisons look like, at two sizes and in two themes.

After a wanted change: `pytest tests/tui/test_looks_forms.py --snapshot-update`, and look at each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from hyperllama.core.experiments.grid import Contender, make_grid
from hyperllama.core.experiments.reading import cell_file
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content import draft as drafts
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.screens.models import Models
from hyperllama.tui.widgets.lists.models import ModelTable
from tests.small import TASK, write_task
from tests.tui.test_compare_screen import trial
from tests.tui.test_home import NOW
from tests.tui.test_looks import SIZES, THEMES, settle
from tests.tui.test_new_study import NearDesk, form
from tests.tui.test_new_study import settle as settled


@pytest.fixture(params=[f"{size}-{theme}" for size in SIZES for theme in THEMES])
def look(request: pytest.FixtureRequest) -> tuple[tuple[int, int], str]:
    size, theme = request.param.split("-")
    return SIZES[size], THEMES[theme]


@pytest.fixture(autouse=True)
def short_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tasks: list[TaskEntry], two_models: object
) -> None:
    """Started in a folder with one table; temporary folders have no place in a picture."""
    monkeypatch.setenv("HYPERLLAMA_SETTINGS", "settings.toml")
    monkeypatch.setattr(drafts, "JsonChild", NearDesk)
    monkeypatch.setattr("hyperllama.tui.screens.new_study.base._CHECK_AFTER_S", 0.0)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    rng = np.random.default_rng(3)
    lines = ["age,income,region,since,left"]
    for i in range(240):
        region = ("north", "south", "east", "west")[int(rng.integers(4))]
        income = f"{rng.normal(52_000, 9000):.0f}" if i % 9 else ""
        day = f"{2019 + i % 5}-{1 + i % 12:02d}-{1 + i % 28:02d}"
        age, left = int(rng.integers(18, 80)), ("no", "yes")[i % 4 == 0]
        lines.append(f"{age},{income},{region},{day},{left}")
    Path("customers.csv").write_text("\n".join(lines) + "\n")


def app(theme: str) -> HyperLlama:
    return HyperLlama(theme=theme, clock=lambda: NOW)


async def table(pilot: Pilot[None]) -> None:
    """The form with a table and a space that was changed."""
    await pilot.press("n")
    await pilot.pause()
    screen = form(pilot)
    screen.query_one("#table-path").value = "customers.csv"  # type: ignore[attr-defined]
    await pilot.press("enter")
    await settled(pilot, lambda: bool(screen.draft.task))
    screen.set_key(("space", "max_depth"), {"high": 8})
    screen.set_key(("space", "subsample"), 0.8)
    await settled(pilot)
    await pilot.pause(0.1)


@pytest.mark.parametrize("step", ["table", "task", "space"])
def test_new_study(snap_compare: Any, look: tuple[tuple[int, int], str], step: str) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await table(pilot)
        form(pilot).go(step)
        if step == "task":
            form(pilot).set_key(("validation", "folds"), 1)
            await settled(pilot, lambda: bool(form(pilot).draft.faults))
        await pilot.pause(0.1)

    size, theme = look
    assert snap_compare(app(theme), terminal_size=size, run_before=go)


def test_models(snap_compare: Any, look: tuple[tuple[int, int], str]) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await pilot.app.push_screen(Models())
        while not pilot.app.screen.query_one(ModelTable).searched:
            await pilot.pause(0.02)
        await pilot.press("down")
        await settle(pilot)

    size, theme = look
    assert snap_compare(app(theme), terminal_size=size, run_before=go)


def test_a_list_to_choose_from(snap_compare: Any) -> None:
    async def go(pilot: Pilot[None]) -> None:
        await table(pilot)
        form(pilot).go("task")
        form(pilot).query_one("#f-estimators").focus()
        await pilot.press("enter")
        await settle(pilot)

    assert snap_compare(app("hyperllama-dark"), terminal_size=(100, 30), run_before=go)


@pytest.fixture
def contest(tmp_path: Path) -> None:
    """Three contenders on two tasks under three seeds; the last cells wait."""
    one = write_task(tmp_path)
    two = tmp_path / "slow.toml"
    two.write_text(TASK.replace('"quick"', '"slow"', 1))
    contenders = [
        Contender("random", "random"),
        Contender("embedded", "hybrid", "/models/hyperllama-1m.gguf"),
        Contender("Qwen2.5-1.5B", "llama", "/models/Qwen2.5-1.5B-Instruct-Q4_K_M.gguf"),
    ]
    grid = make_grid("sizes", contenders, [one, two], range(3), 20)
    rng = np.random.default_rng(4)
    for cell in grid.cells:
        number = [c.label for c in contenders].index(cell.contender)
        done = 20 if cell.task == "quick" else max(0, 14 - 9 * cell.seed)
        file = cell_file(grid.folder, cell)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for n in range(done):
            reach = (0.05, 0.075, 0.09)[number] * (1 - np.exp(-n / (7 - 2 * number)))
            value = round(float(0.82 + reach - abs(rng.normal(0, 0.012)) * (n > 0)), 4)
            config = {
                "max_depth": int(rng.integers(2, 9)), "criterion": ("gini", "entropy")[number % 2],
                "min_samples_leaf": int(rng.integers(1, 30)), "max_features": 1.0,
                "ccp_alpha": 10.0 ** -rng.integers(2, 6),
            }  # fmt: skip
            more = {"engine_mb": (None, 104.0, 1380.0)[number], "ask_s": (0.002, 0.4, 6.3)[number],
                    "tokens": {"prompt": 640, "generated": 55} if number else {},
                    "replies": 4, "repeated": number == 1, "invalid": 0}  # fmt: skip
            lines.append(json.dumps({"trial": trial(n, value, config=config, **more)}))
        lines += [json.dumps({"end": {"test_value": 0.85 + 0.01 * number}})] * (done == 20)
        file.write_text("".join(line + "\n" for line in lines))


@pytest.mark.parametrize("keys", ["c", "c,enter"], ids=["queue", "figures"])
def test_compare(
    snap_compare: Any, look: tuple[tuple[int, int], str], keys: str, contest: None
) -> None:
    async def go(pilot: Pilot[None]) -> None:
        for key in keys.split(","):
            await settle(pilot)
            await pilot.press(key)
        await settle(pilot)

    size, theme = look
    assert snap_compare(app(theme), terminal_size=size, run_before=go)


@pytest.mark.parametrize("keys", ["f3", "f1"], ids=["settings", "help"])
def test_settings_and_help(
    snap_compare: Any, look: tuple[tuple[int, int], str], keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    async def go(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(keys)
        await settle(pilot)

    size, theme = look
    assert snap_compare(app(theme), terminal_size=size, run_before=go)
