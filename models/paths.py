"""The data folder, which HYPERLLAMA_HOME moves as a whole; the names of models for people."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

EMBEDDED = Path(__file__).parent / "embedded"
"""Where the models that ship lie."""
EMBEDDED_ORDER = ("4m", "12m", "1m")
"""Their sizes by preference: which one the bare name "embedded" means."""


def home() -> Path:
    """The data folder: $HYPERLLAMA_HOME, else the platform's user data folder. Not created here."""
    chosen = os.environ.get("HYPERLLAMA_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("hyperllama")


def model_name(model: str | Path) -> str:
    """What a model is called everywhere: "embedded" for the one that ships, else the file's stem.

    Args:
        model: a path, or a name as `resolve_model` takes it.
    """
    stem = str(model).rpartition("/")[2].removesuffix(".gguf")
    size = stem.removeprefix("hyperllama-").removeprefix("embedded-")
    if size == stem:
        return stem
    return "embedded" if size == _shipped() else f"embedded-{size}"


def model_names(models: Sequence[Path]) -> list[str]:
    """The names of several files; those that share one show their folders."""
    names = [model_name(path) for path in models]
    count = Counter(names)
    return [
        name if count[name] == 1 else f"{name} in {path.parent.name}"
        for name, path in zip(names, models, strict=True)
    ]


@lru_cache(maxsize=1)
def _shipped() -> str:
    """The size of the model that "embedded" means."""
    sizes = sorted(p.stem.removeprefix("hyperllama-") for p in EMBEDDED.glob("*.gguf"))
    return next((s for s in (*EMBEDDED_ORDER, *sizes) if s in sizes), "")
