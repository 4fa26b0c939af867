"""What people ask of a study, checked against its state before it is sent, and confirmed in words.

The study process checks again: the state may have changed by then. Nothing heavy is imported, since
interfaces use this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hyperllama.core.errors import SpaceError, StudyError
from hyperllama.core.events import requests as r
from hyperllama.core.study.budget import describe_budget
from hyperllama.core.study.state import StudyState
from hyperllama.core.text import allowed, shown

Row = Mapping[str, Any]
"""A hyperparameter as `StudyOpened.space` has it."""
_SIMPLE = {
    r.Step: "one trial, then a pause", r.StopNow: "it ends within two seconds",
    r.Stop: "it ends after the trial under way", r.Approve: "the proposal is evaluated",
    r.Reject: "another proposal is asked for", r.StopAnswer: "the answer ends",
    r.QueueProgram: "the program is evaluated next",
    r.Confirm: "the default and the best trials are compared on fresh folds",
}  # fmt: skip


def check_request(state: StudyState, request: r.Request) -> str:
    """What a request will do, in one clause.

    Raises:
        SpaceError: it names an unknown hyperparameter, or a value or range that is not allowed.
        StudyError: it names a trial that is not there, or there is nothing that it could change.
    """
    if isinstance(request, r.QueueTrial):
        values = checked_values(state, request.config)
        return f"queued: {values}" if values else "queued: the default configuration"
    if isinstance(request, r.Approve) and request.config:
        return f"the proposal is evaluated with {checked_values(state, request.config)}"
    if isinstance(request, (r.Freeze, r.Range, r.ResetRange)):
        return _bounds(_row(state, request.name), request)
    if isinstance(request, (r.Rerun, r.Note)):
        return _about_trial(state, request)
    if isinstance(request, r.GiveProgram):
        return _given(state, request)
    if isinstance(request, (r.Hint, r.AskQuestion)):
        if not request.text.strip():
            raise StudyError("there are no words to send", "write them behind the request")
        return "the model is told" if isinstance(request, r.Hint) else "the model is asked"
    if isinstance(request, r.Extend):
        return _extended(state, request)
    if isinstance(request, r.ChangeJobs):
        return _side_by_side(request.jobs)
    if isinstance(request, r.SwitchProposer):
        with_model = f" with {request.model}" if request.model else ""
        return f"{request.proposer or 'the same proposer'} proposes from then on{with_model}"
    if isinstance(request, r.Review):
        return "each proposal waits for approval" if request.on else "proposals do not wait"
    if isinstance(request, r.Undo):
        if state.opened is not None and not state.undo:
            raise StudyError("there is nothing to undo", "only changes to the study can be undone")
        return f"undone: {state.undo}"
    if isinstance(request, (r.Pause, r.Resume)):
        pausing = isinstance(request, r.Pause)
        if pausing == state.paused:
            return "it is paused already" if pausing else "it is not paused"
        return "it pauses after the trial under way" if pausing else "it goes on"
    return _SIMPLE[type(request)]


def checked_values(state: StudyState, config: Mapping[str, Any]) -> str:
    """The values in words.

    Raises:
        SpaceError: a name is unknown, or a value is outside its range.
    """
    for name, value in config.items():
        row = _row(state, name)
        if row and (problem := _outside(value, row)):
            raise SpaceError(f"{name} = {_written(value)} {problem}",
                             f"allowed: {row.get('text', '')}")
    return ", ".join(f"{name} = {_written(value)}" for name, value in config.items())


def _row(state: StudyState, name: str) -> Row:
    """The hyperparameter of that name; empty while the study has no search space yet.

    Raises:
        SpaceError: there is none.
    """
    rows = state.opened.space if state.opened is not None else ()
    known = {str(row.get("name")): row for row in rows}
    if known and name not in known and name != "program":
        raise SpaceError(f"there is no hyperparameter {shown(name)}", allowed(list(known), name))
    return known.get(name, {})


def _outside(value: Any, row: Row) -> str:
    """What is wrong with a value; empty if nothing is."""
    if "choices" in row:
        return "" if value in row["choices"] else "is not one of the choices"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return "is not a number"
    if row.get("type") == "integer" and value != int(value):
        return "is not a whole number"
    low, high = row.get("low"), row.get("high")
    within = (low is None or low <= value) and (high is None or value <= high)
    return "" if within else "is outside its range"


def _bounds(row: Row, request: r.Freeze | r.Range | r.ResetRange) -> str:
    """What happens to a range. It may be widened: the task's own range is no limit."""
    name, text = request.name, str(row.get("text", ""))
    if isinstance(request, r.ResetRange):
        return f"{name} has its range of the task again: {row.get('task') or text}"
    choices: list[Any] | None = row.get("task_choices") or row.get("choices")
    if isinstance(request, r.Freeze):
        if choices is not None and request.value not in choices:
            raise SpaceError(f"{name} = {_written(request.value)} is not one of the choices",
                             f"allowed: {', '.join(map(_written, choices))}")
        if row and choices is None:
            _ends(row, (request.value,))
        return f"{name} is frozen at {_written(request.value)}"
    if row and (choices is None) == bool(request.choices):
        kind = "a range of numbers" if choices is None else "choices"
        hint = f"range {name} LOW HIGH" if choices is None else f"choices {name} A B ..."
        raise SpaceError(f"{name} has {kind}: {text}", f"allowed: {hint}")
    if request.choices:
        for value in request.choices:
            if choices is not None and value not in choices:
                raise SpaceError(f"{name}: {_written(value)} is not one of the choices",
                                 f"allowed: {', '.join(map(_written, choices))}")
        return f"{name} keeps {', '.join(map(_written, request.choices))}"
    low, high = request.low, request.high
    if row:
        low = row.get("low") if low is None else low
        high = row.get("high") if high is None else high
        _ends(row, (low, high))
    return f"{name} goes from {_written(low)} to {_written(high)}"


