"""Results kept for good: a configuration on the same folds of the same table is trained once.

One file, shared by all experiments of a data folder and by the processes that work on them.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.storage.paths import home

_WAIT_S = 60.0


def default_file() -> Path:
    """Where results are kept when no other file is named."""
    return home() / "comparisons" / "trials.sqlite"


def config_key(space: SearchSpace, config: Config) -> str:
    """What a configuration is kept under: alike for equal configurations."""
    return json.dumps(space.key(config), separators=(",", ":"))


class KeptTrials:
    """A table (problem, configuration) -> result, on disk.

    Args:
        file: SQLite; made with its folder.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(file, timeout=_WAIT_S, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=NORMAL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS trials (problem TEXT, config TEXT, result TEXT,"
            " PRIMARY KEY (problem, config)) WITHOUT ROWID"
        )

    def get(self, problem: str, key: str) -> dict[str, Any] | None:
        row = self._base.execute(
            "SELECT result FROM trials WHERE problem = ? AND config = ?", (problem, key)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def put(self, problem: str, key: str, result: dict[str, Any]) -> None:
        self._base.execute(
            "INSERT OR REPLACE INTO trials VALUES (?, ?, ?)", (problem, key, json.dumps(result))
        )

    def count(self, problem: str) -> int:
        """How many configurations of a problem are kept."""
        found = self._base.execute("SELECT COUNT(*) FROM trials WHERE problem = ?", (problem,))
        return int(found.fetchone()[0])

    def close(self) -> None:
        self._base.close()
