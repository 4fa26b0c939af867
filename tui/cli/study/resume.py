"""`hyperllama resume STUDY`: go on with a study that was stopped or killed, or ended."""

from __future__ import annotations

import argparse
from pathlib import Path

from hyperllama.core.errors import StudyError
from hyperllama.tui.cli.options import add_study_options, options_from

NAME = "resume"
HELP = "go on with a study"
EPILOG = """\
A trial that was interrupted is evaluated again, under its number. --budget is the number of trials
in all; --more adds to it."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument(
        "--more", type=int, default=0, metavar="N", help="so many trials on top of the budget"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="where its table lies now; the same content"
    )
    parser.add_argument(
        "--join", action="store_true",
        help="run trials beside the process that owns the study; needs a storage that both reach",
    )
    parser.set_defaults(seed=None)
    add_study_options(parser)


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.tui.cli.study.session import detach, run_here

    if arguments.join and (arguments.detached or arguments.more):
        raise StudyError(
            "--join runs trials in this terminal, and does not change the budget",
            "`nohup hyperllama resume STUDY --join &` leaves it in the background; "
            "`hyperllama tell STUDY extend N` where the study is owned adds trials",
        )
    if arguments.detached:
        from hyperllama.core.storage.folder import find_study

        folder = find_study(arguments.study)
        more = ["--more", str(arguments.more)] if arguments.more else []
        more += ["--data", str(arguments.data.absolute())] if arguments.data else []
        return detach(arguments, folder.name, ["resume", folder.name, *more])

    from hyperllama.core.study.starting.opening import resume

    options = options_from(arguments)
    return run_here(
        arguments,
        lambda listener, interrupted: resume(
            arguments.study,
            options,
            more=arguments.more,
            data=arguments.data,
            join=arguments.join,
            listener=listener,
            interrupted=interrupted,
        ),
    )
