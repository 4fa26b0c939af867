"""How figures are written: a report's blocks as text, rows as CSV, everything as JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hyperllama.core.charts import Block, Bullets, Heading, Paragraph, TableBlock
from hyperllama.core.experiments.figures.statistics import Estimate
from hyperllama.core.storage.folder import write_atomically
from hyperllama.core.text import plain

_NOTHING = 1e-12  # what is left of a difference by rounding
FILES = "report.html, summary.txt, summary.csv, summary.json"


def write_files(folder: Path, text: str, table: str, everything: str, page: str) -> None:
    """Write summary.txt, .csv, .json and report.html into `folder`, each at once."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("summary.txt", text), ("summary.csv", table), ("summary.json", everything),
        ("report.html", page),
    ):  # fmt: skip
        write_atomically(folder / name, content)


def to_text(blocks: Sequence[Block], width: int | None = None) -> str:
    """Headings, paragraphs, lists and tables as text for a terminal; charts are left out.

    Args:
        width: of the terminal; tables that are wider are split.
    """
    text = ""
    for block in blocks:
        if isinstance(block, Heading):
            text += plain(block.text) + ("\n\n" if block.level == 1 else "\n")
        elif isinstance(block, Paragraph):
            text += plain(block.text) + "\n\n"
        elif isinstance(block, Bullets) and block.items:
            text += "".join(f"{plain(item)}\n" for item in block.items) + "\n"
        elif isinstance(block, TableBlock):
            lines = [[plain(c) for c in row] for row in (block.header, *block.rows)]
            text += aligned(lines, width) + "\n\n"
    return text.rstrip() + "\n"


def aligned(lines: Sequence[Sequence[str]], width: int | None = None) -> str:
    """A table as text, a rule under its head; the first column stays on the left.

    Args:
        width: a wider table is split into several that all begin with the first column.
    """
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    split: list[list[int]] = [[]]
    for i, cells in enumerate(widths[1:], 1):
        used = widths[0] + sum(widths[j] + 2 for j in split[-1])
        if width is not None and split[-1] and used + 2 + cells > width:
            split.append([])
        split[-1].append(i)
    parts = []
    for columns in split:
        rows = [
            "  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in columns)])
            for line in lines
        ]
        rule = "-" * max(len(row.rstrip()) for row in rows)
        parts.append("\n".join([rows[0].rstrip(), rule, *(row.rstrip() for row in rows[1:])]))
    return "\n\n".join(parts)


def to_csv(kind: type, rows: Sequence[Any], names: Mapping[str, str]) -> str:
    """One line a row of a dataclass; an `Estimate` takes three columns, with _low and _high.

    Args:
        names: of columns that are not called like their field.
    """
    head: dict[str, str] = {}
    for f in fields(kind):
        ends = ("", "_low", "_high") if "Estimate" in str(f.type) else ("",)
        head |= {f.name + end: names.get(f.name, f.name) + end for end in ends}
    out = io.StringIO()
    writer = csv.DictWriter(out, head, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        cells = asdict(row)
        for name, e in asdict(row).items():
            if isinstance(e, dict):
                cells |= {name: e["value"], f"{name}_low": e["low"], f"{name}_high": e["high"]}
        writer.writerow({name: _cell(value) for name, value in cells.items()})
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return "0" if abs(value) < _NOTHING else f"{value:.6g}"
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return "'" + value  # no spreadsheet takes it for a formula
    return value


def to_json(found: Mapping[str, Any]) -> str:
    """Everything as JSON; figures that are not finite are null."""
    return json.dumps(_finite(found), indent=1, ensure_ascii=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def percent(share: float) -> str:
    """A share in percent with its sign; none for zero."""
    text = f"{share * 100:+.1f}"
    return "0.0" if float(text) == 0.0 else text


def interval(e: Estimate | None, show: Callable[[float], str] = percent) -> str:
    """A figure and its interval, e.g. "-12.1 [-15.0, -9.2]"; empty where there is none."""
    if e is None or not math.isfinite(e.value):
        return ""
    if e.low is None or e.high is None or e.low == e.high:
        return show(e.value)
    return f"{show(e.value)} [{show(e.low)}, {show(e.high)}]"
