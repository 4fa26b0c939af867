"""Predictions of exported models against the model in memory, to the last digit.

    python benchmarks/predict_tables.py FOLDER --tables 30

Each table (CSV) is learned with the next estimator family in turn; then its rows are written with
the columns in another order. The numbers they are read as have to be those of the training table,
and `hyperllama.load` and the exported predict.py (in a Python of its own that cannot import
HyperLlama) have to predict what the pipeline in memory predicts for them: labels, numbers and
probabilities equal bit by bit.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperllama.core.data import load_table
from hyperllama.core.data.inspect import inspect
from hyperllama.core.data.reader import open_file
from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.estimators import families, family
from hyperllama.core.evaluate.saving import describe_model, save_pipeline
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.predict import load
from hyperllama.core.predict.known import read_known
from hyperllama.core.report.bundle import predict_script
from hyperllama.core.task import load_task, resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    files = sorted(arguments.folder.glob("*.csv*"))
    rng.shuffle(files)
    names = [n for n in families() if not family(n).install_hint]
    done = wrong = 0
    for path in files:
        if done == arguments.tables:
            break
        with tempfile.TemporaryDirectory() as folder:
            try:
                line, equal = compare(path, names[done % len(names)], Path(folder), rng)
            except HyperLlamaError as error:
                print(f"{path.name}: left out: {error.message}")
                continue
        done, wrong = done + 1, wrong + (not equal)
        print(f"{path.name}: {line}: {'equal' if equal else 'DIFFERENT'}", flush=True)
    print(f"{done} tables, {done - wrong} equal to the last digit")
    sys.exit(1 if wrong else 0)


def compare(path: Path, name: str, folder: Path, rng: random.Random) -> tuple[str, bool]:
    """One table: what it is, and whether all ways to predict it agree."""
    target = inspect(path)["target"]
    if target is None:
        raise HyperLlamaError("no column can be predicted")
    task_file = folder / "task.toml"
    task_file.write_text(f'estimators = ["{name}"]\n[data]\npath = "{path.resolve()}"\n'
                         f"target = {quoted(target['name'])}\n", encoding="utf-8")
    task = load_task(task_file)
    table = load_table(task)
    problem = resolve(task, table)
    evaluator = Evaluator.of(problem, table)
    facts = {**describe_model(problem, table), "versions": {}, "estimator": name}
    pipeline = evaluator.fit_final(problem.space.default(), 0)
    save_pipeline(pipeline, folder / "pipeline.joblib", facts)
    model = load(folder)
    rows, known = shuffled(path, model, folder / "new.csv", rng)
    x = model.rows(rows.columns).read(rows)
    equal = np.array_equal(x[known], evaluator.data.x, equal_nan=True)
    proba = model.kind == "classification" and hasattr(pipeline, "predict_proba")
    wanted = model.labels(np.asarray(pipeline.predict(x)).reshape(-1))
    equal &= bool(np.array_equal(model.predict(rows), wanted))
    if proba:
        equal &= np.array_equal(model.predict_proba(rows), pipeline.predict_proba(x))
    said = by_script(folder, proba)
    equal &= said["prediction"].to_list() == wanted.tolist()
    if proba:
        columns = said.select(pl.col("^p\\(.*\\)$")).to_numpy()
        equal &= np.array_equal(columns, pipeline.predict_proba(x))
    form = model.facts["files"][0]["format"]
    return f"{table.n_rows} rows, {len(model.columns)} columns, {name} ({form})", bool(equal)


def shuffled(
    path: Path, model: object, to: Path, rng: random.Random
) -> tuple[pl.DataFrame, np.ndarray]:
    """Write the table with its columns in another order; its rows, and those that were learned."""
    file = open_file(path)
    names = list(file.names)
    rng.shuffle(names)
    rows = file.read(names)
    rows.write_csv(to)
    truth = read_known(rows[model.target], [model.target_column])[0]  # type: ignore[attr-defined]
    return rows, ~np.isnan(truth)


def by_script(folder: Path, proba: bool) -> pl.DataFrame:
    """What the exported predict.py writes, run where HyperLlama cannot be imported."""
    (folder / "predict.py").write_text(predict_script(), encoding="utf-8")
    command = [sys.executable, "-I", str(folder / "predict.py"), str(folder / "new.csv"), "-o",
               str(folder / "out.parquet"), *(["--proba"] if proba else [])]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return pl.read_parquet(folder / "out.parquet")


def quoted(text: str) -> str:
    """A TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    main()
