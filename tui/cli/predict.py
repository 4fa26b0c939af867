"""`hyperllama predict STUDY|FOLDER FILE`: new rows through the winner of a study, or an export."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.tui.cli.options import add_storage

if TYPE_CHECKING:
    from hyperllama.core.predict import FittedModel
    from hyperllama.tui.cli.progress_line import ProgressLine

NAME = "predict"
FOR_OTHERS = True
HELP = "predict the rows of a file with a study's winner or an exported model"


def add(parser: argparse.ArgumentParser) -> None:
    from hyperllama.core.predict.options import add_options

    parser.add_argument("model", metavar="STUDY|FOLDER",
                        help="a study, or a folder that `hyperllama export` wrote")
    add_options(parser)
    parser.add_argument("--trial", type=int, metavar="N",
                        help="of a study: this trial, not the winner")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="for the fit")
    parser.add_argument("--progress", type=float, default=30.0, help=argparse.SUPPRESS)
    add_storage(parser)


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.predict.files import predict_file
    from hyperllama.core.predict.options import wanted_of
    from hyperllama.core.text import plain
    from hyperllama.tui.cli.progress_line import ProgressLine

    line = ProgressLine(arguments.progress)
    model = _model(arguments, line)
    output = arguments.output and arguments.output.expanduser()
    found = predict_file(
        model, arguments.rows.expanduser(), output, wanted_of(arguments), line.show
    )
    line.end()
    for about in found:
        print(f"! {plain(about)}", file=sys.stderr)
    if output is not None:
        print(output)
    return 0


def _model(arguments: argparse.Namespace, line: ProgressLine) -> FittedModel:
    """Of a folder where the name has a slash or no study is called so; else of a study."""
    from hyperllama.core.errors import StudyError
    from hyperllama.core.predict import load
    from hyperllama.core.storage.folder import find_study
    from hyperllama.core.study.fitted import fitted_model

    name, folder = arguments.model, Path(arguments.model).expanduser()
    if folder.is_dir() and arguments.trial is None:
        try:
            find_study(name)
        except StudyError:
            return load(folder, trusted=arguments.trust)
        if "/" in name or name == ".":
            return load(folder, trusted=arguments.trust)
    return fitted_model(
        name, storage=arguments.storage, threads=arguments.threads, trial=arguments.trial,
        say=line.say,
    )
