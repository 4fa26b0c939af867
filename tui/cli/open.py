"""`hyperllama open FOLDER`: take in a study's folder that was copied from another machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from hyperllama.core.text import counted

NAME = "open"
HELP = "take in a study's folder that comes from another machine or a backup"
EPILOG = """\
The folder is copied into the data folder and looked through; nothing in it is run. Where the table
lies elsewhere here, `hyperllama resume STUDY --data FILE` points to it."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--as", dest="name", metavar="NAME", help="its name here")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.storage.folder import take_in
    from hyperllama.core.study.history import read_state

    name = take_in(arguments.folder, arguments.name)
    state = read_state(name)
    print(f"{name}: {counted(state.done_count, 'trial')}")
    print(f"  look at it: hyperllama show {name}     go on with it: hyperllama resume {name}")
    return 0
