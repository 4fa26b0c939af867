"""How much of the two objectives score and model size each proposer's front takes after 30 trials.

    python benchmarks/front.py -o front.jsonl [--trials 30] [--seeds 3] [--tables NAME...]
                               [--processes 1]
    python benchmarks/front.py -o front.jsonl --show

Every proposer begins with the library's default on the same folds. `optuna-tpe` and `nsga2` are
Optuna's samplers as a study of its own uses them (NSGA-II with a population of 10, because with
its 50 it would be random search for 50 trials). The hypervolume is that of the score and of the
logarithm of the bytes, between the first quartile of random search and the best value that anybody
found; printed is its ratio to that of random search, mean over tables and seeds, with the least and
the greatest of them. Each table, proposer and seed is a line of the file; those there are skipped.
Seeds follow each other, so a file of a run that was ended early holds whole seeds.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import multiprocessing
import statistics
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperllama.core.data import load_table
from hyperllama.core.evaluate.results import Tally
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.objectives import Objective, front_of
from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.classical import _distributions
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.task import parse_task, resolve
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from hyperllama.core.trials.goals import Goals

DATA = Path(__file__).parents[1] / "sample_tasks" / "data"
TABLES = {
    "breast_cancer": ("diagnosis", "neg_log_loss", "xgboost"),
    "diabetes": ("progression", "r2", "xgboost"),
    "readmission": ("back_within_30_days", "roc_auc", "decision_tree"),
    "energy_demand": ("demand_mwh", "r2", "hist_gradient_boosting"),
    "machine_fault": ("state", "neg_log_loss", "random_forest"),
    "digits": ("digit", "neg_log_loss", "extra_trees"),
}
_SPACES = {"xgboost": "n_estimators = { high = 200 }", "hist_gradient_boosting":
           "max_iter = { high = 200 }", "random_forest": "n_estimators = { high = 150 }",
           "extra_trees": "n_estimators = { high = 150 }", "decision_tree": ""}
OURS = ("hybrid", "gp", "tpe", "random")
SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "optuna-tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(population_size=10, seed=seed),
}


class Problem:
    """A table and what a configuration scores and takes on it."""

    def __init__(self, name: str) -> None:
        target, metric, estimator = TABLES[name]
        text = (
            f'metric = "{metric}"\nalso = ["model_bytes"]\nestimator = "{estimator}"\n'
            f'[data]\npath = "{DATA / name}.csv"\ntarget = "{target}"\nsubsample_rows = 1500\n'
            "[validation]\nfolds = 3\n"
            f"[space]\n{_SPACES[estimator]}\n"
        )
        task = parse_task(text, DATA.parent / f"{name}.toml")
        table = load_table(task)
        self.problem = resolve(task, table)
        self.evaluator = Evaluator.of(self.problem, table)
        self.goals = Goals(metric, (Objective.of(metric), Objective.of("model_bytes")))

    def trial(self, number: int, config: Config) -> Observed:
        """The configuration scored on the three folds."""
        tally = Tally()
        folds = list(self.evaluator.evaluate(config, 0, tally=tally))
        scores = tuple(f.score for f in folds)
        return Observed(number, config, sum(scores) / len(scores), fold_scores=scores,
                        facts=tally.facts())  # fmt: skip

    def ours(self, name: str, seed: int, trials: int) -> list[Observed]:
        """A run of one of our proposers."""
        p = self.problem
        setting = ProposerSetting(
            seed=seed, kind=p.kind, metric=p.metric, estimators=p.estimators, facts=p.facts,
            folds=3, goals=self.goals,
        )  # fmt: skip
        proposer, found = make_proposer(name, setting=setting), list[Observed]()
        for number in range(trials):
            config = p.space.default()
            if number:
                config = proposer.ask(p.space, AskContext(number, trials - number)).config
            found.append(self.trial(number, config))
            proposer.tell(found[-1])
        proposer.close()
        return found

    def optunas(self, name: str, seed: int, trials: int) -> list[Observed]:
        """A run of one of Optuna's samplers in a study of its own."""
        study = optuna.create_study(directions=["maximize"] * 2, sampler=SAMPLERS[name](seed))
        space, found = self.problem.space, list[Observed]()
        distributions = _distributions(space)
        study.enqueue_trial({
            n: space[n].domain.index(v) if isinstance(space[n].domain, Categorical) else v
            for n, v in space.default().items() if n in distributions
        })  # fmt: skip
        for number in range(trials):
            asked = study.ask()
            found.append(self.trial(number, _config(asked, space, distributions)))
            gains = self.goals.gains(found[-1])
            assert gains is not None
            study.tell(asked, gains)
        return found


