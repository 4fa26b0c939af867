"""What stopping hopeless trials saves, and what it costs.

    python benchmarks/racing.py FOLDER [--tables 12] [--seeds 3] [--budget 24] [--rows 500]
                                       [-o FILE]

The first tables of FOLDER by name whose task file `hyperllama new` writes without a question and
which have at least --rows rows; XGBoost, five folds. Each study is run twice, with racing and
without, with the same seed. Printed are the folds saved, the loss of the winner of the folds with
racing against without (both over the default's; losses are 1 - score, or -score), and how many
stopped trials would have beaten the incumbent of that moment had they had all their folds. With -o
each study's line is kept in FILE, and a run that was ended goes on there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import tomlkit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import hyperllama
from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.racing import ERROR
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.study import PRUNED, StudyState
from hyperllama.core.task.new import new_task_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=24)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--proposer", default="hybrid")
    parser.add_argument("--chance", type=float, default=ERROR, help="error rate")
    parser.add_argument("-o", "--output", type=Path, default=None)
    given = parser.parse_args()
    out = given.output
    kept = [json.loads(line) for line in out.open()] if out and out.exists() else []
    rows = {(row["table"], row["seed"]): row for row in kept}
    with tempfile.TemporaryDirectory() as home:
        os.environ["HYPERLLAMA_HOME"] = home
        tasks = (t for file in sorted(given.folder.glob("*.csv")) if (t := made(file, home, given)))
        used = list(itertools.islice(tasks, given.tables))
        for seed, task in itertools.product(range(given.seeds), used):
            if (task.stem, seed) not in rows:
                rows[task.stem, seed] = raced(task, seed, given)
                if out:
                    with out.open("a") as lines:
                        lines.write(json.dumps(rows[task.stem, seed]) + "\n")
            row = rows[task.stem, seed]
            print("{table} {seed}: {saved:.0%} saved, loss {worse:+.2%}, {wrong} of {stopped} "
                  "stops wrong ({expected:.1f} expected)".format(**row), flush=True)
    report(list(rows.values()))


def report(rows: list[dict[str, Any]]) -> None:
    """Print what all studies have in common."""
    saved, worse = ([row[name] for row in rows] for name in ("saved", "worse"))
    stopped, wrong, expected = (
        sum(row[name] for row in rows) for name in ("stopped", "wrong", "expected")
    )
    interval = 1.645 * statistics.stdev(worse) / len(worse) ** 0.5 if len(worse) > 1 else 0.0
    print(f"{len(rows)} studies: {statistics.mean(saved):.1%} of the folds saved; loss with racing "
          f"against without {statistics.mean(worse):+.2%} ± {interval:.2%} (90 %), median "
          f"{statistics.median(worse):+.2%}; {wrong} of {stopped} stopped trials would have become "
          f"the best, {expected:.1f} expected")  # fmt: skip


def raced(task: Path, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """The same study with racing and without, and what differs."""
    found = {}
    for racing in (0.0, given.chance):
        found[bool(racing)] = hyperllama.run(
            task, study=f"{task.stem}-{seed}-{racing}", seed=seed, racing=racing, jobs=1,
            trials=given.budget, proposer=given.proposer, threads=1, confirm=False,
        ).state  # fmt: skip
    stopped, wrong = completed(task, found[True], seed)
    return {
        "table": task.stem, "seed": seed, "saved": folds_saved(found[True]),
        "worse": left(found[True]) - left(found[False]), "stopped": stopped, "wrong": wrong,
        "expected": sum(t.chance or 0.0 for t in found[True].trials),
    }  # fmt: skip


def made(file: Path, home: str, given: argparse.Namespace) -> Path | None:
    """A task file for the table; None where it is too small or a question is open."""
    with file.open("rb") as rows:
        if sum(1 for _ in rows) < given.rows:
            return None
    task = Path(home) / f"{file.stem}.toml"
    try:
        text = new_task_file(file, task_file=task)
    except HyperLlamaError:
        return None
    document = tomlkit.parse(text)
    document["data"]["subsample_rows"] = given.rows  # type: ignore[index]
    document.setdefault("validation", tomlkit.table())["folds"] = 5
    task.write_text(tomlkit.dumps(document))
    return task


def folds_saved(state: StudyState) -> float:
    """Share of the folds that were not trained."""
    trained = sum(len(t.fold_scores) for t in state.trials)
    return 1 - trained / sum(t.folds for t in state.trials)


def left(state: StudyState) -> float:
    """The best loss over the default's."""
    assert state.best is not None and state.best.value is not None
    default = state.default_value or 0.0
    top = 0.0 if default < 0 or state.best.value > 1 else 1.0
    return (top - state.best.value) / max(top - default, 1e-9)


def completed(task: Path, state: StudyState, seed: int) -> tuple[int, int]:
    """How many trials were stopped, and how many of them would have beaten their incumbent."""
    stopped = [t for t in state.trials if t.state == PRUNED]
    wrong = 0
    with TrialRunner(task, log=task.with_suffix(".log"), threads=1) as runner:
        for trial in stopped:
            whole = runner.evaluate(dict(trial.config), seed=seed).value
            before = [t.value for t in state.trials[: trial.number] if t.value is not None]
            wrong += whole is not None and whole > max(before)
    return len(stopped), wrong


if __name__ == "__main__":
    main()
