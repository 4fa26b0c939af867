"""What is asked of the engine and what it answers: plain dataclasses that travel as JSON.

No llama.cpp, no numpy: whoever builds a request imports this and nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Union

from hyperllama.models.errors import EngineError

KV_TYPES = ("f16", "q8_0", "q4_0")
SIDE_BY_SIDE = 15
"""Completions of one prompt that are decoded at once."""


@dataclass(frozen=True)
class EngineSettings:
    """How a model is loaded.

    Attributes:
        context_length: tokens the context holds; 0 is the model's own, at most 8192.
        gpu_layers: "auto" (as many as fit), "none", "all", or a number of layers.
        threads: CPU threads; 0 leaves one core to the rest of the machine.
        batch: most tokens in one call of llama_decode, which cannot be cancelled midway.
        chunk: a prompt given as one text or as tokens is evaluated in pieces of so many tokens.
            The pieces are cut at the same places whatever the cache holds: rounding depends on how
            tokens are batched, and a reply must not depend on the cache. 0 is 64, and a whole batch
            for embedded models, whose prompts share little.
        flash_attention: None lets llama.cpp decide; for a chat model on a processor it is off then,
            where `kv_type` allows that.
        kv_type: precision of the cache: "f16", "q8_0" or "q4_0" (the latter need flash attention).
        repack: let llama.cpp rearrange weights for this CPU; faster. Switched off by itself after
            a native crash, see `ModelInfo.notes`.
        ignore_memory: load also where the memory estimate says that it does not fit.
        seed: of requests that name none.
    """

    context_length: int = 0
    gpu_layers: Union[str, int] = "auto"
    threads: int = 0
    batch: int = 512
    chunk: int = 0
    flash_attention: bool | None = None
    kv_type: str = "f16"
    repack: bool = True
    ignore_memory: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        layers = self.gpu_layers
        if layers not in ("auto", "none", "all") and not (
            isinstance(layers, int) and not isinstance(layers, bool) and layers >= 0
        ):
            raise EngineError(
                f"gpu_layers is {layers!r}", 'allowed: "auto", "none", "all" or a number from 0'
            )
        if self.kv_type not in KV_TYPES:
            raise EngineError(f"kv_type is {self.kv_type!r}", f"allowed: {', '.join(KV_TYPES)}")
        for name in ("context_length", "threads"):
            if getattr(self, name) < 0:
                raise EngineError(f"{name} is {getattr(self, name)}", "allowed: 0 or more")
        if self.batch < 16 or (self.chunk and not 2 <= self.chunk <= self.batch):
            raise EngineError(
                f"batch is {self.batch} and chunk {self.chunk}",
                "allowed: a batch from 16 tokens, a chunk from 2 tokens and at most a batch",
            )


@dataclass(frozen=True)
class ModelInfo:
    """A loaded model, as it really is.

    Attributes:
        name, architecture, quantisation: from the file.
        parameters: number of weights.
        path: absolute; size_mb: of the file.
        sha256: of the file, hexadecimal; empty while a large file is still being read, then
            `Engine.sha256` has it.
        context_length: tokens the context holds; trained_context: tokens it was trained on.
        layers, gpu_layers: how many there are, how many are on a GPU.
        threads, kv_type, flash_attention: as used.
        memory_mb: resident memory of the engine after loading.
        load_s: seconds it took.
        has_chat_template: the file brings its own; else a ChatML-like one is used.
        embedded_dialect: version of the compact language it speaks; 0 for any other model.
        vocabulary: number of tokens.
        backend: what the build of llama.cpp can do, in its own words.
        gpu_offload, mmap: whether the build can use a GPU, and map files.
        notes: what was changed to make it load; empty as a rule.
        metadata: general facts of the file (licence, author, ...), untrusted text.
    """

    name: str
    architecture: str
    quantisation: str
    parameters: int
    path: str
    size_mb: float
    sha256: str
    context_length: int
    trained_context: int
    layers: int
    gpu_layers: int
    threads: int
    kv_type: str
    flash_attention: str
    memory_mb: float
    load_s: float
    has_chat_template: bool
    embedded_dialect: int
    vocabulary: int
    backend: str
    gpu_offload: bool
    mmap: bool
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fixed:
    """Text that is put into the context in one batch and never sampled.

    Attributes:
        text: as it stands in the reply.
        special: read <|...|> in it as control tokens; only for text that we wrote ourselves.
    """

    text: str
    special: bool = False


@dataclass(frozen=True)
class Free:
    """Free text up to `max_tokens`, a stop string (left out) or the end of the reply."""

    name: str
    max_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    """A decimal number in [low, high], written with at most `digits` significant digits.

    Where the range is so narrow that these are too few, as many more as tell its values apart.
    """

    name: str
    low: float
    high: float
    integer: bool = False
    digits: int = 4
    belief: bool = False

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
class Choice:
    """One of `options`, verbatim."""

    name: str
    options: tuple[str, ...]
    belief: bool = False

    def __post_init__(self) -> None:
        if not self.options or "" in self.options or len(set(self.options)) != len(self.options):
            raise EngineError(
                f"{self.name}: its options are {list(self.options)!r}",
                "allowed: one or more different texts, none of them empty",
            )


@dataclass(frozen=True)
class Tokens:
    """Exactly one token, one of `allowed`; its value is the token's number."""

    name: str
    allowed: tuple[int, ...]
    belief: bool = False

    def __post_init__(self) -> None:
        if not self.allowed:
            raise EngineError(f"{self.name}: no token is allowed")


