"""A study read by its name without working on it; `study.history` makes its state of this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.storage.database import open_study_storage
from hyperllama.core.storage.folder import TASK, find_study, read_summary, storage_of
from hyperllama.core.storage.paths import own_database, study_dir
from hyperllama.core.storage.store import Store, StoredTrial


@dataclass(frozen=True)
class StoredStudy:
    """A study as the storage and its folder have it now, made by HyperLlama or another program.

    Attributes:
        direction: "maximize" for studies of HyperLlama.
        attrs: what HyperLlama keeps about the study ("metric", "settings", ...); empty for one of
            another program.
        trials: all of them, those that wait, run or were pruned included.
        summary: of its folder; empty where the folder is not on this machine.
        task_file: the copy of its task file; None where there is none.
    """

    name: str
    direction: str
    attrs: dict[str, Any]
    trials: Sequence[StoredTrial]
    summary: dict[str, Any]
    task_file: Path | None


def read_stored(study: str, storage: str | None = None) -> StoredStudy:
    """Everything that is stored about a study; it may be running.

    Args:
        study: its name.
        storage: an Optuna storage URL; default: where the study's folder says it is.

    Raises:
        StudyError: there is no such study, or its storage cannot be read.
    """
    folder = study_dir(study) if storage else find_study(study)
    url = storage or storage_of(folder)
    opened = open_study_storage(folder, url)
    alone = url == own_database(folder)
    store = Store.open(opened, study if storage else folder.name, alone=alone)
    try:
        task_file = folder / TASK
        return StoredStudy(
            name=study if storage else folder.name,
            direction=store.directions()[0].lower(),
            attrs=store.attrs(),
            trials=store.trials(),
            summary=read_summary(folder) or {},
            task_file=task_file if task_file.exists() else None,
        )
    finally:
        store.close()
