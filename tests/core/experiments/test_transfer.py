"""Tables tuned on few rows and judged on the others: the runs, the figures, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hyperllama.core.errors import DataError
from hyperllama.core.experiments.figures.transfer import (
    CONFIRMED,
    INCUMBENT,
    transfer_figures,
    transfer_runs,
)
from hyperllama.core.experiments.grid import Cell, ExperimentGrid
from hyperllama.core.experiments.problems.transfer import TransferProblem, transfer_problems
from hyperllama.core.experiments.reading import CellFacts, Comparison
from hyperllama.tui.cli import run_command_line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tables"
    made.mkdir()
    rng = np.random.default_rng(0)
    for name, count in (("large", 120), ("small", 40)):
        x = rng.standard_normal((count, 2)).round(3)
        lines = [f"{a},{b},{a + b > 0:d}" for a, b in x]
        (made / f"{name}.csv").write_text("a,b,target\n" + "\n".join(lines) + "\n")
    (made / "empty.csv").write_text("")
    return made


def test_rows_of_a_seed_are_its_own_and_the_rest_is_unseen(folder: Path) -> None:
    (problem,) = transfer_problems([(folder, 9)], [30], estimator="decision_tree", fewest_rows=60)
    assert problem.name == "large-30"
    tuned = []
    for seed in (0, 1):
        rows = problem.drawn(seed)
        a, b = ({tuple(r) for r in x} for x in (rows.table.x, rows.x))
        assert len(rows.table.y) == len(a) == 30 and len(rows.y) == len(b) == 90 and not a & b
        assert rows.problem.validation.test_share == 0.0 and rows.problem.task.seed == seed
        tuned.append(a)
    assert tuned[0] != tuned[1]
    with pytest.raises(DataError, match="no table of 1000 rows"):
        transfer_problems([(folder, 9)], [30], estimator="decision_tree", fewest_rows=1000)
    with pytest.raises(DataError, match="too few to tune on"):
        TransferProblem(str(folder / "small.csv"), 30, "decision_tree")


def test_the_command_runs_what_is_missing(
    folder: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["bench", "transfer", f"{folder}:1", "--rows", "30", "--fewest-rows", "60",
               "--estimator", "decision_tree", "--methods", "random", "--budget", "6",
               "--out", str(out)]  # fmt: skip
    assert run_command_line(command) == 0
    first = capsys.readouterr().out
    assert "UNSEEN" in first and "confirmed winner" in first
    found = json.loads((out / "transfer.json").read_text())
    (run,) = found["runs"]
    assert run["table"] == "large-30" and {INCUMBENT, CONFIRMED} <= run["unseen"].keys()
    (cell,) = (out / "cells").iterdir()
    before = cell.read_bytes()
    assert run_command_line(command) == 0
    assert capsys.readouterr().out == first and cell.read_bytes() == before


def cell_of(seed: int, fresh: float, unseen: float, spread: float) -> CellFacts:
    """A run whose other trial claims to halve the default's loss of 0.4."""
    wobble = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * spread

    def candidate(number: int, own: float, on_fresh: float, seen: float) -> dict[str, object]:
        scores = (on_fresh + wobble * number).tolist()
        return {"number": number, "own": [own + number * spread / 100] * 5, "own_s": 1.0,
                "fresh": [scores, scores], "fresh_s": [1.0, 1.0], "unseen": seen}  # fmt: skip

    candidates = [candidate(0, 0.6, 0.6, 0.6), candidate(4, 0.8, 0.6 + fresh, 0.6 + unseen)]
    end = {"finished": True, "negated": False, "candidates": candidates, "averages": {}}
    trials = [{"number": n, "seconds": 1.0} for n in range(12)]
    return CellFacts(Cell(f"{seed}", "tpe", "t", seed), "done", trials, end)


def test_figures_are_shares_of_the_defaults_loss() -> None:
    sure, lucky = cell_of(0, 0.1, 0.08, 0.001), cell_of(1, 0.01, -0.2, 0.1)
    grid = ExperimentGrid("x", 12, (), {}, {}, (sure.cell, lucky.cell), 0.0)
    runs = transfer_runs(Comparison(grid, (sure, lucky), None))
    assert runs[0].claimed == pytest.approx(0.5, abs=0.001)
    assert runs[0].fresh == pytest.approx(0.25, abs=0.001)
    assert 0.24 < runs[0].low < runs[0].confirmed < runs[0].high < 0.26
    assert runs[1].confirmed == runs[1].fresh == 0.0  # within its error, so the default stays
    (figures,) = transfer_figures(runs)
    rules = {r.rule: r for r in figures.rules}
    assert rules[INCUMBENT].mean == pytest.approx((0.2 - 0.5) / 2) and rules[INCUMBENT].worse == 0.5
    assert figures.unseen == pytest.approx(0.1) and rules[CONFIRMED].worse == 0.0
    assert figures.kept_default == 0.5 and figures.covered == 0.0
