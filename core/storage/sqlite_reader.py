"""Reads trials and attributes from a SQLite file of Optuna with SQL alone.

Through Optuna, 10,000 trials take ten times as long and as much memory, and importing it takes
longer than showing a trial may. Only the layout that is known here is read; see `reader_of_file`.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from hyperllama.core.storage.sqlite_file import BUSY_TIMEOUT_S
from hyperllama.core.storage.trial_rows import TrialRow

_LAYOUTS = ("v3.2.0.a",)
"""Optuna's names of the layouts that this module reads (`alembic_version`)."""
_WHOLE = ("IntDistribution", "IntUniformDistribution", "IntLogUniformDistribution")
_INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}


class SqliteReader:
    """The studies of one file. Every method may raise `sqlite3.Error`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def study(self, name: str, *, alone: bool = False) -> int | None:
        """The id of a study; with `alone`, of the only one there is, whatever its name."""
        with closing(self._connect()) as database:
            studies = database.execute("SELECT study_id, study_name FROM studies").fetchall()
        found = [number for number, called in studies if called == name]
        if not found and alone and len(studies) == 1:
            found = [studies[0][0]]
        return found[0] if found else None

    def direction(self, study_id: int) -> str:
        """"maximize" or "minimize"; of several objectives, the first one's."""
        with closing(self._connect()) as database:
            found = database.execute(
                "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective",
                (study_id,),
            ).fetchone()
        return str(found[0]).lower() if found else "maximize"

    def attrs(self, study_id: int) -> dict[str, Any]:
        """The user attributes of a study; those that are no JSON are left out."""
        with closing(self._connect()) as database:
            rows = database.execute(
                "SELECT key, value_json FROM study_user_attributes WHERE study_id = ?", (study_id,)
            ).fetchall()
        return _decoded(rows, [])

    def rows(
        self, study_id: int, states: Sequence[str] = (), number: int | None = None
    ) -> list[TrialRow]:
        """The trials in these states, or all, by number; with a `number` that one alone."""
        where, values = "study_id = ?", [study_id, *states]
        if states:
            where += f" AND state IN ({', '.join('?' * len(states))})"
        if number is not None:
            where, values = where + " AND number = ?", [*values, number]
        with closing(self._connect()) as database:
            database.execute("BEGIN")  # all of it as of one moment
            trials = database.execute(
                "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials"
                f" WHERE {where} ORDER BY trial_id", values,
            ).fetchall()  # fmt: skip
            scope = f"trial_id IN (SELECT trial_id FROM trials WHERE {where})", values
            params = _of_trials(database, "trial_params", "param_name, param_value,"
                                " distribution_json", "param_id", scope)  # fmt: skip
            scores = _of_trials(database, "trial_values", "value, value_type", "objective", scope)
            users, systems = (
                _of_trials(database, f"trial_{of}_attributes", "key, value_json", "rowid", scope)
                for of in ("user", "system")
            )
        read: dict[str, Callable[[Any], Any]] = {}
        found = []
        for trial_id, its_number, state, started, ended in trials:
            damaged: list[str] = []
            value, sort = (scores.get(trial_id) or [(None, "")])[0]
            found.append(TrialRow(
                its_number, trial_id, state, _params(params.get(trial_id, ()), read, damaged),
                _INFINITE.get(sort, value), _decoded(users.get(trial_id, ()), damaged),
                _decoded(systems.get(trial_id, ()), damaged), _moment(started), _moment(ended),
                tuple(damaged),
            ))  # fmt: skip
        return found

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=BUSY_TIMEOUT_S)


def reader_of_file(file: Path) -> SqliteReader | None:
    """A reader, if the file is there and has a layout that is known here.

    Raises:
        sqlite3.Error: it is no SQLite file, or is damaged.
    """
    if not file.exists():
        return None
    with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)) as database:
        try:
            (layout,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        except (sqlite3.OperationalError, TypeError):  # another program's, or of an old Optuna
            return None
    return SqliteReader(file) if layout in _LAYOUTS else None


def _of_trials(
    database: sqlite3.Connection, table: str, columns: str, order: str,
    scope: tuple[str, Sequence[Any]],
) -> dict[int, list[tuple[Any, ...]]]:
    """The rows of a table by trial; `scope` is an SQL condition with its values."""
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in database.execute(
        f"SELECT trial_id, {columns} FROM {table} WHERE {scope[0]} ORDER BY {order}", scope[1]
    ):
        found[row[0]].append(row[1:])
    return found


def _decoded(rows: Sequence[tuple[Any, ...]], damaged: list[str]) -> dict[str, Any]:
    """Attributes by name; the names of those that are no JSON are added to `damaged`."""
    try:  # all at once, which takes a third of the time
        values = json.loads(f"[{','.join([text for _, text in rows])}]")
        if len(values) == len(rows):
            return dict(zip([key for key, _ in rows], values, strict=True))
    except (TypeError, ValueError, RecursionError):
        pass
    found = {}
    for key, text in rows:
        try:
            found[key] = json.loads(text)
        except (TypeError, ValueError, RecursionError):
            damaged.append(str(key))
    return found


def _params(
    rows: Sequence[tuple[Any, ...]], read: dict[str, Callable[[Any], Any]], damaged: list[str]
) -> dict[str, Any]:
    """Hyperparameters by name; `read` keeps how the values of a distribution are read."""
    found = {}
    for name, value, distribution in rows:
        try:
            if distribution not in read:
                read[distribution] = _reader(distribution)
            found[name] = read[distribution](value)
        except (TypeError, ValueError, LookupError, OverflowError):
            damaged.append(str(name))
    return found


def _reader(distribution: str) -> Callable[[Any], Any]:
    """How a stored number becomes a value (`to_external_repr` of Optuna's distributions)."""
    stored = json.loads(distribution)
    if stored["name"] == "CategoricalDistribution":
        choices = stored["attributes"]["choices"]
        return lambda value: choices[int(value)]
    return int if stored["name"] in _WHOLE else float


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
