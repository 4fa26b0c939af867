"""The report of a bench: text for a terminal, CSV, JSON, and one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, median

from hyperllama.core.charts import (
    Block,
    Chart,
    ChartAxis,
    Charts,
    Heading,
    Paragraph,
    TableBlock,
    to_html,
)
from hyperllama.core.experiments.figures.bench import (
    AT,
    RANDOM,
    BenchFigures,
    MethodPair,
    MethodRow,
    bench_figures,
    compare_methods,
    limits,
    mean_changes,
    mean_curves,
)
from hyperllama.core.experiments.figures.comparison_report import chart_line
from hyperllama.core.experiments.figures.contours import (
    LandscapePicture,
    contour_svg,
    landscape_runs,
)
from hyperllama.core.experiments.figures.writing import (
    interval,
    percent,
    to_csv,
    to_json,
    to_text,
    write_files,
)
from hyperllama.core.experiments.results import BenchResults

_HEADINGS = ("method", "better", "median", "mean", "rank", "regret", "ms")
_EXPLAINED = (
    "better: share of problems with a mean loss below random search's mean, in percent; median, "
    "mean: relative change of the loss against random search's, in percent, negative is better; "
    "rank: mean rank among these methods, 1 is best; regret: (loss - least) / (median of one "
    "random configuration - least), where the least loss is known; ms: median time of a proposal. "
    "In brackets: 95 % bootstrap intervals over problems."
)
_CONTOUR_CELLS = 64
_CONTOUR_METHODS = 8


def write_bench(
    results: BenchResults,
    folder: str | Path,
    *,
    at: Sequence[int] = AT,
    by: str = "problem",
    against: str = "same",
    compared: Sequence[tuple[str, str]] = (),
) -> str:
    """Write summary.txt, .csv, .json and report.html into `folder`; returns the text.

    Args:
        compared: pairs of methods to test against each other, at each number of evaluations.
    """
    found = bench_figures(results, at=at, by=by, against=against)
    pairs = [
        compare_methods(results, a, b, at=n, start=s, by=by)
        for s in dict.fromkeys(r.start for r in found.rows)
        for a, b in compared
        for n in sorted({r.at for r in found.rows})
    ]
    pairs = [p for p in pairs if p.units]
    text = bench_text(results, found, pairs)
    write_files(
        Path(folder), text, bench_csv(found), bench_json(found, pairs),
        bench_html(results, found, pairs),
    )  # fmt: skip
    return text


def bench_text(
    results: BenchResults, found: BenchFigures, pairs: Sequence[MethodPair] = ()
) -> str:
    """All figures as aligned text, a table for each start and number of evaluations."""
    return to_text(_blocks(results, found, pairs))


def bench_csv(found: BenchFigures) -> str:
    """One line a row: names, then each figure with its interval, shares as fractions of 1."""
    return to_csv(MethodRow, found.rows, {"at": "evaluations"})


def bench_json(found: BenchFigures, pairs: Sequence[MethodPair] = ()) -> str:
    """Everything as JSON."""
    return to_json({"summary": asdict(found), "pairs": [asdict(p) for p in pairs]})


def bench_html(
    results: BenchResults, found: BenchFigures, pairs: Sequence[MethodPair] = ()
) -> str:
    """One page: tables, comparisons, curves, and contours where there are landscapes."""
    title = "HyperLlama bench"
    blocks = [Heading(title, 1), Paragraph(_EXPLAINED), *_blocks(results, found, pairs)]
    methods = list(dict.fromkeys(r.method for r in found.rows))
    for start in dict.fromkeys(r.start for r in found.rows):
        blocks += _curves(results, start, methods)
    return to_html(title, [*blocks, *_contours(results)])


def _blocks(
    results: BenchResults, found: BenchFigures, pairs: Sequence[MethodPair]
) -> list[Block]:
    tables: dict[tuple[str, int], list[MethodRow]] = {}
    for row in found.rows:
        tables.setdefault((row.start, row.at), []).append(row)
    blocks: list[Block] = []
    for (start, at), rows in tables.items():
        blocks.append(Heading(_title(found, rows)))
        blocks.append(TableBlock(_HEADINGS, [_cells(r) for r in rows], right=range(1, 7)))
        blocks += [Paragraph(line) for line in _limit_lines(results, at, start)]
    blocks += [Paragraph(_pair_line(p)) for p in pairs]
    blocks += [Paragraph(f"note: {n}") for n in found.notes]
    blocks += [Paragraph(f"broken off: {m} on {p}: {e}") for m, p, e in found.broken[:20]]
    return blocks if found.rows else [Paragraph("no results yet"), *blocks]


def _title(found: BenchFigures, rows: Sequence[MethodRow]) -> str:
    """What a table shows, in one line."""
    start, at, count = rows[0].start, rows[0].at, max(r.units for r in rows)
    unit = found.by + ("s" if count != 1 else "")
    started, reference = "no method is given the default configuration", "random search"
    if start == "default":
        started = "all start from the default configuration"
        same = found.against == "same"
        reference += " that starts there too" if same else " from nothing"
    return f"after {at} evaluations, {count} {unit}; {started}; against {reference}"


def _cells(row: MethodRow) -> tuple[str, ...]:
    """A row as texts, one for each heading."""
    computed = row.method == RANDOM and row.runs == 0
    figures = ("",) * 3 if computed else (
        interval(row.better, lambda share: f"{share * 100:.0f}"), interval(row.median),
        interval(row.mean),
    )  # fmt: skip
    name = row.method
    if row.fallbacks > 0.005:
        name += f" ({row.fallbacks * 100:.0f} % by others)"
    return (
        name,
        *figures,
        interval(row.rank, lambda v: f"{v:.2f}"),
        "" if row.regret is None else f"{row.regret.value:.3f}",
        "" if row.ask_ms is None else f"{row.ask_ms:.1f}",
    )


def _pair_line(pair: MethodPair) -> str:
    """A comparison of two methods in one line."""
    p = f"{pair.p:.3f}" if pair.p >= 0.001 else f"{pair.p:.1e}"
    return (
        f"{pair.a} against {pair.b}, {pair.at} evaluations, {pair.start} start: "
        f"better on {pair.wins}, worse on {pair.losses}, equal on {pair.ties} of {pair.units}; "
        f"median {percent(pair.median)} %, mean {interval(pair.change)} %; Wilcoxon p = {p}"
    )


def _limit_lines(results: BenchResults, at: int, start: str) -> list[str]:
    """How far the optimum itself lies below random search; none where no optimum is known."""
    found = limits(results, at, start).values()
    if not found:
        return []
    return [
        f"the optimum itself, after {at} evaluations ({start} start): median "
        f"{percent(median(found))} %, mean {percent(fmean(found))} % "
        f"({len(found)} problems where it is known)"
    ]


def _curves(results: BenchResults, start: str, methods: Sequence[str]) -> list[Block]:
    """Mean relative change over all problems, then the mean best loss of each problem."""
    overall = mean_changes(results, start, methods)
    if not overall:
        return []
    x = ChartAxis("evaluation")
    lines = [chart_line(m, values) for m, values in overall.items()]
    charts = [Chart("mean change against random search", lines, x=x, y=ChartAxis(unit="%"))]
    for problem in sorted(results.problems.values(), key=lambda p: p.name):
        curves = mean_curves(results, problem.problem_id, start)
        values = [v for c in curves.values() for v in c]
        if len(curves) > 1:
            log = min(values) > 0 and max(values) > 20 * min(values)
            lines = [chart_line(m, c) for m, c in curves.items()]
            y = ChartAxis(problem.loss_name, log=log)
            charts.append(Chart(problem.name, lines, x=x, y=y, width=360, height=240))
    begun = "from the default configuration" if start == "default" else "from nothing"
    return [Heading(f"Best loss over evaluations, {begun}"), Charts(charts)]


def _contours(results: BenchResults) -> list[Block]:
    """For each landscape the path of every method under the lowest seed."""
    from markupsafe import Markup

    blocks: list[Block] = []
    for problem in sorted(results.problems.values(), key=lambda p: p.name):
        runs = landscape_runs(results, problem)
        if runs:
            picture = LandscapePicture(problem, runs[0].seed, _CONTOUR_CELLS)
            drawn = [
                Markup(contour_svg(r.method, picture.grid, picture.path(r), picture.optima))
                for r in runs[:_CONTOUR_METHODS]
            ]
            blocks += [Heading(f"{problem.name}, seed {runs[0].seed}", 3), Charts(drawn)]
    return [Heading("Paths"), *blocks] if blocks else []
