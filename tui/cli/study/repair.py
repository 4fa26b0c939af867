"""`hyperllama repair STUDY`: make its database anew from its logs and its backup."""

from __future__ import annotations

import argparse

NAME = "repair"
HELP = "rebuild a study's database from its logs and its backup"
EPILOG = """\
Finished trials, notes, reruns, steering and answers come back. The damaged file is kept beside the
new one."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.study.repair import repair

    found = repair(arguments.study)
    print(f"{found.study}: {found.trials} finished trials, from {', '.join(found.sources)}")
    if found.kept is not None:
        print(f"  the old database is {found.kept}")
    print(f"  go on with it: hyperllama resume {found.study}")
    return 0
