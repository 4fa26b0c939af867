"""Losses that were measured, kept on disk: shared by methods, by runs, and by processes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.storage.paths import home

_WAIT_S = 60.0


def default_file() -> Path:
    """Where evaluations are kept when nothing else is said."""
    return home() / "bench" / "evaluations.sqlite"


class Evaluations:
    """A table (problem, configuration) -> loss, or NULL for a failure, with its seconds.

    Args:
        file: the SQLite file; made with its folder.
        problem: what separates problems: name, version of everything that matters.
    """

    def __init__(self, file: Path, problem: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._problem = problem
        self._base = sqlite3.connect(file, timeout=_WAIT_S, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=NORMAL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS evaluations (problem TEXT, config TEXT, loss REAL,"
            " seconds REAL, PRIMARY KEY (problem, config)) WITHOUT ROWID"
        )
        rows = self._base.execute(
            "SELECT config, loss FROM evaluations WHERE problem = ?", (problem,)
        )
        self._known: dict[str, float | None] = dict(rows.fetchall())

    def has(self, space: SearchSpace, config: Config) -> bool:
        """Whether the loss of `config` is known here."""
        return _key(space, config) in self._known

    def loss(
        self,
        space: SearchSpace,
        config: Config,
        measure: Callable[[], tuple[float | None, float]],
    ) -> float | None:
        """The loss of `config`; `measure` gives it, with its seconds, where nobody knows it."""
        key = _key(space, config)
        if key not in self._known:
            row = self._base.execute(
                "SELECT loss FROM evaluations WHERE problem = ? AND config = ?",
                (self._problem, key),
            ).fetchone()
            if row is None:
                loss, seconds = measure()
                self._base.execute(
                    "INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?)",
                    (self._problem, key, loss, round(seconds, 4)),
                )
                row = (loss,)
            self._known[key] = row[0]
        return self._known[key]

    def seconds(self) -> list[float]:
        """How long each evaluation took, fastest first."""
        rows = self._base.execute(
            "SELECT seconds FROM evaluations WHERE problem = ? ORDER BY seconds", (self._problem,)
        )
        return [float(s) for (s,) in rows]

    def close(self) -> None:
        self._base.close()


def _key(space: SearchSpace, config: Config) -> str:
    return json.dumps(space.key(config), separators=(",", ":"))
