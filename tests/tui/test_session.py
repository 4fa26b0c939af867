"""A whole study flown from the keyboard, with real processes, from a table to its winner."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperllama.core.storage.paths import study_dir
from tests.tui.session import NEW_ROWS, ROOT, Session, run_before
from tests.tui.session_steps import PIPELINES, program_steps, steps

FOREIGN = ROOT.parent / "shared" / "data" / "penguins.csv"
OWN = ROOT / "sample_tasks" / "data" / "diabetes.csv"


# Each wait of a session has a limit of its own; a loaded machine needs many of them one by one.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def session(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The interface in a folder with one table."""
    table, target = (FOREIGN, "species") if FOREIGN.is_file() else (OWN, "progression")
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(table, work)
    monkeypatch.chdir(work)
    opened = Session(work, table.name, target)
    yield opened
    opened.end()


def test_programs_are_read_edited_and_kept(home: Path, session: Session) -> None:
    run_before(session.folder, session.table, session.target, PIPELINES, "--programs", "pipeline")
    for name in program_steps(session):
        drawn = session.terminal.drawn
        assert {
            "program": "awaiting approval", "program-difference": "@@",
            "program-kept-part": "vote", "program-error": "IndexError",
        }[name] in drawn
    asked = [json.loads(line)["do"] for line in session.asked.splitlines()]
    assert {"review", "extend", "freeze", "queue_program", "reject", "approve"} <= set(asked)


def test_a_study_is_flown_from_the_keyboard(home: Path, session: Session) -> None:
    run_before(session.folder, session.table, session.target)
    for name in steps(session):
        if name == "predict":
            told = session.said
            assert "is missing" in told, told
            assert session.table != FOREIGN.name or "Elsewhere" in told, told
    with (session.folder / NEW_ROWS.replace(".", "-predicted.")).open(encoding="utf8") as file:
        predicted = list(csv.DictReader(file))
    assert len(predicted) == 5
    winner = session.folder / f"{session.name}-best"
    assert {"best.toml", "train.py", "report.html"} <= {file.name for file in winner.iterdir()}
    best = json.loads((winner / "best.json").read_text("utf8"))
    assert best["study"] == session.name and best["config"]
    asked = [json.loads(line)["do"] for line in session.asked.splitlines()]
    wanted = {"review", "approve", "reject", "freeze", "range", "hint", "note", "pause", "undo"}
    assert wanted <= set(asked)
    log = (home / "logs" / "interface.log").read_text("utf8")
    errors = [line for line in log.splitlines() if " error: " in line]
    assert len(errors) == 1 and "process is gone" in errors[0]  # the one that was killed
    assert not list((home / "logs").glob("crash-*")) and study_dir("before").is_dir()
