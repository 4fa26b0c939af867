"""A study read by its name without working on it: for `show`, `export`, and scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.storage.database import open_storage
from hyperllama.core.storage.folder import TASK, find_study, read_summary, storage_of
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.store import Store, StoredTrial


@dataclass(frozen=True)
class StudyFacts:
    """A study as the storage has it now.

    Attributes:
        study: its name.
        direction: "maximize" for studies of HyperLlama.
        attrs: what is kept about the study ("metric", "settings", "test_score", ...).
        summary: of its folder; empty where the folder is not on this machine.
        task_file: the copy of its task file; None where there is none.
    """

    study: str
    direction: str
    attrs: dict[str, Any]
    trials: Sequence[StoredTrial]
    summary: dict[str, Any]
    task_file: Path | None

    @property
    def best(self) -> StoredTrial | None:
        """The complete trial with the best value, the earliest of equals."""
        complete = [t for t in self.trials if t.state == "COMPLETE" and t.value is not None]
        sign = -1.0 if self.direction == "minimize" else 1.0
        return max(complete, key=lambda t: (sign * (t.value or 0.0), -t.number), default=None)

    @property
    def default(self) -> StoredTrial | None:
        """The trial of the library's default configuration."""
        found = (t for t in self.trials if t.proposer == "default" and t.state == "COMPLETE")
        return next(found, None)


def read_study(study: str, storage: str | None = None) -> StudyFacts:
    """Everything about a study, read from its storage; it may be running.

    Args:
        study: its name.
        storage: an Optuna storage URL; default: where the study's folder says it is.

    Raises:
        StudyError: there is no such study, or its storage cannot be read.
    """
    folder = study_dir(study) if storage else find_study(study)
    url = storage or storage_of(folder)
    store = Store.open(open_storage(url, create=False), study if storage else folder.name)
    try:
        task_file = folder / TASK
        return StudyFacts(
            study=study if storage else folder.name,
            direction=store.directions()[0].lower(),
            attrs=store.attrs(),
            trials=store.trials(),
            summary=read_summary(folder) or {},
            task_file=task_file if task_file.exists() else None,
        )
    finally:
        store.close()
