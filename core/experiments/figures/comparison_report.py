"""The report of a comparison: text for a terminal, CSV, JSON, and one HTML page."""

from __future__ import annotations

from dataclasses import asdict

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
from hyperllama.core.experiments.figures.comparison import (
    RANDOM,
    ComparisonFigures,
    ContenderRow,
    comparison_figures,
)
from hyperllama.core.experiments.figures.writing import (
    interval,
    to_csv,
    to_json,
    to_text,
    write_files,
)
from hyperllama.core.experiments.reading import Comparison

_HEADINGS = (
    "contender", "rank", "gain over random", "over default", "on test rows", "repeats", "invalid",
    "others", "tokens in", "out", "s/proposal", "memory", "J/proposal",
)  # fmt: skip
_EXPLAINED = (
    "rank: mean rank over the tasks, 1 is best; gains: share of the loss saved, in percent, with "
    "95 % bootstrap intervals over seeds (folds are the same for all); on test rows: gain over the "
    "default on rows that no trial saw; repeats, invalid: shares of the replies in percent; "
    "others: share of the proposals that another proposer had to make; memory: peak of the "
    "engine's process."
)


def write_comparison(comparison: Comparison) -> ComparisonFigures:
    """Write the four files into the comparison's folder."""
    found = comparison_figures(comparison)
    write_files(
        comparison.grid.folder, comparison_text(found), comparison_csv(found),
        comparison_json(found), comparison_html(comparison, found),
    )  # fmt: skip
    return found


def comparison_text(found: ComparisonFigures, width: int | None = None) -> str:
    """Everything as aligned text; columns that hold nothing are left out.

    Args:
        width: of the terminal; the table is split into two where it is wider.
    """
    return to_text([Heading(_title(found), 1), *_blocks(found)], width)


def comparison_csv(found: ComparisonFigures) -> str:
    """One line a contender; gains as shares of 1 with their intervals."""
    return to_csv(ContenderRow, found.rows, {})


def comparison_json(found: ComparisonFigures) -> str:
    """Everything as JSON."""
    verdicts = [{**asdict(v), "words": v.words()} for v in found.verdicts]
    return to_json({**asdict(found), "verdicts": verdicts})


def comparison_html(comparison: Comparison, found: ComparisonFigures) -> str:
    """One page: the table, verdicts, curves of every task, what each contender is."""
    who = [
        (r.contender, r.proposer, r.model, "" if r.train_s is None else f"{r.train_s:.3g}")
        for r in found.rows
    ]
    blocks: list[Block] = [
        Heading(_title(found), 1), Paragraph(_EXPLAINED), *_blocks(found),
        Heading("Best score after each trial, mean over seeds"),
        Charts([c for t in comparison.grid.tasks if (c := _chart(comparison, t)).lines]),
        Heading("Contenders"),
        TableBlock(("contender", "proposer", "model", "s/trial"), who, right=(3,)),
    ]  # fmt: skip
    return to_html(found.name, blocks)


def _title(found: ComparisonFigures) -> str:
    """What was compared, in one line."""
    tasks, seeds = len(found.tasks), len(found.seeds)
    return (
        f"{found.name}: after {found.budget} trials, {tasks} "
        f"task{'s' if tasks != 1 else ''}, {seeds} seed{'s' if seeds != 1 else ''}"
    )


def _blocks(found: ComparisonFigures) -> list[Block]:
    blocks: list[Block] = []
    if found.rows:
        rows = [_cells(r) for r in found.rows]
        kept = [i for i in range(len(_HEADINGS)) if i == 0 or any(r[i] for r in rows)]
        header = [_HEADINGS[i] for i in kept]
        right = range(1, len(kept))
        blocks.append(TableBlock(header, [[r[i] for i in kept] for r in rows], right=right))
        blocks.append(Bullets([v.words() for v in found.verdicts]))
    else:
        blocks.append(Paragraph("no cell is finished yet"))
    blocks += [Paragraph(f"note: {n}") for n in found.notes]
    blocks += [
        Paragraph(f"failed: {c} on {t}, seed {s}: {e}") for c, t, s, e in found.failed[:20]
    ]
    return blocks


def _cells(row: ContenderRow) -> tuple[str, ...]:
    """A row as texts, one for each heading; empty where there is no figure."""
    return (
        row.contender,
        "" if row.rank is None else f"{row.rank:.2f}",
        interval(row.over_random),
        interval(row.over_default),
        interval(row.over_default_test),
        f"{row.repeated * 100:.0f}",
        f"{row.invalid * 100:.0f}",
        f"{row.fallbacks * 100:.0f}",
        "" if row.prompt_tokens is None else f"{row.prompt_tokens:.0f}",
        "" if row.reply_tokens is None else f"{row.reply_tokens:.0f}",
        "" if row.ask_s is None else f"{row.ask_s:.3g}",
        "" if row.engine_mb is None else f"{row.engine_mb:.0f} MB",
        "" if row.joules is None else f"{row.joules:.1f}",
    )


def _chart(comparison: Comparison, task: str) -> Chart:
    """Mean best value after 1, 2, ... trials on a task, over the whole cells of each contender."""
    lines = []
    for contender in comparison.grid.contenders:
        curves = [c.curve for c in comparison.of(contender.label, task) if c.curve]
        if curves:
            shortest = min(map(len, curves))
            mean = np.mean([c[:shortest] for c in curves], axis=0)
            lines.append(chart_line(contender.label, mean.tolist()))
    return Chart(task, lines, y=ChartAxis("best score"), width=420, height=260)


def chart_line(name: str, values: list[float]) -> ChartLine:
    """A line over evaluations 1, 2, ...; random search is what others are compared with."""
    return ChartLine(name, list(enumerate(values, 1)), reference=name == RANDOM)
