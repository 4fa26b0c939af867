"""Two workers of a Dask cluster on this machine, one killed with -9 every ten seconds; and what a
trial costs there beyond what it costs here.

    python benchmarks/cluster_kills.py kills [--trials 40] [--every 10] [--rows 12000]
    python benchmarks/cluster_kills.py overhead [--trials 30]

`kills`: every other kill hits the process that keeps the table, which its nanny starts again; the
others hit the nanny with it, and a new worker is started, as SLURM or Kubernetes would. Counted
from the study's storage: trials that are lost (a number without an end) or repeated (a number, or a
configuration, that was scored twice), those that did not complete, and processes left over at the
end. The scores are compared with those of the same study without a cluster.

`overhead`: the same trials in turn by a trial runner of this machine and by a cluster of one worker
with one thread; the table of the sample task breast_cancer, five folds, one thread. The difference
of each pair; its median is what is asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
_ONE = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


class LocalCluster:
    """A scheduler and workers of this machine, each started by its own command."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self.file = folder / "scheduler.json"
        self._env = {**os.environ, **_ONE, "PYTHONPATH": str(ROOT)}
        self._scheduler = self._start(
            "scheduler", [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0",
                          "--host", "127.0.0.1", "--no-dashboard",
                          "--scheduler-file", str(self.file)])  # fmt: skip
        while not self.file.exists():
            time.sleep(0.1)
        self.workers = [self._worker() for _ in range(workers)]
        self.killed = Counter[str]()

    def kill(self, number: int, whole: bool) -> None:
        """SIGKILL to a worker's process, or to its nanny, too; then there is a new worker."""
        process = self.workers[number]
        children = psutil.Process(process.pid).children()
        for child in children if not whole else [process, *children]:
            with contextlib.suppress(psutil.Error):
                child.kill()
        self.killed["worker and nanny" if whole else "worker"] += 1
        if whole:
            process.wait()
            self.workers[number] = self._worker()

    def close(self) -> None:
        """End it."""
        for process in (*self.workers, self._scheduler):
            process.send_signal(signal.SIGTERM)
        for process in (*self.workers, self._scheduler):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)

    def _worker(self) -> subprocess.Popen[bytes]:
        return self._start("worker", [
            sys.executable, "-m", "hyperllama", "worker", "--cluster", str(self.file),
            "--jobs", "1", "--", "--local-directory", str(self._folder),
        ])  # fmt: skip

    def _start(self, name: str, line: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(line, env=self._env, cwd=self._folder, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=("kills", "overhead"))
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between kills")
    parser.add_argument("--rows", type=int, default=12_000, help="of the table of the kills")
    parser.add_argument("--folder", type=Path, help="keep everything there")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        if options.what == "kills":
            found = killed(folder, options.trials or 40, options.every, options.rows)
        else:
            found = overhead(folder, options.trials or 30)
    for name, value in found.items():
        print(f"{name:28} {value}")


def killed(folder: Path, trials: int, every_s: float, rows: int) -> dict[str, Any]:
    """A study on two workers that are killed in turn, beside the same study without a cluster."""
    task = write_table(folder, rows)
    before = {p.pid for p in psutil.process_iter()}
    cluster = LocalCluster(folder, workers=2)
    begun, number = time.monotonic(), 0
    try:
        study = run(folder, task, trials, "--study", "there", "--cluster", str(cluster.file))
        next_s = begun + every_s
        while study.poll() is None:
            if time.monotonic() >= next_s:
                cluster.kill(number % 2, whole=number % 4 > 1)
                number, next_s = number + 1, next_s + every_s
            time.sleep(0.1)
        took_s = time.monotonic() - begun
    finally:
        cluster.close()
    time.sleep(2)
    here = run(folder, task, trials, "--study", "here")
    here.wait()
    there_ends, here_ends = (list(ends(folder / f"{name}.jsonl")) for name in ("there", "here"))
    numbers = Counter(end["number"] for end in there_ends)
    configs = Counter(json.dumps(end["config"], sort_keys=True) for end in there_ends)
    scores = [[e["fold_scores"] for e in sorted(found, key=lambda e: int(e["number"]))]
              for found in (there_ends, here_ends)]  # fmt: skip
    return {
        "exit code": study.returncode, "seconds": round(took_s),
        "kills": f"{number} {dict(cluster.killed)}",
        "trials ended": len(numbers), "lost": trials - len(numbers),
        "repeated": sum(n - 1 for n in numbers.values()) + sum(n - 1 for n in configs.values()),
        "states": dict(Counter(end["state"] for end in there_ends)),
        "same scores as without": scores[0] == scores[1],
        "processes left": [p.name() for p in psutil.process_iter() if p.pid not in before
                           and folder_of(p) == str(folder.resolve())],
    }  # fmt: skip


def overhead(folder: Path, trials: int) -> dict[str, Any]:
    """Wall seconds of the same trials here and on a worker, pair by pair."""
    from hyperllama.core.evaluate.cluster.runner import ClusterRunner
    from hyperllama.core.evaluate.cluster.scheduler import Cluster
    from hyperllama.core.evaluate.cluster.worker import StudyTable
    from hyperllama.core.evaluate.runner.client import TrialRunner
    from hyperllama.core.task import find_task, standalone_text

    task = folder / "task.toml"
    text = standalone_text(find_task("breast_cancer"))
    task.write_text("\n".join(line for line in text.splitlines() if not line.startswith("folds")))
    cluster = LocalCluster(folder, workers=1)
    try:
        with TrialRunner(task, log=folder / "log", threads=1) as here:
            problem = here.open()
            here.share_table(folder / "shared")
            joined = Cluster(str(cluster.file), folder / "cluster.log")
            needed = joined.check(problem.estimators, programs=False)
            table = (folder / "shared").read_bytes()
            joined.hand_out(lambda: StudyTable(task.read_text(), table, needed, 1))
            found: dict[str, Any] = {"folds of a trial": here.folds}
            for ahead in (1, 2):
                there = ClusterRunner(joined, here, folder, ahead)
                config = dict(problem.space.default())
                pairs = []
                for seed in range(-2, trials):  # the first two warm both up
                    seconds = [r.evaluate(config, seed=seed + 2).seconds for r in (here, there)]
                    if seed >= 0:
                        pairs.append(seconds)
                extra = [1000 * (b - a) for a, b in pairs]
                low, middle, high = statistics.quantiles(extra, n=4)
                found[f"ms more, {ahead} under way"] = (
                    f"median {middle:.0f}, quartiles {low:.0f} to {high:.0f} "
                    f"(here {1000 * statistics.median(a for a, _ in pairs):.0f})"
                )
            joined.close()
    finally:
        cluster.close()
    return found


def run(folder: Path, task: Path, trials: int, *more: str) -> subprocess.Popen[bytes]:
    """A study in a process of its own; its events go to a file of its name."""
    line = [sys.executable, "-m", "hyperllama", "run", str(task), "--proposer", "random",
            "--budget", str(trials), "--seed", "1", "--jobs", "2", "--threads", "1",
            "--no-confirm", "--racing", "0", "--json", *more]  # fmt: skip
    env = {**os.environ, **_ONE, "PYTHONPATH": str(ROOT), "HYPERLLAMA_HOME": str(folder / "home")}
    name = more[more.index("--study") + 1]
    with (folder / f"{name}.jsonl").open("wb") as out, (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(line, env=env, cwd=folder, stdin=subprocess.DEVNULL,
                                stdout=out, stderr=log)  # fmt: skip


def ends(file: Path) -> Iterator[dict[str, Any]]:
    """The ends of trials among the events of a study."""
    for line in file.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "TrialFinished":
            yield event


def folder_of(process: psutil.Process) -> str:
    """Where a process stands: all that the benchmark starts stand in its folder."""
    try:
        return str(process.cwd())
    except psutil.Error:
        return ""


def write_table(folder: Path, rows: int) -> Path:
    """A task whose trials take some seconds in one thread."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 12))
    y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + rng.normal(size=rows)
    lines = [",".join(f"{v:.4f}" for v in (*row, target))
             for row, target in zip(x, y, strict=True)]  # fmt: skip
    names = ",".join([*(f"x{i}" for i in range(12)), "y"])
    (folder / "t.csv").write_text("\n".join([names, *lines]) + "\n")
    task = folder / "task.toml"
    task.write_text('estimators = ["random_forest"]\n[data]\npath = "t.csv"\ntarget = "y"\n'
                    "[validation]\nfolds = 3\n[space]\nn_estimators = { low = 60, high = 120 }\n")
    return task


if __name__ == "__main__":
    main()
