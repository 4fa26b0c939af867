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
from typing import Any, ClassVar, Union, get_args

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.folder import COMMANDS, write_atomically


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
class QueueTrial:
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
class SwitchProposer:
    """Let another proposer, another model, or both make the proposals from now on.

    Empty fields stay as they are; `model` is a name or path of a GGUF file.
    """

    do: ClassVar[str] = "switch"
    proposer: str = ""
    model: str = ""


@dataclass(frozen=True)
class Review:
    """Let every proposal wait for approval (`on`), or no longer."""

    do: ClassVar[str] = "review"
    on: bool = True


@dataclass(frozen=True)
class Approve:
    """Evaluate the proposal that waits for trial `number`; with `config`, changed to that."""

    do: ClassVar[str] = "approve"
    number: int = -1
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """Reject the proposal that waits for trial `number`; the model is told the reason.

    Without a reason it is only asked for another one.
    """

    do: ClassVar[str] = "reject"
    number: int = -1
    reason: str = ""


@dataclass(frozen=True)
class Freeze:
    """Hold a hyperparameter at a value from now on; earlier trials stay."""

    do: ClassVar[str] = "freeze"
    name: str = ""
    value: Any = None


@dataclass(frozen=True)
class Range:
    """Narrow or widen a hyperparameter's range from now on: bounds, or some of its choices."""

    do: ClassVar[str] = "range"
    name: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ResetRange:
    """Give a hyperparameter the task's own range again."""

    do: ClassVar[str] = "reset"
    name: str = ""


@dataclass(frozen=True)
class Undo:
    """Take back the last change that can be taken back."""

    do: ClassVar[str] = "undo"


@dataclass(frozen=True)
class Rerun:
    """Evaluate a trial's configuration again, on other folds and with other seeds.

    The scores stand beside the trial and are no trials of the search. `number` -1: the incumbent.
    """

    do: ClassVar[str] = "rerun"
    number: int = -1
    times: int = 3


@dataclass(frozen=True)
class Note:
    """A person's note on a trial; an empty one takes it away."""

    do: ClassVar[str] = "note"
    number: int = -1
    text: str = ""


@dataclass(frozen=True)
class AskQuestion:
    """Ask the model something about the study."""

    do: ClassVar[str] = "ask"
    text: str = ""


@dataclass(frozen=True)
class StopAnswer:
    """End the answer that is being given."""

    do: ClassVar[str] = "stop_answer"


Request = Union[
    Pause, Resume, Step, Stop, StopNow, QueueTrial, Hint, Extend, SwitchProposer, Review, Approve,
    Reject, Freeze, Range, ResetRange, Undo, Rerun, Note, AskQuestion, StopAnswer,
]  # fmt: skip
# What stays wanted when it was asked for while no study process was there to hear it.
LASTING = (
    QueueTrial, Hint, Extend, SwitchProposer, Review, Freeze, Range, ResetRange, Rerun, Note,
    AskQuestion,
)  # fmt: skip
_KINDS: dict[str, type[Any]] = {kind.do: kind for kind in get_args(Request)}
_FORMER = {
    "accept": "approve", "release": "reset", "talk": "ask", "hush": "stop_answer",
    "propose": "switch",
}  # fmt: skip
"""What version 0.1.0 wrote; such requests may still wait for a study's next process."""
MOST_RERUNS = 20


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


def asked_bytes(folder: Path) -> int:
    """How long a study's `commands.jsonl` is; 0 where there is none."""
    try:
        return (folder / COMMANDS).stat().st_size
    except OSError:
        return 0


def parse(line: bytes) -> Request | str:
    """The request of one line, or one sentence saying what is wrong with it."""
    try:
        payload = json.loads(line)
    except ValueError:
        return "a request that is no JSON was ignored"
    if not isinstance(payload, dict):
        return "a request that is no JSON object was ignored"
    name = str(payload.get("do"))
    kind = _KINDS.get(_FORMER.get(name, name))
    if kind is None:
        return f"unknown request {payload.get('do')!r}; known: {', '.join(_KINDS)}"
    known = {f.name for f in fields(kind)}
    request: Request = kind(**{k: v for k, v in payload.items() if k in known})
    wrong = _wrong(request)
    return f"the request {request.do!r} was ignored: {wrong}" if wrong else request


def _wrong(request: Request) -> str:
    if isinstance(request, (QueueTrial, Approve)) and not isinstance(request.config, Mapping):
        return "config has to be an object"
    if isinstance(request, (Hint, AskQuestion)) and not (
        isinstance(request.text, str) and request.text.strip()
    ):
        return "it has no text"
    if isinstance(request, (Note, Reject)):
        text = request.text if isinstance(request, Note) else request.reason
        if not isinstance(text, str):
            return "it has no text"
    if isinstance(request, SwitchProposer):
        names = (request.proposer, request.model)
        if not all(isinstance(n, str) for n in names) or not any(names):
            return "it names neither a proposer nor a model"
    if isinstance(request, (Approve, Reject, Rerun, Note)) and not _whole(request.number):
        return "number has to be that of a trial"
    if isinstance(request, Rerun) and not (
        _whole(request.times) and 1 <= request.times <= MOST_RERUNS
    ):
        return f"times has to be 1 to {MOST_RERUNS}"
    if isinstance(request, Extend) and not (_whole(request.trials) and _real(request.minutes)):
        return "trials has to be a whole number, minutes a number"
    if isinstance(request, Range) and not (
        all(bound is None or _real(bound) for bound in (request.low, request.high))
        and isinstance(request.choices, (list, tuple))
    ):
        return "low and high have to be numbers, choices a list"
    return ""


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Inbox:
    """The study's end of `commands.jsonl`: what was asked since it last looked.

    How far it read is kept in `commands.done`, so that what was asked while no process was there is
    heard by the next one, and nothing is done twice.

    Args:
        nobody_until: length of the file when nobody worked on the study yet, in bytes; what stands
            after that was asked of this process. Default: the length it has now.
    """

    def __init__(self, folder: Path, nobody_until: int | None = None) -> None:
        self._path = folder / COMMANDS
        self._nobody_until = asked_bytes(folder) if nobody_until is None else nobody_until
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

    def read_left(self) -> list[Request | str]:
        """As `read`, but only what was asked while nobody worked on the study."""
        return self.read(max(0, self._nobody_until - self._offset))

    def read(self, most_bytes: int = -1) -> list[Request | str]:
        """New requests, oldest first; strings say what was wrong with a line.

        Costs one `stat` when there is nothing new. Call `done` once they are dealt with.
        """
        try:
            if self._path.stat().st_size <= self._offset:
                return []
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(most_bytes)
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [parse(line) for line in whole.splitlines() if line.strip()]

    def done(self) -> None:
        """Remember that everything read so far was dealt with."""
        write_atomically(self._mark, str(self._offset))
