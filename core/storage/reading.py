"""A study read by its name without working on it; `study.history` makes its state of this."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperllama.core.storage.folder import TASK, find_study, read_summary, storage_of
from hyperllama.core.storage.paths import own_database, study_dir
from hyperllama.core.storage.sqlite_file import checked_file, damaged_database, first_line
from hyperllama.core.storage.sqlite_reader import reader_of_file
from hyperllama.core.storage.trial_rows import (
    StoredTrial,
    is_reserved,
    own_attrs,
    sound_attrs,
    sound_trial,
)


@dataclass(frozen=True)
class StoredStudy:
    """A study as the storage and its folder have it now, made by HyperLlama or another program.

    Attributes:
        direction: "maximize" for studies of HyperLlama.
        attrs: what HyperLlama keeps about the study ("metric", "settings", ...); empty for one of
            another program.
        trials: all of them, those that wait, run or were pruned included.
        summary: of its folder; empty where the folder is not on this machine. "owner" names the
            process that owns the study, where that works in another folder, "owner_beat" is its
            counter.
        task_file: the copy of its task file; None where there is none.
    """

    name: str
    direction: str
    attrs: dict[str, Any]
    trials: Sequence[StoredTrial]
    summary: dict[str, Any]
    task_file: Path | None


def read_stored(
    study: str, storage: str | None = None, *, number: int | None = None
) -> StoredStudy:
    """Everything that is stored about a study; it may be running.

    Args:
        study: its name.
        number: of the only trial to read; default: all.
        storage: an Optuna storage URL; default: where the study's folder says it is.

    Raises:
        StudyError: there is no such study, or its storage cannot be read.
    """
    folder = study_dir(study) if storage else find_study(study)
    url = storage or storage_of(folder)
    if url == own_database(folder):
        found = _read_own(folder, number)
        if found is not None:
            return found
    return _read_shared(study if storage else folder.name, folder, url, number)


def _read_own(folder: Path, number: int | None) -> StoredStudy | None:
    """A study whose database lies in its folder, read without Optuna; None where that is not of
    the layout that is known."""
    file = checked_file(folder)
    try:
        reader = reader_of_file(file)
        study_id = reader.study(folder.name, alone=True) if reader is not None else None
        if reader is None or study_id is None:
            return None
        rows = reader.rows(study_id, number=number)
        attrs, direction = reader.attrs(study_id), reader.direction(study_id)
    except sqlite3.Error as error:
        raise damaged_database(folder, f"cannot be read: {first_line(error)}") from error
    return _stored(folder.name, folder, direction, sound_attrs(own_attrs(attrs)),
                   [sound_trial(row) for row in rows if not is_reserved(row)])  # fmt: skip


def _read_shared(name: str, folder: Path, url: str, number: int | None) -> StoredStudy:
    """A study in any storage, read with Optuna."""
    from hyperllama.core.storage.database import open_study_storage
    from hyperllama.core.storage.shared_store import SharedStore

    opened = open_study_storage(folder, url)
    store = SharedStore.open(opened, name, alone=url == own_database(folder))
    try:
        trials = [t for t in store.trials() if number in (None, t.number)]
        found = _stored(name, folder, store.directions()[0].lower(), store.attrs(), trials)
        assert isinstance(store, SharedStore)
        owner = store.owner()
        if owner is None or found.summary.get("live"):
            return found
        of = {"state": "running", "owner": owner[0], "owner_beat": owner[1]}
        return replace(found, summary={**found.summary, **of})
    finally:
        store.close()


def _stored(
    name: str, folder: Path, direction: str, attrs: dict[str, Any], trials: list[StoredTrial]
) -> StoredStudy:
    task_file = folder / TASK
    return StoredStudy(
        name, direction, attrs, trials, read_summary(folder) or {},
        task_file if task_file.exists() else None,
    )  # fmt: skip
