"""`hyperllama tell STUDY ...`: ask something of a study that runs elsewhere: pause, hint, queue."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import SpaceError

if TYPE_CHECKING:
    from hyperllama.core.events.requests import Request
    from hyperllama.core.study import StudyState, TrialState

NAME = "tell"
HELP = "steer a running study: pause, stop, hint, queue, extend, freeze, range, undo, ask and more"
EPILOG = """\
requests:
  pause, resume, step, stop, stop-now, undo
  hint WORDS...                tell the model something
  ask WORDS...                 what is known about the study, and what its model says on it
  stop-answer                  end the model's answer
  queue NAME=VALUE ...         evaluate this next; what is not named stays at the default
  program FILE.py [NAME=VALUE ...]   evaluate this program next, with its defaults or these values
  more TRIAL N                 the program of a trial gets N more evaluations;  drop TRIAL  no more
  extend N [trials|minutes]    add to the budget; a negative number takes away
  jobs N                       train N trials side by side from here on
  propose PROPOSER [MODEL]     another proposer, or model, from here on
  freeze NAME VALUE            hold a hyperparameter;  range NAME LOW HIGH  narrows or widens it;
  choices NAME A B ...         keep some choices;      release NAME  gives the task's range again
  review on|off                proposals wait for accept or reject
  accept [NAME=VALUE ...]      evaluate the proposal, with these values changed
  reject [REASON...]           have another proposed; the model is told the reason
  rerun TRIAL [TIMES]          the same configuration on other folds
  confirm                      score the default and the best trials on fresh folds now
  note TRIAL WORDS...          a remark on a trial

