"""Trials side by side: throughput of really trained ones, and what knowing less costs.

    python benchmarks/parallel_trials.py throughput [--jobs 2] [--trials 24] [--rounds 3]
    python benchmarks/parallel_trials.py memory [TASK] [--jobs 4] [--rows 300000]
    python benchmarks/parallel_trials.py quality FOLDER [--seeds 20] [--seconds 480] [-o FILE]
                                                 [--processes 1]

`throughput` runs the same study with one job and with several, in turns, one thread a trial, on a
table that it makes; a trial takes about two seconds. Printed is the ratio of trials per second
(training and proposals, opening and confirmation left out).

`memory` opens as many trial runners, once with the table shared and once without, on the table of
TASK or on one that it makes (40 columns of numbers). Printed is what all of them have in memory
(proportional set size, Linux), beyond as many runners with a table of 100 rows.

`quality` plays on the benchmark tables of FOLDER by a simulated clock: a trial takes a minute on
average, varying as real trials did (the same for a configuration whoever proposes it). After equal
time, the loss of the hybrid with N jobs, in both orders, stands beside the hybrid with one job and
Optuna's TPESampler with constant liar and N jobs; loss: share of the gap between random search's
median and the optimum that is left. `after 24 trials` compares at equal numbers of trials. With -o
each study's figures are kept in FILE, and a run that was ended goes on there. Seeds follow each
other, so what stands there when it is ended early holds whole seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import heapq
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperllama.core.experiments.problems.tables import TableProblem, table_problems
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import Config
from hyperllama.core.study.running.told_trials import held_back
from hyperllama.core.trials import RUNNING, AskContext, Observed

JOBS = (1, 2, 4, 8, 16)
WAYS = ("fixed", "as-finished", "TPE")
SHARES = (0.18, 0.31, 0.39, 0.47, 0.54, 0.59, 0.64, 0.70, 0.76, 0.81,
          0.88, 0.95, 1.03, 1.13, 1.23, 1.34, 1.47, 1.64, 1.94, 2.70)
"""Seconds of 4,000 real trials of XGBoost over the mean of their study: 20 quantiles."""
TRIALS = 24


def throughput(jobs: int, trials: int, rounds: int) -> None:
    """Print trials per second with one job and with several."""
    import hyperllama

    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYPERLLAMA_HOME"] = folder
        task = made_task(Path(folder))
        for number in range(rounds):
            speed = {}
            for n in (1, jobs):
                options = {"trials": trials, "seed": number, "threads": 1, "confirm": False}
                result = hyperllama.run(
                    task, study=f"jobs{n}-{number}", jobs=n, proposer="hybrid", **options
                )
                assert result.state.finished is not None
                speed[n] = trials / result.state.finished.seconds
                each = statistics.median(t.seconds for t in result.trials)
                print(f"{n} jobs: {speed[n]:.3f} trials/s, {each:.2f} s a trial", flush=True)
            ratios.append(speed[jobs] / speed[1])
    print(f"{jobs} jobs against 1: median ratio {statistics.median(ratios):.2f} "
          f"({', '.join(f'{r:.2f}' for r in ratios)})")  # fmt: skip


def made_task(folder: Path) -> Path:
    """A table of 6,000 rows, and a task whose trials take about two seconds."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 20))
    y = x[:, 0] * x[:, 1] + np.sin(x[:, 2]) + 0.3 * rng.normal(size=len(x))
    names = [f"x{i}" for i in range(20)]
    lines = [",".join([*names, "y"]), *(",".join(f"{v:.4f}" for v in r) for r in np.c_[x, y])]
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    task = folder / "made.toml"
    task.write_text('estimators = ["random_forest"]\n[data]\npath = "made.csv"\ntarget = "y"\n'
                    "[validation]\nfolds = 3\n[space.random_forest]\nn_estimators = 20\n")
    return task


