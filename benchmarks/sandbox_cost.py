"""What the sandbox adds to a trial: the same program with it, without it, and in this process.

    python benchmarks/sandbox_cost.py readmission --trials 15

A trial is the task's cross-validation, each fold of which is a fit of its own. The three ways take
turns, so that what else the machine does hits all alike. Prints medians, and medians of the
differences between trials of one turn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hyperllama.core.data import load_table
from hyperllama.core.evaluate.results import Tally
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.evaluate.scoring.programs import ProgramSetting, ProgramTrials
from hyperllama.core.programs.store import CHOICE, ProgramStore
from hyperllama.core.task import find_task, load_task, resolve

PROGRAM = '''"""Boosted trees on ranks."""
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from xgboost import XGBClassifier

def build(columns, task):
    ranks = QuantileTransformer(n_quantiles=50)
    return make_pipeline(ranks, XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1))
'''


def main() -> None:
    """Run trials in turns; print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--trials", type=int, default=15)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    task = load_task(find_task(given.task))
    table = load_table(task)
    problem = resolve(task, table)
    evaluator = Evaluator.of(problem, table)
    folds = evaluator.folds(0)
    ways = {"sandboxed": False, "unsandboxed": True}
    with tempfile.TemporaryDirectory() as folder:
        config = {CHOICE: ProgramStore(Path(folder)).add(PROGRAM)}
        trials = {
            name: ProgramTrials(
                ProgramSetting(Path(folder), problem.columns, unsandboxed=bare), evaluator
            )
            for name, bare in ways.items()
        }
        took: dict[str, list[float]] = {"in this process": [], **{name: [] for name in ways}}
        for turn in range(given.trials + 1):
            for name in took:
                began = time.perf_counter()
                for k, (train, scored) in enumerate(folds):
                    if name in trials:
                        trials[name].fold(config, k, len(folds), train, scored, Tally())
                    else:
                        _plain(evaluator, train, scored, train_too=k == 0)
                if turn:  # the first starts the sandboxes
                    took[name].append(1000 * (time.perf_counter() - began))
        for found in trials.values():
            found.close()
    for name, ms in took.items():
        print(f"{name}: {statistics.median(ms):.0f} ms a trial of {len(folds)} folds")
    for name in ("unsandboxed", "in this process"):
        more = [a - b for a, b in zip(took["sandboxed"], took[name], strict=True)]
        print(f"the sandbox adds {statistics.median(more):.0f} ms to a trial {name}")


def _plain(evaluator: Evaluator, train: Any, scored: Any, *, train_too: bool) -> None:
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    data = evaluator.data
    model = names["build"]((), SimpleNamespace()).fit(data.x[train], data.y[train])
    for rows in (scored, train) if train_too else (scored,):
        evaluator.scorer(model, data.x[rows], data.y[rows])


if __name__ == "__main__":
    main()
