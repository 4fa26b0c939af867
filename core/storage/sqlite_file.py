"""The SQLite file in a study's folder: is it there and whole, and its backup. Imports no Optuna."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.paths import DATABASE

BACKUP = f"{DATABASE}.backup"
BUSY_TIMEOUT_S = 60.0


def checked_file(folder: Path) -> Path:
    """The database in a study's folder.

    Raises:
        StudyError: it is missing or empty; the hint says how it is rebuilt.
    """
    file = folder / DATABASE
    if not file.exists() or not file.stat().st_size:
        raise damaged_database(folder, "is empty" if file.exists() else "is missing")
    return file


def damaged_database(folder: Path, what: str = "is damaged") -> StudyError:
    """The error of a study whose database cannot be used."""
    return StudyError(
        f"the database of the study {folder.name!r} {what}",
        f"`hyperllama repair {folder.name}` rebuilds it from the study's logs; "
        "no other study is hurt",
    )


def damage_of(file: Path) -> str:
    """What SQLite finds wrong with a database file; empty where it is whole, or is not there."""
    if not file.exists():
        return ""
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return first_line(error)
    return "" if found == "ok" else str(found)


def back_up(folder: Path) -> None:
    """Copy the storage in a study's folder, through SQLite, to the file beside it. Errors are left
    to the next time: the study goes on without a newer copy."""
    file, partial = folder / DATABASE, folder / f"{BACKUP}.part"
    if not file.exists():
        return
    try:
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(file, timeout=5.0)) as source, closing(
            sqlite3.connect(partial)
        ) as target:
            source.backup(target)
        partial.replace(folder / BACKUP)
    except (OSError, sqlite3.Error):
        partial.unlink(missing_ok=True)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
