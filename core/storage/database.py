"""Opens Optuna storages. SQLite files are set up so that readers do not block the study."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from hyperllama.core.errors import StudyError

_BUSY_TIMEOUT_S = 60.0

optuna.logging.disable_default_handler()


def open_storage(url: str, *, create: bool = True) -> BaseStorage:
    """An Optuna storage. SQLite files are set up so that readers do not block the study.

    Raises:
        StudyError: the URL is malformed, its driver is missing, or the database cannot be reached.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StudyError(
            f"{url!r} is not a storage URL",
            "for example sqlite:///studies.db or postgresql://user:password@host/database",
        ) from error
    shown = parsed.render_as_string(hide_password=True)
    try:
        if parsed.get_backend_name() != "sqlite":
            return get_storage(url)
        file = parsed.database or ""
        if file and file != ":memory:":
            if not create and not Path(file).exists():
                raise StudyError(f"there is no database {file}", "give --storage, or run a study")
            with _prepared(Path(file)):
                return _sqlite(url)
        return _sqlite(url)
    except (ImportError, NoSuchModuleError) as error:
        raise StudyError(
            f"the storage {shown} needs a driver that is not installed: {first_line(error)}",
            "install it, for example `pip install psycopg2-binary` for PostgreSQL",
        ) from error
    except (SQLAlchemyError, sqlite3.Error, OSError, RuntimeError) as error:
        raise StudyError(
            f"the storage {shown} cannot be opened: {first_line(error)}",
            "check the address, the permissions, and that it is a database of Optuna",
        ) from error


class TrialEnded(StudyError):
    """Another program ended a trial that was to be written to."""


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises StudyError where Optuna or the database fails, TrialEnded if a trial has ended."""
    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise TrialEnded(
            "a trial was finished by another program before its result was stored",
            "no other trial is lost; resume the study once that program is done",
        ) from error
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise StudyError(
            f"the storage failed: {first_line(error.__cause__ or error)}",
            "nothing that was finished is lost; check the disk or the connection, then resume",
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _sqlite(url: str) -> BaseStorage:
    return get_storage(
        RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _BUSY_TIMEOUT_S}})
    )


@contextmanager
def _prepared(file: Path) -> Iterator[None]:
    """A file in write-ahead mode (kept in it once set): readers do not block the writer.

    Two processes that make the same tables at the same time would fail, so one waits.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(file.name + ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
        yield
