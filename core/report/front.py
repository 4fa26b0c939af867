"""The front of a study in its report: a chart of the metric against each further objective, and a
table of the trials that none is better than."""

from __future__ import annotations

from hyperllama.core.charts import (
    Block,
    Chart,
    ChartAxis,
    ChartLine,
    ChartMark,
    Charts,
    Heading,
    Paragraph,
    TableBlock,
)
from hyperllama.core.objectives import Objective, amount
from hyperllama.core.report.plots import Plotted
from hyperllama.core.study.front import front_rows, measured, say_constraints, say_front


def front_blocks(study: Plotted) -> list[Block]:
    """The front, or what the constraints did; nothing for a study of the metric alone."""
    state = study.state
    said = [text for text in (say_front(state), say_constraints(state)) if text]
    blocks: list[Block] = [Paragraph(f"{text}.") for text in said]  # names keep their case
    if state.opened is None or not state.front:
        return [Heading("Constraints"), *blocks] if blocks else []
    objectives = state.opened.objectives
    head, *rows = front_rows(state)
    marked = next((i for i, t in enumerate(state.front) if t.number == state.winner_number), -1)
    table = TableBlock(head, rows, tuple(range(len(head))), marked=marked)
    directions = Paragraph("; ".join(o.label for o in objectives) + ".")
    return [Heading("Front"), *blocks, directions,
            Charts([_chart(study, objectives[0], o) for o in objectives[1:]]), table]


def _chart(study: Plotted, up: Objective, across: Objective) -> Chart:
    """The metric against one further objective, for every trial that has both."""
    state, marks = study.state, []
    on_front = {t.number for t in state.front}
    for trial in study.complete:
        x = measured(trial, across, study.metric)
        if x is not None and trial.value is not None:
            kept = f"; breaks {', '.join(trial.broken)}" if trial.broken else ""
            label = f"trial {trial.number}: {trial.value:.5g}, {amount(x, across.unit)}{kept}"
            marks.append(ChartMark(x, trial.value, label, trial.number in on_front))
    pairs = ((measured(t, across, study.metric), t.value) for t in state.front)
    points = sorted((x, y) for x, y in pairs if x is not None and y is not None)
    log = bool(across.unit) and all(m.x > 0 for m in marks)
    values = sorted(y for _, y in points)
    low = values[0] - (values[-1] - values[0] or abs(values[0]) * 0.1)
    x_axis = ChartAxis(f"{across.name}, {across.direction}", across.unit, log=log)
    y_axis = ChartAxis(f"{up.name}, {up.direction}", low=low)
    title = f"{up.name} against {across.name}; large dots are the front"
    return Chart(title, [ChartLine("front", points)], marks, x=x_axis, y=y_axis, height=360)
