"""Single keys of a task file's text: read, set, take away. Comments and order stay as they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path = tuple[str, ...]
_HEADER = re.compile(r"^\[([^\]]+)\]")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def values(text: str) -> dict[str, Any] | None:
    """What the text says, as plain dicts and lists; None where it is no TOML."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def value_at(table: Mapping[str, Any], path: Path) -> Any:
    """The value of a dotted path; None where there is none."""
    at: Any = table
    for part in path:
        if not isinstance(at, Mapping) or part not in at:
            return None
        at = at[part]
    return at


def set_key(text: str, path: Path, value: Any, instead: str = "") -> str:
    """The text with the key at `path` set, or taken away where `value` is None.

    A missing key takes the place of a comment with its name (`# folds = 5`).

    Args:
        instead: a line, say a comment, that takes the place of a key that is taken away.

    Raises:
        ValueError: the text is no TOML, or something on the way is no table.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ValueError(str(error)) from error
    at: Any = document
    for part in path[:-1]:
        if part not in at:
            if value is None:
                return text
            return _added(text, path, value)
        at = at[part]
        if not isinstance(at, dict):
            raise ValueError(f"{part} is no table")
    key = path[-1]
    if value is None:
        if key not in at:
            return text
        number = line_of(text, ".".join(path))
        del at[key]
        lines = tomlkit.dumps(document).split("\n")
        if instead and number >= 0:
            lines.insert(number, instead)
        return "\n".join(lines)
    if key in at:
        if at[key] == value and type(at[key]) is type(value):
            return text
        item = _item(value)
        old = at[key]
        if hasattr(old, "trivia") and "\n" not in old.as_string():
            item.trivia.comment, item.trivia.comment_ws = old.trivia.comment, old.trivia.comment_ws
        at[key] = item
        return tomlkit.dumps(document)
    return _added(text, path, value)


def changes(base: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """(path, value) of every key that `now` says otherwise than `base`; None: it is left out.

    Inside [space] a hyperparameter counts as one value.
    """
    for key in {**base, **now}:
        old, new = base.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(new, Mapping) and isinstance(old, (Mapping, type(None))) and key != "space":
            for path, value in changes(old or {}, new):
                yield (key, *path), value
        elif isinstance(new, Mapping) and key == "space":
            yield from ((("space", *p), v) for p, v in _of_space(old or {}, new))
        else:
            yield (key,), new


def _of_space(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    bounds = {"value", "low", "high", "log", "step", "choices", "type", "default", "when"}
    for key in {**old, **new}:
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(now, Mapping) and now and not bounds & set(now):  # [space.xgboost]
            yield from (((key, *p), v) for p, v in _of_space(was or {}, now))
        else:
            yield (key,), now


def line_of(text: str, key: str) -> int:
    """The line, from 0, of a dotted key, or of its table; -1 where neither is in the text."""
    wanted = key.split(".")
    table = ""
    best = -1
    for number, line in enumerate(text.splitlines()):
        header = _HEADER.match(line.strip())
        if header:
            table = header[1].strip()
            if wanted[0] == table or ".".join(wanted[: table.count(".") + 1]) == table:
                best = number
            continue
        name = line.partition("=")[0].strip().strip("\"'")
        if "=" in line and not line.lstrip().startswith("#"):
            full = f"{table}.{name}" if table else name
            if full == key:
                return number
            if key.startswith(full + "."):
                best = number
    return best


def _added(text: str, path: Path, value: Any) -> str:
    """The text with a key that it does not have yet."""
    key = path[-1] if _BARE.fullmatch(path[-1]) else _item(path[-1]).as_string()
    line = f"{key} = {_item(value).as_string()}"
    lines = text.split("\n")
    start, end = _table(lines, path[:-1])
    if start < 0:
        head = ".".join(p if _BARE.fullmatch(p) else _item(p).as_string() for p in path[:-1])
        return text.rstrip("\n") + f"\n\n[{head}]\n{line}\n"
    comment = re.compile(rf"^#\s*{re.escape(key)}\s*=[^#]*(#.*)?$")
    for number in range(start, end):
        found = comment.match(lines[number])
        if found:
            remark = f"  {found[1]}" if found[1] else ""
            lines[number] = line + remark
            return "\n".join(lines)
    while end > start and not lines[end - 1].strip():
        end -= 1
    lines.insert(end, line)
    return "\n".join(lines)


def _table(lines: Sequence[str], table: Path) -> tuple[int, int]:
    """The lines [start, end) of a table's own keys; (-1, -1) where it has no header."""
    wanted, start = ".".join(table), 0 if not table else -1
    for number, line in enumerate(lines):
        header = _HEADER.match(line.strip())
        if not header:
            continue
        if start >= 0:
            return start, number
        if header[1].replace('"', "").replace(" ", "") == wanted:
            start = number + 1
    return (start, len(lines)) if start >= 0 else (-1, -1)


def _item(value: Any) -> Any:
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key, inner in value.items():
            table.append(key, _item(inner))
        return table
    if isinstance(value, str) and "\n" in value:
        return tomlkit.string(value, multiline=True)
    return tomlkit.item(list(value) if isinstance(value, tuple) else value)
