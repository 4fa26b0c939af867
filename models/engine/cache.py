"""The evaluated prompt of a context on disk, so that a resumed study need not read it again.

Two files: what llama.cpp writes of a sequence, and beside it (`.json`) what it belongs to. A file
that belongs to another model, other settings or another llama.cpp is not used, nor a damaged one.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.metadata
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.models.engine.context import SCRATCH, Context

FEWEST_TOKENS = 128
"""Fewer tokens are evaluated again as quickly as read from a file."""
MOST_ASIDE_BYTES = 4 << 30
"""Reading so much from a disk is quicker than evaluating it again on a processor."""
_EDGE_BYTES = 1 << 20


def save_cache(context: Context, path: Path, most_bytes: int, checked: bool = True) -> int:
    """Write the prompt in the cache, or as much of its front as fits into `most_bytes`.

    `checked`: with a checksum of the file, which takes as long as writing it.

    Returns:
        Tokens written; 0 where it does not pay, the model cannot, or the disk is full. No file is
        there then.
    """
    lib, ctx = context.library, context.pointer
    forget_cache(path)
    if len(context.tokens) < FEWEST_TOKENS:
        return 0
    per_token = lib.llama_state_seq_get_size(ctx, 0) / len(context.tokens)
    ends = [end for end in context.ends if end * per_token <= most_bytes]
    if not ends or ends[-1] < FEWEST_TOKENS:
        return 0
    kept = ends[-1]
    tokens = context.tokens[:kept]
    try:
        context.fork(0, SCRATCH)
        if not context.cut(SCRATCH, kept):
            return 0  # a recurrent model cannot go back
        ids = (ctypes.c_int32 * kept)(*tokens)
        part = path.with_name(f"{path.name}.part")
        if not lib.llama_state_seq_save_file(ctx, os.fsencode(part), SCRATCH, ids, kept):
            part.unlink(missing_ok=True)
            return 0
        crc = _crc(part) if checked else None
        facts = {**_belongs(context), "tokens": tokens, "ends": ends, "crc": crc}
        part.replace(path)
        _facts_of(path).write_text(json.dumps(facts), "utf8")
    except OSError:
        forget_cache(path)
        return 0
    finally:
        context.drop(SCRATCH)
    return kept


def restore_cache(context: Context, path: Path, checked: bool = True) -> int:
    """Read what `save_cache` wrote into an empty context; the files are gone afterwards, whatever
    happens, so that one that crashes llama.cpp does so once. `checked`: by its checksum.

    Returns:
        Tokens that need not be evaluated; 0 if the file is not for this context.
    """
    used = path.with_name(f"{path.name}.used")
    try:
        facts: dict[str, Any] = json.loads(_facts_of(path).read_text("utf8"))
        path.replace(used)
        forget_cache(path)
        tokens, ends = list(map(int, facts["tokens"])), list(map(int, facts["ends"]))
        mine = _belongs(context)
        fits = {k: facts.get(k) for k in mine} == mine and len(tokens) <= context.length
        if not fits or not tokens or ends[-1] != len(tokens):
            return 0
        if checked and facts["crc"] != _crc(used):
            return 0
        ids, count = np.zeros(len(tokens), np.int32), ctypes.c_size_t(0)
        room = ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        context.forget()
        read = context.library.llama_state_seq_load_file(
            context.pointer, os.fsencode(used), 0, room, len(tokens), ctypes.byref(count)
        )
        if not read or ids.tolist() != tokens:
            context.forget()
            return 0
        context.tokens, context.ends = tokens, ends
        return len(tokens)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return 0
    finally:
        used.unlink(missing_ok=True)
        forget_cache(path)


@contextlib.contextmanager
def set_aside(context: Context, path: Path) -> Iterator[None]:
    """Let another conversation have the context: its own prompt is read from a file, and kept in
    one; the one that is in the cache goes to a file meanwhile.

    It takes no memory beside the context's. What cannot be kept is evaluated again.
    """
    other = path.with_name(f"{path.name}.other")
    save_cache(context, path, MOST_ASIDE_BYTES)
    restore_cache(context, other)
    try:
        yield
    finally:
        save_cache(context, other, MOST_ASIDE_BYTES)
        restore_cache(context, path)


def forget_cache(path: Path) -> None:
    """Remove the files. Idempotent."""
    path.unlink(missing_ok=True)
    _facts_of(path).unlink(missing_ok=True)


def _facts_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _belongs(context: Context) -> dict[str, Any]:
    """What has to be the same for a cache to be right."""
    file = context.file.path
    digest = hashlib.sha256(str(file.stat().st_size).encode())
    with file.open("rb") as f:  # the whole of a large file takes as long as reading the prompt
        digest.update(f.read(_EDGE_BYTES))
        f.seek(max(file.stat().st_size - _EDGE_BYTES, 0))
        digest.update(f.read(_EDGE_BYTES))
    return {
        "model": digest.hexdigest(),
        "library": importlib.metadata.version("llama-cpp-python"),
        "backend": context.library.llama_print_system_info().decode("utf-8", "replace"),
        "kv_type": context.settings.kv_type,
        "flash_attention": context.flash_attention,
        "batch": context.settings.batch,
        "chunk": context.chunk,
        "few": context.one_by_one,
        "threads": context.threads,
        "gpu_layers": context.gpu_layers,
        "context_length": context.length,
    }


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as f:
        while block := f.read(1 << 22):
            crc = zlib.crc32(block, crc)
    return crc