def _config(asked: optuna.Trial, space: SearchSpace, distributions: dict[str, Any]) -> Config:
    config: Config = {}
    for p in space.params:
        if not space.is_active(p.name, config):
            continue
        config[p.name] = p.start
        if p.name in distributions:
            value, d = asked._suggest(p.name, distributions[p.name]), p.domain
            config[p.name] = d.choices[value] if isinstance(d, Categorical) else d.cast(value)
    return space.validate(config)


def volume(points: list[tuple[float, float]]) -> float:
    """The area that points in the unit square dominate, from its lower left corner."""
    total = top = 0.0
    for x, y in sorted((points[i] for i in front_of(points)), reverse=True):
        if x > 0 and y > top:
            total, top = total + min(x, 1.0) * (min(y, 1.0) - top), min(y, 1.0)
    return total


def show(file: Path) -> None:
    """The ratios to random search."""
    runs = [json.loads(line) for line in file.read_text().splitlines()]
    ratios: dict[str, list[float]] = defaultdict(list)
    for table in TABLES:
        own = [r for r in runs if r["table"] == table]
        chance = np.array([p for r in own if r["proposer"] == "random" for p in r["points"]])
        if not len(chance):
            continue
        low = np.quantile(chance, 0.25, axis=0)
        high = np.array([p for r in own for p in r["points"]]).max(axis=0)
        found = {
            (r["proposer"], r["seed"]): volume(
                [tuple(p) for p in ((np.array(r["points"]) - low) / (high - low)).tolist()])
            for r in own
        }  # fmt: skip
        for (name, seed), value in found.items():
            if ("random", seed) in found:
                ratios[name].append(value / found["random", seed])
        means = {n: statistics.fmean(v for (m, _), v in found.items() if m == n)
                 for n in (*OURS, *SAMPLERS) if any(m == n for m, _ in found)}  # fmt: skip
        print(table, ", ".join(f"{n} {v:.3f}" for n, v in means.items()))
    for name, values in sorted(ratios.items(), key=lambda pair: -statistics.fmean(pair[1])):
        mean = math.exp(statistics.fmean(map(math.log, values)))
        print(f"{name:11} {mean:.3f} of random search ({min(values):.2f} to {max(values):.2f}, "
              f"{len(values)} pairs)")  # fmt: skip


def played(cell: tuple[str, str, int, int]) -> dict[str, Any]:
    """What a proposer found on a table, as a line of the file."""
    table, name, seed, trials = cell
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = opened(table)
    run = problem.ours if name in OURS else problem.optunas
    gains = [problem.goals.gains(t) for t in run(name, seed, trials)]
    points = [(g[0], -math.log10(-g[1])) for g in gains if g is not None]
    return {"table": table, "proposer": name, "seed": seed, "points": points}


opened = functools.cache(Problem)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    if not given.show:
        lines = given.output.read_text().splitlines() if given.output.exists() else []
        done = {(r["table"], r["proposer"], r["seed"]) for r in map(json.loads, lines)}
        cells = [(table, name, seed, given.trials) for seed in range(given.seeds)
                 for table in given.tables for name in (*OURS, *SAMPLERS)
                 if (table, name, seed) not in done]  # fmt: skip
        with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
            for row in pool.imap_unordered(played, cells):
                with given.output.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    show(given.output)


if __name__ == "__main__":
    main()
