"""`hyperllama inspect TABLE`: what is in a table, before anything is tuned on it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "inspect"
HELP = "look at a table: columns, types, empty cells, the target, warnings"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="DATA", type=Path, help="CSV, Parquet or Feather")
    parser.add_argument("--target", metavar="COLUMN", help="default: a guess")
    parser.add_argument("--separator", metavar="C", help="between the cells of a CSV")
    parser.add_argument("--encoding", metavar="E", help="of a CSV: utf8, latin-1, ...")
    parser.add_argument(
        "--no-header", action="store_true", help="the first row of a CSV is data, not names"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.data import inspect

    found = inspect(
        arguments.table.expanduser(),
        arguments.target,
        separator=arguments.separator,
        encoding=arguments.encoding,
        header=not arguments.no_header,
    )
    if arguments.json:
        from hyperllama.tui.cli.printing import print_json

        print_json(found)
    else:
        _print(found)
    return 0


def _print(found: Mapping[str, Any]) -> None:
    from hyperllama.core.text import one_line

    for line in found["summary"]:
        print(one_line(line))
    target = found["target"]
    if target and target["guessed"]:
        print(f"the target is a guess: {one_line(target['reason'])}")
        for other in target["close"]:
            name, reason = one_line(other["name"]), one_line(other["reason"])
            print(f"  nearly as likely: {name} ({reason})")
    width = max([len(one_line(c["name"])) for c in found["columns"]] + [6])
    width = min(width, 40)
    for c in found["columns"]:
        empty = f"{c['missing_share']:.1%} empty" if c["missing_share"] else ""
        about = ", ".join(filter(None, (empty, one_line(c["note"]), _values(c))))
        name = one_line(c["name"])[:width]
        role = "" if c["role"] == "feature" else c["role"]
        print(f"  {name:<{width}}  {c['kind']:<8}  {role:<7}  {about}".rstrip())
    for warning in found["warnings"]:
        print(f"! {one_line(warning)}")


def _values(column: Mapping[str, Any]) -> str:
    from hyperllama.core.text import one_line

    if "range" in column:
        parts = [f"{v:.4g}" if isinstance(v, float) else one_line(str(v)) for v in column["range"]]
        return f"{parts[0]} to {parts[-1]}"
    top = [one_line(str(label))[:20] for label, _ in column.get("top", ())[:4]]
    return ", ".join(top) + (", ..." if column.get("distinct", 0) > 4 and top else "")
