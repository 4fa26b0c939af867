"""How a process begins to work on a study that others may reach, too, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyperllama.core.events import Event, Noted, StudyWaiting
from hyperllama.core.storage.paths import can_share
from hyperllama.core.storage.patience import Patience, is_unreachable
from hyperllama.core.storage.proposal_log import ProposalLog
from hyperllama.core.storage.shared_log import SharedLog
from hyperllama.core.storage.shared_store import SharedStore
from hyperllama.core.storage.store import Store


def store_kind(folder: Path, url: str) -> type[Store]:
    """What reads and writes a study in this storage."""
    return SharedStore if can_share(folder, url) else Store


def patience_at_opening(
    emit: Callable[[Event], None], interrupted: Callable[[], bool]
) -> Patience:
    """How the server of a study that is there is waited for, before anything was read from it.

    Args:
        emit, interrupted: as for `enter`.
    """
    patience = Patience(outage=is_unreachable)
    patience.waiting, patience.interrupted = Awaited(emit).server, interrupted
    return patience


def enter(
    store: Store, folder: Path, owner: bool, emit: Callable[[Event], None],
    interrupted: Callable[[], bool],
) -> None:  # fmt: skip
    """Work on a study, as one of several processes where others can reach it.

    Args:
        folder: where this process works, its lock taken.
        owner: this process keeps the books of the study; else it joins.
        emit: tells what it is waited for.
        interrupted: True ends the waiting for a server.

    Raises:
        StudyError: another process owns the study.
    """
    if isinstance(store, SharedStore):
        awaited = Awaited(emit)
        store.patience.waiting, store.patience.interrupted = awaited.server, interrupted
        store.enter(folder, owner, awaited.owner)
        awaited.over()


def proposal_log(store: Store, file: Path) -> ProposalLog:
    """The log of proposals of a study that was entered."""
    return SharedLog(file, store.processes) if isinstance(store, SharedStore) else ProposalLog(file)


class Awaited:
    """Tells once that the study waits, then every second how long at most, then that it goes on.

    Args:
        emit: tells an event.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._what = ""

    def server(self, left_s: float) -> None:
        """The server of the storage does not answer; 0.0: it does again."""
        if left_s > 0:
            self._tell("the storage to answer", left_s, "the storage does not answer")
        else:
            self.over()

    def owner(self, label: str, left_s: float) -> None:
        """The study belongs to process `label`, which may be gone."""
        said = f"the study belongs to process {label}, which may be gone"
        self._tell(f"process {label}", left_s, said)

    def over(self) -> None:
        """The waiting is over."""
        if self._what:
            self._emit(StudyWaiting(self._what, 0.0))
            self._emit(Noted("info", f"waited for {self._what}: it goes on"))
            self._what = ""

    def _tell(self, what: str, left_s: float, said: str) -> None:
        if not self._what:
            self._what = what
            self._emit(Noted("warning", f"{said}: the study waits at most {left_s:.0f} s"))
        self._emit(StudyWaiting(what, round(left_s, 1)))
