"""What is generated: a prompt and segments; and what comes of it. Loads nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from hyperllama.models.errors import EngineError

MAX_SAMPLES = 15
"""Completions of one prompt that are decoded at once."""


@dataclass(frozen=True)
class Fixed:
    """Text that is put into the context in one batch and never sampled.

    Attributes:
        text: as it stands in the reply.
        special: read <|...|> in it as control tokens; only for text that we wrote ourselves.
    """

    text: str
    special: bool = False
    kind: Literal["Fixed"] = "Fixed"


@dataclass(frozen=True)
class Free:
    """Free text up to `max_tokens`, a stop string (left out) or the end of the reply.

    It also ends where it repeats itself (the repetition is left out), and at a mark of the layout
    for files without a template.
    """

    name: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    kind: Literal["Free"] = "Free"


@dataclass(frozen=True)
class Number:
    """A decimal number in [low, high], one text each.

    Attributes:
        digits: into which the range's width is divided, 3 are hundredths to thousandths of it; or
            significant ones of numbers far smaller than the range.
        log: the range's scale is logarithmic: every decade counts the same before the model is
            asked. On a linear one it is every equal part.
    """

    name: str
    low: float
    high: float
    integer: bool = False
    digits: int = 4
    log: bool = False
    belief: bool = False
    kind: Literal["Number"] = "Number"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise EngineError(f"{self.name}: no numbers lie between {self.low!r} and {self.high!r}")
        if self.integer and math.ceil(self.low) > math.floor(self.high):
            raise EngineError(
                f"{self.name}: no whole number lies between {self.low!r} and {self.high!r}"
            )
        if not 1 <= self.digits <= 17:
            raise EngineError(f"{self.name}: digits is {self.digits}", "allowed: 1 to 17")


@dataclass(frozen=True)
class OneOf:
    """One of `options`, verbatim."""

    name: str
    options: tuple[str, ...]
    belief: bool = False
    kind: Literal["OneOf"] = "OneOf"

    def __post_init__(self) -> None:
        if not self.options or "" in self.options or len(set(self.options)) != len(self.options):
            raise EngineError(
                f"{self.name}: its options are {list(self.options)!r}",
                "allowed: one or more different texts, none of them empty",
            )


@dataclass(frozen=True)
class Tokens:
    """Exactly one token, one of `allowed`; its value is the token's number.

    Attributes:
        belief: tell the probabilities of all `allowed`, of the first completion alone: there may be
            hundreds of values a reply, and telling them takes as long as decoding.
    """

    name: str
    allowed: tuple[int, ...]
    belief: bool = False
    kind: Literal["Tokens"] = "Tokens"

    def __post_init__(self) -> None:
        if not self.allowed:
            raise EngineError(f"{self.name}: no token is allowed")


Segment = Union[Fixed, Free, Number, OneOf, Tokens]
Prompt = Union[str, Sequence[int], Sequence[str]]


@dataclass(frozen=True)
class SegmentBelief(Sequence[tuple[Any, float]]):
    """Pairs (value, probability), kept as two columns, which are quicker to send."""

    values: tuple[Any, ...]
    probabilities: tuple[float, ...]

    def __getitem__(self, i: Any) -> Any:
        return tuple(zip(self.values, self.probabilities, strict=True))[i]

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        return zip(self.values, self.probabilities, strict=True)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Generation:
    """A prompt, and the programme of segments that is run after it.

    Attributes:
        prompt: text, tokens, or parts of text that are cached one by one: a prompt whose leading
            parts are those of the last one re-uses exactly these. Put what changes into parts of
            its own (a part for every trial, say).
        segments: in the order of the reply.
        temperature: 0 takes the likeliest, always the same.
        top_p: cuts the tail of free text; 1 does not. Constrained values have no tail.
        seed: 0 or more, None for that of the settings; the draws of sample i depend on (seed, i).
        samples: independent completions of one prompt, decoded side by side; at most MAX_SAMPLES.
        aside: file to which the prompt in the cache goes meanwhile; it is back after the reply. So
            a question costs the proposals none of their cache; questions have one of their own,
            kept in a file beside it. Empty: this request takes the cache.
    """

    prompt: Prompt
    segments: Sequence[Segment]
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    samples: int = 1
    aside: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= MAX_SAMPLES:
            raise EngineError(f"samples is {self.samples}", f"allowed: 1 to {MAX_SAMPLES}")
        if not self.temperature >= 0 or not 0 < self.top_p <= 1:
            raise EngineError(
                f"temperature is {self.temperature}, top_p {self.top_p}",
                "allowed: a temperature from 0, top_p above 0 and at most 1",
            )
        names = [s.name for s in self.segments if not isinstance(s, Fixed)]
        if len(set(names)) != len(names):
            raise EngineError(f"a name stands twice among the segments: {names}")


@dataclass(frozen=True)
class Completion:
    """One completion of a programme.

    Attributes:
        values: per named segment: text, float or int, option, token number.
        text: the whole reply.
        beliefs: per segment that asked for it, pairs (value, probability) of the distribution that
            is drawn from (at temperature 0, of that at 1), adding up to 1: options and tokens in
            the order they were given; numbers rising, one by one or, where there are more than 64,
            in 64 equal parts of the range's scale, each named by a number in its middle.
        tokens: the reply's tokens.
        logprob: natural log of the probability of what was sampled, within its constraints.
        stop_reason: "done", "cancelled", or how free text was cut: "context" (it met the context's
            end), "loop" (it repeated itself), "length" (the reply ends with it, and its tokens were
            used up).
    """

    values: Mapping[str, Any]
    text: str
    beliefs: Mapping[str, SegmentBelief] = field(default_factory=dict)
    tokens: tuple[int, ...] = ()
    logprob: float = 0.0
    stop_reason: str = "done"


@dataclass(frozen=True)
class Generated:
    """What `Engine.generate` returns; the first completion's fields stand in it directly.

    Attributes:
        completions: one per sample.
        prompt_tokens: length of the prompt; cached_tokens: those of it found in the cache.
        evaluated_tokens: tokens run through the network, of prompt and reply.
        generated_tokens: tokens of all replies, sampled and fixed.
        seconds: wall time in the engine; prompt_s, decode_s: inside llama_decode.
        tokens_per_s: reply tokens per second after the prompt.
        context_used, context_length: tokens.
    """

    completions: tuple[Completion, ...]
    prompt_tokens: int = 0
    cached_tokens: int = 0
    evaluated_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0
    prompt_s: float = 0.0
    decode_s: float = 0.0
    tokens_per_s: float = 0.0
    context_used: int = 0
    context_length: int = 0

    @property
    def values(self) -> Mapping[str, Any]:
        return self.completions[0].values

    @property
    def text(self) -> str:
        return self.completions[0].text

    @property
    def beliefs(self) -> Mapping[str, SegmentBelief]:
        return self.completions[0].beliefs

    @property
    def stop_reason(self) -> str:
        return self.completions[0].stop_reason
