"""`hyperllama models`: the GGUF files found on this machine, from their metadata alone."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "models"
HELP = "list the language models (GGUF files) found"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="*", type=Path, help="look here too"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    raise NotImplementedError
