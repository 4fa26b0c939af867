"""What the engine is asked: one class per request, each of them one JSON line.

An answer has the type that stands in its request's brackets. The asking process checks answers and
events with pydantic. The engine reads requests without it: they come from a process of ours, and
importing pydantic takes half as long as everything else between the engine's start and its answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args

from hyperllama.models.engine.generation import Generated, Generation, Segment
from hyperllama.models.engine.settings import EngineSettings, ModelInfo
from hyperllama.models.errors import EngineError

Answer = TypeVar("Answer")


class EngineRequest(Generic[Answer]):
    """A request to the engine; it is written as its class's name and its fields."""


@dataclass(frozen=True)
class Load(EngineRequest[ModelInfo]):
    """Load a model; `notes` become part of its `ModelInfo`."""

    path: str
    settings: EngineSettings
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Sha256(EngineRequest[str]):
    """The hash of the loaded file, hexadecimal."""


@dataclass(frozen=True)
class Tokenize(EngineRequest[list[int]]):
    """The tokens of a text."""

    text: str
    special: bool


@dataclass(frozen=True)
class Detokenize(EngineRequest[str]):
    """The text of tokens."""

    ids: Sequence[int]


@dataclass(frozen=True)
class CountTokens(EngineRequest[list[int]]):
    """How many tokens each text has."""

    texts: Sequence[str]


@dataclass(frozen=True)
class RenderChat(EngineRequest[str]):
    """The text of a conversation in the model's own layout."""

    messages: Sequence[Mapping[str, str]]
    add_generation_prompt: bool
    variables: Mapping[str, Any]


@dataclass(frozen=True)
class Generate(EngineRequest[Generated]):
    """Run a programme of segments after a prompt."""

    generation: Generation


@dataclass(frozen=True)
class ReadAhead(EngineRequest[None]):
    """Begin to read what the next prompt will begin with; answered at once.

    Attributes:
        later: what the prompts in some turns will begin with; turns: in how many, this one
            included. A share of it is read before the next reply, the more the longer that takes.
        aside: file to which the prompt that is not in the context goes; without one, `later` is
            not read.
    """

    parts: Sequence[str]
    later: Sequence[str] = ()
    turns: int = 0
    aside: str = ""


@dataclass(frozen=True)
class FinishReading(EngineRequest[int]):
    """Wait until what is read ahead is read; how many tokens that were."""


@dataclass(frozen=True)
class SaveCache(EngineRequest[int]):
    """Write the prompt that is in the cache to a file; how many tokens that are."""

    path: str
    max_bytes: int


@dataclass(frozen=True)
class RestoreCache(EngineRequest[int]):
    """Read a file of `SaveCache`; how many tokens need not be evaluated."""

    path: str


@dataclass(frozen=True)
class EngineEvent:
    """What the engine reports while it works: weights read (0 to 1), tokens of the prompt read,
    text, or that it is alive."""

    event: Literal["progress", "reading", "text", "alive"]
    share: float = 0.0
    text: str = ""
    tokens: int = 0
    of_tokens: int = 0


_REQUESTS = {c.__name__: c for c in EngineRequest.__subclasses__()}
_SEGMENTS: dict[str, Callable[..., Segment]] = {c.__name__: c for c in get_args(Segment)}


def request_of(message: Mapping[str, Any]) -> EngineRequest[Any]:
    """The request that a message holds, in the engine's process."""
    fields = {name: value for name, value in message.items() if name not in ("id", "do")}
    if "settings" in fields:
        fields["settings"] = EngineSettings(**fields["settings"])
    if "generation" in fields:
        segments = tuple(
            _SEGMENTS[s["kind"]](
                **{k: tuple(v) if isinstance(v, list) else v for k, v in s.items()}
            )
            for s in fields["generation"]["segments"]
        )
        fields["generation"] = Generation(**{**fields["generation"], "segments": segments})
    return _REQUESTS[message["do"]](**fields)


def answer_of(request: EngineRequest[Answer], message: Mapping[str, Any]) -> Answer:
    """The answer that a message holds.

    Raises:
        EngineError: it is not of the request's type.
    """
    bases: Any = type(request).__orig_bases__  # type: ignore[attr-defined]
    answer: Answer = _reader(get_args(bases[0])[0])(message["done"])
    return answer


def event_of(message: Mapping[str, Any]) -> EngineEvent:
    """The event that a message holds; raises like `answer_of`."""
    event: EngineEvent = _reader(EngineEvent)(message)
    return event


@functools.cache
def _reader(kind: Any) -> Callable[[object], Any]:
    from pydantic import TypeAdapter, ValidationError

    validate = TypeAdapter(kind).validate_python

    def read(value: object) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            name = getattr(kind, "__name__", kind)
            raise EngineError(f"the engine sent something that is no {name}") from error

    return read
