"""Milliseconds per proposal of the embedded model, beside Optuna's Gaussian process and TPE.

    python benchmarks/embedded_latency.py [--trials 10] [--repeats 30] [--json]

XGBoost's space with 10 hyperparameters, `--trials` trials in the history, the same for all methods;
every repeat has another seed and another history, so that no prompt is in the engine's cache. One
thread for llama.cpp. `hybrid` is asked for a proposal of the GP, which also asks the model;
`opening` is the first proposal, for which the model is sampled many times, once a study. The
rivals: `study.ask` of Optuna's samplers with the same history; GPSampler needs PyTorch and is left
out without it. With --json the last line is one object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import optuna

from hyperllama.core.estimators import Facts, joint_space
from hyperllama.core.experiments.running.engines import close_engines, shared_engine
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import Categorical, Integer, Param, SearchSpace
from hyperllama.core.trials import AskContext, Observed, ProposerSetting

FACTS = Facts(569, 30, 2, 0.37)


def space() -> SearchSpace:
    """XGBoost's default space and two more, 10 in all."""
    xgboost = joint_space(["xgboost"], "classification", FACTS)
    more = [
        Param("grow_policy", Categorical(("depthwise", "lossguide")), "depthwise"),
        Param("max_bin", Integer(32, 1024, log=True), 256),
    ]
    return SearchSpace([*xgboost.params, *more])


def history(where: SearchSpace, trials: int, seed: int) -> list[Observed]:
    """The default and random configurations, scored by how far they are from a point."""
    rng = np.random.default_rng(seed)
    centre = rng.random(len(where.free))
    configs = [where.default(), *(where.sample(rng) for _ in range(trials - 1))]
    return [
        Observed(n, c, -float(np.square(where.to_unit(c) - centre).sum()), proposer="random")
        for n, c in enumerate(configs)
    ]


def ours(name: str, where: SearchSpace, trials: int, repeats: int) -> list[float]:
    """Milliseconds of each repeat; the model is loaded before the clock starts."""
    took = []
    for seed in range(-1, repeats):
        proposer = make_proposer(
            name,
            setting=ProposerSetting(
                seed=seed + 1, kind="classification", estimators=("xgboost",), facts=FACTS,
                model="embedded", make_engine=shared_engine,
            ),
        )  # fmt: skip
        for trial in history(where, trials, seed + 1):
            proposer.tell(trial)
        began = time.perf_counter()
        proposer.ask(where, AskContext(number=trials, trials_left=20))
        if seed >= 0:
            took.append(1000 * (time.perf_counter() - began))
        proposer.close()
    return took


def rival(
    make: Callable[[int], Any], where: SearchSpace, trials: int, repeats: int
) -> list[float]:
    """Milliseconds of `study.ask` with one of Optuna's samplers, after one that is not counted."""
    distributions = where.to_distributions()
    took = []
    for seed in range(-1, repeats):
        study = optuna.create_study(direction="maximize", sampler=make(seed + 1))
        for trial in history(where, trials, seed + 1):
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.config), distributions=distributions, value=trial.value
                )
            )
        began = time.perf_counter()
        study.ask(distributions)
        if seed >= 0:
            took.append(1000 * (time.perf_counter() - began))
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    where = space()
    rows = {
        "llama": ours("llama", where, options.trials, options.repeats),
        "hybrid": ours("hybrid", where, options.trials, options.repeats),
        "opening": ours("llama", where, 1, options.repeats),
    }
    close_engines()
    samplers: dict[str, Callable[[int], Any]] = {
        "optuna-tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=3,
                                                              multivariate=True),
    }
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        samplers["optuna-gp"] = lambda seed: optuna.samplers.GPSampler(seed=seed,
                                                                       n_startup_trials=3)
    for name, make in samplers.items():
        rows[name] = rival(make, where, options.trials, options.repeats)
    middle = {name: statistics.median(ms) for name, ms in rows.items()}
    against = "optuna-gp" if "optuna-gp" in rows else "optuna-tpe"
    print(f"{'':12} median ms   p90 ms   {against} / this")
    for name, ms in rows.items():
        p90 = float(np.quantile(ms, 0.9))
        print(f"{name:12} {middle[name]:9.1f} {p90:8.1f} {middle[against] / middle[name]:12.2f}")
    if options.json:
        print(json.dumps({**middle, "min_ratio": middle[against] / max(middle["llama"],
                                                                       middle["hybrid"])}))


if __name__ == "__main__":
    main()
