"""What a GGUF file is, by its header. Loads nothing."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperllama.models.errors import ModelFileError
from hyperllama.models.gguf.folders import PART
from hyperllama.models.gguf.hashes import file_sha256
from hyperllama.models.gguf.header import BLOCKS, Elements, Header, Tensor, read_header

_NOT_GENERATING = {
    "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert",
    "neo-bert", "eurobert", "t5encoder", "gemma-embedding", "llama-embed", "wavtokenizer-dec",
}  # fmt: skip
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4",
}  # fmt: skip


@dataclass(frozen=True)
class ModelFile:
    """What the header of a GGUF file holds. Texts are untrusted.

    Attributes:
        path: as found; size_bytes: of all parts of a split model.
        name: the file's own name for itself, else its stem.
        parameters: number of weights.
        quantisation: "Q4_K_M", "F16", ...
        trained_context: tokens; 0 where unknown.
        layers, vocabulary: counts; 0 where unknown.
        chat_template: the Jinja source; empty where there is none.
        dialect_version: version of the embedded models' compact language; 0 for any other model.
        problem: why it cannot be used for generating, in one line; empty if it can.
        metadata: short general facts (author, licence, description, ...).
        kv_values: numbers kept in the cache for each token.
        tokenizer: the kind of it ("gpt2", "llama", ...), as llama.cpp calls it.
    """

    path: Path
    name: str
    architecture: str
    parameters: int
    quantisation: str
    size_bytes: int
    trained_context: int = 0
    layers: int = 0
    vocabulary: int = 0
    width: int = 0
    chat_template: str = ""
    dialect_version: int = 0
    problem: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    kv_values: int = 0
    tokenizer: str = ""

    @property
    def is_embedded_dialect(self) -> bool:
        return self.dialect_version > 0

    @property
    def has_chat_template(self) -> bool:
        return bool(self.chat_template)

    @property
    def size_mb(self) -> float:
        return self.size_bytes / 2**20

    def sha256(self) -> str:
        """Hash of the file, see `file_sha256`."""
        return file_sha256(self.path)


def read_metadata(path: str | Path) -> ModelFile:
    """What the file at `path` is; milliseconds, and remembered while the file does not change.

    A model that is whole but cannot generate (vocabulary only, embedding model, adapter, ...) is
    returned with its `problem` set.

    Raises:
        ModelFileError: no file, not readable, not GGUF, cut short, or damaged.
    """
    path = Path(path).expanduser()
    try:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
    except OSError:
        stamp = (0, 0)  # the reader says what is wrong
    return _read(path, stamp)


@functools.lru_cache(maxsize=512)
def _read(path: Path, stamp: tuple[int, int]) -> ModelFile:
    header = read_header(path)
    tensors, size = list(header.tensors), header.file_bytes
    for part in _other_parts(path, header):
        other = read_header(part)
        tensors += other.tensors
        size += other.file_bytes
    meta = header.metadata
    arch = _text(meta, "general.architecture")
    layers = _count(meta, f"{arch}.block_count")
    vocabulary = _length(meta.get("tokenizer.ggml.tokens")) or _count(meta, f"{arch}.vocab_size")
    facts = {
        key.removeprefix("general."): str(value)[:500]
        for key, value in meta.items()
        if key.startswith(("general.", "hyperllama.")) and isinstance(value, (str, int, float))
    }
    return ModelFile(
        path=path,
        name=_text(meta, "general.name") or path.stem,
        architecture=arch,
        parameters=sum(t.weights for t in tensors),
        quantisation=_quantisation(meta, tensors),
        size_bytes=size,
        trained_context=_count(meta, f"{arch}.context_length"),
        layers=layers,
        vocabulary=vocabulary,
        width=_count(meta, f"{arch}.embedding_length"),
        chat_template=_text(meta, "tokenizer.chat_template"),
        dialect_version=_count(meta, "hyperllama.dialect_version"),
        problem=_problem(meta, arch, tensors),
        metadata=facts,
        kv_values=_kv_values(meta, arch, layers),
        tokenizer=_text(meta, "tokenizer.ggml.model"),
    )


def check_model(path: str | Path) -> ModelFile:
    """Like `read_metadata`, for a file that is to be loaded.

    Raises:
        ModelFileError: also for a whole file that cannot generate.
    """
    model = read_metadata(path)
    if model.problem:
        raise ModelFileError(f"{model.path}: {model.problem}", "choose a language model's file")
    return model


def _problem(meta: Mapping[str, Any], arch: str, tensors: Sequence[Tensor]) -> str:
    kind = _text(meta, "general.type")
    if not arch:
        return "it does not name its architecture"
    if kind == "adapter":
        return "it is an adapter (LoRA), no model"
    if arch == "clip" or kind == "mmproj":
        return "it is the picture part of another model"
    if not tensors:
        return "it holds a vocabulary but no weights"
    if arch in _NOT_GENERATING:
        return f"a model of architecture {arch} cannot generate text"
    if not _length(meta.get("tokenizer.ggml.tokens")):
        return "it has no vocabulary"
    if not _count(meta, f"{arch}.block_count") or not _count(meta, f"{arch}.embedding_length"):
        return "it does not say how large the network is"
    return ""


def _other_parts(path: Path, header: Header) -> list[Path]:
    count = _count(header.metadata, "split.count")
    part = PART.search(path.name)
    if count <= 1:
        return []
    if part is None or part[1] != "00001" or int(part[2]) != count:
        raise ModelFileError(
            f"{path}: it is one of {count} parts", "name the first part, ...-00001-of-..."
        )
    stem = path.name[: part.start()]
    parts = [path.with_name(f"{stem}-{i:05d}-of-{part[2]}.gguf") for i in range(2, count + 1)]
    missing = [p.name for p in parts if not p.is_file()]
    if missing:
        raise ModelFileError(f"{path}: {len(missing)} parts are missing", f"e.g. {missing[0]}")
    return parts


def _kv_values(meta: Mapping[str, Any], arch: str, layers: int) -> int:
    width = _count(meta, f"{arch}.embedding_length")
    heads = meta.get(f"{arch}.attention.head_count")
    kv_heads = meta.get(f"{arch}.attention.head_count_kv", heads)
    most = max(_ints(heads), default=0)
    if not most or layers > 4096:
        return 0
    size = _count(meta, f"{arch}.attention.key_length") or width // most
    size += _count(meta, f"{arch}.attention.value_length") or width // most
    per_layer = _ints(kv_heads)
    return size * (sum(per_layer) if len(per_layer) > 1 else layers * max(per_layer, default=0))


def _quantisation(meta: Mapping[str, Any], tensors: Sequence[Tensor]) -> str:
    kind = meta.get("general.file_type")
    if isinstance(kind, int) and kind in _FILE_TYPES:
        return _FILE_TYPES[kind]
    share: Counter[int] = Counter()
    for t in tensors:
        share[t.kind] += t.weights
    return BLOCKS.get(share.most_common(1)[0][0], ("?", 1, 1))[0] if share else ""


def _text(meta: Mapping[str, Any], key: str) -> str:
    value = meta.get(key)
    return value if isinstance(value, str) else ""


def _ints(value: object) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [v for v in values if type(v) is int and 0 <= v < 1 << 31]


def _count(meta: Mapping[str, Any], key: str) -> int:
    return max(_ints(meta.get(key)), default=0)


def _length(value: object) -> int:
    return (
        value.count if isinstance(value, Elements) else len(value) if isinstance(value, list) else 0
    )
