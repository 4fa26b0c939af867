"""`hyperllama bench ...`: methods side by side on test problems, with the paper's figures."""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.tui.cli.comparing.bench_programs import HELP as PROGRAMS
from hyperllama.tui.cli.comparing.bench_programs import add_programs, run_programs
from hyperllama.tui.cli.comparing.bench_prompts import EPILOG as PROMPTS_EPILOG
from hyperllama.tui.cli.comparing.bench_prompts import HELP as PROMPTS
from hyperllama.tui.cli.comparing.bench_prompts import add_prompts, run_prompts
from hyperllama.tui.cli.comparing.bench_transfer import HELP as TRANSFER
from hyperllama.tui.cli.comparing.bench_transfer import add_transfer, run_transfer_bench
from hyperllama.tui.cli.options import read_names, read_seeds
from hyperllama.tui.cli.progress_line import ProgressLine, show_run

if TYPE_CHECKING:
    from hyperllama.core.experiments.problems.base import BenchProblem
    from hyperllama.core.experiments.reading import Comparison

NAME = "bench"
FOR_OTHERS = True
HELP = "compare proposers and models on test problems"
EPILOG = """\
OUT keeps every trial: the same command goes on where it was stopped, and more methods or seeds add
to what is there. OUT gets summary.txt, .csv, .json and report.html."""
_USUAL = ("random", "tpe", "gp", "cmaes", "portfolio", "llama", "hybrid")
_SUITES = {
    "landscapes": "the paper's six functions of two variables, shifted and rotated",
    "tables": "exhaustive benchmark tables (.npz) in a folder",
    "tabular": "scikit-learn and XGBoost really trained on small data sets, or on task files",
}


def add(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    for name, about in _SUITES.items():
        sub = what.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".",
                              epilog=EPILOG)  # fmt: skip
        _ADD[name](sub)
        _add_common(sub)
    sub = what.add_parser("programs", help=PROGRAMS, description=PROGRAMS[0].upper() + PROGRAMS[1:])
    add_programs(sub)
    sub = what.add_parser("transfer", help=TRANSFER, description=TRANSFER[0].upper() + TRANSFER[1:])
    add_transfer(sub)
    sub = what.add_parser("prompts", help=PROMPTS, description=PROMPTS[0].upper() + PROMPTS[1:],
                          epilog=PROMPTS_EPILOG)  # fmt: skip
    add_prompts(sub)
    sub = what.add_parser("report", help="the figures of finished results again")
    sub.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="OUT of a bench")
    _add_figures(sub)
    sub.add_argument("--out", type=Path, metavar="DIR", help="(default: the first folder)")
    what.add_parser("methods", help="what can be compared")


def _add_landscapes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="(default: all six)")
    parser.add_argument(
        "--variant", default="random", choices=("random", "shifted", "paper", "plain"),
        help="random: shifted and rotated by the seed; paper: the paper's shift; plain: textbook",
    )  # fmt: skip
    parser.add_argument(
        "--picture", metavar="METHOD", help="whose path to draw (default: the first method run)"
    )


def _add_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--noise", action="store_true",
        help="methods see one repeat of a configuration and are judged by the mean of all",
    )  # fmt: skip


def _add_tabular(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks", type=Path, metavar="FOLDER", help="task files, in place of the built-in problems"
    )
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="problems whose name contains TEXT"
    )
    parser.add_argument(
        "--settled", action="store_true",
        help="also problems whose default cannot be improved on",
    )  # fmt: skip
    parser.add_argument(
        "--pool", type=int, default=300, metavar="N",
        help="random configurations a problem that random search's mean is computed from",
    )  # fmt: skip
    parser.add_argument("--cache", type=Path, metavar="FILE", help="where evaluations are kept")


_ADD = {"landscapes": _add_landscapes, "tables": _add_tables, "tabular": _add_tabular}


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is run")
    group.add_argument(
        "--methods", metavar="A,B", type=read_names,
        help=f"see `bench methods` (default: {','.join(_USUAL)}, as far as they are there)",
    )  # fmt: skip
    group.add_argument("--seeds", type=read_seeds, default=tuple(range(20)), metavar="N|A-B",
                       help="how many, or from which to which (default: 20)")  # fmt: skip
    group.add_argument("--budget", type=int, default=30, metavar="N", help="(default: 30)")
    group.add_argument("--start", choices=("default", "none", "both"), default="default",
                       help="whether all begin with the default configuration")  # fmt: skip
    group.add_argument("--known", choices=("all", "family", "nothing"), default="all",
                       help="what methods know beside the space")  # fmt: skip
    group.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    group.add_argument("--out", type=Path, metavar="DIR", help="(default: in the data folder)")
    group.add_argument("--fresh", type=read_names, default=(), metavar="A,B",
                       help="run these again although results are there")  # fmt: skip
    _add_figures(parser)


def _add_figures(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("figures")
    group.add_argument("--at", type=_numbers, default=(5, 10, 20, 30), metavar="N,M",
                       help="after how many evaluations (default: 5,10,20,30)")  # fmt: skip
    group.add_argument("--by", choices=("problem", "run"), default="problem",
                       help="what counts as one: a problem, or a problem under a seed")  # fmt: skip
    group.add_argument("--against", choices=("same", "plain"), default="same",
                       help="random search with the same start, or one without it")  # fmt: skip
    group.add_argument("--compare", type=_pair, action="append", default=[], metavar="A,B",
                       help="test two methods against each other; may be repeated")  # fmt: skip


def _pair(text: str) -> tuple[str, str]:
    names = read_names(text)
    if len(names) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not two methods: A,B")
    return names[0], names[1]


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text} holds a number below 1")
    return numbers


