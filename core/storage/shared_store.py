"""A study in a storage that several processes can reach: each runs trials that it alone has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from hyperllama.core.storage.database import TrialEnded, engine_of, storage_errors
from hyperllama.core.storage.patience import Patience, patience_of
from hyperllama.core.storage.sharing import StudyProcesses, forget_processes, owner_of
from hyperllama.core.storage.store import Store
from hyperllama.core.storage.trial_rows import is_reserved, sound_trial


class SharedStore(Store):
    """As `Store`, after `enter`: a trial that another living process has is left to it."""

    processes: StudyProcesses
    """Those that work on the study."""

    @classmethod
    def create(
        cls, storage: BaseStorage, study: str, metric: str, attrs: Mapping[str, Any]
    ) -> SharedStore:
        store = super().create(storage, study, metric, attrs)
        assert isinstance(store, SharedStore)
        with storage_errors():
            forget_processes(engine_of(storage), store._study_id)
        return store

    def owner(self) -> tuple[str, int] | None:
        """The process that owns the study, see `sharing.owner_of`."""
        with storage_errors():
            return owner_of(engine_of(self._storage), self._study_id)

    def enter(
        self, folder: Path, owner: bool, waiting: Callable[[str, float], None]
    ) -> StudyProcesses:
        """Work on the study as one of several processes.

        Args:
            folder: where this process works, its lock taken.
            owner, waiting: as for `StudyProcesses.enter`.

        Raises:
            StudyError: another process owns it.
        """
        with storage_errors():
            engine = engine_of(self._storage)
            self.processes = StudyProcesses(engine, self._study_id, folder, self.patience)
            self.processes.enter(owner, waiting)
        return self.processes

    @property
    def patience(self) -> Patience:
        """How outages of the storage are waited out."""
        return patience_of(self._storage)

    def begun(self, before: int | None = None) -> int:
        """How many trials have ended, run, or are reserved by other processes; those of a lower
        number than `before`, where that is given.

        A lower number that is reserved belongs to another process, also where that has not noted it
        yet: what nobody has is taken before a new number is.
        """
        with storage_errors():
            elsewhere = self.processes.elsewhere()
        return sum(
            (before is not None or row.number in elsewhere) and row.state == "RUNNING"
            if is_reserved(row)
            else row.state != "WAITING" and not sound_trial(row).rejected
            for row in self._rows() if before is None or row.number < before
        )  # fmt: skip

    def put_back(self, number: int) -> None:
        """As in `Store`, unless another process has taken the trial over."""
        if self._claim(number):
            super().put_back(number)

    def finish(
        self, number: int, value: float | None, attrs: Mapping[str, Any], pruned: bool = False,
        constraints: Mapping[str, float] = {},
    ) -> None:  # fmt: skip
        """As in `Store`.

        Raises:
            TrialEnded: another process has taken the trial over, or another program has ended it.
        """
        if not self._claim(number):
            raise TrialEnded(
                f"trial {number} was taken over: this process did not answer for too long"
            )
        try:
            super().finish(number, value, attrs, pruned, constraints)
        except TrialEnded:
            with storage_errors():
                (stored,) = (row for row in self._rows() if row.number == number)
            if sound_trial(stored).process != self.processes.label:
                raise  # else it was this process: only the server's answer was lost

    def close(self) -> None:
        """Leave the study, and close its storage."""
        if hasattr(self, "processes"):
            self.processes.leave()
        super().close()

    def _claim(self, number: int) -> bool:
        with storage_errors():
            return self.processes.claim(number)

    def _who(self) -> dict[str, str]:
        return {"process": self.processes.label}
