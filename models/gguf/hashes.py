"""The SHA-256 of model files, remembered for large ones."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from hyperllama.models.errors import ModelFileError
from hyperllama.models.gguf.folders import read_json
from hyperllama.models.paths import home


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal; remembered in the data folder while the file is the same.

    Raises:
        ModelFileError: it cannot be read.
    """
    path = Path(path).expanduser().resolve()
    try:
        stat = path.stat()
        key = f"{path}|{stat.st_mtime_ns}|{stat.st_size}"
        store = home() / "model-hashes.json"
        known = read_json(store)
        if isinstance(known, dict) and isinstance(known.get(key), str):
            return str(known[key])
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as e:
        raise ModelFileError(f"{path} cannot be read: {e.strerror or e}") from e
    if stat.st_size > 64 << 20:
        remember_hash(store, key, digest.hexdigest())
    return digest.hexdigest()


def remember_hash(store: Path, key: str, digest: str) -> None:
    known = read_json(store)
    known = known if isinstance(known, dict) else {}
    path = key.split("|", 1)[0]
    kept = {k: v for k, v in known.items() if k.split("|", 1)[0] != path}
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        temporary = store.with_name(f"{store.name}.{os.getpid()}")
        temporary.write_text(json.dumps({**kept, key: digest}, indent=1), "utf-8")
        temporary.replace(store)
    except OSError as e:
        print(f"the hash of {path} could not be remembered: {e}", file=sys.stderr)