Segment = Union[Fixed, Free, Number, Choice, Tokens]
_SEGMENTS: dict[str, Any] = {c.__name__.lower(): c for c in (Fixed, Free, Number, Choice, Tokens)}

Belief = tuple[tuple[Any, float], ...]


@dataclass(frozen=True)
class Generation:
    """A prompt, and the programme of segments that is run after it.

    Attributes:
        prompt: text, tokens, or parts of text that are cached one by one: a prompt whose leading
            parts are those of the last one re-uses exactly these. Put what changes into parts of
            its own (a part for every trial, say).
        segments: in the order of the reply.
        temperature: 0 takes the likeliest, always the same.
        top_p, top_k: cut the tail of free text; 1 and 0 do not. Constrained values have no tail.
        seed: 0 or more, None for that of the settings; the draws of sample i depend on (seed, i).
        samples: independent completions of one prompt, decoded side by side; at most SIDE_BY_SIDE.
    """

    prompt: Union[str, Sequence[int], Sequence[str]]
    segments: Sequence[Segment]
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    samples: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= SIDE_BY_SIDE:
            raise EngineError(f"samples is {self.samples}", f"allowed: 1 to {SIDE_BY_SIDE}")
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
        beliefs: per segment that asked for it, pairs (value, probability) at temperature 1:
            options and tokens in the order they were given, adding up to 1; numbers as disjoint
            bins, each named by one value in it, likeliest first, adding up to at most 1.
        tokens: the reply's tokens.
        logprob: natural log of the probability of what was sampled, within its constraints.
        stop_reason: "done", "cancelled", or "context" when free text met the context's end.
    """

    values: Mapping[str, Any]
    text: str
    beliefs: Mapping[str, Belief] = field(default_factory=dict)
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
    prompt_tokens: int
    cached_tokens: int
    evaluated_tokens: int
    generated_tokens: int
    seconds: float
    prompt_s: float
    decode_s: float
    tokens_per_s: float
    context_used: int
    context_length: int

    @property
    def values(self) -> Mapping[str, Any]:
        return self.completions[0].values

    @property
    def text(self) -> str:
        return self.completions[0].text

    @property
    def beliefs(self) -> Mapping[str, Belief]:
        return self.completions[0].beliefs

    @property
    def stop_reason(self) -> str:
        return self.completions[0].stop_reason


# -- to and from JSON --------------------------------------------------------------------------


def request_to_wire(request: Generation) -> dict[str, Any]:
    """A JSON-able form of a request."""
    wire = {f.name: getattr(request, f.name) for f in fields(request) if f.name != "segments"}
    if not isinstance(request.prompt, str):
        wire["prompt"] = list(request.prompt)
    wire["segments"] = [{"kind": type(s).__name__.lower(), **vars(s)} for s in request.segments]
    return wire


def request_from_wire(wire: Mapping[str, Any]) -> Generation:
    """The request that `request_to_wire` wrote."""
    segments = []
    for item in wire["segments"]:
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in item.items() if k != "kind"}
        segments.append(_SEGMENTS[item["kind"]](**given))
    return Generation(**{**wire, "segments": tuple(segments)})


def generated_to_wire(result: Generated) -> dict[str, Any]:
    """A JSON-able form of a result: beliefs as two columns, probabilities to seven places."""
    wire = dict(vars(result))
    wire["completions"] = [
        {
            **vars(c),
            "beliefs": {
                name: ([v for v, _ in pairs], [round(p, 7) for _, p in pairs])
                for name, pairs in c.beliefs.items()
            },
        }
        for c in result.completions
    ]
    return wire


def generated_from_wire(wire: Mapping[str, Any]) -> Generated:
    """The result that `generated_to_wire` wrote."""
    completions = tuple(
        Completion(
            **{
                **c,
                "tokens": tuple(c["tokens"]),
                "beliefs": {n: tuple(zip(*pair, strict=True)) for n, pair in c["beliefs"].items()},
            }
        )
        for c in wire["completions"]
    )
    return Generated(**{**wire, "completions": completions})
