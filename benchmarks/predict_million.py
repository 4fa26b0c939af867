"""Peak memory and time of predicting many rows from a file.

    python benchmarks/predict_million.py --rows 1000000

Makes a CSV of 36 columns (numbers, categories, amounts like "$1,234.50", dates), learns its first
2,000 rows with XGBoost, then runs the exported predict.py on all rows with --proba and prints the
peak resident memory of that process, its seconds and the rows that came out. Exit code 1 at 2 GB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperllama.core.data import load_table
from hyperllama.core.evaluate.saving import describe_model, save_pipeline
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.report.bundle import predict_script
from hyperllama.core.task import load_task, resolve

LIMIT_MB = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--estimator", default="xgboost")
    parser.add_argument("--output", default="out.csv", help="out.csv or out.parquet")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "new.csv", arguments.rows)
        learn(folder, arguments.estimator)
        script = [sys.executable, "-I", str(folder / "predict.py"), str(folder / "new.csv")]
        started = time.monotonic()
        child = subprocess.Popen([*script, "--proba", "-o", str(folder / arguments.output)],
                                 stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        seconds, peak_mb = time.monotonic() - started, used.ru_maxrss / 1024
        out = pl.scan_csv(folder / "out.csv") if arguments.output.endswith("csv") else (
            pl.scan_parquet(folder / arguments.output))
        rows = out.select(pl.len()).collect().item()
        size = (folder / "new.csv").stat().st_size / 1e6
    print(f"{rows:,} rows of 36 columns ({size:.0f} MB): peak {peak_mb:.0f} MB, {seconds:.1f} s, "
          f"exit code {status}")
    sys.exit(status != 0 or rows != arguments.rows or peak_mb > LIMIT_MB)


def write_rows(path: Path, rows: int) -> None:
    """The table, a part at a time."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, rows, 100_000):
            n = min(100_000, rows - start)
            columns = {f"x{i}": rng.normal(size=n).round(6) for i in range(30)}
            columns |= {f"c{i}": rng.choice(["red", "green", "blue"], n) for i in range(4)}
            columns["amount"] = [f"${v:,.2f}" for v in rng.uniform(0, 1e5, n)]
            days = rng.integers(0, 1000, n).astype("timedelta64[D]")
            columns["day"] = np.datetime64("2020-01-01") + days
            noise = rng.normal(size=n)
            columns["y"] = np.where(columns["x0"] + noise > 0, "yes", "no")
            pl.DataFrame(columns).write_csv(file, include_header=start == 0)


def learn(folder: Path, estimator: str) -> None:
    """An exported model of the first 2,000 rows."""
    with (folder / "new.csv").open() as file:
        (folder / "few.csv").write_text("".join(file.readline() for _ in range(2001)))
    task_file = folder / "task.toml"
    task_file.write_text(f'estimators = ["{estimator}"]\n[data]\npath = "few.csv"\ntarget = "y"\n')
    task = load_task(task_file)
    table = load_table(task)
    problem = resolve(task, table)
    pipeline = Evaluator.of(problem, table).fit_final(problem.space.default(), 0)
    facts = {**describe_model(problem, table), "estimator": estimator}
    save_pipeline(pipeline, folder / "pipeline.joblib", facts)
    (folder / "predict.py").write_text(predict_script(), encoding="utf-8")


if __name__ == "__main__":
    main()
