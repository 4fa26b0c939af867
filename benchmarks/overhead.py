"""What a study costs beyond training: 20 trials beside the same 20 in plain cross_val_score.

    python benchmarks/overhead.py [--task breast_cancer] [--trials 20] [--rounds 3] [--json]

Both are whole processes, from start to end, one thread each, one after the other; the study
proposes at random. The plain one reads the same table, builds the same pipelines, and calls
cross_val_score on the same folds; its scores are checked against the study's. Wall and CPU seconds
are medians over rounds; the ratio of the CPU times hardly depends on what else the machine does.
Last come the times of `hyperllama --help` and `hyperllama studies`, the least of ten.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
_ONE = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--task", default="breast_cancer", help="a task file or a sample task")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plain", nargs=2, metavar=("TASK", "CONFIGS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        _plain(Path(options.plain[0]), Path(options.plain[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        result = _compared(Path(folder), options.task, options.trials, options.rounds)
    for name, value in result.items():
        print(f"{name:16} {value}")
    if options.json:
        print(json.dumps(result))


def _compared(folder: Path, task: str, trials: int, rounds: int) -> dict[str, Any]:
    from hyperllama.core.task import standalone_text
    from hyperllama.tui.cli.study.run import find_task

    file = folder / "task.toml"
    # No rows are kept for the end: scoring the incumbent there is no part of a trial.
    text = standalone_text(find_task(task))
    lines = [line for line in text.splitlines() if not line.startswith("test_share")]
    file.write_text("\n".join(lines).replace("[validation]", "[validation]\ntest_share = 0.0"))
    env = {**os.environ, **_ONE, "HYPERLLAMA_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    study_s, study_cpu, plain_s, plain_cpu = [], [], [], []
    worst = 0.0
    for number in range(rounds):
        command = ["run", str(file), "--proposer", "random", "--budget", str(trials),
                   "--threads", "1", "--study", f"s{number}", "--json"]  # fmt: skip
        wall, cpu, said = _timed([sys.executable, "-m", "hyperllama", *command], env)
        study_s.append(wall)
        study_cpu.append(cpu)
        events = [json.loads(line) for line in said.splitlines()]
        done = [e for e in events if e["event"] == "TrialFinished" and e["state"] == "complete"]
        configs = folder / "configs.json"
        configs.write_text(json.dumps([e["config"] for e in done]))
        line = [sys.executable, str(Path(__file__)), "--plain", str(file), str(configs)]
        wall, cpu, said = _timed(line, env)
        plain_s.append(wall)
        plain_cpu.append(cpu)
        pairs = zip(done, json.loads(said), strict=True)
        worst = max(worst, *(abs(e["value"] - score) for e, score in pairs))
    return {
        "task": task,
        "trials": trials,
        "study_s": round(statistics.median(study_s), 2),
        "plain_s": round(statistics.median(plain_s), 2),
        "wall_ratio": round(statistics.median(study_s) / statistics.median(plain_s), 3),
        "study_cpu_s": round(statistics.median(study_cpu), 2),
        "plain_cpu_s": round(statistics.median(plain_cpu), 2),
        "cpu_ratio": round(statistics.median(study_cpu) / statistics.median(plain_cpu), 3),
        "largest_difference_of_scores": worst,
        "help_s": _quickest(["--help"], env),
        "studies_s": _quickest(["studies"], env),
    }


def _timed(command: Sequence[str], env: dict[str, str]) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds with those of children, and what it printed."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, env=env)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}")
        wall = time.perf_counter() - began
        output.seek(0)
        return wall, usage.ru_utime + usage.ru_stime, output.read().decode()


def _quickest(arguments: Sequence[str], env: dict[str, str]) -> float:
    command = [sys.executable, "-m", "hyperllama", *arguments]
    return round(min(_timed(command, env)[0] for _ in range(10)), 3)


def _plain(task_file: Path, configs: Path) -> None:
    """The same configurations by scikit-learn alone; prints their scores."""
    from sklearn.model_selection import cross_val_score

    from hyperllama.core.data import load_table
    from hyperllama.core.estimators import split
    from hyperllama.core.evaluate.pipeline import build_pipeline
    from hyperllama.core.evaluate.scoring.crossval import Evaluator
    from hyperllama.core.task import load_task, resolve

    warnings.simplefilter("ignore")
    task = load_task(task_file)
    table = load_table(task)
    problem = resolve(task, table)
    evaluator = Evaluator.of(problem, table)
    scores = []
    for config in json.loads(configs.read_text()):
        name, params = split(config, problem.estimators)
        pipeline = build_pipeline(
            name, problem.kind, params, table.categorical, task.seed, 1,
            response=evaluator.response,
        )  # fmt: skip
        folds = evaluator.folds(task.seed)
        found = cross_val_score(pipeline, table.x, table.y, scoring=problem.metric, cv=folds)
        scores.append(float(found.mean()))
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
