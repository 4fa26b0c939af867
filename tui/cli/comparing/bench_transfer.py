"""`hyperllama bench transfer`: is a gain still there on rows that nobody saw?"""

from __future__ import annotations

import argparse
import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.tui.cli.comparing.bench_programs import read_folder
from hyperllama.tui.cli.options import positive, read_names, read_seeds
from hyperllama.tui.cli.progress_line import ProgressLine, show_run

if TYPE_CHECKING:
    from hyperllama.core.experiments.figures.transfer import MethodFigures

HELP = "are gains still there on rows that nobody saw? tables tuned on few rows, judged on the rest"
FILE = "transfer.json"
_METHODS = ("hybrid", "random", "tpe", "gp")


def add_transfer(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bench transfer`."""
    parser.add_argument(
        "tables", nargs="+", type=read_folder, metavar="FOLDER[:N]",
        help="the first N tables of a folder by name that `new` accepts (default: all)",
    )  # fmt: skip
    parser.add_argument("--rows", type=_numbers, default=(300,), metavar="N,M",
                        help="to tune on, drawn anew by each seed (default: 300)")  # fmt: skip
    parser.add_argument("--fewest-rows", type=positive, default=1500, metavar="N",
                        help="smaller tables are left out (default: 1500)")  # fmt: skip
    parser.add_argument("--methods", type=read_names, default=_METHODS, metavar="A,B",
                        help=f"see `bench methods` (default: {','.join(_METHODS)})")  # fmt: skip
    parser.add_argument("--estimator", default="xgboost", metavar="E", help="(default: xgboost)")
    parser.add_argument("--seeds", type=read_seeds, default=(0,), metavar="N|A-B",
                        help="how many, or from which to which (default: 1)")  # fmt: skip
    parser.add_argument("--budget", type=positive, default=12, metavar="N", help="(default: 12)")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N",
                        help="processes (default: 1)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="(default: in the data folder)")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def run_transfer_bench(arguments: argparse.Namespace) -> int:
    """Run what is missing, and print the figures of all that was asked for."""
    from hyperllama.core.experiments.running.workers import ONE_THREAD
    from hyperllama.core.storage.paths import home

    for name, value in ONE_THREAD.items():  # read by libraries that are loaded from here on
        os.environ.setdefault(name, value)
    from hyperllama.core.experiments.figures.transfer import (
        as_json,
        transfer_figures,
        transfer_runs,
    )
    from hyperllama.core.experiments.problems.transfer import transfer_problems
    from hyperllama.core.experiments.transfer import run_transfer
    from hyperllama.core.storage.folder import write_atomically

    out: Path = arguments.out or home() / "bench" / "transfer"
    line = ProgressLine()
    problems = transfer_problems(
        arguments.tables, arguments.rows, estimator=arguments.estimator,
        fewest_rows=arguments.fewest_rows, on_skip=line.say,
    )  # fmt: skip
    line.say(f"{len(problems)} problems: {', '.join(p.name for p in problems)}")
    try:
        found = run_transfer(
            problems, arguments.methods, out, seeds=arguments.seeds, budget=arguments.budget,
            jobs=arguments.jobs, on_progress=functools.partial(show_run, line),
        )  # fmt: skip
    finally:
        line.end()
    runs = transfer_runs(found)
    write_atomically(out / FILE, json.dumps(as_json(runs), indent=1) + "\n")
    _print(transfer_figures(runs))
    print(f"written to {out / FILE}")
    return 0


def _print(figures: Sequence[MethodFigures]) -> None:
    """Gains in percent of the default's loss; greater is better."""
    from hyperllama.tui.cli.printing import print_table

    def percent(share: float | None) -> str:
        return "-" if share is None else f"{100 * share:.1f}"

    rows: list[tuple[str, ...]] = [
        ("METHOD", "RUNS", "CLAIMED", "FRESH FOLDS", "CONFIRMED", "UNSEEN", "DEFAULT KEPT",
         "IN INTERVAL")
    ]  # fmt: skip
    rows += [
        (f.method, str(f.runs), percent(f.claimed), percent(f.fresh), percent(f.confirmed),
         percent(f.unseen), percent(f.kept_default), percent(f.covered))
        for f in figures
    ]  # fmt: skip
    print("mean gains and shares of runs in %; a gain is a share of the default's loss")
    print_table(rows, right=range(1, 8))
    print("\non the unseen rows, by what is used")
    table: list[tuple[str, ...]] = [("METHOD", "USED", "MEAN", "MEDIAN", "WORSE THAN DEFAULT")]
    table += [
        (f.method, r.rule, percent(r.mean), percent(r.median), percent(r.worse))
        for f in figures for r in f.rules
    ]  # fmt: skip
    print_table(table, right=range(2, 5))
