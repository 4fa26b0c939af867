"""The baselines panel: what simpler ways reach at a study's budget."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperllama.core.errors import StudyError
from hyperllama.core.experiments.baselines import random_curve, run_baselines, switch
from hyperllama.core.experiments.panel import (
    BaselineCurve,
    BaselinePanel,
    panel_file,
    read_panel,
    write_panel,
)
from hyperllama.core.experiments.reading import read_comparison
from hyperllama.core.report.study import export_study
from hyperllama.core.storage.folder import write_summary
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study.history import read_state
from hyperllama.core.study.starting.opening import start
from hyperllama.core.study.starting.options import Options
from tests.small import write_task


@pytest.fixture
def study(tmp_path: Path) -> str:
    task = write_task(tmp_path / "work")
    start(task, Options(proposer="tpe", trials=3, seed=5), study="quick")
    return "quick"


def test_a_study_beside_its_baselines(study: str, tmp_path: Path) -> None:
    """Waits while a study runs, keeps apart from it, goes on where it was stopped."""
    before = [(t.config, t.value) for t in read_state(study).trials]
    told: list[BaselinePanel] = []
    slept: list[float] = []
    half = run_baselines(
        study, on_progress=told.append, busy=lambda: True, sleep=slept.append,
        should_stop=lambda: len(slept) == 2,
    )  # fmt: skip
    assert half.state == "stopped" and half.done == 0 < half.total and len(slept) == 2
    assert {t.state for t in told} == {"waiting", "stopped"}
    assert read_panel(study) == half
    states: set[str] = set()

    def look(told: BaselinePanel) -> None:
        states.add(read_panel(study).state)
        with pytest.raises(StudyError, match="already"):
            run_baselines(study)

    found = run_baselines(
        study, seeds=1, proposers=("random", "tpe"), busy=lambda: False, on_progress=look
    )
    assert states == {"waiting", "running", "finished"}
    assert found.state == "finished" and found.done == found.total
    assert [line.name for line in found.lines] == ["default", "random", "tpe"]
    assert all(len(line.mean) == 3 for line in found.lines)
    for line in found.lines:
        assert all(a <= m <= b for a, m, b in zip(line.low, line.mean, line.high, strict=True))
    assert found.curve[0] == found.lines[0].mean[0] and len(found.curve) == 3
    noise = read_state(study).noise
    assert noise is not None and found.margin == noise.margin
    cells = read_comparison(str(study_dir(study) / "baselines")).cells
    assert {c.end["test_value"] for c in cells} == {None}  # the study's test rows stay untouched
    assert [(t.config, t.value) for t in read_state(study).trials] == before
    report = tmp_path / "out" / "report.md"
    assert report in export_study(study, report.parent, with_model=False)
    assert "Baselines" in report.read_text() and "exact expectation" in report.read_text()
    switch(study, False)
    with pytest.raises(StudyError, match="switched off"):
        run_baselines(study)
    switch(study, True)
    assert read_panel(study).state == "stopped"


def test_no_panel_yet_and_no_study() -> None:
    with pytest.raises(StudyError, match="no study 'x'"):
        read_panel("x")
    folder = study_dir("x")
    folder.mkdir(parents=True)
    write_summary(folder, {"study": "x"})
    assert read_panel("x") == BaselinePanel("x") and not read_panel("x").words()
    write_panel(folder, BaselinePanel("x", state="running"))
    assert read_panel("x").state == "stopped"
    (folder / "baselines" / "honesty.json").write_text("[]")
    with pytest.raises(StudyError, match="cannot be read"):
        read_panel("x")


def all_draws(values: list[float], count: int) -> Iterator[tuple[float, ...]]:
    return itertools.permutations(values, count)


def test_random_search_is_computed_not_sampled() -> None:
    values = [0.1, 0.9, 0.4, 0.7]
    line = random_curve(values, 0.5, 4)
    assert line is not None
    for k in range(1, 4):
        best = [max(0.5, *draw) for draw in all_draws(values, k)]
        assert line.mean[k] == pytest.approx(sum(best) / len(best))
    assert line.mean[0] == line.low[0] == line.high[0] == 0.5
    assert line.low[3] <= line.mean[3] <= line.high[3] == 0.9
    assert random_curve([None], 0.5, 4) is None
    failed = random_curve([0.6, None], None, 3)
    assert failed is not None and failed.mean[0] == 0.6


def panel(**changed: object) -> BaselinePanel:
    usual = {
        "curve": (0.8, 0.85, 0.9),
        "lines": (
            BaselineCurve("default", (0.8,) * 3, (0.8,) * 3, (0.8,) * 3),
            BaselineCurve("random", (0.8, 0.88, 0.895), (0.8,) * 3, (0.9,) * 3),
        ),
        "margin": 0.01,
    }
    return BaselinePanel("s", **{**usual, **changed})  # type: ignore[arg-type]


def test_what_a_reader_should_take_from_it() -> None:
    said = "\n".join(panel().words())
    assert "0.1 above default after 3 evaluations: beyond noise (±0.01)" in said
    assert "0.005 above random search after 3 evaluations: within the luck of its draws" in said
    default = BaselineCurve("default", (0.8,), (0.8,), (0.8,))
    assert "within noise (±0.01)" in panel(curve=(0.805,), lines=(default,)).words()[0]
    assert "noise" not in panel(margin=None).words()[0]
    assert "equal to default after 1 evaluations" in panel(curve=(0.8,)).words()


def test_a_panel_of_version_0_1_is_read(study: str) -> None:
    stored = {
        "study": "quick", "curve": [0.8], "state": "finished", "noise": [{"number": 0}],
        "tested": [{"number": 0, "value": 0.8, "test_value": 0.7}],
        "lines": [{"name": "tpe", "mean": [0.8], "low": [0.8], "high": [0.8], "source": ""}],
    }  # fmt: skip
    panel_file(study_dir(study)).parent.mkdir()
    panel_file(study_dir(study)).write_text(json.dumps(stored))
    assert read_panel(study).lines[0].mean == (0.8,)