Most of them also wait for a study that is not running."""

_NAMES = (
    "pause", "resume", "step", "stop", "stop-now", "undo", "hint", "ask", "stop-answer", "queue",
    "program", "more", "drop", "extend", "jobs",
    "propose", "freeze", "range", "choices", "release", "review", "accept", "reject", "rerun",
    "confirm", "note",
)  # fmt: skip


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("request", choices=_NAMES, metavar="REQUEST")
    # REMAINDER: a negative number is no option
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.errors import StudyError
    from hyperllama.core.events.requests import (
        LASTING,
        Approve,
        AskQuestion,
        Reject,
        SwitchProposer,
    )
    from hyperllama.core.storage.event_log import read_events
    from hyperllama.core.storage.folder import EVENTS, find_study, holder
    from hyperllama.core.storage.request_log import send
    from hyperllama.core.study import fold
    from hyperllama.core.study.findings.computed_answer import computed_answer
    from hyperllama.core.study.steering.asking import check_request
    from hyperllama.core.text import one_line
    from hyperllama.models.gguf import resolve_model

    folder = find_study(arguments.study)
    request = _request(arguments.request, arguments.words)
    running = holder(folder) is not None
    if not running and not isinstance(request, LASTING):
        raise StudyError(
            f"the study {folder.name!r} is not running", f"`hyperllama resume {folder.name}`"
        )
    state = fold(read_events(folder / EVENTS))
    if isinstance(request, (Approve, Reject)):
        awaiting = _awaiting(state, folder.name)
        request = replace(request, number=awaiting.number)
        if isinstance(request, Approve) and request.config:
            request = replace(request, config={**(awaiting.config or {}), **request.config})
    done = check_request(state, request)
    if isinstance(request, SwitchProposer) and request.model:
        resolve_model(request.model)  # raises where there is none
    send(folder, request)
    print(one_line(f"{folder.name}: {done}"))
    if isinstance(request, AskQuestion):
        print("\n".join(computed_answer(request.text, state)))
    if not running:
        print(f"It is not running: this happens when it goes on, with `hyperllama resume "
              f"{folder.name}`", file=sys.stderr)  # fmt: skip
    return 0


def _awaiting(state: StudyState, study: str) -> TrialState:
    """The trial whose proposal waits for approval.

    Raises:
        StudyError: none does.
    """
    from hyperllama.core.errors import StudyError

    if state.awaiting is None:
        hint = f"`hyperllama tell {study} review on` lets them wait"
        raise StudyError("no proposal waits for approval", hint)
    return state.awaiting


def _parsers() -> dict[str, Callable[..., Request]]:
    """Name of a request -> what makes it of the words that follow."""
    from hyperllama.core.events import requests as r

    def extend(amount: str, unit: str = "trials") -> Request:
        if unit.startswith("minute"):
            return r.Extend(minutes=_number(amount))
        if unit.startswith("trial"):
            return r.Extend(trials=_whole(amount))
        raise SpaceError(f"extend by {amount} {unit}", "allowed: N trials, or N minutes")

    def review(on: str) -> Request:
        if on not in ("on", "off"):
            raise SpaceError(f"review {on!r}", "allowed: on, off")
        return r.Review(on == "on")

    def propose(proposer: str, model: str = "") -> Request:
        from hyperllama.core.propose import needs_model

        needs_model(proposer)  # raises for a name that is unknown
        return r.SwitchProposer(proposer, model)

    return {
        "pause": r.Pause, "resume": r.Resume, "step": r.Step, "stop": r.Stop,
        "stop-now": r.StopNow, "undo": r.Undo,
        "hint": lambda first, *words: r.Hint(" ".join((first, *words))),
        "stop-answer": r.StopAnswer,
        "ask": lambda first, *words: r.AskQuestion(" ".join((first, *words))),
        "queue": lambda first, *words: r.QueueTrial(_config((first, *words))),
        "program": lambda file, *words: _program(file, _config(words)),
        "more": lambda trial, count: r.GiveProgram(_whole(trial), _whole(count)),
        "drop": lambda trial: r.GiveProgram(_whole(trial)),
        "jobs": lambda count: r.ChangeJobs(_whole(count)),
        "extend": extend, "propose": propose, "review": review,
        "freeze": lambda name, value: r.Freeze(name, _value(value)),
        "range": lambda name, low, high: r.Range(name, _number(low), _number(high)),
        "choices": lambda name, first, *words: r.Range(
            name, choices=tuple(map(_value, (first, *words)))
        ),
        "release": lambda name: r.ResetRange(name),
        "accept": lambda *words: r.Approve(config=_config(words)),
        "reject": lambda *words: r.Reject(reason=" ".join(words)),
        "rerun": lambda trial, times="3": r.Rerun(_whole(trial), _whole(times)),
        "confirm": r.Confirm,
        "note": lambda trial, *words: r.Note(_whole(trial), " ".join(words)),
    }  # fmt: skip


def _program(file: str, values: dict[str, Any]) -> Request:
    """The request to evaluate a program with these values, checked before it is sent.

    Raises:
        SpaceError: there is no such file, or it does not take the values. ProgramError: it cannot
            be used.
    """
    from hyperllama.core.events.requests import QueueProgram
    from hyperllama.core.programs.contract import parse_program

    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or error
        raise SpaceError(f"{file} cannot be read as a program: {why}",
                         "name a Python file with a function build(columns, task)") from error
    program = parse_program(text)
    program.space.validate({**program.space.default(), **values})
    return QueueProgram(program.text, values)


def _request(name: str, words: list[str]) -> Request:
    """The request that the words mean.

    Raises:
        SpaceError: they do not fit it.
    """
    parse = _parsers()[name]
    expected = inspect.signature(parse)
    try:
        expected.bind(*words)
    except TypeError as error:
        if not expected.parameters:
            raise SpaceError(f"{name} takes nothing more, not {' '.join(words)!r}") from error
        given = " ".join((name, *words))
        wrong = f"{given}: that does not fit" if words else f"{name} needs more words"
        raise SpaceError(wrong, "`hyperllama tell --help` has examples") from error
    return parse(*words)


def _whole(word: str) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise SpaceError(f"{word!r} is not a whole number") from error


def _number(word: str) -> float:
    value = _value(word)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SpaceError(f"{word!r} is not a number")
    return value


def _config(words: Iterable[str]) -> dict[str, Any]:
    """Words of the form name=value."""
    config = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals):
            raise SpaceError(f"{word!r} is not of the form name=value")
        config[name] = _value(text)
    return config


def _value(text: str) -> Any:
    """A number, true, false or none as such, anything else as text."""
    if text.lower() == "none":
        return None
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text