def run(arguments: argparse.Namespace) -> int:
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if arguments.what == "methods":
        from hyperllama.core.experiments.contenders import ABOUT

        for name, about in ABOUT.items():
            print(f"{name:18s}{about}")
        return 0
    if arguments.what == "report":
        return _report(arguments)
    if arguments.what == "programs":
        return run_programs(arguments)
    if arguments.what == "prompts":
        return run_prompts(arguments)
    if arguments.what == "transfer":
        return run_transfer_bench(arguments)
    from hyperllama.core.experiments.running.workers import ONE_THREAD
    from hyperllama.core.storage.paths import home

    for name, value in ONE_THREAD.items():  # read by libraries that are loaded from here on
        os.environ.setdefault(name, value)
    from hyperllama.core.experiments.bench import run_bench

    problems = _problems(arguments)
    methods = arguments.methods or _available()
    out: Path = arguments.out or home() / "bench" / arguments.what
    starts = ("default", "none") if arguments.start == "both" else (arguments.start,)
    line = ProgressLine()
    try:
        results = run_bench(
            problems, methods, out, seeds=arguments.seeds, budget=arguments.budget,
            starts=starts, jobs=arguments.jobs, fresh=arguments.fresh,
            on_progress=functools.partial(show_run, line),
        )  # fmt: skip
    finally:
        line.end()
    if arguments.what == "landscapes":
        _draw(results, arguments.picture)
    _write(results, out, arguments)
    return 0


def _problems(arguments: argparse.Namespace) -> Sequence[BenchProblem]:
    from hyperllama.core.errors import StudyError

    problems: Sequence[BenchProblem]
    if arguments.what == "landscapes":
        from hyperllama.core.experiments.problems.landscapes import landscape_problems

        problems = landscape_problems(arguments.functions or None, arguments.variant)
    elif arguments.what == "tables":
        from hyperllama.core.experiments.problems.tables import table_problems

        problems = table_problems(arguments.folder, arguments.noise, arguments.known)
    else:
        from hyperllama.core.experiments.problems.tabular import (
            PROBLEMS,
            SETTLED,
            problem_name,
            tabular_problems,
            task_problems,
        )

        given = {"cache": arguments.cache, "pool": arguments.pool, "known": arguments.known}
        if arguments.tasks is not None:
            found = task_problems(arguments.tasks, **given)
            problems = [p for p in found if arguments.only in p.name]
        else:
            every = (*PROBLEMS, *SETTLED) if arguments.settled else PROBLEMS
            which = [p for p in every if arguments.only in problem_name(*p)]
            problems = tabular_problems(which, **given)
    if not problems:
        raise StudyError(f"no problem's name contains {arguments.only!r}", "leave --only out")
    return problems


def _available() -> tuple[str, ...]:
    """The usual methods, without those that lack a file."""
    from hyperllama.core.errors import HyperLlamaError
    from hyperllama.core.experiments.contenders import parse_method

    found = []
    for name in _USUAL:
        try:
            parse_method(name)
        except HyperLlamaError as error:
            print(f"without {name}: {error.message}", file=sys.stderr)
        else:
            found.append(name)
    return tuple(found)


def _draw(found: Comparison, method: str | None) -> None:
    """The path of one method over each landscape, as wide as the terminal allows."""
    from hyperllama.core.experiments.figures.contours import (
        LandscapePicture,
        contour_text,
        landscape_runs,
    )

    columns = min(64, shutil.get_terminal_size().columns - 2)
    for task, record in found.problems.items():
        runs = landscape_runs(found, task)
        chosen = [r for r in runs if method is None or r.cell.contender == method]
        if not chosen or columns < 16:
            continue
        run, cell = chosen[0], chosen[0].cell
        picture = LandscapePicture(record, cell.seed, 2 * columns)
        print(f"{task}, seed {cell.seed}, {cell.contender} ({cell.start} start): "
              f"{-run.curve[-1]:.4g}")  # fmt: skip
        print(contour_text(picture.grid, picture.path(run), picture.optima, columns), "\n")


def _report(arguments: argparse.Namespace) -> int:
    from hyperllama.core.experiments.bench import load_bench

    first, *others = map(load_bench, arguments.folders)
    for other in others:
        first = first.merged(other)
    _write(first, arguments.out or arguments.folders[0], arguments)
    return 0


def _write(results: Comparison, out: Path, arguments: argparse.Namespace) -> None:
    from hyperllama.core.experiments.figures.report import report_text, write_report
    from hyperllama.core.experiments.figures.table import experiment_figures
    from hyperllama.core.experiments.figures.writing import FILES

    found = experiment_figures(
        results, at=arguments.at, by=arguments.by, against=arguments.against,
        pairs=arguments.compare,
    )  # fmt: skip
    write_report(results, found, out)
    print(report_text(found, shutil.get_terminal_size((200, 50)).columns))
    print(f"written to {out}: {FILES}")
