"""Predicting new rows from the study screen: fields, progress, what is odd about the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from hyperllama.tui.dialogs.predict import PredictDialog
from hyperllama.tui.processes import bridge
from tests.tui import recorded
from tests.tui.conftest import Opened

FAKE = """
echo "fitting trial 7 on all rows" >&2; echo "9 of 9 rows" >&2
echo "! column 'rate' is missing" >&2; echo "! 'place': 2 cells are new" >&2
for last; do true; done; case "$last" in --*) echo "! with: $last" >&2;; esac
"""


def told(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one("#told", Static).content)


async def until(pilot: Pilot[None], text: str) -> None:
    while text not in told(pilot):
        await pilot.pause(0.01)


async def test_rows_are_predicted_and_what_is_odd_is_said(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fresh.csv").write_text("a\n1\n")
    bad = "echo 'hyperllama: the table has none of the columns' >&2; echo '  needed: b' >&2; exit 3"
    monkeypatch.setattr(bridge, "COMMAND", ("sh", "-c", bad, "sh"))
    async with opened(recorded.Replay(recorded.finished(5))) as pilot:
        await pilot.press("P")
        assert isinstance(pilot.app.screen, PredictDialog)
        await pilot.press(*"none.csv", "enter")
        await until(pilot, "There is no file ")
        rows, output = (pilot.app.screen.query_one(f"#{n}", Input) for n in ("rows", "output"))
        rows.value = ""
        await pilot.press(*"fr")
        while rows._suggestion != "fresh.csv":
            await pilot.pause(0.01)
        await pilot.press("right")
        await pilot.pause()
        assert (rows.value, output.value) == ("fresh.csv", "fresh-predicted.csv")
        await pilot.press("enter")
        await until(pilot, "Nothing was predicted: the table has none of the columns\nneeded: b")
        monkeypatch.setattr(bridge, "COMMAND", ("sh", "-c", FAKE, "sh"))
        (tmp_path / "fresh-predicted.csv").write_text("old")
        await pilot.press("down", "down", "right", "enter")
        await until(pilot, "press enter again to replace it")
        await pilot.press("enter")
        await until(pilot, "column 'rate' is missing\n'place': 2 cells are new")
        assert f"The predictions are in {tmp_path}/fresh-predicted.csv" in told(pilot)
        assert "with: --explain" in told(pilot)
        await pilot.press("f5")  # a picture of a dialog
        assert list(tmp_path.glob("*.svg"))
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, PredictDialog)


async def test_a_prediction_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "COMMAND", ("sh", "-c", FAKE, "sh"))
    said: list[str] = []
    found = await bridge.predict("s", tmp_path / "a.csv", tmp_path / "b.csv", said.append)
    assert said == ["fitting trial 7 on all rows", "9 of 9 rows"]
    assert found == ["column 'rate' is missing", "'place': 2 cells are new"]
