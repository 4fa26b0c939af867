"""Opens Optuna storages. SQLite files are set up so that readers do not block the study."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy import URL, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from hyperllama.core.errors import StudyError, pip_install
from hyperllama.core.storage.folder import hide_password
from hyperllama.core.storage.paths import DATABASE, own_database
from hyperllama.core.storage.patience import Patience, is_restart, patient
from hyperllama.core.storage.sqlite_file import (
    BUSY_TIMEOUT_S,
    checked_file,
    damage_of,
    damaged_database,
    first_line,
)

optuna.logging.disable_default_handler()

SUPPORTED = ("sqlite", "postgresql", "mysql")
_POSTGRES = "postgresql+psycopg"  # psycopg 3, which plain postgresql:// means here, too


def open_study_storage(
    folder: Path, url: str, *, checked: bool = False, patience: Patience | None = None
) -> BaseStorage:
    """The storage of an existing study; with `checked`, the file in its folder is looked through.

    Raises:
        StudyError: the file is missing, empty or damaged; the hint says how it is rebuilt.
    """
    if url != own_database(folder):
        return open_storage(url, create=False, patience=patience)
    file = checked_file(folder)
    if checked and (damage := damage_of(file)):
        raise damaged_database(folder, f"is damaged: {damage}")
    try:
        return open_storage(url, create=False)
    except StudyError as error:
        raise StudyError(error.message, damaged_database(folder).hint) from error


@contextmanager
def new_database(folder: Path) -> Iterator[BaseStorage]:
    """A new database, which takes the place of the one in a study's folder once the block has
    ended without an error."""
    part = folder / f"{DATABASE}.part"

    def clear() -> None:
        for file in folder.glob(f"{part.name}*"):
            file.unlink()

    clear()
    storage = open_storage(f"sqlite:///{part}")
    yield storage
    storage.remove_session()
    with closing(sqlite3.connect(part)) as connection:  # nothing stays in the -wal file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    part.replace(folder / DATABASE)
    clear()


def take_out(url: str, study: str, folder: Path) -> None:
    """Move a study from a storage that it shares into a file of its own in its folder.

    Every trial is copied, and counted, before the study is removed from the shared storage.

    Raises:
        StudyError: a storage cannot be read or written; then the study stays where it was.
    """
    shared = open_storage(url, create=False)
    with storage_errors():
        try:
            study_id = shared.get_study_id_from_name(study)
        except KeyError:
            return
        with new_database(folder) as own:
            optuna.copy_study(
                from_study_name=study, from_storage=shared, to_storage=own, to_study_name=study
            )
            copied = own.get_n_trials(own.get_study_id_from_name(study))
            if copied != shared.get_n_trials(study_id):
                raise StudyError(f"the study {study!r} could not be moved out of {url}")
        shared.delete_study(study_id)


def open_storage(
    url: str, *, create: bool = True, patience: Patience | None = None
) -> BaseStorage:
    """An Optuna storage. SQLite files are set up so that readers do not block the study.

    Args:
        patience: how long a server is waited for that does not answer; None: only for one that says
            that it restarts.

    Raises:
        StudyError: the URL is malformed, its driver is missing, or the database cannot be reached.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StudyError(
            f"{hide_password(url)!r} is not a storage URL",
            "for example sqlite:///studies.db or postgresql://user:password@host/database",
        ) from error
    shown, kind = hide_password(url), parsed.get_backend_name()
    if kind not in SUPPORTED:
        raise StudyError(
            f"the storage {shown} is of a kind that is not supported",
            f"supported: {', '.join(SUPPORTED)} (MySQL was not tested)",
        )
    try:
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername=_POSTGRES)
        if kind != "sqlite":
            return _server(parsed, patience or Patience(outage=is_restart))
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
            f"for PostgreSQL, the server that was tested: {pip_install('hyperllama[postgres]')}",
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
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        raise StudyError(
            f"the storage failed: {first_line(error.__cause__ or error)}",
            "nothing that was finished is lost; check the disk or the connection, then resume; "
            "`hyperllama repair` rebuilds a study's own database from its logs",
        ) from error
    except (ValueError, TypeError, LookupError, AssertionError) as error:
        raise StudyError(
            f"the storage holds what Optuna cannot read: {first_line(error)}",
            "`hyperllama repair` rebuilds a study's own database from its logs",
        ) from error


def study_exists(storage: BaseStorage, study: str) -> bool:
    """Whether the storage has a study of this name."""
    with storage_errors():
        try:
            storage.get_study_id_from_name(study)
        except KeyError:
            return False
    return True


def engine_of(storage: BaseStorage) -> Engine:
    """What reaches the database of a storage."""
    backend = getattr(storage, "_backend", storage)
    assert isinstance(backend, RDBStorage)
    return backend.engine


def _server(url: URL, patience: Patience) -> BaseStorage:
    """A storage on a server: its outages are waited out, also one that is not noticed at once."""
    settings: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        settings["connect_args"] = {"connect_timeout": 10, "keepalives_idle": 10,
                                    "keepalives_interval": 5, "keepalives_count": 3,
                                    "tcp_user_timeout": 20_000}
    whole = url.render_as_string(hide_password=False)
    opened = patience.call(RDBStorage, whole, engine_kwargs=settings)
    return patient(get_storage(opened))


def _sqlite(url: str) -> BaseStorage:
    """Without Optuna's cache of trials: `SqliteReader` reads those."""
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": BUSY_TIMEOUT_S}})


@contextmanager
def _prepared(file: Path) -> Iterator[None]:
    """A file in write-ahead mode (kept in it once set): readers do not block the writer.

    Two processes that make the same tables at the same time would fail, so one waits.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(file.name + ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
        yield
