"""The report of an experiment: text for a terminal, CSV, JSON, and one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, median

import numpy as np

from hyperllama.core.charts import (
    Block,
    Bullets,
    Chart,
    ChartAxis,
    ChartLine,
    Charts,
    Heading,
    Paragraph,
    TableBlock,
    to_html,
)
from hyperllama.core.experiments.figures.contest import Contest
from hyperllama.core.experiments.figures.contours import (
    LandscapePicture,
    contour_svg,
    landscape_runs,
)
from hyperllama.core.experiments.figures.references import RANDOM, TaskReference
from hyperllama.core.experiments.figures.rows import ContenderRow
from hyperllama.core.experiments.figures.table import ExperimentFigures
from hyperllama.core.experiments.figures.writing import (
    interval,
    percent,
    to_csv,
    to_json,
    to_text,
    write_files,
)
from hyperllama.core.experiments.reading import Comparison, metric_words
from hyperllama.core.text import counted

_EXPLAINED = (
    "rank: mean rank over the tasks, 1 is best; gains: share of the loss saved, in percent, "
    "positive is better, with 95 % bootstrap intervals; confirmed: gain over the default on fresh "
    "folds, 0 where the default stays; on test rows: gain over the default on rows that no trial "
    "saw; better: share of tasks with a mean loss below random search's, in "
    "percent; regret: (loss - least) / (median of one random configuration - least), where the "
    "least loss is known; repeats, invalid: shares of the replies in percent; others: share of the "
    "proposals that another proposer had to make; memory: peak of the engine's process."
)
_UNITS = (
    "gains are shares of the loss saved, in percent; in brackets 95 % intervals, those of the "
    "pairs hold together"
)
_CONTOUR_CELLS = 64
_CONTOUR_METHODS = 8


def write_report(comparison: Comparison, found: ExperimentFigures, folder: Path) -> None:
    """Write summary.txt, .csv, .json and report.html into a folder."""
    write_files(
        folder, report_text(found), report_csv(found), report_json(found),
        report_html(comparison, found),
    )  # fmt: skip


def report_text(found: ExperimentFigures, width: int | None = None) -> str:
    """Everything as aligned text; columns that hold nothing are left out.

    Args:
        width: of the terminal; tables that are wider are split.
    """
    return to_text(_blocks(found), width)


def report_csv(found: ExperimentFigures) -> str:
    """One line a row; gains and shares as fractions of 1, with their intervals."""
    return to_csv(ContenderRow, found.rows, {"at": "evaluations"})


def report_json(found: ExperimentFigures) -> str:
    """Everything as JSON."""
    pairs = [
        {**asdict(p), "test_rows_disagree": p.test_rows_disagree, "words": p.words()}
        for p in found.pairs
    ]
    limits = [{"start": s, "at": n, "gains": g} for (s, n), g in found.limits.items()]
    return to_json({**asdict(found), "pairs": pairs, "limits": limits})


def report_html(comparison: Comparison, found: ExperimentFigures) -> str:
    """One page: tables, pairs, curves, paths over landscapes, what each contender is."""
    train = ((r, "" if r.train_s is None else f"{r.train_s:.3g}") for r in found.rows)
    who = dict.fromkeys((r.contender, r.proposer, r.model, s) for r, s in train)
    blocks = [*_blocks(found), Paragraph(_EXPLAINED)]
    for start in dict.fromkeys(r.start for r in found.rows):
        blocks += _curves(comparison, found, start)
    blocks += _contours(comparison)
    blocks += [
        Heading("Contenders"),
        TableBlock(("contender", "proposer", "model", "s/trial"), list(who), right=(3,)),
    ]
    return to_html(found.name, blocks)


def _blocks(found: ExperimentFigures) -> list[Block]:
    tasks, seeds = counted(len(found.tasks), "task"), counted(len(found.seeds), "seed")
    tables: dict[tuple[str, int], list[ContenderRow]] = {}
    for row in found.rows:
        tables.setdefault((row.start, row.at), []).append(row)
    alone = found.by == "seed" and len(tables) == 1
    after = f"after {found.rows[0].at} trials, " if alone else ""
    blocks: list[Block] = [Heading(f"{found.name}: {after}{tasks}, {seeds}", 1)]
    if metrics := metric_words(found.metrics):
        blocks.append(Paragraph(metrics))
    for (start, at), rows in tables.items():
        blocks += [*([] if alone else [Heading(_title(found, rows))]), _table(rows)]
        if limits := found.limits[start, at]:
            blocks.append(Paragraph(
                f"the optimum itself: median gain {percent(median(limits))} %, mean "
                f"{percent(fmean(limits))} % ({counted(len(limits), 'task')} where it is known)"
            ))  # fmt: skip
    if not found.rows:
        blocks.append(Paragraph("no results yet: no cell is finished"))
    blocks.append(Bullets([p.words() for p in found.pairs]))
    if found.rows:
        blocks.append(Paragraph(_UNITS))
    blocks.append(Bullets([
        f"{label}: {'; '.join(turn.words() for turn in turns)}"
        for label, turns in found.turns.items()
    ]))  # fmt: skip
    blocks += [Paragraph(f"note: {n}") for n in found.notes]
    blocks += [
        Paragraph(f"failed: {c} on {t}, seed {s}: {e}") for c, t, s, e in found.failed[:10]
    ]
    return blocks


def _title(found: ExperimentFigures, rows: Sequence[ContenderRow]) -> str:
    """What a table shows, in one line."""
    start, at = rows[0].start, rows[0].at
    units = counted(max(r.units for r in rows), "run" if found.by == "run" else "task")
    text = f"after {at} evaluations, {units}; "
    if start == "none":
        return f"{text}no contender is given the default configuration; against random search"
    rival = "random search that starts there too"
    if found.against != "same":
        rival = "random search from nothing"
    return f"{text}all start from the default configuration; against {rival}"


def _table(rows: Sequence[ContenderRow]) -> TableBlock:
    """The rows without the columns that hold nothing."""
    texts = [_cells(r) for r in rows]
    kept = [h for h in texts[0] if h == "contender" or any(t[h] for t in texts)]
    return TableBlock(kept, [[t[h] for h in kept] for t in texts], right=range(1, len(kept)))


def _cells(row: ContenderRow) -> dict[str, str]:
    """A row as texts by heading; empty where there is no figure."""
    return {
        "contender": row.contender,
        "rank": interval(row.rank, lambda v: f"{v:.2f}"),
        "better": interval(row.better, lambda v: f"{v * 100:.0f}"),
        "median gain": interval(row.median_gain),
        "gain over random": interval(row.over_random),
        "over default": interval(row.over_default),
        "confirmed": interval(row.over_default_confirmed),
        "on test rows": interval(row.over_default_test),
        "regret": "" if row.regret is None else f"{row.regret.value:.3f}",
        "repeats": f"{row.repeated * 100:.0f}" if row.cells else "",
        "invalid": f"{row.invalid * 100:.0f}" if row.cells else "",
        "others": f"{row.fallbacks * 100:.0f}" if row.cells else "",
        "tokens in": _number(row.prompt_tokens, ".0f"),
        "out": _number(row.reply_tokens, ".0f"),
        "s/proposal": _number(row.ask_s, ".3g"),
        "memory": _number(row.engine_mb, ".0f", " MB"),
        "J/proposal": _number(row.joules, ".1f"),
    }


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value:{form}}{unit}"


def _curves(comparison: Comparison, found: ExperimentFigures, start: str) -> list[Block]:
    """Mean gain over random search on problems, then the mean best of each task."""
    references = {t: TaskReference.of(comparison, t) for t in found.tasks}
    x = ChartAxis("evaluation")
    charts: list[Chart] = []
    if comparison.problems:
        longest = max(r.at for r in found.rows if r.start == start)
        gains: dict[str, list[tuple[float, float]]] = {}
        for n in range(1, longest + 1):
            contest = Contest.of(comparison, references, start, n, found.by, found.against)
            for label, value in contest.mean_gains().items():
                gains.setdefault(label, []).append((n, value))
        lines = [ChartLine(m, points, reference=m == RANDOM) for m, points in gains.items()]
        charts.append(Chart("mean gain over random search", lines, x=x, y=ChartAxis(unit="%")))
    labels = [c.label for c in comparison.grid.contenders]
    for task, reference in references.items():
        curves = {
            m: [reference.shown(c) for c in cells]
            for m in labels if (cells := comparison.of(m, task, start))
        }  # fmt: skip
        if reference.record is not None and curves:
            seeds = {c.cell.seed for m in curves for c in comparison.of(m, task, start)}
            curves[RANDOM] = [list(reference.record.random_curve(start, s)) for s in seeds]
        lines = [
            ChartLine(m, list(enumerate(_mean(c), 1)), reference=m == RANDOM)
            for m, c in curves.items() if all(c)
        ]  # fmt: skip
        values = [v for line in lines for _, v in line.points]
        if values:
            log = min(values) > 0 and max(values) > 20 * min(values)
            y = ChartAxis(found.metrics[task] or "best score", log=log)
            charts.append(Chart(task, lines, x=x, y=y, width=400, height=260))
    begun = "from the default configuration" if start == "default" else "from nothing"
    return [Heading(f"Mean over seeds after each evaluation, {begun}"), Charts(charts)]


def _mean(curves: Sequence[Sequence[float]]) -> list[float]:
    """Mean over curves, as long as the shortest."""
    shortest = min(map(len, curves))
    mean: list[float] = np.mean([c[:shortest] for c in curves], axis=0).tolist()
    return mean


def _contours(comparison: Comparison) -> list[Block]:
    """For each landscape the path of every contender under the lowest seed."""
    from markupsafe import Markup

    blocks: list[Block] = []
    for task, record in sorted(comparison.problems.items()):
        runs = landscape_runs(comparison, task)
        if runs:
            picture = LandscapePicture(record, runs[0].cell.seed, _CONTOUR_CELLS)
            drawn = [
                Markup(contour_svg(r.cell.contender, picture.grid, picture.path(r), picture.optima))
                for r in runs[:_CONTOUR_METHODS]
            ]
            blocks += [Heading(f"{task}, seed {runs[0].cell.seed}", 3), Charts(drawn)]
    return [Heading("Paths"), *blocks] if blocks else []
