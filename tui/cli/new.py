"""`hyperllama new TABLE`: write a task file that runs as it is."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from hyperllama.core.errors import TaskError

NAME = "new"
FOR_OTHERS = True
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
    parser.add_argument("--separator", metavar="C", help="between the cells of a CSV")
    parser.add_argument("--encoding", metavar="E", help="of a CSV: utf8, latin-1, ...")
    parser.add_argument(
        "--no-header", action="store_true", help="the first row of a CSV is data, not names"
    )
    parser.add_argument(
        "--space-from", metavar="MODEL",
        help="let a model propose the search space; you confirm it",
    )
    parser.add_argument("--yes", action="store_true", help="take the model's space without asking")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.storage.folder import write_atomically
    from hyperllama.core.task.new import new_task_file
    from hyperllama.core.text import table_stem

    table: Path = arguments.table.expanduser()
    output: Path = arguments.output or Path(f"{table_stem(table.name) or 'task'}.toml")
    if not arguments.stdout and output.exists() and not arguments.force:
        raise TaskError(f"{output} is there already", "choose another with -o, or give --force")
    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    text = new_task_file(
        table,
        target=arguments.target,
        kind=arguments.kind,
        estimators=[n.strip() for n in arguments.estimator.split(",") if n.strip()],
        task_file=output,
        separator=arguments.separator,
        encoding=arguments.encoding,
        header=not arguments.no_header,
        choose=_ask if terminal else _say,
    )
    if arguments.space_from:
        text = _with_space(text, output, arguments.space_from, arguments.yes)
    if arguments.stdout:
        print(text, end="")
        return 0
    try:
        write_atomically(output, text)
    except OSError as error:
        raise TaskError(f"{output} cannot be written: {error.strerror}") from error
    print(output)
    print(f"next: hyperllama run {shlex.quote(str(output))}", file=sys.stderr)
    return 0


def _say(candidates: list[dict[str, str]]) -> str:
    """Tell a script which column was taken, which others are close, and how to change it."""
    first, *others = candidates
    print(f"target: {_candidate(first)}", file=sys.stderr)
    for other in others:
        print(f"  nearly as likely: {_candidate(other)}", file=sys.stderr)
    print("  change it with --target, or in the file", file=sys.stderr)
    return first["name"]


def _ask(candidates: list[dict[str, str]]) -> str:
    """Ask a person at a terminal; an empty answer takes the first."""
    from hyperllama.core.text import one_line

    print("Which column is to be predicted?", file=sys.stderr)
    for number, candidate in enumerate(candidates, 1):
        print(f"  {number}  {_candidate(candidate)}", file=sys.stderr)
    names = {str(i): c["name"] for i, c in enumerate(candidates, 1)}
    names |= {c["name"]: c["name"] for c in candidates}
    while True:
        print("number [1]: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        answer = line.strip() or "1"
        if answer in names:
            return names[answer]
        if not line:
            return candidates[0]["name"]
        print(f"  {one_line(answer, 30)!r} is none of them; another column: --target",
              file=sys.stderr)  # fmt: skip


def _candidate(candidate: dict[str, str]) -> str:
    from hyperllama.core.text import one_line, shown

    reason = one_line(candidate["reason"])
    return shown(candidate["name"]) + (f" ({reason})" if reason else "")


def _with_space(text: str, file: Path, model: str, yes: bool) -> str:
    """The task file with the search space that a model proposes, where the user takes it."""
    from hyperllama.core.propose.task_space import space_for, with_space
    from hyperllama.core.text import plain

    def say(words: str) -> None:
        print(plain(words), end="", file=sys.stderr, flush=True)

    found = space_for(text, file, model, on_text=say)
    changes = found.changes()
    print(f"\n{found.model} proposes:", file=sys.stderr)
    for name, before, after in changes:
        print(f"  {plain(name)}: {after.describe()}  (usually {before.describe()})",
              file=sys.stderr)  # fmt: skip
    if not changes:
        print("  the usual search space", file=sys.stderr)
        return text
    if not yes:
        if not sys.stdin.isatty():
            raise TaskError("nobody is here to confirm the search space", "--yes takes it as it is")
        print("Use it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("the usual search space stays", file=sys.stderr)
            return text
    return with_space(text, found)
