"""What a watcher may ask of a running study: one request a line, appended to `commands.jsonl`.

A line is a JSON object whose "do" names the request: `{"do": "pause"}`, `{"do": "hint", "text":
"keep max_depth low"}`. The study process reads what is new and answers through its events.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Union

from core.errors import StudyError
from core.folder import COMMANDS, write_atomically


@dataclass(frozen=True)
class Pause:
    """Rest once the running trial is over."""

    do: ClassVar[str] = "pause"


@dataclass(frozen=True)
class Resume:
    """Go on after a pause."""

    do: ClassVar[str] = "resume"


@dataclass(frozen=True)
class Step:
    """Run one trial, then rest."""

    do: ClassVar[str] = "step"


@dataclass(frozen=True)
class Stop:
    """End the study once the running trial is over; it can be resumed."""

    do: ClassVar[str] = "stop"


@dataclass(frozen=True)
class StopNow:
    """End the study within two seconds; the running trial is begun again on resume."""

    do: ClassVar[str] = "stop_now"


@dataclass(frozen=True)
class Queue:
    """Evaluate this configuration next. Hyperparameters not named stay at the default's value."""

    do: ClassVar[str] = "queue"
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hint:
    """Tell the model something in plain words."""

    do: ClassVar[str] = "hint"
    text: str = ""


@dataclass(frozen=True)
class Extend:
    """Add to the budget: so many trials, so many minutes. Negative numbers take away."""

    do: ClassVar[str] = "extend"
    trials: int = 0
    minutes: float = 0.0


@dataclass(frozen=True)
class Propose:
    """Let another proposer make the proposals from now on."""

    do: ClassVar[str] = "propose"
    proposer: str = ""


Request = Union[Pause, Resume, Step, Stop, StopNow, Queue, Hint, Extend, Propose]
# What stays wanted when it was asked for while no study process was there to hear it.
LASTING = (Queue, Hint, Extend, Propose)
_KINDS: dict[str, type[Any]] = {
    kind.do: kind for kind in (Pause, Resume, Step, Stop, StopNow, Queue, Hint, Extend, Propose)
}


def send(folder: Path, request: Request) -> None:
    """Append a request to the study's `commands.jsonl`.

    Raises:
        StudyError: the file cannot be written.
    """
    line = {"do": request.do, "t": round(time.time(), 3), **asdict(request)}
    data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf8")
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(folder / COMMANDS, flags, 0o644)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
    except OSError as error:
        raise StudyError(
            f"the request could not be written: {error.strerror}",
            f"check that {folder} is writable",
        ) from error


def parse(line: bytes) -> Request | str:
    """The request of one line, or one sentence saying what is wrong with it."""
    try:
        payload = json.loads(line)
    except ValueError:
        return "a request that is no JSON was ignored"
    if not isinstance(payload, dict):
        return "a request that is no JSON object was ignored"
    kind = _KINDS.get(str(payload.get("do")))
    if kind is None:
        return f"unknown request {payload.get('do')!r}; known: {', '.join(_KINDS)}"
    known = {f.name for f in fields(kind)}
    request: Request = kind(**{k: v for k, v in payload.items() if k in known})
    wrong = _wrong(request)
    return f"the request {request.do!r} was ignored: {wrong}" if wrong else request


def _wrong(request: Request) -> str:
    if isinstance(request, Queue) and not isinstance(request.config, Mapping):
        return "config has to be an object"
    if isinstance(request, Hint) and not (isinstance(request.text, str) and request.text.strip()):
        return "it has no text"
    if isinstance(request, Propose) and not (
        isinstance(request.proposer, str) and request.proposer
    ):
        return "it names no proposer"
    if isinstance(request, Extend) and (
        isinstance(request.trials, bool)
        or not isinstance(request.trials, int)
        or isinstance(request.minutes, bool)
        or not isinstance(request.minutes, (int, float))
    ):
        return "trials has to be a whole number, minutes a number"
    return ""


class Inbox:
    """The study's end of `commands.jsonl`: what was asked since it last looked.

    How far it read is kept in `commands.done`, so that what was asked while no process was there is
    heard by the next one, and nothing is done twice.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / COMMANDS
        self._mark = folder / "commands.done"
        self._offset = 0
        try:
            self._offset = int(self._mark.read_text("utf8"))
        except (OSError, ValueError):
            pass
        try:
            if self._path.stat().st_size < self._offset:
                self._offset = 0
        except FileNotFoundError:
            self._offset = 0

    def read(self) -> list[Request | str]:
        """New requests, oldest first; strings say what was wrong with a line.

        Costs one `stat` when there is nothing new. Call `done` once they are dealt with.
        """
        try:
            if self._path.stat().st_size <= self._offset:
                return []
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [parse(line) for line in whole.splitlines() if line.strip()]

    def done(self) -> None:
        """Remember that everything read so far was dealt with."""
        write_atomically(self._mark, str(self._offset))
