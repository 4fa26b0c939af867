"""A study's folder, claimed by the process that will run the study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.folder import Lock, check_name, free_name
from hyperllama.core.storage.paths import can_share, study_dir
from hyperllama.core.storage.request_log import log_bytes


@dataclass(frozen=True)
class Claim:
    """A study's folder, whether it is new, what was asked of it before (bytes), and its lock."""

    folder: Path
    fresh: bool
    unowned_bytes: int
    lock: Lock


def claim_again(folder: Path) -> Claim:
    """The folder of a study that is to go on, its lock taken."""
    claim = Claim(folder, False, log_bytes(folder), Lock(folder))
    claim.lock.take()
    return claim


def claim_worker(folder: Path, url: str) -> Claim:
    """A folder of its own, in that of a study, for a process that joins it.

    Raises:
        StudyError: its storage, at `url`, is for one process alone.
    """
    if not can_share(folder, url):
        raise StudyError(
            f"the study {folder.name!r} is in a file of its own, on which one process works",
            "`--jobs N` runs trials side by side; a study that is begun with --storage URL, such "
            "as postgresql://..., can be joined",
        )
    number = 1
    while True:
        own = folder / f"worker-{number}"
        claim = Claim(own, not own.exists(), log_bytes(own), Lock(own))
        try:
            claim.lock.take(0.0)
        except StudyError:
            if not own.exists():
                raise
            number += 1
        else:
            return claim


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
