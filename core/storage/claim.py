"""A study's folder, claimed by the process that will run the study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.folder import Lock, check_name, free_name
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.request_log import log_bytes


@dataclass(frozen=True)
class Claim:
    """A study's folder, whether it is new, what was asked of it before (bytes), and its lock."""

    folder: Path
    fresh: bool
    unowned_bytes: int
    lock: Lock


def claim_folder(wanted: str | None, task: str) -> Claim:
    """The folder of a new study, its lock taken."""
    while True:
        folder = study_dir(check_name(wanted) if wanted is not None else free_name(task))
        claim = Claim(folder, not folder.exists(), log_bytes(folder), Lock(folder))
        try:
            claim.lock.take(1.0 if wanted is not None else 0.0)
        except StudyError:
            if wanted is None and folder.exists():
                continue  # another process was quicker; the next free name is another one
            raise
        return claim
