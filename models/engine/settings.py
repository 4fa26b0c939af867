"""How a model is loaded, and what a loaded one is. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

from hyperllama.models.errors import EngineError

KV_TYPES = ("f16", "q8_0", "q4_0")


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
            tokens are batched, and a reply must not depend on the cache. 0 is 64, and 32 for
            embedded models.
        flash_attention: None lets llama.cpp decide; on a processor it is off then, where `kv_type`
            allows that.
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
        embedded_dialect: version of its compact language; 0 for any other model.
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
