"""The settings file `settings.toml`: the look, the keys, the models, and the study screen's layout.

    theme = "hyperllama-light"

    [keys]
    "study.pause" = "f7"

    [models]
    "/models/qwen.gguf" = {context_length = 4096, threads = 4}

    [layout]
    left = 60

It lies in the settings folder; HYPERLLAMA_SETTINGS names another file. HYPERLLAMA_THEME,
HYPERLLAMA_ASCII and TEXTUAL_ANIMATIONS override it. Entries that are unknown or wrong are named and
ignored. The interface writes it too; comments in it stay.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.models.files import read_small

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Key = tuple[str, ...]
MOST_BYTES = 1 << 20
"""A settings file is not larger."""
THEMES = ("hyperllama-dark", "hyperllama-light", "high-contrast", "terminal")
_SPEED = ("read", "write", "threads", "gpu_layers")  # of a measured speed
SHARES = range(20, 81)  # per cent of the screen that a pane may take


def _setting(usual: Any, about: str, allowed: Any = None) -> Any:
    """A field with its description; `allowed`: its values, or a range of whole numbers."""
    metadata = {"about": about, "allowed": allowed}
    if callable(usual):
        return field(default_factory=usual, metadata=metadata)
    return field(default=usual, metadata=metadata)


@dataclass(frozen=True)
class Layout:
    """How the study screen is arranged."""

    side: str = _setting("reasoning", "the pane beside the history where not all have room")
    lower: str = _setting("reasoning", "the pane below the history where all have room")
    maximised: str = _setting("", "the pane that is shown alone")
    left: int = _setting(64, "width of the left column, per cent", SHARES)
    upper: int = _setting(50, "height of the history, per cent of its column", SHARES)
    plot: int = _setting(65, "height of the progress plot, per cent of its column", SHARES)
    view: str = _setting("best", "what the progress plot shows")
    columns: tuple[str, ...] = _setting((), "columns of the history; empty: the usual ones")
    sort: str = _setting("number", "the column by which the history of a study is sorted at first")
    backwards: bool = _setting(False, "sort the history from the largest to the smallest")
    text: bool = _setting(False, "show the study as lines of text")


@dataclass(frozen=True)
class ModelSettings:
    """What is set for one model, and what was measured with it."""

    context_length: int = _setting(0, "tokens of context; 0: the model's own", range(2**24))
    gpu_layers: int | str = _setting("auto", "layers on the GPU: auto, none, all or a number")
    threads: int = _setting(0, "threads of llama.cpp; 0: one core is left free", range(1025))
    speed: Mapping[str, float] = _setting(dict, "tokens per second, as measured")

    def changed(self) -> dict[str, Any]:
        """The entries that differ from their defaults."""
        return {k: v for k, v in vars(self).items() if v != getattr(ModelSettings(), k)}

    def arguments(self) -> list[str]:
        """What is set, as options of `hyperllama run`."""
        flags = {"context_length": "context", "gpu_layers": "gpu-layers", "threads": "threads"}
        set_here = self.changed()
        return [p for k, f in flags.items() if k in set_here for p in (f"--{f}", str(set_here[k]))]


@dataclass(frozen=True)
class Settings:
    """What the file says; `problems` has a sentence for every entry that cannot be used."""

    theme: str = _setting("", "colours; terminal: those of your terminal", THEMES)
    animations: bool = _setting(False, "animate scrolling and menus; off is faster")
    plain_characters: bool = _setting(False, "no Unicode in pictures; from the next start")
    pictures: str = _setting(
        "auto", "plots as pictures: auto (where the terminal is known to show them, but not over "
        "SSH), on or off; from the next start", ("auto", "on", "off"),
    )
    default_model: str = _setting("", "path of the model for new studies; empty: the embedded one")
    keys: Mapping[str, Any] = _setting(dict, "keys by the action's name; several with commas")
    models: Mapping[str, ModelSettings] = _setting(dict, "settings of each model, by its path")
    layout: Layout = _setting(Layout, "how the study screen is arranged")  # noqa: RUF009
    problems: tuple[str, ...] = field(default=(), compare=False)


def folder() -> Path:
    """The settings folder, moved by HYPERLLAMA_CONFIG."""
    chosen = os.environ.get("HYPERLLAMA_CONFIG")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_config_path

    return user_config_path("hyperllama")


def file() -> Path:
    """The settings file; it need not exist."""
    chosen = os.environ.get("HYPERLLAMA_SETTINGS")
    return Path(chosen).expanduser() if chosen else folder() / "settings.toml"


def read() -> Settings:
    """The settings; the file is read again only when it has changed."""
    path = file()
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        return Settings()
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}"
    except OSError as error:
        problem = error.strerror or str(error)
    except tomllib.TOMLDecodeError as error:
        problem = str(error)
    except StudyError as error:
        problem = error.message
    return Settings(problems=(f"{path}: {problem}. The default settings apply.",))


def text_of(path: Path) -> str:
    """The text of a settings file.

    Raises:
        StudyError: it is no regular file, or too large to be one of settings.
        UnicodeDecodeError: it is not UTF-8.
        OSError: it is not there, or may not be read.
    """
    return read_small(path, MOST_BYTES, StudyError).decode("utf8")


@functools.lru_cache(maxsize=1)
def _read(path: Path, changed_ns: int, size: int) -> Settings:
    table, name = tomllib.loads(text_of(path)), path.name
    problems: list[str] = []
    known = checked(Settings, table, f"{name}: ", problems)
    models = {
        path: ModelSettings(**checked(ModelSettings, entry, f"{name}: {path}: ", problems))
        for path, entry in known.get("models", {}).items()
    }
    layout = Layout(**checked(Layout, known.get("layout", {}), f"{name}: layout: ", problems))
    known |= {"models": models, "layout": layout}
    return Settings(**known, problems=tuple(problems))


def checked(kind: type[Any], table: object, where: str, problems: list[str]) -> dict[str, Any]:
    """The entries of a table that `kind` has fields for; the others are named in `problems`."""
    ours = {f.name: f for f in fields(kind) if f.metadata}
    found: dict[str, Any] = {}
    if not isinstance(table, Mapping):
        problems.append(f"{where}a table is needed")
        return found
    for name, value in table.items():
        if name not in ours:
            problems.append(f"{where}there is no setting {name!r}; there are {', '.join(ours)}")
        elif wrong := _wrong(ours[name], value):
            problems.append(f"{where}{name}: {wrong}")
        else:
            found[name] = tuple(value) if isinstance(value, list) else value
    return found


def _wrong(setting: Field[Any], value: Any) -> str:
    """What a setting needs, where this value is not that."""
    usual, allowed = setting.default, setting.metadata["allowed"]
    if isinstance(allowed, range):
        good = type(value) is int and value in allowed
        return "" if good else f"a whole number from {allowed[0]} to {allowed[-1]}"
    if allowed is not None:
        return "" if value in allowed else f"one of {', '.join(allowed)}"
    if setting.name == "gpu_layers":
        good = type(value) is int or value in ("auto", "none", "all")
        return "" if good else "auto, none, all or a number"
    if setting.name == "speed":
        good = isinstance(value, Mapping) and set(value) == set(_SPEED)
        good = good and all(type(number) in (int, float) for number in value.values())
        return "" if good else f"a number for each of {', '.join(_SPEED)}"
    if usual is MISSING:
        return "" if isinstance(value, Mapping) else "a table is needed"
    if isinstance(usual, float):
        return "" if type(value) in (int, float) else "a number"
    if isinstance(usual, tuple):
        good = isinstance(value, list) and all(isinstance(part, str) for part in value)
        return "" if good else "a list of names"
    words = {bool: "true or false", str: "a text in quotes"}
    return "" if type(value) is type(usual) else words[type(usual)]


def of_model(path: str) -> ModelSettings:
    """What is set for a model and was measured with it."""
    return read().models.get(path, ModelSettings())


def keep_model(path: str, **changes: Any) -> None:
    """Change settings of a model; None: back to the default. Raises StudyError."""
    kept = {**of_model(path).changed(), **changes}
    write({("models", path): {k: v for k, v in kept.items() if v is not None} or None})


def keep_layout(layout: Layout) -> None:
    """Keep the layout for the next start; a file that cannot be written stays as it is."""
    was = asdict(read().layout)
    changes: dict[Key, Any] = {("layout", k): v for k, v in asdict(layout).items() if v != was[k]}
    try:
        write(changes)
    except StudyError:
        return  # a full disk must not hinder resizing a pane


def write(changes: Mapping[Key, Any]) -> None:
    """Set entries of the file by their paths, or remove them (None). Raises StudyError."""
    from hyperllama.core.task.draft.edit import set_key

    def change(text: str) -> str:
        for key, value in changes.items():
            text = set_key(text, key, value)
        return text

    edit(change)


def edit(change: Callable[[str], str]) -> None:
    """Replace the file's text; `change` raises ValueError where the text is not valid TOML.

    Raises:
        StudyError: the file is not valid TOML, or cannot be written.
    """
    from hyperllama.core.storage.folder import write_atomically

    path = file()
    try:
        old = text_of(path) if path.exists() else ""
        new = change(old).lstrip("\n")
        if new != old:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, new)
    except ValueError as error:
        raise StudyError(f"{path} is not valid TOML: {error}", "correct it first") from error
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror or error}") from error
    _read.cache_clear()
