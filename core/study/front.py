"""The front of a study with several objectives, and the trial that a person chooses to use.

Light enough for the interface's process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from hyperllama.core.errors import StudyError
from hyperllama.core.objectives import Constraint, Objective, amount, excess_of, front_of
from hyperllama.core.text import counted

if TYPE_CHECKING:
    from hyperllama.core.study.state import StudyState, TrialState

_NEAR = 0.05  # of a bound: nearer than that a constraint holds the winner back


def measured(trial: TrialState, objective: Objective, metric: str) -> float | None:
    """A trial's value of an objective; None where it has none."""
    return trial.value if objective.name == metric else trial.measures.get(objective.name)


def points(state: StudyState) -> list[tuple[TrialState, tuple[float, ...]]]:
    """The trials that keep all constraints, with all objectives, greater is better."""
    opened = state.opened
    objectives = opened.objectives if opened is not None else ()
    found = []
    for trial in state.trials if opened is not None and objectives else ():
        if trial.value is None or trial.broken:
            continue
        values = [measured(trial, o, opened.metric) for o in objectives]  # type: ignore[union-attr]
        known = [o.gain(v) for o, v in zip(objectives, values, strict=True) if v is not None]
        if len(known) == len(objectives):
            found.append((trial, tuple(known)))
    return found


def front(state: StudyState) -> tuple[TrialState, ...]:
    """See `StudyState.front`."""
    known = points(state)
    kept = [known[i] for i in front_of([values for _, values in known])]
    kept.sort(key=lambda pair: (*(-v for v in pair[1]), pair[0].number))
    return tuple(trial for trial, _ in kept)


def choosing(state: StudyState, number: int) -> StudyState:
    """See `StudyState.choosing`."""
    trial = state.trial(number)
    if trial is None or trial.value is None:
        there = ", ".join(str(t.number) for t in state.trials if t.value is not None)
        what = "there is no trial" if trial is None else "there is no score of trial"
        raise StudyError(f"{what} {number}", f"trials with a score: {there or 'none'}")
    if trial.broken:
        raise StudyError(f"trial {number} breaks {', '.join(trial.broken)}",
                         "choose one that keeps the constraints; `show STUDY --front` lists some")
    kept = state.confirmation if number == state.winner_number else None
    return replace(state, chosen=number, confirmation=kept)  # that was of another trial


def columns(state: StudyState) -> list[Objective]:
    """What was measured: the objectives, then what is only bounded."""
    opened = state.opened
    if opened is None:
        return []
    named = [o.name for o in opened.objectives] or [opened.metric]
    bounded = [c.name for c in opened.constraints]
    return [Objective.of(name) for name in dict.fromkeys([*named, *bounded])]


def front_rows(state: StudyState) -> list[list[str]]:
    """The front as a table: a row of titles, then each trial with its values."""
    metric = state.opened.metric if state.opened is not None else ""
    shown = columns(state)
    rows = [["trial", *(f"{o.name}{f' ({o.unit})' if o.unit else ''}" for o in shown)]]
    for trial in state.front:
        values = (measured(trial, o, metric) for o in shown)
        rows.append([str(trial.number), *(_shown(v) for v in values)])
    return rows


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}" if abs(value) < 1e5 else f"{value:,.0f}"


def say_front(state: StudyState) -> str:
    """How many trials the front has, and from where to where it reaches; empty without one."""
    opened, found = state.opened, state.front
    if opened is None or not opened.objectives:
        return ""
    if not found:
        return "no trial has all objectives and keeps the constraints"
    parts = []
    for o in opened.objectives:
        values = [v for t in found if (v := measured(t, o, opened.metric)) is not None]
        ends = max(values, key=o.gain), min(values, key=o.gain)
        reach = " to ".join(dict.fromkeys(amount(v, o.unit) for v in ends))
        parts.append(f"{o.name} {reach}")
    count = counted(len(found), "trial")
    return f"{count}, none of which another is better than: {', '.join(parts)}"


def say_constraints(state: StudyState) -> str:
    """How many trials broke which constraint, and which of them hold the winner back."""
    opened = state.opened
    if opened is None or not opened.constraints:
        return ""
    scored = [t for t in state.trials if t.value is not None]
    counts = Counter(text for t in scored for text in t.broken)
    parts = [_one(c, counts[c.text], len(scored), state.winner) for c in opened.constraints]
    return "; ".join(parts)


def _one(c: Constraint, count: int, scored: int, winner: TrialState | None) -> str:
    text = f"{c.text} was kept by all trials" if not count else (
        f"{c.text} was broken by {count} of {scored} trials")
    excess = excess_of(winner.facts).get(c.text) if winner is not None else None
    if count and excess is not None and -_NEAR < excess <= 0:
        text += ", and holds the winner back"
    return text


def no_feasible(state: StudyState) -> str:
    """What to say where trials have scores and none keeps the constraints; empty elsewhere."""
    scored = [t for t in state.trials if t.value is not None]
    if not scored or any(not t.broken for t in scored):
        return ""
    nearest = min(scored, key=lambda t: sum(max(0.0, e) for e in excess_of(t.facts).values()))
    return (f"No trial keeps the constraints; trial {nearest.number} is the nearest: "
            f"it breaks {', '.join(nearest.broken)}.")
