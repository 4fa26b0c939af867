"""`hyperllama run TASK`: a new study, live in the terminal, as JSON lines, or in the background."""

from __future__ import annotations

import argparse
from dataclasses import replace

from hyperllama.tui.cli.options import add_study_options, options_from

NAME = "run"
HELP = "tune: start a study of a task file, or of a sample task by its name"
EPILOG = """\
examples:
  hyperllama run breast_cancer
  hyperllama run task.toml --proposer tpe --budget 40 --seed 7
  hyperllama run task.toml --model ~/models/qwen2.5-1.5b.gguf --minutes 30 --detached"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="a task file, or the name of a sample task")
    parser.add_argument("--study", metavar="NAME", help="its name (default: the task's)")
    parser.add_argument("--seed", type=int, metavar="N", help="default: the task's")
    parser.add_argument(
        "--programs", nargs="?", const="auto", choices=("auto", "pipeline", "bound", "free"),
        help="pipeline: try whole pipelines, preparation and voting too; bound: a chat model "
        "chooses them; free: a chat model writes Python; auto, or no word: what the model can do "
        "(docs/programs.md)",
    )  # fmt: skip
    parser.add_argument(
        "--unsandboxed", action="store_true",
        help="run programs of people or models without a sandbox: they can read your files and "
        "use the network; the study records it",
    )  # fmt: skip
    parser.add_argument(
        "--warm-start", nargs="+", metavar="STUDY",
        help="evaluate the best trials of earlier studies first, and learn from all of theirs",
    )
    add_study_options(parser)


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.task import find_task
    from hyperllama.tui.cli.study.session import detach, run_here

    file = find_task(arguments.task)
    if arguments.detached:
        from hyperllama.core.storage.folder import check_name, free_name
        from hyperllama.core.task import load_task

        name = arguments.study or free_name(load_task(file).name)
        return detach(arguments, check_name(name), ["run", str(file), "--study", name])

    from hyperllama.core.study.starting.opening import start

    options = replace(
        options_from(arguments), programs=arguments.programs,
        unsandboxed=arguments.unsandboxed or None,
        warm_start=tuple(arguments.warm_start) if arguments.warm_start else None,
    )  # fmt: skip
    return run_here(
        arguments,
        lambda listener, interrupted: start(
            file, options, study=arguments.study, listener=listener, interrupted=interrupted
        ),
    )
