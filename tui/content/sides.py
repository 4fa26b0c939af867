"""Studies, or the contenders of a comparison on one task, to be compared. No widgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from statistics import fmean, median
from typing import Any

from hyperllama.core.evaluate.results import std
from hyperllama.core.experiments.reading import CellFacts, Comparison
from hyperllama.core.experiments.turns import ProposerTurns, not_its_own, turns_of
from hyperllama.core.study import StudyState
from hyperllama.core.trials.noise import study_noise

MOST = 8


@dataclass(frozen=True)
class Side:
    """One of the things that are compared.

    Attributes:
        mark: a letter; colour never stands alone.
        curves: best value after each trial, one a seed; NaN before the first score. Of a contender,
            those of whole cells alone.
        spent: seconds after each trial, one a seed as in `curves`; proposals and training.
        default, test: mean scores of the default configuration, and of the winner on rows that no
            trial saw.
        tokens, ask_s: mean tokens and median seconds a proposal; train_s: mean seconds a trial.
        asked_s: seconds of all proposals of a seed, mean.
        repeated, invalid: shares of the proposals; of a study, `invalid` are those that another
            proposer had to make.
        config: the winner's.
        state: of the study, or how many cells are whole.
        seeds: of the curves, in their order.
        folds, default_folds: scores of a study's winner, and of its default, on each fold.
        scored_share: share of its rows that a fold scores; 0 where unknown.
        beyond_noise: whether the gain is more than luck; None: cannot tell.
        turns: who made the proposals; note: what is to be known of that.
        confirmed: a study's gain on fresh folds, 0.0 where the default stayed the winner; None
            where it was not confirmed.
    """

    label: str
    mark: str
    curves: tuple[tuple[float, ...], ...]
    default: float | None = None
    test: float | None = None
    trials: int = 0
    tokens: float | None = None
    ask_s: float | None = None
    asked_s: float | None = None
    train_s: float | None = None
    repeated: float | None = None
    invalid: float | None = None
    memory_mb: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    state: str = ""
    metric: str = ""
    seeds: tuple[int, ...] = ()
    folds: tuple[float, ...] = ()
    default_folds: tuple[float, ...] = ()
    scored_share: float = 0.0
    beyond_noise: bool | None = None
    confirmed: float | None = None
    turns: tuple[ProposerTurns, ...] = ()
    spent: tuple[tuple[float, ...], ...] = ()
    note: str = ""

    @property
    def finals(self) -> list[float]:
        return [c[-1] for c in self.curves if c and math.isfinite(c[-1])]

    @property
    def final(self) -> float | None:
        """Mean over the seeds of the best value."""
        return fmean(self.finals) if self.finals else None

    @property
    def gain(self) -> float | None:
        """The best score minus the default's."""
        known = self.final is not None and self.default is not None
        return (self.final or 0.0) - (self.default or 0.0) if known else None

    @property
    def by_seed(self) -> dict[int, float]:
        """The best score under each seed."""
        ended = zip(self.seeds, self.curves, strict=False)
        return {seed: c[-1] for seed, c in ended if c and math.isfinite(c[-1])}

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds; None for one."""
        return std(self.finals)

    @property
    def run_s(self) -> float | None:
        """Seconds of a seed from beginning to end, mean."""
        ends = [times[-1] for times in self.spent if times]
        return fmean(ends) if ends else None

    def mean_curve(self) -> list[tuple[float, float, float]]:
        """(mean, lowest, highest) after each trial, as far as every seed has come."""
        length = min((len(c) for c in self.curves), default=0)
        found = []
        for i in range(length):
            values = [c[i] for c in self.curves if math.isfinite(c[i])]
            if values:
                found.append((fmean(values), min(values), max(values)))
            else:
                found.append((math.nan, math.nan, math.nan))
        return found

    def mean_spent(self) -> list[float]:
        """Seconds after each trial, mean over the seeds, as far as every seed has come."""
        length = min((len(times) for times in self.spent), default=0)
        return [fmean(times[i] for times in self.spent) for i in range(length)]

    def after(self, seconds: float) -> float | None:
        """The best so far, mean over the seeds, once so much time was spent; None: no score."""
        reached = None
        for (mean, _, _), spent in zip(self.mean_curve(), self.mean_spent(), strict=False):
            if spent > seconds:
                break
            reached = mean if math.isfinite(mean) else reached
        return reached


def of_study(name: str, state: StudyState, mark: str) -> Side:
    """A study as one side."""
    done = [t for t in state.trials if t.done]
    asked = [t for t in done if t.proposer not in ("default", "queue", "")]
    best, curve = math.nan, []
    for trial in done:
        if trial.value is not None and not trial.value <= best:
            best = trial.value
        curve.append(best)
    keys = [repr(sorted(t.config.items(), key=str)) for t in done]
    seen = len(keys) - len(set(keys))
    winner = state.winner
    tokens = [t.tokens.get("prompt", 0) + t.tokens.get("generated", 0) for t in asked if t.tokens]
    asks = [float(t.tokens["seconds"]) for t in asked if "seconds" in t.tokens]
    trained = [t.seconds for t in done if t.seconds > 0]
    took = [t.seconds + float(t.tokens.get("seconds") or 0.0) for t in done]
    opened, default = state.opened, state.default
    return Side(
        label=name,
        mark=mark,
        curves=(tuple(curve),),
        default=state.default_value,
        test=state.test_value,
        trials=len(done),
        tokens=fmean(tokens) if tokens else None,
        ask_s=median(asks) if asks else None,
        asked_s=sum(asks) if asks else None,
        spent=(tuple(accumulate(took)),),
        train_s=fmean(trained) if trained else None,
        repeated=seen / len(done) if done else None,
        invalid=sum(bool(t.fallback) for t in asked) / len(asked) if asked else None,
        memory_mb=_number(state.model.facts.get("memory_mb")) if state.model else None,
        config=winner.config if winner is not None else {},
        folds=winner.fold_scores if winner is not None else (),
        default_folds=default.fold_scores if default is not None else (),
        scored_share=opened.scored_share if opened is not None else 0.0,
        beyond_noise=state.beyond_noise,
        confirmed=state.confirmed_gain,
        state=f"{opened.task}, {opened.proposer}" if opened is not None else "",
        metric=opened.metric if opened is not None else "",
    )


def scored_on(state: StudyState) -> str:
    """What a study's scores are of, in words: only studies where it is the same are compared."""
    opened = state.opened
    if opened is None:
        return "not begun"
    return f"{opened.task}, {opened.metric}, {opened.rows:,} rows, {opened.folds} folds"


