"""Where model files lie on this machine, ours and those of other programs; their names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hyperllama.models.paths import home as data_home

MAX_DEPTH, MAX_FILES = 7, 2000
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
"""A part of a split model: its number and their count."""


def usual_folders(*first: Path) -> list[Path]:
    """Folders where models lie on this machine: `first`, ours, then those of other programs.

    Only existing ones.

    $HYPERLLAMA_MODELS may name further folders, separated as in $PATH.
    """
    home, env = Path.home(), os.environ.get
    own = [Path(p) for p in env("HYPERLLAMA_MODELS", "").split(os.pathsep) if p]
    cache = Path(env("XDG_CACHE_HOME") or home / ".cache")
    data = Path(env("XDG_DATA_HOME") or home / ".local" / "share")
    local = Path(env("LOCALAPPDATA") or home / "AppData" / "Local")
    mac = home / "Library"
    folders = [
        *first,
        *own,
        data_home() / "models",
        home / ".lmstudio" / "models",  # LM Studio
        cache / "lm-studio" / "models",
        Path(env("LLAMA_CACHE") or cache / "llama.cpp"),  # llama.cpp -hf
        mac / "Caches" / "llama.cpp",
        Path(env("HF_HOME") or cache / "huggingface") / "hub",
        Path(env("OLLAMA_MODELS") or home / ".ollama" / "models"),
        Path("/usr/share/ollama/.ollama/models"),
        data / "nomic.ai" / "GPT4All",
        mac / "Application Support" / "nomic.ai" / "GPT4All",
        local / "nomic.ai" / "GPT4All",
        home / "jan" / "models",  # Jan
        data / "Jan" / "data",
        mac / "Application Support" / "Jan" / "data",
        home / "models",
    ]
    seen: dict[Path, None] = {}
    for folder in folders:
        try:
            if folder.is_dir():
                seen.setdefault(folder.resolve())
        except OSError:
            continue  # a folder that may not be looked into holds no models of ours
    return list(seen)


def named_files(folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Names (case-folded) and paths of model files, first found first; one per split model."""
    for folder in folders:
        for name, blob in _ollama(folder):
            yield name.casefold(), blob
        for path in _gguf_files(folder):
            part = PART.search(path.name)
            if part and part[1] != "00001":
                continue
            yield PART.sub("", path.name).removesuffix(".gguf").casefold(), path


def _gguf_files(folder: Path) -> Iterator[Path]:
    budget = MAX_FILES
    for place, folders, files in os.walk(folder, followlinks=False):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = (
            sorted(f for f in folders if not f.startswith(".")) if depth < MAX_DEPTH else []
        )
        for name in sorted(files):
            if name.endswith(".gguf") and budget > 0:
                budget -= 1
                yield Path(place, name)


def _ollama(folder: Path) -> Iterator[tuple[str, Path]]:
    """Models of an Ollama folder: its manifests name the blobs that are GGUF files."""
    manifests = folder / "manifests"
    if not manifests.is_dir():
        return
    for manifest in sorted(manifests.rglob("*"))[:MAX_FILES]:
        if not manifest.is_file():
            continue
        content = read_json(manifest)
        layers = content.get("layers") if isinstance(content, dict) else None
        for layer in layers if isinstance(layers, list) else []:
            if isinstance(layer, dict) and str(layer.get("mediaType")).endswith(".image.model"):
                blob = folder / "blobs" / Path(str(layer.get("digest")).replace(":", "-")).name
                if blob.is_file():
                    yield f"{manifest.parent.name}:{manifest.name}", blob


def read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > 1 << 22:
            return None
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # a cache or a foreign file: as good as absent
