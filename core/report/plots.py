"""The charts of a report: progress, importance, hyperparameters, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from hyperllama.core.charts import (
    Bars,
    Block,
    Chart,
    ChartArea,
    ChartAxis,
    ChartLine,
    ChartMark,
    Charts,
    Paragraph,
)
from hyperllama.core.events import ImportanceFound
from hyperllama.core.propose.gp.landscape import LEAST_TRIALS, GPMean, landscape, levels_of
from hyperllama.core.space import SearchSpace, number
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.findings.axes import ParameterAxis, axes_of, coordinates, shared_axes
from hyperllama.core.study.findings.importance import METHOD, importance
from hyperllama.core.study.proposals import observed_trials

_ONE = 4  # hyperparameters that have a chart of their own
_POINTS = 48
_GRID = (40, 28)
_PARALLEL = 6


_MOST_DRAWN = 1000
"""More dots in a chart than this cover one another."""


@dataclass(frozen=True)
class Plotted:
    """A study as its charts need it; its state knows the importance of hyperparameters."""

    state: StudyState

    @classmethod
    def of(cls, state: StudyState, space: SearchSpace) -> Plotted:
        """With the importance computed from the trials; of very many trials, some are drawn."""
        shares = importance(space, observed_trials(state))
        scored = sum(t.value is not None for t in state.trials)
        found = ImportanceFound(shares, scored, METHOD)
        return cls(replace(state, importance=found, trials=_drawn(state)))

    @property
    def metric(self) -> str:
        return self.state.opened.metric if self.state.opened is not None else ""

    @property
    def trials(self) -> list[TrialState]:
        """The trials that have ended."""
        return [t for t in self.state.trials if t.done]

    @property
    def complete(self) -> list[TrialState]:
        """Those that have a score."""
        return [t for t in self.trials if t.value is not None]

    @property
    def axes(self) -> list[ParameterAxis]:
        """The hyperparameters of the best trial's estimator, the most important first."""
        return shared_axes(axes_of(self.state), self.state.best)


