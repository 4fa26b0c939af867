"""What the steps of `python -m workshop` take on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

CONFIGS = {
    "xgboost": 64, "mlp": 56, "svm": 56, "decision_tree": 64, "random_forest": 36, "linear": 32,
    "hist_gradient_boosting": 40, "extra_trees": 30, "knn": 32, "sgd": 48,
}  # fmt: skip
"""Families of the first corpus -> configurations of each surface."""


def surfaces(p: argparse.ArgumentParser) -> None:
    p.add_argument("--corpus", type=Path, required=True)
    p.add_argument("--survey", type=Path, help="the folder of `survey`, that corpus, too")
    p.add_argument("--cache", type=Path, help="a file of fitted surfaces, made if it is missing")


def what_to_learn(p: argparse.ArgumentParser) -> None:
    surfaces(p)
    p.add_argument("--synthetic", type=float, default=0.2, help="share of nameless functions")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--trajectories", type=Path, help="a file of `trajectories`")


def corpus(p: argparse.ArgumentParser) -> None:
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--datasets", type=int, default=300, help="generated data sets")
    p.add_argument("--first", type=int, default=0, help="seed of the first")
    p.add_argument("--tables", type=Path, help="a folder of CSV files with a manifest.csv")
    p.add_argument("--families", nargs="+", default=list(CONFIGS), choices=list(CONFIGS))
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--worker", type=int, help=argparse.SUPPRESS)


def survey(p: argparse.ArgumentParser) -> None:
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--tables", type=Path, required=True, help="a folder of NAME.csv.gz")
    p.add_argument("--families", nargs="+", help="all that are installed, if not given")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--worker", type=int, help=argparse.SUPPRESS)


def pack(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", type=Path)


def train(p: argparse.ArgumentParser) -> None:
    what_to_learn(p)
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--size", default="1m", choices=("tiny", "1m", "2m", "4m", "12m", "4m-deep"))
    p.add_argument("--start", type=Path,
                   help="a GGUF to go on from: of the same size, or with fewer layers")
    p.add_argument("--steps", type=int, default=20_000)
    p.add_argument("--minutes", type=float)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--device", default="cpu")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--workers", type=int, default=1, help="processes that make sequences")
    p.add_argument("--pool", type=Path, help="learn from a folder that `sequences` fills")


def sequences(p: argparse.ArgumentParser) -> None:
    what_to_learn(p)
    p.add_argument("-o", "--output", type=Path, required=True, help="a folder, better in memory")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--minutes", type=float, default=60.0)
    p.add_argument("--batch", type=int, default=256)


def export(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", type=Path)
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--kind", default="f16", choices=("f16", "q8_0", "f32"))
    p.add_argument("--name")
    p.add_argument("--summary", help="how it was trained, in place of what the run's log says")


def evaluate(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", type=Path)
    surfaces(p)


def portfolio(p: argparse.ArgumentParser) -> None:
    surfaces(p)
    p.add_argument("--families", nargs="+", help="others keep their lists")
    p.add_argument("-o", "--output", type=Path, required=True)


def family_prior(p: argparse.ArgumentParser) -> None:
    surfaces(p)
    p.add_argument("-o", "--output", type=Path, required=True)


def pools(p: argparse.ArgumentParser) -> None:
    surfaces(p)
    p.add_argument("--tasks", type=int, default=200, help="at most, drawn from all")


def measure(p: argparse.ArgumentParser) -> None:
    p.add_argument("-o", "--output", type=Path, required=True, help="a file of cells, gone on with")
    p.add_argument("--targets", type=Path, required=True, help="targets.jsonl of `survey`")
    p.add_argument("--tables", type=Path, required=True, help="a folder of NAME.csv.gz")
    p.add_argument("--families", nargs="+", required=True, help="by turns, one a target")
    p.add_argument("--methods", nargs="+", default=["random", "gp", "llama", "hybrid"],
                   help="as `hyperllama bench` names them, smac, flaml, or list:FILE for a list")
    p.add_argument("--show", nargs="+", help="families that the table is of; all by default")
    p.add_argument("--tasks", type=int, default=60)
    p.add_argument("--seeds", type=int, default=2)
    p.add_argument("--budget", type=int, default=21, help="trials, the default counted")


def replay(p: argparse.ArgumentParser) -> None:
    surfaces(p)
    p.add_argument("-o", "--output", type=Path, help="a file of results, gone on with")
    p.add_argument("--methods", nargs="+", default=["gp", "tpe", "cmaes", "hybrid"],
                   help="as `hyperllama bench` names them")
    p.add_argument("--families", nargs="+", help="of the surfaces; all by default")
    p.add_argument("--tasks", type=int, default=200, help="at most, spread over all")
    p.add_argument("--budget", type=int, default=30)
    p.add_argument("--seeds", type=int, default=1)


def stops(p: argparse.ArgumentParser) -> None:
    surfaces(p)
    p.add_argument("-o", "--output", type=Path, required=True, help="a file, gone on with")
    p.add_argument("--method", default="hybrid", help="as `hyperllama bench` names them")
    p.add_argument("--tasks", type=int, default=200, help="at most, spread over all")
    p.add_argument("--budget", type=int, default=60)
    p.add_argument("--more", type=int, default=20, help="trials after the advice")


def trajectories(p: argparse.ArgumentParser) -> None:
    surfaces(p)
    p.add_argument("-o", "--output", type=Path, required=True, help="a file, added to")
    p.add_argument("--method", default="hybrid", help="as `hyperllama bench` names them")
    p.add_argument("--budget", type=int, default=14)
    p.add_argument("--minutes", type=float, default=20.0)
    p.add_argument("--seed", type=int, default=0)