def _ends(row: Row, ends: tuple[Any, ...]) -> None:
    """Raises SpaceError where numbers cannot be the ends of a range."""
    name, now = str(row["name"]), f"now: {row.get('text', '')}"
    for value in ends:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(
                value):
            raise SpaceError(f"{name} needs a number, not {_written(value)}", now)
        if row.get("type") == "integer" and value != int(value):
            raise SpaceError(f"{name} needs whole numbers, not {_written(value)}", now)
    if row.get("log") and ends[0] <= 0:
        raise SpaceError(f"{name} has a logarithmic scale: {_written(ends[0])} is not above 0", now)
    if ends[0] > ends[-1]:
        raise SpaceError(f"{name}: {_written(ends[0])} is above {_written(ends[-1])}",
                         f"the lower end comes first; {now}")


def _about_trial(state: StudyState, request: r.Rerun | r.Note) -> str:
    trial = state.trial(request.number) if request.number >= 0 else state.best
    numbers = [t.number for t in state.trials]
    there = f"there are trials {numbers[0]} to {numbers[-1]}" if numbers else "no trial was begun"
    if trial is None:
        raise StudyError(f"there is no trial {request.number}", there)
    if isinstance(request, r.Note):
        return f"note on trial {trial.number}: {request.text.strip() or '(removed)'}"
    if trial.value is None:
        scored = [t.number for t in state.trials if t.value is not None]
        hint = f"scored trials: {', '.join(map(str, scored[:12]))}" if scored else there
        raise StudyError(f"trial {trial.number} has no score", hint)
    if not 1 <= request.times <= r.MOST_RERUNS:
        raise StudyError(f"{request.times} reruns", f"allowed: 1 to {r.MOST_RERUNS}")
    return f"trial {trial.number} runs again {request.times} times on other folds"


def _given(state: StudyState, request: r.GiveProgram) -> str:
    written = [t.number for t in state.trials if "program" in t.config]
    if request.number not in written:
        hint = ", ".join(map(str, written[:12])) or "`tell STUDY program FILE.py` adds one"
        raise StudyError(f"trial {request.number} is no program that was written",
                         f"trials of programs: {hint}" if written else hint)  # fmt: skip
    if not 0 <= request.more <= r.MOST_GIVEN:
        raise StudyError(f"{request.more} evaluations", f"allowed: 1 to {r.MOST_GIVEN}")
    name = f"the program of trial {request.number}"
    return f"{name} gets {request.more} evaluations next" if request.more else f"{name} is dropped"


def _side_by_side(jobs: int) -> str:
    if not 1 <= jobs <= r.MOST_JOBS:
        raise StudyError(f"{jobs} jobs", f"allowed: 1 to {r.MOST_JOBS}")
    return f"{jobs} trials run side by side" if jobs > 1 else "one trial runs after the other"


def _extended(state: StudyState, request: r.Extend) -> str:
    if not request.trials and not request.minutes:
        raise StudyError("nothing would be added to the budget", "for example 10, or 30 minutes")
    opened = state.opened
    trials = None if opened is None else opened.budget_trials
    seconds = None if opened is None else opened.budget_s
    if request.trials and opened is not None and trials is None:
        raise StudyError("this study has no trial budget, only minutes", "extend N minutes")
    if request.minutes and opened is not None and seconds is None:
        raise StudyError("this study has no time limit, only a trial budget", "extend N trials")
    if trials is not None:
        trials = max(state.done_count, trials + request.trials)
    if seconds is not None:
        seconds = max(0.0, seconds + 60 * request.minutes)
    if opened is None:
        return "the budget is extended"
    return f"the budget is then {describe_budget(trials, seconds)}"


def _written(value: Any) -> str:
    if isinstance(value, str):
        return shown(value, 40)
    if value is None or isinstance(value, bool):
        return "none" if value is None else str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
