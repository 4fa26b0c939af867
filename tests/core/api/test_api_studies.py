"""Studies from a script: `run`, `resume`, `read_study`."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import hyperllama
from hyperllama.core.errors import HyperLlamaError, StudyError, TaskError
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study import StudyState
from hyperllama.core.study.fitted import MODEL, kept_model
from tests.small import write_task


def test_a_study_is_run_resumed_and_read(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    result = hyperllama.run(task, proposer="random", trials=2, seed=5)
    assert (result.name, result.stop_reason) == ("quick", "budget")
    assert result.folder == study_dir("quick") and len(result.trials) == 2
    best = max(result.trials, key=lambda t: t.value or 0.0)
    assert result.best_params == best.config and result.best_score == best.value
    assert result.default_score == result.trials[0].value and result.test_score is not None
    again = hyperllama.resume("quick", more=1)
    assert [t.config for t in again.trials[:2]] == [t.config for t in result.trials]
    assert len(again.trials) == 3
    state = hyperllama.read_study("quick")
    assert state == again.state and state.phase == "finished"
    assert state.opened is not None and state.opened.estimators == ("decision_tree",)
    assert (state.opened.rows, state.opened.seed, state.opened.budget_trials) == (80, 5, 3)
    _predicts(tmp_path / "quick.csv", state)


def _predicts(table: Path, state: StudyState) -> None:
    """The winner is fitted once, and predicts without its table."""
    rows = pl.read_csv(table).select("c", "y", "b", "a")
    first = state.predict(rows)
    assert set(first) == {"no", "yes"} and len(first) == 80
    table.unlink()
    model = state.fitted()
    assert model.columns == ("a", "b", "c") and model.classes == ("no", "yes")
    assert model.predict({n: rows[n].to_list() for n in ("b", "a", "c")}).tolist() == first.tolist()
    assert state.winner is not None and model.facts["trial"] == state.winner.number
    assert model.facts["seed"] == 5
    other = next(t for t in state.trials if t.number != state.winner.number)
    kept = study_dir("quick") / MODEL
    assert kept_model(kept, state.winner) is not None and kept_model(kept, other) is None


def test_a_loaded_task_runs(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    result = hyperllama.run(hyperllama.load_task(task), study="other", proposer="random", trials=1)
    assert result.name == "other" and result.default_score is not None


def test_what_cannot_be_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="unknown option 'trails'") as caught:
        hyperllama.run(write_task(tmp_path), trails=3)
    assert "did you mean 'trials'" in caught.value.hint
    with pytest.raises(HyperLlamaError):
        hyperllama.run(tmp_path / "none.toml")
    with pytest.raises(StudyError, match="no study 'none'"):
        hyperllama.read_study("none")


@pytest.mark.parametrize(
    "option",
    [{"trials": 0}, {"trials": 2.5}, {"trials": "many"}, {"minutes": -1}, {"seed": "a"},
     {"proposer": 5}, {"threads": -1}, {"gpu_layers": "some"}, {"context_length": -5},
     {"temperature": 11}, {"prompt": "reasoning=no"}],
)  # fmt: skip
def test_a_bad_option_is_named_before_anything_is_stored(
    tmp_path: Path, option: dict[str, object]
) -> None:
    with pytest.raises(StudyError, match=f"option {next(iter(option))}: .* cannot be used"):
        hyperllama.run(write_task(tmp_path), study="bad", **option)
    assert not study_dir("bad").exists()


def test_a_study_does_not_shrink_and_a_task_is_a_path_or_a_task() -> None:
    with pytest.raises(StudyError, match="more: -1 cannot be used"):
        hyperllama.resume("quick", more=-1)
    with pytest.raises(TypeError, match="a path or a task from load_task, not NoneType"):
        hyperllama.run(None)  # type: ignore[arg-type]


def test_an_error_of_the_table_names_the_given_task_file(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    lines = ['target = "nosuch"' if line.startswith("target") else line
             for line in task.read_text().splitlines()]
    other = tmp_path / "patients.toml"
    other.write_text("\n".join(lines))
    with pytest.raises(HyperLlamaError, match=r"^patients\.toml: data\.target"):
        hyperllama.run(other)


def test_a_sample_task_by_its_name() -> None:
    result = hyperllama.run("breast_cancer", proposer="random", trials=2, threads=1)
    assert result.name == "breast_cancer" and len(result.trials) == 2
    with pytest.raises(TaskError, match="no such task file") as caught:
        hyperllama.run("breast_cancr")
    assert "breast_cancer" in caught.value.hint
