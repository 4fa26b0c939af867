"""The tasks that ship: small, complete, and cheap enough to try."""

from __future__ import annotations

import runpy
import time
from pathlib import Path

import pytest

from hyperllama.core.data import load_table
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.task import load_task, resolve, sample_tasks

FOLDER = Path(__file__).resolve().parents[3] / "sample_tasks"
PATHS = sample_tasks()


def test_there_are_enough_and_they_are_small() -> None:
    assert len(PATHS) >= 6
    assert all(p.stat().st_size < 400_000 for p in (FOLDER / "data").iterdir())


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_sample_task_runs_in_seconds(path: Path) -> None:
    task = load_task(path)
    problem = resolve(task, load_table(task))
    assert task.name == path.stem and task.notes.strip()
    assert not [w for w in problem.warnings if "known beforehand" in w]
    evaluator = Evaluator.of(problem, load_table(task))
    started = time.perf_counter()
    scores = [f.score for f in evaluator.evaluate(problem.space.default(), task.seed)]
    assert len(scores) == problem.validation.folds * problem.validation.repeats
    assert time.perf_counter() - started < 20


def test_the_samples_cover_what_tasks_can_say() -> None:
    tasks = [load_task(p) for p in PATHS]
    assert {t.kind for t in tasks} == {"classification", "regression"}
    assert any(len(t.estimators) > 1 for t in tasks)
    assert {t.validation.method for t in tasks} >= {"group", "time"}


def test_the_tables_can_be_made_again(tmp_path: Path) -> None:
    made = runpy.run_path(str(FOLDER / "make_data.py"))
    for make in made["TABLES"]:
        make(tmp_path)
    for path in sorted((FOLDER / "data").iterdir()):
        new, old = (tmp_path / path.name).read_text(), path.read_text()
        assert new.splitlines()[0] == old.splitlines()[0]
        assert new.count("\n") == old.count("\n")
