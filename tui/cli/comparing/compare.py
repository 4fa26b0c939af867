"""`hyperllama compare`: models and proposers side by side on tasks, worked off as a queue."""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import sys
from typing import TYPE_CHECKING

from hyperllama.tui.cli.options import (
    add_model_options,
    add_no_confirm,
    positive,
    prompt_from,
)

if TYPE_CHECKING:
    from hyperllama.core.experiments.grid import Cell
    from hyperllama.core.experiments.reading import Comparison
    from hyperllama.core.experiments.running.runner import RunProgress
    from hyperllama.tui.cli.progress_line import ProgressLine

NAME = "compare"
HELP = "run models and proposers side by side on tasks, and say which is worth it"
EPILOG = """\
  hyperllama compare --models small.gguf large.gguf --tasks wine.toml breast_cancer --seeds 5
  hyperllama compare --models embedded-1m --how hybrid --tasks task.toml --new sizes
  hyperllama compare NAME               go on with it; with --models, --tasks, --seeds: add to it
  hyperllama compare NAME --queue       its cells; --first, --last, --skip, --unskip TEXT change it
  hyperllama compare NAME --report      the figures so far
  hyperllama compare --list             all comparisons

A contender is a model (NAME or FILE.gguf), a proposer, or both: hybrid:FILE.gguf?opening=2.
Nothing is trained twice: what other comparisons trained on the same folds is taken over.
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="of a comparison that is there")
    group = parser.add_argument_group("what is compared")
    group.add_argument("--models", metavar="MODEL", nargs="+", default=[],
                       help="names or GGUF files, or contenders as below")  # fmt: skip
    group.add_argument("--tasks", metavar="TASK", nargs="+", default=[],
                       help="task files, or names of sample tasks")  # fmt: skip
    group.add_argument("--how", metavar="PROPOSER", default="llama",
                       help="how models are asked: llama (default), hybrid, ...")  # fmt: skip
    group.add_argument("--baselines", metavar="A,B", default=None,
                       help="proposers beside them (default: random,tpe,gp; none: '')")  # fmt: skip
    group.add_argument("--seeds", type=positive, metavar="N", help="how many (default: 3)")
    group.add_argument("--budget", type=positive, metavar="M",
                       help="trials of a cell, the default included (default: 20)")  # fmt: skip
    group.add_argument("--new", metavar="NAME", dest="called", help="its name (default: a number)")
    add_model_options(parser)
    add_no_confirm(group)
    group = parser.add_argument_group("the queue and the figures")
    group.add_argument("--list", action="store_true", help="the comparisons in the data folder")
    group.add_argument("--queue", action="store_true", help="the cells, in their order")
    for flag, text in (
        ("first", "put cells in front whose name contains TEXT"),
        ("last", "put them at the end"),
        ("skip", "leave them out"),
        ("unskip", "take them back in"),
    ):
        group.add_argument(f"--{flag}", metavar="TEXT", help=text)
    group.add_argument("--report", action="store_true", help="the figures so far; runs nothing")
    group.add_argument("--prepare", action="store_true", help="write the queue; runs nothing")
    group.add_argument("--json", action="store_true", help="the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.errors import SpaceError

    if arguments.list:
        return _list(arguments.json)
    name = arguments.name
    if arguments.models or arguments.tasks or arguments.seeds or arguments.baselines is not None:
        name = _prepare(arguments)
    elif name is None:
        raise SpaceError("compare what?", "--models and --tasks, or the name of a comparison")
    changed = _change(name, arguments)
    if arguments.queue or changed:
        return _queue(name, arguments.json)
    if arguments.report:
        return _report(name, arguments.json)
    if arguments.prepare:
        print(name)
        return 0
    return _run(name, arguments.json)


def _prepare(arguments: argparse.Namespace) -> str:
    """Make the comparison, or add to it; its name."""
    from hyperllama.core.errors import SpaceError
    from hyperllama.core.experiments.contenders import parse_contender, without_copies
    from hyperllama.core.experiments.grid import (
        BASELINES,
        FILE,
        comparison_folder,
        load_grid,
        make_grid,
    )
    from hyperllama.core.study.starting.options import Options, too_many_threads
    from hyperllama.core.task import find_task

    name = arguments.name or arguments.called or _free_name()
    there = (comparison_folder(name) / FILE).exists()
    if there and arguments.called:
        raise SpaceError(f"there is a comparison {name!r} already",
                         f"`hyperllama compare {name}` goes on with it")  # fmt: skip
    if not there and not arguments.tasks:
        raise SpaceError("on which tasks?", "--tasks TASK ...: task files or sample tasks")
    old = load_grid(name) if there else None
    texts = [*arguments.models]
    if arguments.baselines is not None:
        texts += [b for b in arguments.baselines.split(",") if b]
    elif old is None:
        texts = [*BASELINES, *texts]
    known = old.contenders if old is not None else ()
    contenders, copies = without_copies([parse_contender(t, arguments.how) for t in texts], known)
    for copy, kept in copies:
        print(f"{copy} is the same file as {kept}: it runs once", file=sys.stderr)
    if not contenders and old is None:
        raise SpaceError("nothing to compare", "--models MODEL ..., or --baselines tpe,gp")
    seeds = range(arguments.seeds or (len(old.seeds) if old is not None else 3))
    budget = arguments.budget or (old.budget if old is not None else 20)
    options = {
        "threads": arguments.threads, "gpu_layers": arguments.gpu_layers,
        "context_length": arguments.context, "temperature": arguments.temperature,
        "prompt": prompt_from(arguments.prompt),
        "confirm": arguments.confirm,
    }  # fmt: skip
    given = {k: v for k, v in options.items() if v is not None}
    files = [find_task(t) for t in arguments.tasks]
    for note in too_many_threads(Options(threads=arguments.threads)):
        print(f"{note.text}: {note.hint}", file=sys.stderr)
    return make_grid(name, contenders, files, seeds, budget, given).name


def _free_name() -> str:
    from hyperllama.core.experiments.grid import comparison_folder

    number = 1
    while comparison_folder(f"comparison-{number}").exists():
        number += 1
    return f"comparison-{number}"


def _change(name: str, arguments: argparse.Namespace) -> bool:
    """Reorder the queue as asked; whether anything was asked."""
    from hyperllama.core.errors import SpaceError
    from hyperllama.core.experiments.grid import load_grid, move, skip
    from hyperllama.core.text import allowed

    changed = False
    for text, change, value in (
        (arguments.first, move, True),
        (arguments.last, move, False),
        (arguments.skip, skip, True),
        (arguments.unskip, skip, False),
    ):
        if text is not None:
            cells = [describe(cell) for cell in load_grid(name).cells]
            if not any(text in cell for cell in cells):
                raise SpaceError(f"no cell's name contains {text!r}", allowed(cells, text))
            change(name, functools.partial(_named, text), value)
            changed = True
    return changed


def _named(text: str, cell: Cell) -> bool:
    return text in describe(cell)


def describe(cell: Cell) -> str:
    """A cell in words."""
    return f"{cell.contender} on {cell.task}, seed {cell.seed}"


def _queue(name: str, as_json: bool) -> int:
    from hyperllama.core.experiments.reading import read_comparison
    from hyperllama.core.text import plain

    found = read_comparison(name)
    if as_json:
        rows = [
            {"id": c.cell.id, "contender": c.cell.contender, "task": c.cell.task,
             "seed": c.cell.seed, "state": c.state, "trials": len(c.trials),
             "best": c.best_after(len(c.trials)), "error": c.error}
            for c in found.cells
        ]  # fmt: skip
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    for c in found.cells:
        best = c.best_after(len(c.trials))
        text = "" if best is None else f"best {best:.5g}"
        done = f"{len(c.trials)}/{found.grid.budget}"
        print(f"{c.state:10}  {done:>7}  {plain(describe(c.cell)):50}  {text or plain(c.error)}"
              .rstrip())  # fmt: skip
    print(_standing(found))
    return 0


def _list(as_json: bool) -> int:
    from hyperllama.core.experiments.reading import all_comparisons
    from hyperllama.core.text import plain

    found = all_comparisons()
    if as_json:
        rows = [
            {"name": c.grid.name, "folder": str(c.grid.folder), "pid": c.pid,
             "contenders": [x.label for x in c.grid.contenders], "tasks": list(c.grid.tasks),
             "seeds": list(c.grid.seeds), "budget": c.grid.budget, "trials": c.done_trials,
             "of_trials": c.trials, "left_s": c.left_s, "finished": c.finished}
            for c in found
        ]  # fmt: skip
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    if not found:
        print("no comparison yet; `hyperllama compare --help` has examples")
    for c in found:
        names = ", ".join(plain(x.label) for x in c.grid.contenders)
        print(f"{plain(c.grid.name)}: {_standing(c)}\n  {names} on {', '.join(c.grid.tasks)}")
    return 0


def _standing(found: Comparison) -> str:
    """How far it is, in one line."""
    from hyperllama.tui.text.wording import duration

    if found.finished:
        return f"finished, {found.done_trials} trials"
    left = found.left_s
    running = f"process {found.pid} works on it" if found.pid else "no process works on it"
    estimate = "" if left is None else f", about {duration(left)} left"
    return f"{found.done_trials} of {found.trials} trials{estimate}; {running}"


def _report(name: str, as_json: bool) -> int:
    from hyperllama.core.experiments.figures.report import report_json, report_text, write_report
    from hyperllama.core.experiments.figures.table import experiment_figures
    from hyperllama.core.experiments.figures.writing import FILES
    from hyperllama.core.experiments.reading import read_comparison

    found = read_comparison(name)
    figures = experiment_figures(found)
    write_report(found, figures, found.grid.folder)
    if as_json:
        print(report_json(figures), end="")
    else:
        print(report_text(figures, shutil.get_terminal_size((200, 50)).columns))
        print(f"written to {found.grid.folder}: {FILES}")
    return 0


def _run(name: str, as_json: bool) -> int:
    from hyperllama.core.experiments.running.comparison import run_comparison
    from hyperllama.tui.cli.progress_line import ProgressLine
    from hyperllama.tui.cli.study.session import ALL_FAILED, Signals

    _say_estimate(name)
    line = ProgressLine()
    with Signals() as signals:
        try:
            found = run_comparison(
                name, should_stop=lambda: signals.received is not None,
                on_progress=functools.partial(_show, line),
            )
        finally:
            line.end()
    code = _report(name, as_json)
    if signals.received is not None:
        print(f"stopped; go on with: hyperllama compare {name}", file=sys.stderr)
        return 128 + signals.received
    return code if any(c.state == "done" for c in found.cells) else ALL_FAILED


def _say_estimate(name: str) -> None:
    """How long each contender will take, before anything runs."""
    from hyperllama.core.experiments.reading import read_comparison
    from hyperllama.core.text import plain
    from hyperllama.tui.content.estimates import known_speeds, left_by_contender
    from hyperllama.tui.text.wording import duration

    speeds = known_speeds()
    left = left_by_contender(read_comparison(name), speeds)
    if left:
        each = ", ".join(f"{plain(label)} {duration(s)}" for label, s in left.items())
        total = duration(sum(left.values()))
        print(f"about {total}: {each} ({speeds.basis})", file=sys.stderr)


def _show(line: ProgressLine, progress: RunProgress) -> None:
    """How far the comparison is, and which cell failed."""
    from hyperllama.core.text import plain
    from hyperllama.tui.text.wording import duration

    cell = "" if progress.cell is None else plain(describe(progress.cell))
    if progress.error:
        line.say(f"{cell}: {plain(progress.error)}")
    left = "" if progress.left_s is None else f", about {duration(progress.left_s)} left"
    trial = "" if progress.trial is None else f", trial {progress.trial['number'] + 1}"
    line.show(f"{progress.done} of {progress.total} trials{left}  {cell}{trial}")
