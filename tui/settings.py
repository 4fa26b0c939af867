"""The settings file: how the interface looks. Keys have a file of their own, see `tui.actions`.

    theme = "hyperllama-light"   # hyperllama-dark, hyperllama-light, high-contrast, terminal
    animations = false
    plain_characters = false     # no Unicode in pictures and frames

It lies beside `keys.toml`; HYPERLLAMA_SETTINGS names another one. HYPERLLAMA_THEME,
HYPERLLAMA_ASCII and TEXTUAL_ANIMATIONS overrule it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.tui import preferences

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Settings:
    """What the file says; empty or False where it says nothing."""

    theme: str = ""
    animations: bool = False
    plain_characters: bool = False


def settings_file() -> Path:
    """The file; it need not exist."""
    chosen = os.environ.get("HYPERLLAMA_SETTINGS")
    return Path(chosen).expanduser() if chosen else preferences.folder() / "settings.toml"


def read_settings(themes: tuple[str, ...]) -> tuple[Settings, list[str]]:
    """The settings, and one sentence for every entry that cannot be used."""
    path = settings_file()
    try:
        table = tomllib.loads(path.read_text("utf8"))
    except FileNotFoundError:
        return Settings(), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Settings(), [f"{path}: {error}. The usual settings hold."]
    known: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in table.items():
        if name == "theme":
            if value in themes:
                known[name] = value
            else:
                problems.append(f"{path.name}: theme: one of {', '.join(themes)}")
        elif name in ("animations", "plain_characters"):
            if isinstance(value, bool):
                known[name] = value
            else:
                problems.append(f"{path.name}: {name}: true or false")
        else:
            names = ", ".join(Settings.__dataclass_fields__)
            problems.append(f"{path.name}: there is no setting {name!r}; there are {names}")
    return Settings(**known), problems


def write(path: Path, key: tuple[str, ...], value: Any) -> None:
    """Set one key of a settings file, or take it away (None); comments in it stay.

    Raises:
        StudyError: the file cannot be read as TOML, or not be written.
    """
    from hyperllama.core.storage.folder import write_atomically
    from hyperllama.core.task.draft.edit import set_key

    try:
        text = path.read_text("utf8") if path.exists() else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, set_key(text, key, value).lstrip("\n"))
    except ValueError as error:
        raise StudyError(f"{path} is not valid TOML: {error}", "mend it first") from error
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror or error}") from error
