"""Predicting raw rows: as the model in memory does, and saying how rows differ."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest

from hyperllama.core.data import Table, load_table
from hyperllama.core.errors import DataError
from hyperllama.core.estimators import families, family
from hyperllama.core.evaluate.saving import describe_model, save_pipeline
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.predict import FittedModel, files, load
from hyperllama.core.predict.files import predict_file
from hyperllama.core.predict.options import Wanted
from hyperllama.core.report.bundle import predict_script
from hyperllama.core.task import load_task, resolve
from tests.core.report.test_export import messy_csv, task_file

FAST = {"n_estimators": 8, "max_iter": 8, "iterations": 8}


def fitted(
    folder: Path, target: str = "label", name: str = "decision_tree", top: str = "",
    table: Path | None = None, rest: str = "", choices: Mapping[str, Any] = {},
) -> tuple[FittedModel, Any, Table]:
    """The messy table learned: the model from its files, the pipeline in memory, the table."""
    top = f'estimators = ["{name}"]\n{top}'
    task = load_task(task_file(folder, table or messy_csv(folder), target, top, rest))
    read = load_table(task)
    problem = resolve(task, read)
    config = problem.space.default()
    config |= {k: v for k, v in FAST.items() if k in config}
    config |= choices
    pipeline = Evaluator.of(problem, read).fit_final(config, 0)
    save_pipeline(pipeline, folder / "best" / "pipeline.joblib", describe_model(problem, read))
    return load(folder / "best"), pipeline, read


def cells(path: Path) -> pl.DataFrame:
    """The file's cells as text, whatever they mean."""
    return pl.read_csv(path, separator=";", infer_schema=False)


