"""Reads the header of a GGUF file without trusting it.

Every count, length and offset is checked against the file's size before it is used. No llama.cpp,
no numpy, no memory mapping (a mapped file that is cut short meanwhile would kill the process).

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hyperllama.models.errors import ModelFileError
from hyperllama.models.files import open_regular

MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 20
MAX_NAME_BYTES = 1 << 16
KEPT_ELEMENTS = 256
"""Longer arrays are walked and counted, not kept."""

_AGAIN = "copy or download the file again"
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9

BLOCKS: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4),
    27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}  # fmt: skip
"""Tensor types: name, weights per block, bytes per block (ggml.c, `type_traits`)."""
REMOVED = {4, 5, 31, 32, 33, 36, 37, 38}


@dataclass(frozen=True)
class Elements:
    """An array that was walked but not kept."""

    count: int


@dataclass(frozen=True)
class Tensor:
    """One tensor; `size_bytes` is 0 for a type that is newer than this table."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int
    size_bytes: int

    @property
    def weights(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What stands before the weights: metadata by key, tensors, where the weights begin."""

    version: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    data_start: int
    file_bytes: int


def read_header(path: Path) -> Header:
    """The header of the file at `path`.

    Raises:
        ModelFileError: no file, not readable, not GGUF, cut short, or damaged.
    """
    try:
        with open_regular(path, ModelFileError, buffering=1 << 20) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise ModelFileError(f"{path} is empty", _AGAIN)
            return _Reader(path, file, size).header()
    except FileNotFoundError:
        raise ModelFileError(
            f"{path} does not exist", "`hyperllama models` lists what there is"
        ) from None
    except PermissionError:
        raise ModelFileError(f"{path} may not be read", "check its permissions") from None
    except OSError as e:
        raise ModelFileError(f"{path} cannot be read: {e.strerror or e}", _AGAIN) from e


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size

    def fail(self, what: str, hint: str = _AGAIN) -> ModelFileError:
        return ModelFileError(f"{self.path}: {what}", hint)

    def left(self) -> int:
        return self.size - self.file.tell()

    def take(self, count: int, what: str) -> bytes:
        data = self.file.read(count) if count <= self.left() else b""
        if len(data) < count:
            raise self.fail(f"the file ends inside {what}")
        return data

    def number(self, code: str, what: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code), what))[0]

    def text(self, what: str, longest: int) -> str:
        length = self.number("Q", what)
        if length > min(longest, self.left()):
            raise self.fail(f"{what} claims {length} bytes")
        return self.take(length, what).decode("utf-8", "replace")

    def skip_texts(self, count: int, what: str) -> None:
        """Walk `count` strings; written for speed, vocabularies have 150,000 of them."""
        while count:
            start, chunk = self.file.tell(), self.file.read(1 << 20)
            at, last = 0, len(chunk) - 8
            while at <= last and count:
                length = int.from_bytes(chunk[at : at + 8], "little")
                at += 8 + length
                count -= 1
            if at == 0:
                raise self.fail(f"the file ends inside {what}")
            if start + at > self.size:
                raise self.fail(f"{what} claims {length} bytes")
            self.file.seek(start + at)

    def value(self, key: str) -> Any:
        what = f"the value of {key!r}"
        kind = self.number("I", what)
        if kind == _STRING:
            return self.text(what, self.size)
        if kind in _SCALARS:
            return self.number(_SCALARS[kind], what)
        if kind != _ARRAY:
            raise self.fail(f"{what} has the unknown type {kind}")
        kind, count = self.number("I", what), self.number("Q", what)
        if kind == _STRING:
            if count * 8 > self.left():
                raise self.fail(f"{what} claims {count} elements")
            if count <= KEPT_ELEMENTS:
                return [self.text(what, self.size) for _ in range(count)]
            self.skip_texts(count, what)
        elif kind in _SCALARS:
            size = count * struct.calcsize("<" + _SCALARS[kind])
            if size > self.left():
                raise self.fail(f"{what} claims {count} elements")
            if count <= KEPT_ELEMENTS:
                return [self.number(_SCALARS[kind], what) for _ in range(count)]
            self.file.seek(size, 1)
        else:
            raise self.fail(f"{what} is an array of the unknown type {kind}")
        return Elements(count)

    def header(self) -> Header:
        version = self.version()
        tensor_count, key_count = self.number("Q", "its counts"), self.number("Q", "its counts")
        if key_count > min(MAX_KEYS, self.left() // 13):
            raise self.fail(f"claims {key_count} metadata entries in {self.size} bytes")
        if tensor_count > min(MAX_TENSORS, self.left() // 25):
            raise self.fail(f"claims {tensor_count} tensors in {self.size} bytes")
        metadata: dict[str, Any] = {}
        for _ in range(key_count):
            key = self.text("a metadata key", MAX_NAME_BYTES)
            if not key or key in metadata:
                raise self.fail(f"the metadata key {key!r} " + ("repeats" if key else "is empty"))
            metadata[key] = self.value(key)
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or not 0 < alignment <= 1 << 20 or alignment & alignment - 1:
            raise self.fail(f"its alignment is {alignment!r}")
        raw = [self.tensor() for _ in range(tensor_count)]
        if len({t.name for t in raw}) != len(raw):
            raise self.fail("a tensor's name repeats")
        start = self.file.tell()
        start += -start % alignment
        for t in raw:
            if t.offset % alignment:
                raise self.fail(f"tensor {t.name!r} begins at the unaligned offset {t.offset}")
            if start + t.offset + t.size_bytes > self.size:
                whole = max(start + u.offset + u.size_bytes for u in raw)
                raise self.fail(f"it is cut short: {self.size} of at least {whole} bytes are there")
        return Header(version, metadata, tuple(raw), start, self.size)

    def version(self) -> int:
        magic = self.file.read(4)
        if magic != b"GGUF":
            known = {b"ggml": "old GGML", b"ggjt": "old GGML", b"PK\x03\x04": "PyTorch or zip"}
            found = known.get(magic, "not a GGUF")
            raise self.fail(f"this is a {found} file" if magic in known else "this is no GGUF file",
                            "HyperLlama reads models in the GGUF format")  # fmt: skip
        version = self.number("I", "its version")
        if version not in (2, 3):
            hint = "it was written by a newer program" if 3 < version < 100 else _AGAIN
            if version & 0xFFFF == 0 and version:
                hint = "it was made for a big-endian machine"
            raise self.fail(f"GGUF version {version} is not supported", hint)
        return int(version)

    def tensor(self) -> Tensor:
        name = self.text("a tensor's name", MAX_NAME_BYTES)
        dimensions = self.number("I", f"tensor {name!r}")
        if dimensions > 4 or len(name.encode()) >= 64:
            raise self.fail(f"tensor {name[:64]!r} claims {dimensions} dimensions")
        shape = tuple(self.number("Q", f"tensor {name!r}") for _ in range(dimensions))
        kind, offset = self.number("I", f"tensor {name!r}"), self.number("Q", f"tensor {name!r}")
        if kind in REMOVED:
            raise self.fail(f"tensor {name!r} is of type {kind}, which llama.cpp removed",
                            "look for a newer conversion of this model")  # fmt: skip
        _, per_block, block_bytes = BLOCKS.get(kind, ("", 1, 0))
        if kind > 1000 or (shape and shape[0] % per_block):
            raise self.fail(f"tensor {name!r} has shape {shape} and type {kind}")
        weights = math.prod(shape)
        if weights >= 1 << 62:
            raise self.fail(f"tensor {name!r} claims the shape {shape}")
        return Tensor(name, shape, kind, offset, weights // per_block * block_bytes)
