"""`hyperllama bench prompts`: with which prompt does a model propose best?"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.tui.cli.options import positive, read_names
from hyperllama.tui.cli.progress_line import ProgressLine

if TYPE_CHECKING:
    from hyperllama.core.experiments.figures.statistics import Estimate
    from hyperllama.core.experiments.prompts import PromptFigures

HELP = "variants of the prompt: which one does a model propose best with?"
EPILOG = """\
A variant is one that ships, or a folder with templates and a layout.toml of your own. OUT keeps
every result: the same command goes on where it was stopped, and more variants or histories add to
what is there."""
FILE = "prompts.json"


def add_prompts(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bench prompts`."""
    parser.add_argument("--model", required=True, metavar="FILE", help="a GGUF file, or its name")
    parser.add_argument("--variants", type=read_names, metavar="A,B",
                        help="the others are compared with the first "
                        "(default: the model's usual one, then all that ship)")  # fmt: skip
    parser.add_argument("--tasks", type=Path, metavar="FOLDER",
                        help="task files, in place of the built-in tables")  # fmt: skip
    parser.add_argument("--only", metavar="TEXT", default="",
                        help="problems whose name contains TEXT")  # fmt: skip
    parser.add_argument("--histories", type=positive, default=4, metavar="N",
                        help="on each table (default: 4)")  # fmt: skip
    parser.add_argument("--turns", type=positive, default=4, metavar="N",
                        help="proposals after each (default: 4)")  # fmt: skip
    parser.add_argument("--pool", type=positive, default=60, metavar="N",
                        help="random configurations a table (default: 60)")  # fmt: skip
    parser.add_argument("--reasoning", action="store_true", help="with an analysis first")
    parser.add_argument("--context", type=positive, default=4096, metavar="N",
                        help="tokens (default: 4096)")  # fmt: skip
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="(default: 1)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="(default: in the data folder)")


def run_prompts(arguments: argparse.Namespace) -> int:
    """Run what is missing, and print the figures of all that was asked for."""
    from hyperllama.core.experiments.running.workers import ONE_THREAD
    from hyperllama.core.storage.paths import home

    for name, value in ONE_THREAD.items():  # read by libraries that are loaded from here on
        os.environ.setdefault(name, value)
    from hyperllama.core.errors import StudyError
    from hyperllama.core.experiments.problems.tabular import task_problems
    from hyperllama.core.experiments.prompts import PromptBench, prompt_problems, run_prompt_bench
    from hyperllama.core.prompt.templates import usual_variant
    from hyperllama.core.storage.folder import write_atomically
    from hyperllama.core.task.prompt_options import variants
    from hyperllama.models.gguf import read_metadata, resolve_model
    from hyperllama.tui.text.wording import duration

    model = read_metadata(resolve_model(arguments.model))
    usual = usual_variant(model.parameters, model.has_chat_template)
    chosen = arguments.variants or tuple(dict.fromkeys((usual, *variants())))
    problems = (task_problems(arguments.tasks, pool=arguments.pool) if arguments.tasks
                else prompt_problems(arguments.pool))  # fmt: skip
    problems = [p for p in problems if arguments.only in p.name]
    if not problems:
        raise StudyError(f"no problem's name contains {arguments.only!r}", "leave --only out")
    out: Path = arguments.out or home() / "bench" / "prompts"
    bench = PromptBench(
        arguments.model, problems, chosen, arguments.histories, arguments.turns,
        arguments.context, arguments.threads, arguments.reasoning,
    )  # fmt: skip
    line = ProgressLine()
    try:
        found = run_prompt_bench(bench, out, lambda done, total, left_s, label: line.show(
            f"{done} of {total}, {duration(left_s)} left  {label}", at_once=done == total))
    finally:
        line.end()
    write_atomically(out / FILE, json.dumps(asdict(found), indent=1) + "\n")
    _print(found, arguments.turns)
    print(f"written to {out}: {FILE}, and every run in prompts.jsonl")
    return 0


def _print(found: PromptFigures, turns: int) -> None:
    from hyperllama.tui.cli.printing import print_table

    rows: list[tuple[str, ...]] = [
        ("VARIANT", "RUNS", "BEATS", "AGAINST THE FIRST", "GAIN", "IMPROVED", "COPIES", "REPLACED",
         "TOKENS", "SECONDS")
    ]  # fmt: skip
    for f in found.variants:
        difference = "the first" if f.difference is None else _interval(f.difference, "+.1f")
        shares = (f"{100 * s:.0f}" for s in (f.improved, f.copies, f.replaced))
        rows.append((f.variant, str(f.runs), _interval(f.beats, ".1f"), difference,
                     _interval(f.gain, ".1f"), *shares, f"{f.tokens:.0f}",
                     f"{f.seconds:.2f}"))  # fmt: skip
    print("in %, means over the histories with their 95 % intervals\n"
          "beats: random configurations that a proposal beats (a random one: 50)\n"
          f"gain: of the history's best loss, saved in {turns} turns")  # fmt: skip
    print_table(rows, right=range(1, len(rows[0])))
    print(f"gain of {turns} random configurations: {100 * found.random:.1f}")


def _interval(found: Estimate, form: str) -> str:
    """In percent: 1.2 (0.3 to 2.1)."""
    text = f"{100 * found.value:{form}}"
    if found.low is None or found.high is None:
        return text
    return f"{text} ({100 * found.low:{form}} to {100 * found.high:{form}})"