def memory(task: Path | None, jobs: int, rows: int) -> None:
    """Print what the trial runners have in memory, with the table shared and without."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = numbers_task(folder / "small", 100)
        large = task or numbers_task(folder / "large", rows)
        empty = opened_mb(folder / "a", small, jobs, share=True)
        one = opened_mb(folder / "b", large, 1, share=True)
        for share in (True, False):
            used = opened_mb(folder / str(share), large, jobs, share)
            print(f"{jobs} runners, table {'shared' if share else 'read by each'}: {used:.0f} MB; "
                  f"{used - empty:.0f} MB of it for the table", flush=True)  # fmt: skip
        print(f"1 runner: {one:.0f} MB; {jobs} with 100 rows: {empty:.0f} MB")


def opened_mb(folder: Path, task: Path, jobs: int, share: bool) -> float:
    """Memory of the runners once all have opened the table."""
    import shutil

    from hyperllama.core.storage.folder import TASK
    from hyperllama.core.study.starting.options import Options
    from hyperllama.core.study.starting.problem import OpenProblem
    from hyperllama.core.task import load_task, with_table

    folder.mkdir()
    shutil.copyfile(task, folder / TASK)
    table = load_task(task).data.path
    (folder / TASK).write_text(with_table(task.read_text(), table))
    problem = OpenProblem(folder, Options(threads=1, jobs=jobs))
    try:
        problem.load(lambda: False)
        for runner in problem.runners:
            if not share and runner is not problem.runner:
                runner.close()
                runner._shared = None
            runner.open()
        return sum(pss_mb(int(runner.pid or 0)) for runner in problem.runners)
    finally:
        problem.close()


def pss_mb(pid: int) -> float:
    """A process's share of the memory that it maps, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


def numbers_task(folder: Path, rows: int) -> Path:
    """A task on a table of 40 columns of numbers."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [*(f"x{i}" for i in range(40)), "y"]
    np.savetxt(folder / "made.csv", rng.random((rows, 41)), "%.4f", ",", header=",".join(names),
               comments="")  # fmt: skip
    task = folder / "made.toml"
    task.write_text('estimators = ["xgboost"]\n[data]\npath = "made.csv"\ntarget = "y"\n')
    return task


def quality(
    folder: Path, seeds: int, limit_s: float, output: Path | None, processes: int
) -> None:
    """Print the loss after equal time, and after equal numbers of trials."""
    kept = output.read_text().splitlines() if output and output.exists() else []
    done = {tuple(row[:4]): row[4:] for row in map(json.loads, kept)}
    names = [problem.name for problem in table_problems(folder)]
    ways = [(n, name) for n in JOBS for name in WAYS if n > 1 or name != "as-finished"]
    keys = [(name, seed, *way) for seed in range(seeds) for name in names for way in ways]
    left = [(folder, *key, limit_s) for key in keys if key not in done]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for key, losses in pool.imap_unordered(studied, left):
            done[key] = losses
            if output:
                with output.open("a") as lines:
                    lines.write(json.dumps([*key, *losses]) + "\n")
    report(done, limit_s)


def studied(cell: tuple[Path, str, int, int, str, float]) -> tuple[tuple[Any, ...], list[float]]:
    """The losses that one study leaves: after equal time, and after equal numbers of trials."""
    folder, table, seed, jobs, way, limit_s = cell
    problem, low, middle = opened(folder, table)
    ends = list(played(problem, seed, jobs, way == "fixed", way == "TPE", limit_s))
    in_time = min((loss for t, loss in ends if t <= limit_s), default=middle)
    first = min(loss for _, loss in ends[:TRIALS])
    return (table, seed, jobs, way), [(at - low) / (middle - low) for at in (in_time, first)]


@functools.cache
def opened(folder: Path, table: str) -> tuple[TableProblem, float, float]:
    """A table with its bounds."""
    problem = next(problem for problem in table_problems(folder) if problem.name == table)
    return problem, *_bounds(problem)


def _bounds(problem: TableProblem) -> tuple[float, float]:
    """The lowest loss, and random search's median."""
    rng = np.random.default_rng(0)
    drawn = [problem.observe(problem.space.sample(rng), s % 5) for s in range(300)]
    return float(problem.best or 0.0), float(np.median(drawn))


def report(done: dict[tuple[Any, ...], list[float]], limit_s: float) -> None:
    """Means with 90 % intervals, of the seeds that all ways have."""
    cells = {key[:2] for key in done}
    ways = sorted({key[2:] for key in done})
    whole = [cell for cell in cells if all((*cell, *way) in done for way in ways)]
    print(f"{len(whole)} studies each; loss left after {limit_s:g} s | after {TRIALS} trials, and "
          "after equal time the difference to 1 job | to TPE with as many")  # fmt: skip
    if len(whole) < 2:
        return
    value = {way: np.array([done[(*cell, *way)] for cell in whole]) for way in ways}
    for jobs, name in ways:
        mine = value[jobs, name]
        times = [_mean(mine[:, 0] - value[other][:, 0]) for other in ((1, "fixed"), (jobs, "TPE"))]
        print(f"{name:12} {jobs:2} jobs: {_mean(mine[:, 0])} | {_mean(mine[:, 1])} | "
              f"{times[0]} | {times[1]} | trials against 1 job "
              f"{_mean(mine[:, 1] - value[1, 'fixed'][:, 1])}")  # fmt: skip


