"""What a person set once and finds again: the default model, settings of each model.

One JSON file in the settings folder, written by this program; keys and themes have files of their
own (`tui.actions`, `tui.settings`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.folder import write_atomically

_SETTINGS = ("context_length", "gpu_layers", "threads")


def folder() -> Path:
    """The settings folder, moved by HYPERLLAMA_CONFIG."""
    chosen = os.environ.get("HYPERLLAMA_CONFIG")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_config_path

    return user_config_path("hyperllama")


def file() -> Path:
    return folder() / "models.json"


def _read() -> dict[str, Any]:
    try:
        table = json.loads(file().read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _write(table: Mapping[str, Any]) -> None:
    try:
        folder().mkdir(parents=True, exist_ok=True)
        write_atomically(file(), json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StudyError(f"{file()} cannot be written: {error.strerror or error}") from error


def default_model() -> str:
    """Path of the model that new studies use; empty: the embedded one."""
    found = _read().get("default")
    return found if isinstance(found, str) else ""


def choose_default(path: str) -> None:
    """Use this model for new studies; empty: the embedded one. Raises StudyError."""
    _write({**_read(), "default": path})


def of_model(path: str) -> dict[str, Any]:
    """What is kept of a model: context_length, gpu_layers, threads as set, and "speed"."""
    models = _read().get("models")
    found = models.get(path) if isinstance(models, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def keep(path: str, **facts: Any) -> None:
    """Keep facts of a model beside those that are kept already; None forgets. Raises StudyError."""
    table = _read()
    models = table.get("models")
    models = models if isinstance(models, dict) else {}
    merged = {k: v for k, v in {**of_model(path), **facts}.items() if v is not None}
    _write({**table, "models": {**models, path: merged}})


def arguments(path: str) -> list[str]:
    """The settings of a model as options of `hyperllama run`."""
    kept = of_model(path)
    return [
        part
        for name in _SETTINGS
        if name in kept
        for part in ("--" + name.replace("_length", "").replace("_", "-"), str(kept[name]))
    ]