def alone(folder: Path) -> ModuleType:
    """The exported script as a module."""
    path = folder / "predict.py"
    path.write_text(predict_script(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("exported_predict", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", [n for n in families() if not family(n).install_hint])
@pytest.mark.parametrize("target", ["label", "amount"])
def test_raw_rows_are_predicted_as_the_model_in_memory_predicts(
    tmp_path: Path, name: str, target: str
) -> None:
    metric = 'metric = "neg_log_loss"' if target == "label" else ""
    model, pipeline, table = fitted(tmp_path, target, name, metric)
    assert model.facts["files"][0]["runs_code"] is False
    rows = cells(tmp_path / "messy.csv")
    rows = rows.select(sorted(rows.columns, reverse=True))
    wanted = np.asarray(pipeline.predict(table.x)).reshape(-1)
    assert model.predict(rows).tolist() == model.labels(wanted).tolist()
    if target == "label":
        assert np.array_equal(model.predict_proba(rows), pipeline.predict_proba(table.x))
        assert set(model.predict(rows)) <= {"high", "low"} == set(model.classes)


def test_a_program_is_kept_in_a_format_that_runs_no_code(tmp_path: Path) -> None:
    choices = {"vote": "linear", "numbers": "ranks", "added": "aggregates", "kept": "best",
               "kept_percent": 60}  # fmt: skip
    chosen = {f"pipeline.{k}": v for k, v in choices.items()}
    programs = "[programs]\nkind = 'pipeline'"
    model, pipeline, table = fitted(tmp_path, name="xgboost", rest=programs, choices=chosen)
    assert "Voting" in str(pipeline) and model.facts["files"][0]["format"] == "skops"
    found = model.predict_proba(cells(tmp_path / "messy.csv"))
    assert np.array_equal(found, pipeline.predict_proba(table.x))


def test_the_exported_script_does_the_same_without_hyperllama(tmp_path: Path) -> None:
    model, _, _ = fitted(tmp_path, name="xgboost", rest="[validation]\ngroup = 'owner'")
    script = predict_script()
    assert "import hyperllama" not in script and "from hyperllama" not in script
    rows = cells(tmp_path / "messy.csv").drop("price").with_columns(place=pl.lit("nowhere"))
    rows.write_csv(tmp_path / "new.csv")
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    wanted = Wanted(proba=True, explain=True, score=True, keep=("id",))
    said = predict_file(model, tmp_path / "new.csv", ours, wanted)
    options = ["--proba", "--explain", "--score", "--keep", "id", "-o", str(theirs)]
    module = alone(tmp_path / "best")
    assert module.main(tmp_path / "best", [str(tmp_path / "new.csv"), *options]) == 0
    assert ours.read_bytes() == theirs.read_bytes()
    found = pl.read_csv(ours)
    assert found.columns == ["id", "prediction", *(f"p({c})" for c in model.classes), "reason 1",
                             "reason 2", "reason 3"]
    assert found["id"].to_list() == rows["id"].to_list()
    assert found["reason 1"].str.contains(r"^size [+-]\d").mean() > 0.6
    text = "\n".join(said)
    assert "column 'price' is missing" in text and "'place': 160 cells (100 %)" in text
    assert "'nowhere'" in text and "log-odds" in text and "roc_auc 0.9" in text


def test_the_command_line_predicts_with_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hyperllama.tui.cli import run_command_line

    model, _, _ = fitted(tmp_path)
    path, folder = tmp_path / "messy.csv", tmp_path / "best"
    assert run_command_line(["predict", str(folder), str(path), "--score"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == ["prediction", *model.predict(cells(path))]
    assert "! roc_auc 1.0 (160 rows)" in err
    (folder / "pipeline.skops").unlink()
    arguments = ["predict", str(folder), str(path), "-o", str(tmp_path / "o.parquet")]
    assert run_command_line(arguments) == 3
    assert "is a pickle" in capsys.readouterr().err
    assert run_command_line([*arguments, "--trust", "--keep", "id"]) == 0
    assert pl.read_parquet(tmp_path / "o.parquet").columns == ["id", "prediction"]


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _, _ = fitted(tmp_path, name="hist_gradient_boosting")
    path = tmp_path / "many.csv"
    pl.concat([cells(tmp_path / "messy.csv")] * 20).write_csv(path)
    told: list[str] = []
    whole = predict_file(model, path, tmp_path / "a.csv", Wanted(proba=True))
    monkeypatch.setattr(files, "BLOCK_CELLS", 1)
    parts = predict_file(model, path, tmp_path / "b.csv", Wanted(proba=True), told.append)
    assert whole == parts and len(told) > 2 and told[-1] == "3,200 of 3,200 rows"
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert len(pl.read_csv(tmp_path / "b.csv")) == 3200


def test_no_rows_give_no_predictions(tmp_path: Path) -> None:
    model, _, _ = fitted(tmp_path, name="xgboost")
    rows = cells(tmp_path / "messy.csv").head(0)
    assert model.predict(rows).shape == (0,) and model.predict_proba(rows).shape == (0, 2)
    rows.write_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="no rows"):
        predict_file(model, tmp_path / "none.csv", tmp_path / "o.csv", Wanted())
    assert not (tmp_path / "o.csv").exists()


def test_marks_headers_and_separators_of_the_task_count_for_new_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{x:.2f}^{c}^{x + 0.1 * e:.3f}" for x, c, e in zip(
        rng.normal(size=60), rng.choice(["No", "no ", "yes"], 60), rng.normal(size=60),
        strict=True)]
    lines[:10] = [f"-999^no^{v}" for v in range(10)]
    table = tmp_path / "t.txt"
    table.write_text("\n".join(lines) + "\n")
    rest = ('separator = "^"\nheader = false\nignore_case = ["column_2"]\n'
            "missing = { column_1 = [-999] }")  # fmt: skip
    model, pipeline, read = fitted(tmp_path, "column_3", table=table, rest=rest)
    assert np.isnan(read.x[:10, 0]).all() and len(model.known) == 2
    new = tmp_path / "new.txt"
    new.write_text(table.read_text().replace("yes", " YES"))
    assert predict_file(model, new, tmp_path / "o.parquet", Wanted()) == []
    found = pl.read_parquet(tmp_path / "o.parquet")["prediction"]
    assert np.array_equal(found.to_numpy(), pipeline.predict(read.x))


def test_how_rows_differ_is_said(tmp_path: Path) -> None:
    model, _, table = fitted(tmp_path, "amount")
    rows = cells(tmp_path / "messy.csv")
    assert model.check(rows) == []
    changed = rows.with_columns(
        size=pl.lit("1000,5"), day=pl.lit("2020-05-01"), ok=pl.lit("Yes"), price=pl.lit("cheap"),
        place=pl.when(pl.int_range(pl.len()) < 8).then(pl.lit("z")).otherwise(pl.col("place")),
        when=pl.lit(None), more=pl.lit(1),
    )
    text = "\n".join(model.check(changed))
    for line in (
        "not in the training table, so not used: 'more'",
        "'day': 160 cells (100 %) are no dates as in training (%d.%m.%Y): '2020-05-01'",
        "'price': 160 cells (100 %) are no numbers (in €): 'cheap'",
        "'place': 8 cells (5.0 %) are no known categories: 'z'",
        "'size': 100 % of the rows lie outside the training rows: 160 above",
        "up to 1000.5", "'when': 100 % empty, in training 0 %",
    ):
        assert line in text
    assert "'ok': 160" not in text and "'owner'" not in text
    with pytest.warns(UserWarning, match="'place': 8 cells were not seen"):
        assert len(model.predict(changed)) == table.n_rows
    with pytest.raises(DataError, match="none of the model's columns"):
        model.predict({"x": [1, 2]})


@cache
def typed_rows() -> Mapping[str, list[Any]]:
    return {
        "n": [1.5, 2.25, None, 4.0] * 20, "whole": [3, 1, 2, 3] * 20,
        "flag": [True, False, True, None] * 20, "word": ["a", "b", None, "c"] * 20,
        "code": [10, 20, 20, 30] * 20,
        "day": [f"2021-03-{d:02d}" for d in range(1, 21) for _ in range(4)],
        "y": [float(i % 7) for i in range(80)],
    }


def test_a_typed_table_and_its_csv_are_read_alike(tmp_path: Path) -> None:
    frame = pl.DataFrame(typed_rows()).with_columns(pl.col("day").str.to_date())
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv")
    text = pl.read_csv(tmp_path / "t.csv", infer_schema=False)
    for name in ("t.parquet", "t.csv"):
        table = tmp_path / name
        folder = tmp_path / name.replace(".", "")
        folder.mkdir()
        more = 'categorical = ["code", "whole"]'
        task = load_task(task_file(folder, table, "y", 'estimators = ["decision_tree"]', more))
        read = load_table(task)
        model = FittedModel(
            {**describe_model(resolve(task, read), read), "files": []}, None
        )
        for rows in (frame, text, frame.cast({"code": pl.Float64})):
            found = model.rows(rows.columns)
            assert np.array_equal(found.read(rows), read.x, equal_nan=True), (name, rows.schema)
            assert found.report() == []


def test_a_folder_of_somebody_else_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, _ = fitted(tmp_path)
    folder = tmp_path / "best"
    rows = cells(tmp_path / "messy.csv")
    before = model.predict(rows).tolist()
    with monkeypatch.context() as patched, pytest.raises(DataError, match="skops, which is") as no:
        patched.setitem(sys.modules, "skops", None)
        load(folder)
    assert no.value.hint == "pip install skops"
    (folder / "pipeline.skops").unlink()
    with pytest.raises(DataError, match=r"pipeline.joblib is a pickle") as refused:
        load(folder)
    assert "--trust" in refused.value.hint
    assert load(folder, trusted=True).predict(rows).tolist() == before
    joblib.dump(None, folder / "pipeline.joblib")
    with pytest.raises(DataError, match=r"joblib is not the file that pipeline.json describes"):
        load(folder, trusted=True)
    (folder / "pipeline.json").write_text(json.dumps({"columns": []}))
    with pytest.raises(DataError, match="older version"):
        load(folder)
    with pytest.raises(DataError, match="holds no exported model"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["decision_tree", "hist_gradient_boosting", "knn"])
def test_a_tree_that_points_outside_itself_is_refused(tmp_path: Path, name: str) -> None:
    from skops import io

    from hyperllama.core.predict.formats import sha256

    few = 'drop = ["day", "when", "place", "owner"]'  # with many columns neighbours need no tree
    _, pipeline, _ = fitted(tmp_path, name=name, rest=few)
    model = pipeline.steps[-1][1]
    if name == "decision_tree":
        state = model.tree_.__getstate__()
        state["nodes"]["left_child"][0] = 10**6
        model.tree_.__setstate__(state)
    elif name == "knn":
        model._tree.get_arrays()[1][0] = 10**6
    else:
        model._predictors[0][0].nodes["left"][0] = 10**6
    path = tmp_path / "best" / "pipeline.skops"
    io.dump(pipeline, path)
    facts = json.loads((tmp_path / "best" / "pipeline.json").read_text())
    facts["files"] = [{**facts["files"][0], "sha256": sha256(path)}]
    (tmp_path / "best" / "pipeline.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="out of range"):
        load(tmp_path / "best")


def test_what_cannot_be_done_is_said_before_anything_is_written(tmp_path: Path) -> None:
    model, _, _ = fitted(tmp_path, "amount", "svm")
    path = tmp_path / "messy.csv"
    for wanted, output, said in (
        (Wanted(proba=True), "o.csv", "no probabilities"),
        (Wanted(keep=("idd",)), "o.csv", "no column 'idd'"),
        (Wanted(), "o.xlsx", "written as .csv or .parquet"),
        (Wanted(), "messy.csv", "is the file with the rows"),
    ):
        with pytest.raises(DataError, match=said):
            predict_file(model, path, tmp_path / output, wanted)
    cells(path).drop("amount").write_csv(tmp_path / "no.csv")
    with pytest.raises(DataError, match="no column 'amount' to score"):
        predict_file(model, tmp_path / "no.csv", None, Wanted(score=True))
    assert {p.name for p in tmp_path.iterdir()} == {"messy.csv", "no.csv", "task.toml", "best"}
    assert "shuffled" in "\n".join(predict_file(model, path, tmp_path / "o.csv",
                                                 Wanted(explain=True)))


@pytest.mark.parametrize("name", ["xgboost", "random_forest"])
def test_onnx_where_its_packages_are(tmp_path: Path, name: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxmltools")
    model, pipeline, table = fitted(tmp_path, name=name)
    save_pipeline(pipeline, tmp_path / "best" / "pipeline.joblib", model.facts, table.x)
    again = load(tmp_path / "best")
    assert again.facts["files"][-1]["format"] == "onnx"
    session = runtime.InferenceSession(tmp_path / "best" / "pipeline.onnx")
    found = session.run(None, {"rows": table.x.astype(np.float32)})[-1]
    assert np.allclose(found, pipeline.predict_proba(table.x), atol=1e-3)
