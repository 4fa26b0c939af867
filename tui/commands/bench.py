"""`hyperllama bench ...`: the experiments; everything after `bench` is read by `core.bench`."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from core.errors import HyperLlamaError

NAME = "bench"
HELP = "compare proposers and models on test problems"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="see `bench help`")


def run(arguments: argparse.Namespace) -> int:
    if find_spec("core.bench.command") is None:
        raise HyperLlamaError("this version has no bench command")
    from importlib import import_module

    rest = ["--help"] if arguments.rest[:1] == ["help"] else arguments.rest
    return int(import_module("core.bench.command").main(rest) or 0)
