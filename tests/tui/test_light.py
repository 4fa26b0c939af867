"""The interface stays light, and tells people where it cannot be drawn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tui.app import run

HEAVY = (
    "optuna sklearn xgboost polars llama_cpp joblib numpy scipy pandas pydantic torch sqlalchemy "
    "textual_plot multiprocessing.pool"
)


@pytest.mark.parametrize("module", ["tui.app", "tui.screens.study", "tui.screens.help"])
def test_nothing_heavy_is_loaded(module: str) -> None:
    code = f"import sys, {module}; print(*[m for m in {HEAVY.split()!r} if m in sys.modules])"
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
        [sys.executable, "-m", "tui"],
        cwd=root, env={**os.environ, "TERM": "xterm"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "not a terminal" in done.stderr
    assert "Traceback" not in done.stderr
