"""The whole interface in a pseudo-terminal, over a stand-in for the study process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperllama.core.storage.folder import all_summaries
from tests.tui.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "tui" / "fake_study.py"
START = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from hyperllama.tui import app
from hyperllama.tui.processes import bridge
bridge.COMMAND = (sys.executable, {str(FAKE)!r})
raise SystemExit(app.run())
"""


@pytest.fixture
def terminal(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    opened = Terminal(["-c", START])
    yield opened
    opened.kill()


def test_a_session_from_an_empty_home_to_a_study_that_goes_on(terminal: Terminal) -> None:
    terminal.wait_for("No study yet")
    terminal.press("\r")
    terminal.wait_for("roc_auc")
    terminal.wait_for("★")
    terminal.press("p")
    terminal.wait_for("paused")
    terminal.press("p")
    terminal.wait_for("pause")
    terminal.press("q")
    terminal.wait_for("The study is running")
    terminal.press("l")
    assert terminal.wait_for_end() == 0
    (summary,) = all_summaries()
    assert summary["live"] and summary["state"] in ("running", "paused")

    again = Terminal(["-c", START], (80, 24))
    again.wait_for("running")
    again.press("\r")
    again.wait_for("1 History")
    again.press("s")
    again.wait_for("stopped")
    again.press("q")
    assert again.wait_for_end() == 0
    (summary,) = all_summaries()
    assert summary["state"] == "stopped" and not summary["live"]