def _mean(values: Any) -> str:
    """A mean with its 90 % interval."""
    return f"{values.mean():+.3f} ± {1.645 * values.std(ddof=1) / len(values) ** 0.5:.3f}"


def played(
    problem: TableProblem, seed: int, jobs: int, fixed: bool, tpe: bool, limit_s: float
) -> Iterator[tuple[float, float]]:
    """(when a trial ended, its loss) by the simulated clock, in the order of the ends."""
    with contextlib.closing(Rival(problem, seed) if tpe else Ours(problem, seed)) as asker:
        yield from _played(problem, seed, jobs, fixed, limit_s, asker)


def _played(
    problem: TableProblem, seed: int, jobs: int, fixed: bool, limit_s: float, asker: Ours | Rival
) -> Iterator[tuple[float, float]]:
    under_way: list[tuple[float, int, Config]] = []
    ended: dict[int, float] = {}
    clock, number = 0.0, 0
    while True:
        held = held_back(jobs) if fixed else 0
        while len(under_way) < jobs and not (
            fixed and any(n < number - held for _, n, _ in under_way)
        ):
            known = [n for n in ended if n < number - held] if fixed else list(ended)
            config = asker.ask(number, {n: ended[n] for n in known})
            heapq.heappush(under_way, (clock + duration(config), number, config))
            number += 1
        clock, done, config = heapq.heappop(under_way)
        loss = float(problem.observe(config, seed) or 0.0)
        ended[done] = loss
        yield clock, loss
        if clock > limit_s and len(ended) >= TRIALS:
            return


def duration(config: Config) -> float:
    """Seconds that a configuration takes to train, as real trials of XGBoost vary."""
    text = repr(sorted(config.items()))
    at = np.random.default_rng(list(text.encode())).random()
    return float(60 * np.interp(at, np.linspace(0.025, 0.975, len(SHARES)), SHARES))


class Ours:
    """The hybrid, told as a study tells it."""

    def __init__(self, problem: TableProblem, seed: int) -> None:
        self.space = problem.space
        self.proposer = make_proposer("hybrid", setting=problem.under(seed).setting(seed, 100))
        self.configs: list[Config] = []
        self.told: set[int] = set()

    def ask(self, number: int, known: dict[int, float]) -> Config:
        for n, config in enumerate(self.configs):
            if n in known and n not in self.told:
                self.told.add(n)
                self.proposer.tell(Observed(n, config, -known[n]))
            elif n not in self.told:
                self.proposer.tell(Observed(n, config, None, RUNNING))
        if number == 0:
            config = self.space.default()
        else:
            config = self.proposer.ask(self.space, AskContext(number)).config
        self.configs.append(config)
        return config

    def close(self) -> None:
        """End its engine."""
        self.proposer.close()


class Rival:
    """Optuna's TPESampler with constant liar, three random trials first."""

    def __init__(self, problem: TableProblem, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=3, multivariate=True, constant_liar=True, seed=seed
        )
        self.study = optuna.create_study(sampler=sampler)
        self.study.enqueue_trial(problem.space.default())
        self.distributions = problem.space.to_distributions()
        self.trials: list[optuna.Trial] = []
        self.told: set[int] = set()

    def ask(self, number: int, known: dict[int, float]) -> Config:
        for n in known:
            if n not in self.told:
                self.told.add(n)
                self.study.tell(self.trials[n], known[n])
        self.trials.append(self.study.ask(self.distributions))
        return dict(self.trials[-1].params)

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parsers = parser.add_subparsers(dest="what", required=True)
    fast = parsers.add_parser("throughput")
    fast.add_argument("--jobs", type=int, default=2)
    fast.add_argument("--trials", type=int, default=TRIALS)
    fast.add_argument("--rounds", type=int, default=3)
    kept = parsers.add_parser("memory")
    kept.add_argument("task", type=Path, nargs="?")
    kept.add_argument("--jobs", type=int, default=4)
    kept.add_argument("--rows", type=int, default=300_000)
    good = parsers.add_parser("quality")
    good.add_argument("folder", type=Path)
    good.add_argument("--seeds", type=int, default=20)
    good.add_argument("--seconds", type=float, default=480.0)
    good.add_argument("-o", "--output", type=Path)
    good.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    if given.what == "throughput":
        throughput(given.jobs, given.trials, given.rounds)
    elif given.what == "memory":
        memory(given.task, given.jobs, given.rows)
    else:
        quality(given.folder, given.seeds, given.seconds, given.output, given.processes)
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
