"""The arguments that `run` and `resume` share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperllama.core.study.starting.options import Options


def add_study_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who proposes")
    group.add_argument(
        "--proposer",
        metavar="P",
        help="llama, hybrid, llama+screen, gp, tpe, cmaes, random, ... (default: the model)",
    )
    group.add_argument("--model", metavar="NAME|PATH", help="a GGUF file (default: embedded)")
    _add_engine(group)
    group = parser.add_argument_group("how long")
    group.add_argument("--budget", type=positive, metavar="N", help="trials in all")
    group.add_argument("--minutes", type=_minutes, metavar="M", help="minutes in all")
    add_no_confirm(group)
    group.add_argument(
        "--racing", type=_chance, metavar="P",
        help="stop trials that hardly can beat the best after some of their folds; of those, a "
        "share of P may have beaten it; 0: stop none (default: 0.05 from five folds on)",
    )
    group.add_argument(
        "--program-evaluations", type=_evaluations, metavar="N",
        help="evaluations that each program gets that a model or a person wrote; or halving "
        "(default): the better half of them goes on",
    )
    group = parser.add_argument_group("where and how")
    add_storage(group)
    group.add_argument("--threads", type=positive, metavar="N", help="for training and llama.cpp")
    group.add_argument(
        "--jobs", type=positive, metavar="N",
        help="trials that run side by side (default: by processors, table and estimator)",
    )
    group.add_argument(
        "--cluster", metavar="ADDRESS|FILE",
        help="train on a Dask cluster, tcp://host:8786 or a scheduler file (docs/clusters.md)",
    )
    group.add_argument(
        "--order", choices=("fixed", "as-finished"),
        help="with several jobs, what a proposal knows: fixed (default): the same seed gives the "
        "same study; as-finished: every trial that has ended",
    )
    group.add_argument("--json", action="store_true", help="print the events as JSON lines only")
    group.add_argument(
        "--baselines",
        action="store_true",
        help="afterwards, in spare time: what random search, TPE and GP reach",
    )
    group.add_argument(
        "--detached", action="store_true",
        help="run in the background; it goes on when this terminal closes",
    )


def add_no_confirm(parser: argparse._ActionsContainer) -> None:
    """Whether the gain is confirmed."""
    parser.add_argument(
        "--no-confirm", action="store_false", dest="confirm", default=None,
        help="do not score the default and the best trials on fresh folds at the end",
    )


def add_storage(parser: argparse._ActionsContainer) -> None:
    """Which Optuna storage, where it is not the usual one."""
    parser.add_argument(
        "--storage", metavar="URL", default=os.environ.get("HYPERLLAMA_STORAGE"),
        help="an Optuna storage (default: the study's own, or a file in the data folder)",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """How models are run, where there is more than one."""
    group = parser.add_argument_group("how models are run")
    _add_engine(group)
    group.add_argument("--threads", type=positive, metavar="N", help="for training and llama.cpp")


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--gpu-layers", type=_layers, metavar="L", help="auto, none, all, or how many"
    )
    group.add_argument(
        "--context",
        type=non_negative,
        metavar="N",
        help="context length in tokens (0: the model's)",
    )
    group.add_argument("--temperature", type=_temperature, metavar="T", help="of the values")
    group.add_argument(
        "--prompt",
        action="append",
        metavar="NAME=VALUE",
        help="how a chat model is asked: history=chat, reasoning=no, ... (see the README)",
    )


def options_from(arguments: argparse.Namespace) -> Options:
    from hyperllama.core.study.starting.options import Options

    return Options(
        proposer=arguments.proposer,
        model=arguments.model,
        trials=arguments.budget,
        minutes=arguments.minutes,
        seed=arguments.seed,
        storage=arguments.storage,
        threads=arguments.threads,
        jobs=arguments.jobs,
        cluster=arguments.cluster,
        order=arguments.order,
        racing=arguments.racing,
        program_evaluations=arguments.program_evaluations,
        gpu_layers=arguments.gpu_layers,
        context_length=arguments.context,
        temperature=arguments.temperature,
        confirm=arguments.confirm,
        prompt=prompt_from(arguments.prompt),
    )


def prompt_from(texts: list[str] | None) -> dict[str, Any] | None:
    """The prompt options given; a folder by its whole path."""
    from hyperllama.core.task.prompt_options import read_options, templates_in

    if not texts:
        return None
    found = read_options(texts)
    if found.get("templates"):
        found["templates"] = templates_in(Path.cwd(), found["templates"])
    return found


def _chance(text: str) -> float:
    chance = float(text)
    if not 0 <= chance < 0.5:
        raise argparse.ArgumentTypeError(f"{text}: 0 or more, and below 0.5")
    return chance


def _evaluations(text: str) -> int | str:
    if text != "halving" and not (text.isdecimal() and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError("allowed: halving, or a number from 1 to 1000")
    return text if text == "halving" else int(text)


def non_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _minutes(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes")
    return number


def _temperature(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 10:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 10")
    return number


def _layers(text: str) -> str:
    if text not in ("auto", "none", "all") and not text.isdecimal():
        raise argparse.ArgumentTypeError("allowed: auto, none, all, or a number")
    return text


def read_names(text: str) -> tuple[str, ...]:
    """Names between commas; a comma inside a method's options ("a?x=1,y=2") belongs to them."""
    found: list[str] = []
    for part in filter(None, text.split(",")):
        if found and "?" in found[-1] and "=" in part and "?" not in part:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return tuple(found)


def read_seeds(text: str) -> tuple[int, ...]:
    """"3" as 0, 1, 2, and "2-4" as 2, 3, 4."""
    first, dash, last = text.partition("-")
    seeds = tuple(range(int(first), int(last) + 1)) if dash else tuple(range(int(first)))
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text} names no seed")
    return seeds
