"""`hyperllama new TABLE`: write a task file that runs as it is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.errors import TaskError

NAME = "new"
HELP = "write a task file for a table"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", type=Path, help="CSV, Parquet or Feather")
    parser.add_argument("--target", metavar="COLUMN", help="what to predict (default: a guess)")
    parser.add_argument("--kind", choices=("classification", "regression"))
    parser.add_argument(
        "--estimator", metavar="NAMES", default="xgboost", help="one, or several with commas"
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: TABLE.toml")
    parser.add_argument("--stdout", action="store_true", help="print it, write nothing")
    parser.add_argument("--force", action="store_true", help="overwrite")
    parser.add_argument("--separator", metavar="C")
    parser.add_argument("--encoding", metavar="E")


def run(arguments: argparse.Namespace) -> int:
    from core.folder import write_atomically
    from core.newtask import new_task_file

    table: Path = arguments.table.expanduser()
    output: Path = arguments.output or Path(f"{table.name.split('.')[0] or 'task'}.toml")
    if not arguments.stdout and output.exists() and not arguments.force:
        raise TaskError(f"{output} is there already", "choose another with -o, or give --force")
    text = new_task_file(
        table,
        target=arguments.target,
        kind=arguments.kind,
        estimators=[n.strip() for n in arguments.estimator.split(",") if n.strip()],
        task_file=output,
        separator=arguments.separator,
        encoding=arguments.encoding,
    )
    if arguments.stdout:
        print(text, end="")
        return 0
    try:
        write_atomically(output, text)
    except OSError as error:
        raise TaskError(f"{output} cannot be written: {error.strerror}") from error
    print(output)
    print(f"next: hyperllama run {output}", file=sys.stderr)
    return 0
