"""What a person may ask of a study process: one request a line, appended to `commands.jsonl`.

A line is a JSON object whose "do" names the request: `{"do": "pause"}`, `{"do": "hint", "text":
"keep max_depth low"}`. The study process reads what is new and answers through its events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union, get_args

from hyperllama.core.events.codec import decode, encode, wire_name


@dataclass(frozen=True)
class Pause:
    """Rest once the running trial is over."""



@dataclass(frozen=True)
class Resume:
    """Go on after a pause."""



@dataclass(frozen=True)
class Step:
    """Run one trial, then rest."""



@dataclass(frozen=True)
class Stop:
    """End the study once the running trial is over; it can be resumed."""



@dataclass(frozen=True)
class StopNow:
    """End the study within two seconds; the running trial is begun again on resume."""



@dataclass(frozen=True)
class QueueTrial:
    """Evaluate this configuration next. Hyperparameters not named stay at the default's value."""

    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class QueueProgram:
    """Evaluate this program next, with these values of its numbers; see docs/programs.md."""

    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GiveProgram:
    """Give the program of trial `number` so many more evaluations next; 0: no further ones."""

    number: int = -1
    more: int = 0


@dataclass(frozen=True)
class Hint:
    """Tell the model something in plain words."""

    text: str = ""


@dataclass(frozen=True)
class Extend:
    """Add to the budget: so many trials, so many minutes. Negative numbers take away."""

    trials: int = 0
    minutes: float = 0.0


@dataclass(frozen=True)
class ChangeJobs:
    """Train so many trials side by side from the next one on."""

    jobs: int = 1


@dataclass(frozen=True)
class SwitchProposer:
    """Let another proposer, another model, or both make the proposals from now on.

    Empty fields stay as they are; `model` is a name or path of a GGUF file.
    """

    proposer: str = ""
    model: str = ""


@dataclass(frozen=True)
class Review:
    """Let every proposal wait for approval (`on`), or no longer."""

    on: bool = True


@dataclass(frozen=True)
class Approve:
    """Evaluate the proposal that waits for trial `number`; with `config`, changed to that."""

    number: int = -1
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """Reject the proposal that waits for trial `number`; the model is told the reason.

    Without a reason it is only asked for another one.
    """

    number: int = -1
    reason: str = ""


@dataclass(frozen=True)
class Freeze:
    """Hold a hyperparameter at a value from now on; earlier trials stay."""

    name: str = ""
    value: Any = None


@dataclass(frozen=True)
class Range:
    """Narrow or widen a hyperparameter's range from now on: bounds, or some of its choices."""

    name: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ResetRange:
    """Give a hyperparameter the task's own range again."""

    name: str = ""


@dataclass(frozen=True)
class Undo:
    """Take back the last change that can be taken back."""



@dataclass(frozen=True)
class Rerun:
    """Evaluate a trial's configuration again, on other folds and with other seeds.

    The scores stand beside the trial and are no trials of the search. `number` -1: the incumbent.
    """

    number: int = -1
    times: int = 3


@dataclass(frozen=True)
class Confirm:
    """Compare the default and the best trials on fresh folds now, whatever was compared before."""


@dataclass(frozen=True)
class Note:
    """A person's note on a trial; an empty one takes it away."""

    number: int = -1
    text: str = ""


@dataclass(frozen=True)
class AskQuestion:
    """Ask the model something about the study."""

    text: str = ""


@dataclass(frozen=True)
class StopAnswer:
    """End the answer that is being given."""


Request = Union[
    Pause, Resume, Step, Stop, StopNow, QueueTrial, QueueProgram, GiveProgram, Hint, Extend,
    ChangeJobs, SwitchProposer,
    Review, Approve, Reject, Freeze, Range, ResetRange, Undo, Rerun, Confirm, Note, AskQuestion,
    StopAnswer,
]  # fmt: skip
LASTING = (
    QueueTrial, QueueProgram, GiveProgram, Hint, Extend, ChangeJobs, SwitchProposer, Review,
    Freeze, Range, ResetRange, Rerun, Confirm, Note, AskQuestion,
)  # fmt: skip
"""Requests that still hold for the next study process when none was running to read them."""
MOST_RERUNS = 20
MOST_GIVEN = 200
MOST_JOBS = 256
_KINDS: dict[str, type[Any]] = {wire_name(kind): kind for kind in get_args(Request)}
_FORMER = {  # what version 0.1.0 wrote; such requests may still wait for a study's next process
    "queue": QueueTrial, "propose": SwitchProposer, "accept": Approve, "release": ResetRange,
    "talk": AskQuestion, "hush": StopAnswer,
}  # fmt: skip


def request_to_json(request: Request, t: float) -> str:
    """One line, without the newline."""
    payload = {"do": wire_name(type(request)), "t": round(t, 3), **encode(request)}
    return json.dumps(payload, ensure_ascii=False)


def parse(line: bytes) -> Request | str:
    """The request of one line, or one sentence saying what is wrong with it."""
    try:
        payload = json.loads(line)
        name = str(payload.get("do"))
    except (ValueError, AttributeError):
        return "a request that is no JSON object was ignored"
    kind = _KINDS.get(name) or _FORMER.get(name)
    if kind is None:
        return f"unknown request {name!r}; known: {', '.join(_KINDS)}"
    try:
        request: Request = decode(kind, payload)
        problem = _problem(request)
    except ValueError as error:
        problem = str(error)
    return f"the request {name!r} was ignored: {problem}" if problem else request


def _problem(request: Request) -> str:
    """What is wrong with a request beyond the types of its fields; empty for nothing."""
    if isinstance(request, (QueueProgram, Hint, AskQuestion)) and not request.text.strip():
        return "it has no text"
    if request == SwitchProposer():
        return "it names neither a proposer nor a model"
    if isinstance(request, Rerun) and not 1 <= request.times <= MOST_RERUNS:
        return f"times has to be 1 to {MOST_RERUNS}"
    if isinstance(request, ChangeJobs) and not 1 <= request.jobs <= MOST_JOBS:
        return f"jobs has to be 1 to {MOST_JOBS}"
    if isinstance(request, GiveProgram) and not 0 <= request.more <= MOST_GIVEN:
        return f"more has to be 0 to {MOST_GIVEN}"
    return ""
