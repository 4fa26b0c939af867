"""Whole studies, put in order by a person: another title, archived, deleted and taken back.

A title and the archive mark stand in a file of their own beside the summary, which belongs to the
study's process. A deleted study lies in the trash for a week: its folder is moved there and back.
Emptying the trash removes its trials from the storage too, which imports Optuna; so it is done in a
process of its own: `python -m hyperllama.core.storage.trash`.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.storage.folder import holder, write_atomically
from hyperllama.core.storage.paths import DATABASE, home, study_dir

LABEL = "label.json"
KEPT_S = 7 * 86_400.0


def read_label(folder: Path) -> dict[str, Any]:
    """The person's own words about a study: "title" (str) and "archived" (bool), where given."""
    try:
        label = json.loads((folder / LABEL).read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return label if isinstance(label, dict) else {}


def retitle(study: str, title: str) -> None:
    """Call a study something else in lists; its name in commands and in the storage stays."""
    _label(study, title=title.strip()[:100])


def archive(study: str, archived: bool = True) -> None:
    """Take a study out of the list of studies, or put it back."""
    _label(study, archived=archived)


def delete(study: str) -> None:
    """Move a study to the trash.

    Raises:
        StudyError: a process works on it, or the folder cannot be moved.
    """
    folder = study_dir(study)
    if holder(folder) is not None:
        raise StudyError(f"{study} is running", "stop it first, then delete it")
    try:
        trash().mkdir(parents=True, exist_ok=True)
        place = trash() / folder.name
        if place.exists():
            shutil.rmtree(place)
        folder.rename(place)
        (place / "deleted").write_text(f"{time.time()}\n", "utf8")
    except OSError as error:
        raise StudyError(f"{study} could not be deleted: {error}") from error


def restore(study: str) -> None:
    """Take a study out of the trash again.

    Raises:
        StudyError: it is not there any more, or its place is taken.
    """
    place, folder = trash() / study_dir(study).name, study_dir(study)
    try:
        if folder.exists():
            raise StudyError(f"there is a study {study!r} again", "rename or delete that one first")
        place.rename(folder)
        (folder / "deleted").unlink(missing_ok=True)
    except OSError as error:
        raise StudyError(f"{study} could not be taken back: {error}") from error


def trash() -> Path:
    """Where deleted studies lie."""
    return home() / "trash"


def overdue(now: float) -> list[Path]:
    """Studies in the trash that have been there for a week."""
    found = []
    for folder in sorted(trash().glob("*")):
        try:
            since = float((folder / "deleted").read_text("utf8"))
        except (OSError, ValueError):
            since = folder.stat().st_mtime
        if now - since > KEPT_S:
            found.append(folder)
    return found


def empty_trash(now: float) -> list[str]:
    """Remove for good what is overdue, from the disk and from the storage; the names."""
    removed = []
    for folder in overdue(now):
        try:
            _forget(folder)
        except HyperLlamaError:
            continue  # its storage is not within reach now; it is tried again next time
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder.name)
    return removed


def _forget(folder: Path) -> None:
    if (folder / DATABASE).exists():
        return  # its trials lie in its folder
    from hyperllama.core.storage.database import engine_of, open_storage, study_exists
    from hyperllama.core.storage.folder import read_summary, storage_of
    from hyperllama.core.storage.sharing import forget_processes

    name = str((read_summary(folder) or {}).get("study") or folder.name)
    storage = open_storage(storage_of(folder), create=False)
    if study_exists(storage, name):
        study_id = storage.get_study_id_from_name(name)
        storage.delete_study(study_id)
        forget_processes(engine_of(storage), study_id)


def _label(study: str, **changes: Any) -> None:
    folder = study_dir(study)
    try:
        text = json.dumps({**read_label(folder), **changes}, ensure_ascii=False)
        write_atomically(folder / LABEL, text + "\n")
    except OSError as error:
        raise StudyError(f"{folder} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    empty_trash(time.time())
