"""Bench figures as text for a terminal, CSV, and JSON; `page.py` makes the HTML report."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hyperllama.core.experiments.bench.results import Results
from hyperllama.core.experiments.bench.summary import (
    Estimate,
    Pair,
    Row,
    Summary,
    compare,
    limits,
    summarise,
)
from hyperllama.core.text import plain

STARTED = {
    "default": "all start from the default configuration",
    "none": "nobody is given the default configuration",
}
HEADINGS = ("method", "better", "median", "mean", "rank", "regret", "ms")


def text_report(summary: Summary, pairs: Sequence[Pair] = ()) -> str:
    """All figures as aligned text, a table for each start and number of evaluations."""
    parts = []
    for (start, at), rows in tables_of(summary).items():
        lines = [HEADINGS, *(cells_of(r) for r in rows)]
        parts.append(f"{title_of(summary, start, at)}\n{_aligned(lines)}")
    parts.extend(pair_line(p) for p in pairs)
    parts.extend(f"note: {plain(n)}" for n in summary.notes)
    for method, problem, error in summary.broken[:10]:
        parts.append(f"broken off: {plain(method)} on {plain(problem)}: {plain(error)}")
    if not summary.rows:
        parts.append("no results yet")
    return "\n\n".join(parts) + "\n"


def tables_of(summary: Summary) -> dict[tuple[str, int], list[Row]]:
    """Rows by start and evaluations, in the summary's order."""
    found: dict[tuple[str, int], list[Row]] = {}
    for row in summary.rows:
        found.setdefault((row.start, row.at), []).append(row)
    return found


def title_of(summary: Summary, start: str, at: int) -> str:
    """What a table shows, in one line."""
    rows = tables_of(summary)[start, at]
    count = max(r.units for r in rows)
    unit = summary.by + ("s" if count != 1 else "")
    if start == "default":
        same = summary.against == "same"
        rival = "random search that starts there too" if same else "random search from nothing"
    else:
        rival = "random search"
    return f"after {at} evaluations, {count} {unit}; {STARTED[start]}; against {rival}"


def cells_of(row: Row) -> tuple[str, ...]:
    """A row as texts, one for each of `HEADINGS`."""
    random = row.method == "random" and row.runs == 0
    nothing = ("",) * 3
    figures = nothing if random else (
        interval(row.better, share), interval(row.median, percent), interval(row.mean, percent)
    )  # fmt: skip
    name = plain(row.method)
    if row.fallbacks > 0.005:
        name += f" ({row.fallbacks * 100:.0f} % by others)"
    return (
        name,
        *figures,
        "" if row.rank is None else interval(row.rank, lambda v: f"{v:.2f}"),
        "" if row.regret is None else f"{row.regret.value:.3f}",
        "" if row.ask_ms is None else f"{row.ask_ms:.1f}",
    )


def share(value: float) -> str:
    return f"{value * 100:.0f}"


def percent(value: float) -> str:
    return f"{value * 100:+.1f}"


def interval(e: Estimate, show: object) -> str:
    """A figure and its interval, e.g. "-12.1 [-15.0, -9.2]"."""
    assert callable(show)
    if not math.isfinite(e.value):
        return ""
    if e.low == e.high:
        return str(show(e.value))
    return f"{show(e.value)} [{show(e.low)}, {show(e.high)}]"


def pair_line(pair: Pair) -> str:
    """A comparison of two methods in one line."""
    p = f"{pair.p:.3f}" if pair.p >= 0.001 else f"{pair.p:.1e}"
    return (
        f"{plain(pair.a)} against {plain(pair.b)}, {pair.at} evaluations, {pair.start} start: "
        f"better on {pair.wins}, worse on {pair.losses}, equal on {pair.ties} of {pair.units}; "
        f"median {percent(pair.median)} %, mean {interval(pair.change, percent)} %; "
        f"Wilcoxon p = {p}"
    )


def limit_line(results: Results, at: int, start: str) -> str:
    """How far the optimum itself lies below random search; empty where no optimum is known."""
    found = limits(results, at, start)
    if not found:
        return ""
    values = sorted(found.values())
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    return (
        f"the optimum itself, after {at} evaluations ({start} start): median {percent(middle)} %, "
        f"mean {percent(sum(values) / len(values))} % ({len(values)} problems where it is known)"
    )


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rendered = []
    for line in lines:
        first = line[0].ljust(widths[0])
        rest = [c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)]
        rendered.append("  ".join([first, *rest]).rstrip())
    rendered.insert(1, "-" * max(len(r) for r in rendered))
    return "\n".join(rendered)


def csv_report(summary: Summary) -> str:
    """One line a row: names, then each figure with its interval, shares as fractions of 1."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    figures = ("better", "median", "mean", "rank", "regret")
    names = [f"{f}{end}" for f in figures for end in ("", "_low", "_high")]
    writer.writerow(
        ["method", "start", "evaluations", "units", "runs", *names, "ask_ms", "fallbacks"]
    )
    for r in summary.rows:
        values: list[object] = []
        for f in figures:
            e: Estimate | None = getattr(r, f)
            values.extend(("", "", "") if e is None else (_six(e.value), _six(e.low), _six(e.high)))
        ask_ms = "" if r.ask_ms is None else _six(r.ask_ms)
        head = [_safe(r.method), r.start, r.at, r.units, r.runs]
        writer.writerow([*head, *values, ask_ms, _six(r.fallbacks)])
    return out.getvalue()


def _safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if text[:1] in "=+-@" else text


def _six(value: float) -> str:
    return f"{value:.6g}"


def json_report(summary: Summary, pairs: Sequence[Pair] = ()) -> str:
    """Everything as JSON; figures that are not finite are null."""
    found = {"summary": asdict(summary), "pairs": [asdict(p) for p in pairs]}
    return json.dumps(_finite(found), indent=1) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_reports(
    results: Results,
    folder: str | Path,
    *,
    at: Sequence[int] = (5, 10, 20, 30),
    by: str = "problem",
    against: str = "same",
    compared: Sequence[tuple[str, str]] = (),
) -> str:
    """Write summary.txt, .csv, .json and report.html into `folder`; returns the text.

    Args:
        compared: pairs of methods to test against each other, at each number of evaluations.
    """
    from hyperllama.core.experiments.bench.page import html_report

    figures = summarise(results, at=at, by=by, against=against)
    starts = dict.fromkeys(r.start for r in figures.rows)
    ats = sorted({r.at for r in figures.rows})
    pairs = [
        compare(results, a, b, at=n, start=s, by=by)
        for s in starts
        for a, b in compared
        for n in ats
    ]
    pairs = [p for p in pairs if p.units]
    text = text_report(figures, pairs)
    known = [limit_line(results, n, s) for s in starts for n in ats]
    text += "".join(f"{line}\n" for line in known if line)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    page = html_report(results, figures, pairs)
    for name, content in (
        ("summary.txt", text),
        ("summary.csv", csv_report(figures)),
        ("summary.json", json_report(figures, pairs)),
        ("report.html", page),
    ):
        temporary = target / f"{name}.tmp"
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(target / name)
    return text
