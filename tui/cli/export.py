"""`hyperllama export STUDY -o DIR`: configuration, script, fitted model, report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hyperllama.tui.cli.options import add_storage

NAME = "export"
HELP = "write the fitted model with its card, scripts, the configuration and a report to a folder"
FOR_OTHERS = True


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    parser.add_argument("--no-model", action="store_true", help="do not fit and save the pipeline")
    parser.add_argument("--trial", type=int, metavar="N", help="this trial, not the winner")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="for the last fit")
    add_storage(parser)


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.report.study import export_study

    written = export_study(
        arguments.study,
        arguments.output.expanduser(),
        storage=arguments.storage,
        with_model=not arguments.no_model,
        threads=arguments.threads,
        trial=arguments.trial,
        say=lambda text: print(text, file=sys.stderr),
    )
    for path in written:
        print(path)
    return 0