def of_comparison(found: Comparison, task: str) -> list[Side]:
    """The contenders of a comparison on one task, in the grid's order; unfinished cells are left
    out."""
    sides = []
    for number, contender in enumerate(found.grid.contenders):
        cells = [
            c
            for c in found.cells
            if c.cell.contender == contender.label and c.cell.task == task
            and c.state == "done" and c.trials
        ]
        every = [c for c in found.cells if c.cell.contender == contender.label]
        side = _contender(contender.label, chr(65 + number % 26), cells, every, task)
        note = not_its_own(contender, side.turns)
        sides.append(replace(side, metric=found.metric_of(task), note=note))
    return sides


def _contender(
    label: str, mark: str, cells: list[CellFacts], every: list[CellFacts], task: str
) -> Side:
    asked = [t for c in every for t in c.asked]
    replies = sum(int(t.get("replies") or 0) for t in asked)
    memory = [float(t["engine_mb"]) for t in asked if t.get("engine_mb")]
    counts = [
        sum(float(v) for k, v in (t.get("tokens") or {}).items() if k in ("prompt", "generated"))
        for t in asked
    ]
    tokens = [n for n in counts if n]
    scored = [t for c in cells for t in c.trials if t["value"] is not None]
    winner = max(scored, key=lambda t: t["value"], default=None)
    whole = sum(c.state == "done" for c in every if c.cell.task == task)
    here = sum(c.cell.task == task for c in every)
    return Side(
        label=label,
        mark=mark,
        curves=tuple(tuple(c.curve) for c in cells),
        default=_mean([c.default_value for c in cells]),
        test=_mean([c.end.get("test_value") for c in cells]),
        trials=sum(len(c.trials) for c in cells),
        tokens=fmean(tokens) if tokens else None,
        ask_s=median([float(t["ask_s"]) for t in asked]) if asked else None,
        asked_s=_mean([sum(float(t["ask_s"]) for t in c.asked) for c in cells]),
        seeds=tuple(c.cell.seed for c in cells),
        beyond_noise=_beyond_noise(cells),
        turns=turns_of(cells),
        spent=tuple(tuple(accumulate(map(_seconds, c.trials))) for c in cells),
        train_s=_mean([t["seconds"] for c in cells for t in c.trials]),
        repeated=sum(int(t.get("repeated") or 0) for t in asked) / replies if replies else None,
        invalid=sum(int(t.get("invalid") or 0) for t in asked) / replies if replies else None,
        memory_mb=max(memory) if memory else None,
        config=winner["config"] if winner is not None else {},
        state=f"{whole}/{here} seeds",
    )


def _beyond_noise(cells: Sequence[CellFacts]) -> bool | None:
    """Whether the mean gain over the default is beyond the noise of the cells' own trials."""
    gains, margins = [], []
    for cell in cells:
        default, *others = cell.trials
        folds = default.get("fold_scores") or ()
        scores = [t.get("fold_scores") or () for t in others if t["value"] is not None]
        noise = study_noise(folds, scores, 1 / len(folds) if len(folds) > 1 else 0.0)
        best = cell.best_after(len(cell.trials))
        if noise is not None and best is not None and default["value"] is not None:
            gains.append(best - default["value"])
            margins.append(noise.margin)
    return fmean(gains) > fmean(margins) if gains else None


def _seconds(trial: Mapping[str, Any]) -> float:
    """What a trial and its proposal took, or had taken when it was trained before."""
    return float(trial.get("seconds") or 0.0) + float(trial.get("ask_s") or 0.0)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _mean(values: Sequence[Any]) -> float | None:
    known = [float(v) for v in values if v is not None]
    return fmean(known) if known else None


def differing(sides: Sequence[Side]) -> list[tuple[str, list[Any]]]:
    """(hyperparameter, its value on each side) of those that are not alike; alike ones last."""
    names = dict.fromkeys(name for side in sides for name in side.config)
    rows = [(name, [side.config.get(name) for side in sides]) for name in names]
    return sorted(rows, key=lambda row: len(set(map(repr, row[1]))) <= 1)
