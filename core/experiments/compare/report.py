"""A comparison's figures as text for a terminal, CSV, JSON; `page.py` makes the HTML report."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hyperllama.core.experiments.compare.reading import Comparison
from hyperllama.core.experiments.compare.summary import Estimate, Row, Summary, summarise
from hyperllama.core.storage.folder import write_atomically
from hyperllama.core.text import plain

HEADINGS = (
    "contender", "rank", "gain over random", "over default", "on test rows", "repeats", "invalid",
    "others", "tokens in", "out", "s/proposal", "memory", "J/proposal",
)  # fmt: skip
EXPLAINED = (
    "rank: mean rank over the tasks, 1 is best; gains: share of the loss saved, in percent, with "
    "95 % bootstrap intervals over seeds (folds are the same for all); on test rows: gain over the "
    "default on rows that no trial saw; repeats, invalid: shares of the replies in percent; "
    "others: share of the proposals that another proposer had to make; memory: peak of the "
    "engine's process"
)
FILES = ("summary.txt", "summary.csv", "summary.json", "report.html")


def write_reports(comparison: Comparison) -> str:
    """Write the four files into the comparison's folder; returns the text."""
    from hyperllama.core.experiments.compare.page import html_report

    summary = summarise(comparison)
    text = text_report(summary)
    contents = (
        text, csv_report(summary), json_report(summary), html_report(comparison, summary)
    )  # fmt: skip
    for name, content in zip(FILES, contents, strict=True):
        write_atomically(Path(comparison.grid.folder) / name, content)
    return text


def text_report(summary: Summary, width: int | None = None) -> str:
    """Everything as aligned text; columns that hold nothing are left out.

    Args:
        width: of the terminal; the table is split into two where it is wider.
    """
    parts = [title(summary)]
    if not summary.rows:
        parts.append("no cell is finished yet")
    else:
        parts.append(_table([HEADINGS, *(cells(r) for r in summary.rows)], width))
        parts.append("\n".join(plain(v.words()) for v in summary.verdicts))
    parts += [f"note: {plain(n)}" for n in summary.notes]
    parts += [
        f"failed: {plain(c)} on {plain(t)}, seed {s}: {plain(e)}"
        for c, t, s, e in summary.failed[:10]
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def title(summary: Summary) -> str:
    """What was compared, in one line."""
    tasks, seeds = len(summary.tasks), len(summary.seeds)
    return (
        f"{plain(summary.name)}: after {summary.budget} trials, {tasks} "
        f"task{'s' if tasks != 1 else ''}, {seeds} seed{'s' if seeds != 1 else ''}"
    )


def cells(row: Row) -> tuple[str, ...]:
    """A row as texts, one for each of `HEADINGS`; empty where there is no figure."""
    return (
        plain(row.contender),
        "" if row.rank is None else f"{row.rank:.2f}",
        _percent(row.over_random),
        _percent(row.over_default),
        _percent(row.over_default_test),
        f"{row.repeated * 100:.0f}",
        f"{row.invalid * 100:.0f}",
        f"{row.fallbacks * 100:.0f}",
        "" if row.prompt_tokens is None else f"{row.prompt_tokens:.0f}",
        "" if row.reply_tokens is None else f"{row.reply_tokens:.0f}",
        "" if row.ask_s is None else f"{row.ask_s:.3g}",
        "" if row.engine_mb is None else f"{row.engine_mb:.0f} MB",
        "" if row.joules is None else f"{row.joules:.1f}",
    )


def _percent(e: Estimate | None) -> str:
    if e is None:
        return ""
    value = _signed(e.value)
    if e.low is None or e.high is None:
        return value
    return f"{value} [{_signed(e.low)}, {_signed(e.high)}]"


def _signed(share: float) -> str:
    """A share in percent with its sign; none for zero."""
    text = f"{share * 100:+.1f}"
    return "0.0" if float(text) == 0.0 else text


def _table(lines: Sequence[Sequence[str]], width: int | None) -> str:
    kept = [i for i in range(len(lines[0])) if i == 0 or any(line[i] for line in lines[1:])]
    widths = {i: max(len(line[i]) for line in lines) for i in kept}
    blocks: list[list[int]] = [[0]]
    for i in kept[1:]:
        used = sum(widths[j] + 2 for j in blocks[-1])
        if width is not None and used + widths[i] > width and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(i)
    parts = []
    for block in blocks:
        rendered = [
            "  ".join(
                [line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in block[1:])]
            ).rstrip()
            for line in lines
        ]
        rendered.insert(1, "-" * max(map(len, rendered)))
        parts.append("\n".join(rendered))
    return "\n\n".join(parts)


def csv_report(summary: Summary) -> str:
    """One line a contender; gains as shares of 1 with their intervals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    gains = ("over_random", "over_default", "over_default_test")
    plain_fields = [f for f in Row.__dataclass_fields__ if f not in gains]
    writer.writerow([*plain_fields, *(f"{g}{end}" for g in gains for end in ("", "_low", "_high"))])
    for row in summary.rows:
        values: list[object] = [_cell(getattr(row, f)) for f in plain_fields]
        for g in gains:
            e: Estimate | None = getattr(row, g)
            values += ["", "", ""] if e is None else [_cell(e.value), _cell(e.low), _cell(e.high)]
        writer.writerow(values)
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and value[:1] in "=+-@":
        return "'" + value  # no spreadsheet takes it for a formula
    return value


def json_report(summary: Summary) -> str:
    """Everything as JSON; figures that are not finite are null."""
    found = asdict(summary)
    found["verdicts"] = [{**asdict(v), "words": v.words()} for v in summary.verdicts]
    return json.dumps(_finite(found), indent=1, ensure_ascii=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
