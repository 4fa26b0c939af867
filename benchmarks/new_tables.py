"""What `hyperllama new` and two trials make of a folder of tables (.csv.gz), one line of JSON each.

    python benchmarks/new_tables.py FOLDER -o found.jsonl             # `new` alone
    python benchmarks/new_tables.py FOLDER -o found.jsonl --trials    # and two trials on each

Goes on where it was stopped: tables that stand in the output are passed over. The last lines count
what was accepted, refused with an error of ours, and what broke.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.data import load_table
from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.scoring.crossval import Evaluator, TrialFailed
from hyperllama.core.task import parse_task, resolve
from hyperllama.core.task.new import new_task_file


def looked_at(table: Path, trials: bool) -> dict[str, Any]:
    """What became of one table."""
    started = time.perf_counter()
    found: dict[str, Any] = {"table": table.name, "trials": trials}
    try:
        task = parse_task(new_task_file(table, task_file=table), table.with_suffix(".toml"))
        read = load_table(task)
        problem = resolve(task, read)
        found |= {"outcome": "accepted", "target": task.data.target, "kind": problem.kind,
                  "metric": problem.metric, "rows": read.n_rows, "features": read.n_features}
        if trials:
            evaluator = Evaluator.of(problem, read)
            space = problem.space
            configs = [space.default(), space.sample(np.random.default_rng(0))]
            scores = [[fold.score for fold in evaluator.evaluate(c, 0)] for c in configs]
            found["scores"] = [float(np.mean(s)) for s in scores]
            found["test"] = evaluator.test_score(configs[0], 0)
    except (HyperLlamaError, TrialFailed) as error:
        found |= {"outcome": "refused", "error": str(error)}
    except Exception:
        found |= {"outcome": "broke", "error": traceback.format_exc()}
    return {**found, "seconds": round(time.perf_counter() - started, 3)}


def main() -> None:
    """Look at every table that was not looked at yet, then count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--trials", action="store_true", help="train twice on each")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    done = {}
    if arguments.output.exists():
        lines = arguments.output.read_text(encoding="utf-8").splitlines()
        done = {row["table"]: row for row in map(json.loads, lines)}
    tables = sorted(arguments.folder.glob("*.csv.gz"))
    order = [t for start in range(7) for t in tables[start::7]]  # a part is a sample of all
    with arguments.output.open("a", encoding="utf-8") as file:
        for table in order:
            if table.name not in done:
                done[table.name] = looked_at(table, arguments.trials)
                file.write(json.dumps(done[table.name]) + "\n")
                file.flush()
    print(Counter(row["outcome"] for row in done.values()))


if __name__ == "__main__":
    main()
