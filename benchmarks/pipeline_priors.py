"""Which pipelines to open with: many pipelines on many tables, and openings made of them.

    python benchmarks/pipeline_priors.py FOLDER --out DIR       # evaluates; goes on if stopped
    python benchmarks/pipeline_priors.py --out DIR --only-read  # openings, from what is there

For each table the embedded model's first configurations of the estimator are combined with the
structures below. An opening is three structures, then the best of them again with another
configuration. It is judged as `bench programs` judges: the best by validation of the default and of
the opening's pipelines, on test rows, against the best of the default and of the model's
configurations without a pipeline. Use tables that `bench programs` is not run on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

STRUCTURES: dict[str, dict[str, Any]] = {
    "alone": {},
    "linear": {"vote": "linear"},
    "trees": {"vote": "trees"},
    "both": {"vote": "both"},
    "both light": {"vote": "both", "own_weight": 0.4},
    "both heavy": {"vote": "both", "own_weight": 2.5},
    "linear splines": {"vote": "linear", "numbers": "splines"},
    "both splines": {"vote": "both", "numbers": "splines"},
    "both ranks": {"vote": "both", "numbers": "ranks"},
    "both logs": {"vote": "both", "target": "logs"},
    "both target ranks": {"vote": "both", "target": "ranks"},
    "alone logs": {"target": "logs"},
    "both balanced": {"vote": "both", "weights": "balanced"},
    "trees balanced": {"vote": "trees", "weights": "balanced"},
    "both columns": {"vote": "both", "categories": "columns"},
    "both targets": {"vote": "both", "categories": "targets"},
    "both aggregates": {"vote": "both", "added": "aggregates"},
    "both splines balanced": {"vote": "both", "numbers": "splines", "weights": "balanced"},
}
EVERY = ("alone", "both", "trees", "both splines")
"""Structures that every configuration of the model is tried with; the others, with two."""
OPENED = 4
OPENINGS = {
    "classification": (
        ("linear", "both balanced", "both heavy"), ("linear", "both heavy", "both light"),
        ("both heavy", "both balanced", "both light"), ("both heavy", "both", "both light"),
        ("both", "alone", "both"), ("linear", "alone", "linear"),
    ),
    "regression": (
        ("both target ranks", "both heavy", "both light"),
        ("both logs", "both heavy", "both light"),
        ("both light", "trees", "both columns"), ("both heavy", "both", "both light"),
        ("both", "alone", "both"),
    ),
}  # fmt: skip


def main() -> None:
    """Evaluate what is missing; print the opening."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--part", default="0/1", help="I/N: the I-th of N processes")
    parser.add_argument("--only-read", action="store_true")
    given = parser.parse_args()
    if not given.only_read:
        warnings.simplefilter("ignore")
        evaluate(given)
    read([json.loads(t.read_text()) for t in sorted(given.out.glob("*.json"))])


def evaluate(given: argparse.Namespace) -> None:
    """Write one file for each table: the losses of every pipeline on folds and on test rows."""
    from hyperllama.core.experiments.problems.programs import ProgramProblem
    from hyperllama.core.experiments.programs import program_tasks

    part, parts = map(int, given.part.split("/"))
    tasks = program_tasks(
        given.folder, given.out / "tasks", most=given.most, rows=given.rows, folds=3
    )
    for file in tasks[part::parts]:
        target = given.out / f"{file.stem}.json"
        if target.exists():
            continue
        problem = ProgramProblem(str(file), "pipeline", str(given.out / "evaluations.sqlite"))
        own = opening(ProgramProblem(str(file), "hand", str(given.out / "evaluations.sqlite")))
        found: dict[str, Any] = {"kind": problem.kind, "metric": problem.metric, "losses": {}}
        for name, structure in STRUCTURES.items():
            choices = {f"pipeline.{k}": v for k, v in structure.items()}
            if not all(
                k in problem.space and problem.space[k].domain.contains(v)
                for k, v in choices.items()
            ):
                continue
            for i, config in enumerate(own):
                if i < 3 or name in EVERY:
                    whole = problem.space.complete({**config, **choices})
                    losses = problem.observe(whole, 0), problem.judge(whole, 0)
                    found["losses"][f"{name}|{i}"] = losses
        target.write_text(json.dumps(found))
        print(file.stem, flush=True)


def opening(problem: Any) -> list[dict[str, Any]]:
    """The default and the first configurations that the embedded model opens with."""
    from hyperllama.core.propose import make_proposer
    from hyperllama.core.trials import AskContext, Observed

    proposer = make_proposer("llama", setting=problem.under(0).setting(0, 5))
    configs = [problem.space.default()]
    proposer.tell(Observed(0, configs[0], 0.0, proposer="default"))
    for number in range(1, OPENED + 1):
        configs.append(proposer.ask(problem.space, AskContext(number)).config)
        proposer.tell(Observed(number, configs[-1], 0.0, proposer="llama"))
    proposer.close()
    return configs


def read(tables: Sequence[dict[str, Any]]) -> None:
    """Print what some openings bring, by kind of task."""
    for kind, named in OPENINGS.items():
        mine = [t["losses"] for t in tables if t["kind"] == kind]
        mine = [t for t in mine if _tested(t, ["alone|0"]) > 1e-9]
        print(f"{kind}: {len(mine)} tables that the default does not solve")
        for names in named:
            print(" ", ", ".join(names), _judged(mine, names))


def _judged(tables: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    ratios = []
    for losses in tables:
        hand = _tested(losses, [f"alone|{i}" for i in range(OPENED + 1)])
        found = _tested(losses, _opened(losses, names))
        ratios.append(math.log(max(hand, 1e-6) / max(found, 1e-6)))
    better, worse = sum(r > 1e-9 for r in ratios), sum(r < -1e-9 for r in ratios)
    mean = sum(max(-0.3, min(0.3, r)) for r in ratios) / max(len(ratios), 1)
    return (f"better on {better}, equal on {len(ratios) - better - worse}, worse on {worse}; "
            f"mean logarithm of the losses' ratio {mean:+.3f}")  # fmt: skip


def _opened(losses: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The pipelines of an opening; where a structure is not offered, its configuration alone."""
    tried = ["alone|0"]
    for at, name in enumerate(names):
        ways = f"{name}|{1 + at}", f"{name}|{1 + at % 2}", f"alone|{1 + at}"
        tried.append(next(way for way in ways if way in losses))
    best = min(tried[1:], key=lambda way: losses[way][0] or math.inf).partition("|")[0]
    again = (f"{best}|{i}" for i in range(OPENED, 0, -1))
    return [*tried, *[way for way in again if way in losses and way not in tried][:1]]


def _tested(losses: dict[str, Any], tried: Sequence[str]) -> float:
    """The loss on test rows of the best by validation."""
    scored = [losses[name] for name in tried if losses.get(name, (None,))[0] is not None]
    return float(min(scored, key=lambda pair: pair[0])[1] or 0.0) if scored else math.inf


if __name__ == "__main__":
    main()
