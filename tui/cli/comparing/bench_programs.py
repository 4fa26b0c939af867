"""`hyperllama bench programs`: programs against the hand-made space, at equal evaluations."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperllama.core.experiments.reading import CellFacts

HELP = "do programs pay? each way to them against the hand-made space, on tables"


def add_programs(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bench programs`."""
    parser.add_argument(
        "tables", nargs="+", type=read_folder, metavar="FOLDER[:N]",
        help="the first N tables of a folder by name that `new` accepts and that have 300 to "
        "5,000 rows (default: all)",
    )  # fmt: skip
    parser.add_argument("--methods", default="hybrid", metavar="A,B",
                        help="proposers, each in the hand-made space and in the pipeline space "
                        "(default: hybrid)")  # fmt: skip
    parser.add_argument("--programs", default="pipeline", metavar="A,B",
                        help="pipeline, bound, free; the last two are written by --models "
                        "(default: pipeline)")  # fmt: skip
    parser.add_argument("--models", nargs="+", default=(), metavar="FILE.gguf",
                        help="chat models that write programs")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="(default: 2)")
    parser.add_argument("--budget", type=int, default=20, metavar="N", help="(default: 20)")
    parser.add_argument("--at", default="5,20", metavar="N,M",
                        help="after how many evaluations (default: 5,20)")  # fmt: skip
    parser.add_argument("--rows", type=int, default=2000, metavar="N",
                        help="rows of a table that are used at most (default: 2000)")  # fmt: skip
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--test-share", type=float, default=0.5, metavar="S",
                        help="share of the rows that judge (default: 0.5)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="(default: in the data folder)")


def read_folder(text: str) -> tuple[Path, int]:
    """A folder, and how many of its tables: "FOLDER:N"."""
    folder, colon, most = text.rpartition(":")
    if colon and most.isdigit():
        return Path(folder), int(most)
    return Path(text), sys.maxsize


def run_programs(arguments: argparse.Namespace) -> int:
    """Run what is missing, and print the figures of all that is there."""
    from hyperllama.core.experiments.running.workers import ONE_THREAD
    from hyperllama.core.storage.paths import home

    for name, value in ONE_THREAD.items():  # read by libraries that are loaded from here on
        os.environ.setdefault(name, value)
    from hyperllama.core.experiments.programs import (
        FILE,
        program_tasks,
        run_program_bench,
        write_ways,
    )
    from hyperllama.core.text import plain
    from hyperllama.tui.cli.progress_line import ProgressLine

    out: Path = arguments.out or home() / "bench" / "programs"
    line = ProgressLine()
    tasks = [
        task
        for folder, most in arguments.tables
        for task in program_tasks(
            folder, out / "tasks" / folder.name, most=most, rows=arguments.rows,
            folds=arguments.folds, test_share=arguments.test_share,
            on_refused=lambda name, why: line.say(f"without {plain(name)}: {plain(why)}"),
        )
    ]  # fmt: skip
    line.say(f"{len(tasks)} tables: {', '.join(t.stem for t in tasks)}")

    def shown(facts: CellFacts, done: int, total: int) -> None:
        if facts.error:
            line.say(f"{plain(facts.cell.task)}: {plain(facts.error)}")
        label = f"{facts.cell.task}: {facts.cell.contender}, seed {facts.cell.seed}"
        line.show(f"{done} of {total}  {plain(label)}", at_once=done == total)

    try:
        found = run_program_bench(
            tasks, arguments.methods.split(","), out, seeds=arguments.seeds,
            budget=arguments.budget, ways=arguments.programs.split(","),
            models=arguments.models, on_cell=shown,
        )  # fmt: skip
    finally:
        line.end()
    for way in write_ways(found, [int(n) for n in arguments.at.split(",")], out):
        print(way.sentence())
    print(f"written to {out / FILE}")
    return 0
