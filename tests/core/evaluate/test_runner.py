"""The trial runner: a child process, its limits, and what happens when it dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from hyperllama.core.errors import DataError, StudyError, TaskError
from hyperllama.core.estimators import Facts
from hyperllama.core.evaluate.results import FoldResult
from hyperllama.core.evaluate.runner import process
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.evaluate.runner.process import RunnerProcess

HUNG = {"estimator": "mlp", "mlp.depth": 3, "mlp.width": 1024, "mlp.batch_size": 4,
        "mlp.alpha": 1e-4, "mlp.learning_rate_init": 1e-6}
QUICK = {"estimator": "decision_tree", "decision_tree.max_depth": 3}


def write_task(folder: Path, limits: str = "") -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    colour = rng.choice(["red", "green", "blue"], 200)
    y = np.where(x[:, 0] + (colour == "red") + rng.normal(size=200) > 0.4, "yes", "no")
    rows = [f"{a:.4f},{'' if i % 11 == 0 else f'{b:.4f}'},{c},{t}"
            for i, (a, b, c, t) in enumerate(zip(x[:, 0], x[:, 1], colour, y, strict=True))]
    (folder / "t.csv").write_text("a,b,colour,bought\n" + "\n".join(rows) + "\n")
    task = folder / "task.toml"
    task.write_text(
        f'estimators = ["decision_tree", "mlp"]\n[data]\npath = "t.csv"\n'
        f'target = "bought"\n[limits]\n{limits}\n[validation]\nfolds = 3\n'
    )
    return task


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrialRunner]:
    folder = tmp_path_factory.mktemp("runner")
    with TrialRunner(write_task(folder), log=folder / "trials.log", threads=1) as made:
        yield made


def test_what_the_child_knows_of_the_table_reaches_the_parent(runner: TrialRunner) -> None:
    from hyperllama.core.data import load_table
    from hyperllama.core.task import resolve

    problem = runner.open()
    assert problem == resolve(runner.task, load_table(runner.task))
    assert (runner.rows, runner.test_rows, runner.folds) == (200, 40, 3)
    assert "200 rows" in runner.summary[0]


def test_every_kind_of_domain_reaches_the_parent(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    task.write_text(task.read_text() + """
[space.decision_tree]
min_impurity_decrease = { low = 0, high = 2, step = 1, type = "float" }
max_leaf_nodes = { low = 2, high = 8, step = 2 }
splitter = { choices = ["best", "random"] }
max_features = { choices = [1, 0.5, "sqrt", "none"], default = "sqrt" }
criterion = { choices = ["gini"], when = { splitter = ["best"] } }
""")
    with TrialRunner(task, log=tmp_path / "log", threads=1) as runner:
        space = runner.open().space
    from hyperllama.core.task import load_task
    from hyperllama.core.task.overrides import make_space

    expected = make_space(load_task(task), "classification", Facts(160, 3, 2))
    for name in ("min_impurity_decrease", "max_leaf_nodes", "max_features", "criterion"):
        assert repr(space[f"decision_tree.{name}"]) == repr(expected[f"decision_tree.{name}"])


def test_folds_arrive_as_they_finish_and_make_the_value(runner: TrialRunner) -> None:
    seen: list[FoldResult] = []
    result = runner.evaluate(QUICK, seed=4, on_fold=seen.append)
    assert result.state == "complete" and not result.reason
    assert tuple(seen) == result.folds and [f.fold for f in seen] == [0, 1, 2]
    assert result.value == pytest.approx(sum(f.score for f in seen) / 3, abs=1e-15)
    assert all(f.folds == 3 and f.fit_s > 0 and f.predict_s > 0 for f in seen)
    assert result.train_value is not None and result.train_value > 0.5
    assert result.peak_memory_mb > 50 and result.seconds > 0
    assert runner.evaluate(QUICK, seed=4).fold_scores == result.fold_scores


def test_a_failing_configuration_is_a_failed_result(runner: TrialRunner) -> None:
    result = runner.evaluate({**QUICK, "decision_tree.max_depth": -3}, seed=0)
    assert result.state == "failed" and result.value is None
    assert result.reason.startswith("fold 1 of 3: ") and "max_depth" in result.reason
    assert "\n" not in result.reason and len(result.reason) < 300


def test_noise_scores_on_other_folds(runner: TrialRunner) -> None:
    here = runner.evaluate(QUICK, seed=4)
    values = [runner.evaluate(QUICK, seed=4, fold_seed=s).value for s in (0, 1, 2)]
    assert values[0] == here.value and len(set(values)) == 3


def test_test_score_and_final_fit(
    runner: TrialRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    import joblib

    runner.open()
    monkeypatch.setattr(runner._process, "memory_mb", 1.0)  # a trial's beside many others
    score = runner.test_score(QUICK, seed=4)
    assert score is not None and 0.5 < score <= 1
    path = runner.fit_final(QUICK, tmp_path / "deep" / "pipeline.joblib", seed=4, facts={"n": 3})
    beside = json.loads(path.with_suffix(".json").read_text())
    assert beside["classes"] == ["no", "yes"] and beside["n"] == 3 and beside["versions"]
    assert beside["columns"][2]["categories"] == ["blue", "green", "red"]
    assert joblib.load(path).predict([[3.0, 0.0, 2.0], [-3.0, np.nan, 0.0]]).tolist() == [1, 0]
    with pytest.raises(StudyError, match="on all rows"):
        runner.fit_final({**QUICK, "decision_tree.max_depth": -3}, tmp_path / "p.joblib", seed=0)


def test_a_trial_is_cancelled_within_two_seconds_inside_a_c_call(runner: TrialRunner) -> None:
    runner.open()
    asked = time.monotonic() + 0.5
    result = runner.evaluate(HUNG, seed=0, should_stop=lambda: time.monotonic() > asked)
    assert result.state == "cancelled" and time.monotonic() - asked < 2.0
    assert runner.evaluate(QUICK, seed=0).state == "complete"


def test_cancelling_between_folds_keeps_the_child(runner: TrialRunner) -> None:
    runner.open()
    pid, seen = runner.pid, []
    result = runner.evaluate(QUICK, seed=0, on_fold=seen.append, should_stop=lambda: bool(seen))
    assert result.state in ("cancelled", "complete") and runner.pid == pid
    assert (result.value is None) == (result.state == "cancelled")


def test_a_child_that_dies_costs_no_trial(runner: TrialRunner) -> None:
    expected = runner.evaluate(QUICK, seed=9)
    pid, starts = runner.pid, runner.starts
    assert pid is not None
    numbers: list[int] = []

    def kill_once(fold: FoldResult) -> None:
        numbers.append(fold.fold)
        if len(numbers) == 1:
            os.kill(pid, signal.SIGSTOP)  # so that no later fold is under way
            os.kill(pid, signal.SIGKILL)

    result = runner.evaluate(QUICK, seed=9, on_fold=kill_once)
    assert result.fold_scores == expected.fold_scores and numbers == [0, 1, 2]
    assert not psutil.pid_exists(pid) and runner.starts <= starts + 1
    if runner.pid is not None:
        os.kill(runner.pid, signal.SIGKILL)
    assert runner.evaluate(QUICK, seed=9).fold_scores == expected.fold_scores


def test_a_child_that_dies_twice_is_a_failed_trial(
    runner: TrialRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.open()
    load, seen = runner.open, list[int]()
    monkeypatch.setattr(runner, "open", lambda stop: load())  # only the trial is watched

    def watch() -> bool:
        pid = runner.pid
        if pid is not None and pid not in seen and runner.peak_memory_mb > 50:
            seen.append(pid)
            os.kill(pid, signal.SIGKILL)
        return False

    result = runner.evaluate(HUNG, seed=0, should_stop=watch)
    assert result.state == "failed" and "SIGKILL" in result.reason
    assert runner.evaluate(QUICK, seed=0).state == "complete"


def test_the_time_limit_holds_inside_a_c_call(tmp_path: Path) -> None:
    task = write_task(tmp_path, limits="trial_seconds = 1.0")
    with TrialRunner(task, log=tmp_path / "log", threads=1) as runner:
        runner.open()
        started = time.monotonic()
        result = runner.evaluate(HUNG, seed=0)
        assert time.monotonic() - started < 2.0
        assert (result.state, result.reason) == ("failed", "took longer than the limit of 1 s")
        assert runner.evaluate(QUICK, seed=0).state == "complete"
        assert runner.starts == 2


@pytest.mark.parametrize("width", [9_000, 60_000])
def test_the_memory_limit_holds(tmp_path: Path, width: int) -> None:
    """Just above the limit the parent sees it; far above the allocation itself fails."""
    task = write_task(tmp_path, limits="trial_memory_mb = 500\ntrial_seconds = 30")
    with TrialRunner(task, log=tmp_path / "log", threads=1) as runner:
        result = runner.evaluate({**HUNG, "mlp.depth": 2, "mlp.width": width}, seed=0)
        assert result.state == "failed" and "the limit" in result.reason
        assert "500 MB" in result.reason and result.seconds < 20


def test_a_table_that_changes_stops_the_study(tmp_path: Path) -> None:
    with TrialRunner(write_task(tmp_path), log=tmp_path / "log", threads=1) as runner:
        runner.open()
        table = tmp_path / "t.csv"
        table.write_text(table.read_text() + "0.1,0.2,red,yes\n")
        assert runner.evaluate(QUICK, seed=0).state == "complete"
        os.kill(runner.pid or 0, signal.SIGKILL)
        with pytest.raises(StudyError, match="changed while the study was running"):
            for _ in range(2):
                runner.evaluate(QUICK, seed=0)


def test_what_is_wrong_with_the_table_is_said_by_name(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    runner = TrialRunner(task, log=tmp_path / "log")
    with runner, pytest.raises(TaskError, match="bought"):
        runner.open()
    (tmp_path / "t.csv").unlink()
    with runner, pytest.raises(DataError, match="no such"):
        runner.open()


def test_no_child_outlives_close(tmp_path: Path) -> None:
    runner = TrialRunner(write_task(tmp_path), log=tmp_path / "log", threads=1)
    runner.open()
    pid = runner.pid
    assert pid is not None
    runner.close()
    runner.close()
    assert not psutil.pid_exists(pid) and runner.pid is None
    assert {p.name for p in tmp_path.iterdir()} <= {"t.csv", "task.toml", "log", "home"}


def test_runners_share_one_table(runner: TrialRunner, tmp_path: Path) -> None:
    shared = tmp_path / "table.shared"
    expected = runner.evaluate(QUICK, seed=4)
    runner.share_table(shared)
    file = runner.task.file
    assert file is not None
    with TrialRunner(file, log=tmp_path / "log", threads=1, shared=shared) as second:
        assert second.open() == runner.open()
        shared.unlink()  # the mapped rows stay
        assert second.evaluate(QUICK, seed=4).fold_scores == expected.fold_scores


def test_beside_many_others_a_trial_still_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "free_mb", lambda: 20_000.0)
    of_200, of_4 = (RunnerProcess(tmp_path / "log", 1, None, share=1 / n) for n in (200, 4))
    assert (of_200.memory_mb, of_4.memory_mb) == (512, 4500)
    assert of_200.alone_mb == of_4.alone_mb == 18_000
    monkeypatch.setattr(process, "free_mb", lambda: 400.0)
    assert RunnerProcess(tmp_path / "log", 1, None, share=1 / 4).memory_mb == 360
    assert RunnerProcess(tmp_path / "log", 1, 300.0, share=1 / 4).memory_mb == 300
