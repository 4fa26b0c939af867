"""The settings files of version 0.1.0: moved into `settings.toml` at the first start."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.tui.preferences import settings
from hyperllama.tui.preferences.settings import SHARES, Key, Layout, ModelSettings

_NAMES = ("keys.toml", "models.json", "study.json")


def take_over() -> list[str]:
    """Move what the old files say into the settings file, and rename them to `*.old`.

    Entries that the settings file has already stay as they are. Returns a sentence for every old
    file that cannot be moved.
    """
    problems = []
    for path in (settings.folder() / name for name in _NAMES):
        if not path.is_file():
            continue
        try:
            _move(path)
        except FileNotFoundError:
            continue  # another interface, started at the same moment, has moved it
        except (OSError, ValueError) as error:
            problems.append(f"{path} cannot be moved into {settings.file().name}: {error}")
        except StudyError as error:
            problems.append(error.message)
    return problems


def _move(path: Path) -> None:
    from hyperllama.core.task.draft.edit import set_key, value_at, values

    old = settings.text_of(path)

    def change(text: str) -> str:
        for key, value in found.items():
            if value_at(values(text) or {}, key) is None:
                text = set_key(text, key, value)
        return text

    def append(text: str) -> str:
        """All of the old keys, comments too, where that leaves valid TOML."""
        section = re.sub(r"(?m)^\s*\[", "[keys.", old)
        joined = f"{text.rstrip()}\n\n[keys]\n{section}"
        whole = values(joined)
        return joined if whole is not None and whole["keys"] == table else change(text)

    if path.suffix == ".toml":
        table = values(old)
        if table is None:
            raise ValueError("it is not valid TOML")
        found: dict[Key, Any] = {("keys", name): value for name, value in table.items()}
        settings.edit(append)
    else:
        found = dict(_entries(path.name, old))
        settings.edit(change)
    path.replace(path.with_name(path.name + ".old"))


def _entries(name: str, text: str) -> Iterator[tuple[Key, Any]]:
    """The entries of an old JSON file that can be used, by their place in the new file."""
    try:
        table = json.loads(text)
    except ValueError:
        return
    if not isinstance(table, dict):
        return
    ignored: list[str] = []
    if name == "models.json":
        if isinstance(table.get("default"), str) and table["default"]:
            yield ("default_model",), table["default"]
        models = table.get("models")
        for path, entry in models.items() if isinstance(models, dict) else ():
            if kept := settings.checked(ModelSettings, entry, "", ignored):
                yield ("models", path), kept
    else:
        for share in ("left", "upper", "plot"):
            if type(table.get(share)) is int:
                table[share] = max(SHARES[0], min(SHARES[-1], table[share]))
        for key, value in settings.checked(Layout, table, "", ignored).items():
            yield ("layout", key), value