def _drawn(state: StudyState) -> tuple[TrialState, ...]:
    """The trials that charts show: all, or of more than `_MOST_DRAWN` an even choice with those
    that were the best of their time, the default and the winner."""
    default = state.default
    kept = {state.incumbent, state.winner_number, None if default is None else default.number}
    every = -(-len(state.trials) // _MOST_DRAWN)
    return tuple(t for i, t in enumerate(state.trials)
                 if i % max(every, 1) == 0 or t.best_then or t.number in kept)


def progress(study: Plotted) -> Charts:
    """Every trial as a mark and the best score so far as a line; the improvements in words.

    The axis leaves out very low scores, which would press the rest together.
    """
    done = study.complete
    values = sorted(t.value for t in done if t.value is not None)
    best = values[-1]
    steps: list[tuple[float, float]] = []
    words = []
    for t in done:
        if t.value is not None and (not steps or t.value > steps[-1][1]):
            steps.append((t.number, t.value))
            words.append(f"trial {t.number}: {number(t.value)}"
                         + (f" ({t.proposer})" if t.proposer else ""))
    steps.append((max(t.number for t in study.trials), best))
    chart = Chart(
        f"Best {study.metric} so far, by trial",
        [*_references(study, steps), ChartLine("best so far", steps, step=True)],
        [_mark(t, t.number, study) for t in study.trials],
        y=ChartAxis(study.metric, low=_lowest(values)),
    )
    return Charts([chart], words)


def _lowest(values: Sequence[float]) -> float | None:
    """Where an axis of scores begins: three times as far below the best as the median is."""
    best, middle = values[-1], values[len(values) // 2]
    return best - 3 * (best - middle) if best > middle else None


def _references(study: Plotted, steps: Sequence[tuple[float, float]]) -> list[ChartLine]:
    """The default's score, and the band below the best within which a trial is no worse."""
    ends, found = (steps[0][0], steps[-1][0]), []
    default, noise, best = study.state.default_value, study.state.noise, steps[-1][1]
    if noise is not None:
        edge = [best - noise.margin] * 2, [best] * 2
        level = [(x, best) for x in ends]
        found.append(ChartLine("within noise of the best", level, *edge, faint=True))
    if default is not None:
        found.append(ChartLine("default", [(x, default) for x in ends], reference=True))
    return found


def _mark(trial: TrialState, x: float, study: Plotted) -> ChartMark:
    """A trial as a dot that tells its score and its configuration."""
    told = "failed" if trial.value is None else number(trial.value)
    values = ", ".join(f"{k}={_show(v)}" for k, v in trial.config.items())
    label = f"trial {trial.number}: {told}; {values}"
    return ChartMark(x, trial.value, label, trial.number == study.state.incumbent)


def _show(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def importance_bars(study: Plotted) -> Bars | None:
    """The share of each hyperparameter, the largest first; None with too few trials."""
    found = study.state.importance
    if found is None or not found.shares:
        return None
    ranked = sorted(found.shares.items(), key=lambda pair: -pair[1])
    bars = [(n, share / (ranked[0][1] or 1.0), f"{share:.0%}") for n, share in ranked]
    title = f"Importance: share of the score's variance ({METHOD}, {found.trials} trials)"
    return Bars(title, bars)


def search_space(study: Plotted) -> list[Block]:
    """What the trials say about the hyperparameters, as charts; in words for Markdown."""
    shared = study.axes
    blocks: list[Block] = []
    bars = importance_bars(study)
    if bars is not None:
        blocks.append(Charts([bars], [f"{name}: {label}" for name, _, label in bars.bars]))
    charts = [one(study, axis) for axis in shared[:_ONE]]
    if charts:
        said = "Dots are trials; the line is what a Gaussian process expects, the others as in the "
        said += "best trial, with one standard deviation."
        blocks += [Paragraph(said), Charts(charts)]
    numbers = [axis for axis in shared if not axis.choices][:2]
    drawn = [two(study, *numbers)] if len(numbers) == 2 else []
    wide = [c for c in (*drawn, parallel(study), learning_curves(study)) if c is not None]
    return [*blocks, Charts(wide)] if wide else blocks


def _axis(axis: ParameterAxis) -> ChartAxis:
    if axis.choices:
        return ChartAxis(axis.name, names=tuple(_show(c) for c in axis.ends))
    return ChartAxis(axis.name, "log" if axis.log else "", log=axis.log)


def _fit(
    study: Plotted, shared: Sequence[ParameterAxis], across: tuple[int, Sequence[float]],
    up: tuple[int, Sequence[float]] | None = None,
) -> GPMean | None:
    """What the GP expects; None with too few trials."""
    found, base = coordinates(shared, study.trials), coordinates(shared, [_best(study)])
    if len(found) < LEAST_TRIALS or not base:
        return None
    places, scores = [p for p, _ in found], [s for _, s in found]
    return landscape(places, scores, [a.choices for a in shared], base[0][0], across, up)


def _best(study: Plotted) -> TrialState:
    best = study.state.best
    assert best is not None, "charts are drawn of studies that have a score"
    return best


def _places(axis: ParameterAxis, points: int) -> list[float]:
    if axis.choices:
        return [(i + 0.5) / len(axis.ends) for i in range(len(axis.ends))]
    return [i / (points - 1) for i in range(points)]


def one(study: Plotted, axis: ParameterAxis) -> Chart:
    """The trials over one hyperparameter, with what the GP expects."""
    shared = study.axes
    at = _places(axis, _POINTS)
    fit = _fit(study, shared, (shared.index(axis), at)) if axis in shared else None
    marks = []
    for trial in study.complete:
        place = axis.at(trial.config.get(axis.name))
        if place is not None:
            marks.append(_mark(trial, axis.value(place), study))
    lines = []
    if fit is not None:
        xs = [axis.value(share) for share in at]
        points = list(zip(xs, fit.mean[0].tolist(), strict=True))
        lines = [ChartLine("the GP expects", points, fit.low[0].tolist(), fit.high[0].tolist())]
    values = sorted(m.y for m in marks if m.y is not None)
    y = ChartAxis(study.metric, low=_lowest(values))
    return Chart(axis.name, lines, marks, x=_axis(axis), y=y, width=370, height=260)


def two(study: Plotted, across: ParameterAxis, up: ParameterAxis) -> Chart:
    """The trials over two hyperparameters, on bands of expected scores."""
    shared = study.axes
    columns, rows = ([i / (n - 1) for i in range(n)] for n in _GRID)
    fit = None
    if across in shared and up in shared:
        fit = _fit(study, shared, (shared.index(across), columns), (shared.index(up), rows))
    areas: list[ChartArea] = []
    if fit is not None:
        levels = levels_of(fit.mean)
        for row, means in enumerate(fit.mean.tolist()):
            bands = [sum(mean >= level for level in levels) for mean in means]
            areas += _run_areas(bands, row, levels, across, up)
    marks = [
        ChartMark(across.value(x), up.value(y), _mark(t, 0.0, study).label,
                  t.number == study.state.incumbent)
        for t in study.complete
        if (x := across.at(t.config.get(across.name))) is not None
        and (y := up.at(t.config.get(up.name))) is not None
    ]  # fmt: skip
    title = f"What the GP expects over {across.name} and {up.name}"
    return Chart(title, (), marks, areas, x=_axis(across), y=_axis(up), height=380)


def _run_areas(
    bands: Sequence[int], row: int, levels: Sequence[float], across: ParameterAxis,
    up: ParameterAxis,
) -> list[ChartArea]:
    """Neighbours of one band in a row of the grid, as one rectangle."""
    columns, rows = _GRID
    found, start = [], 0
    for band, run in groupby(bands):
        end = start + len(list(run))
        if band:
            ends = (max(0.0, (start - 0.5) / (columns - 1)), min(1.0, (end - 0.5) / (columns - 1)))
            sides = (max(0.0, (row - 0.5) / (rows - 1)), min(1.0, (row + 0.5) / (rows - 1)))
            label = f"the GP expects {number(levels[band - 1])} or more"
            x0, x1 = (across.value(v) for v in ends)
            y0, y1 = (up.value(v) for v in sides)
            found.append(ChartArea(x0, x1, y0, y1, 0.08 + 0.42 * band / len(levels), label))
        start = end
    return found


def parallel(study: Plotted) -> Chart | None:
    """A line a trial through its values; the best one stands out."""
    axes = study.axes[:_PARALLEL]
    if len(axes) < 2:
        return None
    lines = []
    best = _best(study)
    for trial in [*(t for t in study.complete if t.number != best.number), best]:
        places = [axis.at(trial.config.get(axis.name)) for axis in axes]
        points = [(float(i), p) for i, p in enumerate(places) if p is not None]
        name = "best trial" if trial is best else "trials"
        label = _mark(trial, 0.0, study).label
        lines.append(ChartLine(name, points, faint=trial is not best, label=label))
    names = tuple(axis.name.rpartition(".")[2] for axis in axes)
    title = "Parallel coordinates: each axis from its lowest value to its highest"
    hidden = ChartAxis(hidden=True)
    return Chart(title, lines, x=ChartAxis(names=names), y=hidden, height=340)


def learning_curves(study: Plotted) -> Chart | None:
    """The score after each iteration on the first fold: the best trial, and the default."""
    lines = []
    for name, trial in (("default", study.state.default), ("best trial", _best(study))):
        curve: Any = trial.facts.get("curve") if trial is not None else None
        if isinstance(curve, (list, tuple)) and len(curve) > 1:
            points = [(float(at), float(value)) for at, value in curve]
            lines.append(ChartLine(name, points, reference=name == "default"))
    if not lines:
        return None
    values = sorted(v for line in lines for _, v in line.points)
    y = ChartAxis("score of the first fold", low=values[len(values) // 5])
    return Chart("Learning curves", lines, x=ChartAxis("iteration"), y=y)
