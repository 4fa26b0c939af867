"""`hyperllama tell STUDY ...`: ask something of a study that runs elsewhere: pause, hint, queue."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import SpaceError

if TYPE_CHECKING:
    from hyperllama.core.events.requests import Request

NAME = "tell"
HELP = "steer a running study: pause, stop, hint, queue, extend, freeze, range, undo, ask and more"
EPILOG = """\
requests:
  pause, resume, step, stop, stop-now, undo
  hint WORDS...                tell the model something
  ask WORDS...                 ask the model about the study; the answer stands in its events
  queue NAME=VALUE ...         evaluate this next; what is not named stays at the default
  extend N [trials|minutes]    add to the budget; a negative number takes away
  propose PROPOSER [MODEL]     another proposer, or model, from here on
  freeze NAME VALUE            hold a hyperparameter;  range NAME LOW HIGH  narrows or widens it;
  choices NAME A B ...         leaves some choices;    release NAME  gives back what the task says
  review on|off                proposals wait for you: accept [NAME=VALUE ...], reject [REASON...]
  rerun TRIAL [TIMES]          the same configuration on other folds
  note TRIAL WORDS...          a remark on a trial

Most of them also wait for a study that is not running."""

_PLAIN = ("pause", "resume", "step", "stop", "stop-now", "undo")
_WITH_WORDS = (
    "hint", "ask", "queue", "extend", "propose", "freeze", "range", "choices", "release", "review",
    "rerun", "note",
)  # fmt: skip
_OPTIONAL_WORDS = ("accept", "reject")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument(
        "request", choices=(*_PLAIN, *_WITH_WORDS, *_OPTIONAL_WORDS), metavar="REQUEST"
    )
    # REMAINDER: a negative number is no option
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.errors import StudyError
    from hyperllama.core.events.requests import LASTING, Approve, Reject
    from hyperllama.core.storage.folder import find_study, holder
    from hyperllama.core.storage.request_log import send

    folder = find_study(arguments.study)
    request = _request(arguments.request, arguments.words)
    if holder(folder) is None and not isinstance(request, LASTING):
        raise StudyError(
            f"the study {folder.name!r} is not running", f"`hyperllama resume {folder.name}`"
        )
    if isinstance(request, (Approve, Reject)):
        request = replace(request, number=_held(folder))
    send(folder, request)
    return 0


def _held(folder: Path) -> int:
    """Number of the trial whose proposal waits for a person's word.

    Raises:
        StudyError: none does.
    """
    from hyperllama.core.errors import StudyError
    from hyperllama.core.events import ProposalMade, ProposalRejected
    from hyperllama.core.storage.folder import EVENTS
    from hyperllama.tui.bridge import EventTail

    held, tail = -1, EventTail(folder / EVENTS)
    while found := tail.read()[0]:
        for event, _ in found:
            if isinstance(event, ProposalMade):
                held = event.number if event.awaits_approval else -1
            elif isinstance(event, ProposalRejected):
                held = -1
    if held < 0:
        raise StudyError("no proposal waits for your word", "`review on` lets them wait")
    return held


def _request(name: str, words: list[str]) -> Request:
    """The request that the words mean.

    Raises:
        SpaceError: they do not fit it.
    """
    from hyperllama.core.events import requests

    if name in _PLAIN:
        if words:
            raise SpaceError(f"{name} takes nothing more, not {' '.join(words)!r}")
        kinds: dict[str, Any] = {
            "pause": requests.Pause,
            "resume": requests.Resume,
            "step": requests.Step,
            "stop": requests.Stop,
            "stop-now": requests.StopNow,
            "undo": requests.Undo,
        }
        request: Request = kinds[name]()
        return request
    if not words and name not in _OPTIONAL_WORDS:
        raise SpaceError(f"{name} needs more words", "`hyperllama tell --help` has examples")
    text = " ".join(words)
    if name == "hint":
        return requests.Hint(text)
    if name == "ask":
        return requests.AskQuestion(text)
    if name == "queue":
        return requests.QueueTrial(dict(_pair(word) for word in words))
    if name == "accept":
        return requests.Approve(config=dict(_pair(word) for word in words))
    if name == "reject":
        return requests.Reject(reason=text)
    if name == "review":
        if text not in ("on", "off"):
            raise SpaceError(f"review {text!r}", "allowed: on, off")
        return requests.Review(text == "on")
    if name == "propose":
        from hyperllama.core.propose import needs_model

        needs_model(words[0])  # raises for a name that is none
        return requests.SwitchProposer(words[0], words[1] if len(words) > 1 else "")
    if name == "extend":
        return _extend(words)
    if name in ("rerun", "note"):
        number = _number(words[0])
        if name == "note":
            return requests.Note(number, " ".join(words[1:]))
        return requests.Rerun(number, *(_number(w) for w in words[1:2]))
    return _space_request(name, words)


def _extend(words: list[str]) -> Request:
    from hyperllama.core.events import requests

    unit = words[1] if len(words) > 1 else "trials"
    try:
        if unit.startswith("minute"):
            return requests.Extend(minutes=float(words[0]))
        if unit.startswith("trial"):
            return requests.Extend(trials=int(words[0]))
    except ValueError as error:
        raise SpaceError(f"{words[0]!r} is no number of {unit}") from error
    raise SpaceError(f"extend by {' '.join(words)!r}", "allowed: N trials, or N minutes")


def _space_request(name: str, words: list[str]) -> Request:
    """One about a hyperparameter."""
    from hyperllama.core.events import requests

    param, values = words[0], [_value(w) for w in words[1:]]
    wanted = {"release": 0, "freeze": 1, "range": 2}.get(name)
    if (not values) if wanted is None else len(values) != wanted:
        raise SpaceError(f"{name} {' '.join(words)}: that does not fit",
                         "`hyperllama tell --help` has examples")  # fmt: skip
    if name == "release":
        return requests.ResetRange(param)
    if name == "freeze":
        return requests.Freeze(param, values[0])
    if name == "choices":
        return requests.Range(param, choices=tuple(values))
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        raise SpaceError(f"{' '.join(words[1:])!r} are not two numbers")
    return requests.Range(param, low=values[0], high=values[1])


def _number(word: str) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise SpaceError(f"{word!r} is no whole number") from error


def _pair(word: str) -> tuple[str, Any]:
    """One `name=value`."""
    name, equals, text = word.partition("=")
    if not (name and equals):
        raise SpaceError(f"{word!r} is not of the form name=value")
    return name, _value(text)


def _value(text: str) -> Any:
    """A number, true, false or none as such, anything else as text."""
    if text.lower() == "none":
        return None
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text
