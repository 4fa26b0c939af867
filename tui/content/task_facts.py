"""What a task file says, and the columns of its table, to be shown. No widgets.

Nothing is checked here: what cannot be read is left out, and running the task says what is wrong.
"""

from __future__ import annotations

import csv
import functools
import gzip
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.text import plain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HEADER_BYTES = 65_536


@dataclass(frozen=True)
class TaskFacts:
    """A task file as it is shown.

    Attributes:
        problem: why the file is no task; then only `text` may be known.
        text: of the file.
        trials: the budget; None where it has none.
        data: path of the table; data_bytes: 0 where it is not there.
        columns: the table's, of a CSV file; empty where its first line cannot be read.
        space: changes to the default search space, each in a few words.
    """

    text: str = ""
    problem: str = ""
    name: str = ""
    estimators: tuple[str, ...] = ()
    trials: int | None = None
    kind: str = ""
    metric: str = ""
    notes: str = ""
    data: str = ""
    data_bytes: int = 0
    columns: tuple[str, ...] = ()
    target: str = ""
    validation: str = ""
    space: tuple[str, ...] = ()
    budget: str = ""


def read(path: Path) -> TaskFacts:
    """The facts of a task file; kept while it does not change."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _read(path, stamp)


@functools.lru_cache(maxsize=64)
def _read(path: Path, stamp: int) -> TaskFacts:
    text = ""
    try:
        text = path.read_text("utf8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return TaskFacts(text, plain(str(error)))
    data = table.get("data")
    if not isinstance(data, (Mapping, str)):
        return TaskFacts(text, "it has no [data]")
    data = {"path": data} if isinstance(data, str) else data
    file = path.parent / str(data.get("path") or "")
    try:
        size = file.stat().st_size if data.get("path") else 0
    except OSError:
        size = 0
    budget = _table(table.get("budget"))
    trials = budget.get("trials")
    estimators = table.get("estimators", table.get("estimator", ()))
    return TaskFacts(
        text=text,
        name=_word(table, "name") or plain(path.stem),
        estimators=tuple(
            plain(str(n)) for n in ([estimators] if isinstance(estimators, str) else estimators)
        ),
        trials=trials if isinstance(trials, int) else None,
        kind=_word(table, "kind"),
        metric=_word(table, "metric"),
        notes=_word(table, "notes"),
        data=_word(data, "path"),
        data_bytes=size,
        columns=_header(file) if size else (),
        target=_word(data, "target"),
        validation=_validation(_table(table.get("validation"))),
        space=tuple(_changes(_table(table.get("space")))),
        budget=", ".join(f"{v} {plain(str(k))}" for k, v in budget.items()),
    )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(table: Mapping[str, Any], key: str) -> str:
    return plain(str(table.get(key) or "")).strip()


def _validation(table: Mapping[str, Any]) -> str:
    parts = [_word(table, "method")]
    parts += [f"by {_word(table, k)}" for k in ("group", "time") if table.get(k)]
    parts += [f"{table['folds']} folds" for _ in "." if table.get("folds")]
    parts += [f"{table['repeats']} times" for _ in "." if table.get("repeats")]
    if isinstance(table.get("test_share"), float):
        parts.append(f"{100 * table['test_share']:.0f} % set aside for the test")
    return plain(", ".join(filter(None, parts)))


def _changes(space: Mapping[str, Any], before: str = "") -> list[str]:
    """`max_depth up to 8`, `subsample frozen at 0.8`, ... of a [space] and of those within it."""
    found: list[str] = []
    for key, value in space.items():
        name = before + plain(str(key))
        if not isinstance(value, Mapping):
            found.append(f"{name} frozen at {plain(str(value))}")
        elif any(isinstance(v, Mapping) for v in value.values()) or not _RANGE & set(value):
            found += _changes(value, f"{name}.")
        else:
            low, high, choices = (value.get(k) for k in ("low", "high", "choices"))
            if isinstance(choices, list):
                found.append(f"{name} one of {', '.join(plain(str(c)) for c in choices)}")
            elif low is not None and high is not None:
                found.append(f"{name} {low} to {high}")
            elif high is not None:
                found.append(f"{name} up to {high}")
            elif low is not None:
                found.append(f"{name} from {low}")
            else:
                found.append(name)
    return found


_RANGE = {"low", "high", "choices", "log", "default", "description", "type"}


def _header(file: Path) -> tuple[str, ...]:
    """The names of a CSV file's columns."""
    name = file.name.lower()
    try:
        if name.endswith(".csv"):
            with file.open("rb") as raw:
                line = raw.readline(_HEADER_BYTES)
        elif name.endswith(".csv.gz"):
            with gzip.open(file) as packed:
                line = packed.readline(_HEADER_BYTES)
        else:
            return ()
    except (OSError, EOFError):
        return ()
    text = line.decode("utf8", "replace").lstrip("\ufeff").strip()
    mark = max(",;\t", key=text.count)
    return tuple(plain(c).replace("\n", " ") for c in next(csv.reader([text], delimiter=mark), ()))
