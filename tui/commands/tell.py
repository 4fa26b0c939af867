"""`hyperllama tell STUDY ...`: ask something of a study that runs elsewhere: pause, hint, queue."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from core.errors import SpaceError

if TYPE_CHECKING:
    from core.control import Request

NAME = "tell"
HELP = "steer a running study: pause, resume, step, stop, stop-now, hint, queue, extend, propose"
EPILOG = """\
examples:
  hyperllama tell STUDY pause            rest after the running trial; `resume` goes on
  hyperllama tell STUDY hint keep the trees shallow
  hyperllama tell STUDY queue max_depth=4 learning_rate=0.05
  hyperllama tell STUDY extend 20        twenty trials more
  hyperllama tell STUDY propose tpe      another proposer from here on
queue, hint, extend and propose also wait for a study that is not running."""

_PLAIN = ("pause", "resume", "step", "stop", "stop-now")
_WITH_WORDS = ("hint", "queue", "extend", "propose")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("request", choices=(*_PLAIN, *_WITH_WORDS), metavar="REQUEST")
    parser.add_argument("words", nargs="*", metavar="...")


def run(arguments: argparse.Namespace) -> int:
    from core.control import LASTING, send
    from core.errors import StudyError
    from core.folder import find_study, holder

    folder = find_study(arguments.study)
    request = _request(arguments.request, arguments.words)
    if holder(folder) is None and not isinstance(request, LASTING):
        raise StudyError(
            f"the study {folder.name!r} is not running", f"`hyperllama resume {folder.name}`"
        )
    send(folder, request)
    return 0


def _request(name: str, words: list[str]) -> Request:
    from core import control

    if name in _PLAIN:
        kinds: dict[str, Any] = {
            "pause": control.Pause,
            "resume": control.Resume,
            "step": control.Step,
            "stop": control.Stop,
            "stop-now": control.StopNow,
        }
        if words:
            raise SpaceError(f"{name} takes nothing more, not {' '.join(words)!r}")
        request: Request = kinds[name]()
        return request
    if not words:
        raise SpaceError(f"{name} needs more words", "`hyperllama tell --help` has examples")
    if name == "hint":
        return control.Hint(" ".join(words))
    if name == "propose":
        from core.propose import needs_model

        needs_model(words[0])  # raises for a name that is none
        return control.Propose(words[0])
    if name == "extend":
        try:
            return control.Extend(trials=int(words[0]))
        except ValueError as error:
            raise SpaceError(f"{words[0]!r} is no number of trials") from error
    return control.Queue(dict(_pair(word) for word in words))


def _pair(word: str) -> tuple[str, Any]:
    """One `name=value`: a number, true, false or none as such, anything else as text."""
    name, equals, text = word.partition("=")
    if not (name and equals):
        raise SpaceError(f"{word!r} is not of the form name=value")
    if text.lower() == "none":
        return name, None
    try:
        return name, json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return name, text
