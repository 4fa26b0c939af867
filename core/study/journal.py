"""The lines that steering leaves in a study, and what an undo would take back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hyperllama.core.events import Event, StudySteered
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.storage.store import Store

_KEPT = 500  # lines
_UNDONE = 50  # changes that can be taken back


class Journal:
    """Every steering action as a line, kept in the storage; the newest changes can be undone.

    Args:
        settings: what holds now, told with every line.
        last_trial: number of the last trial begun, -1 if none was.
    """

    def __init__(
        self,
        store: Store,
        events: EventLog,
        settings: Callable[[], Mapping[str, Any]],
        last_trial: Callable[[], int],
    ) -> None:
        self._store, self._events = store, events
        self._settings, self._last_trial = settings, last_trial
        self._lines: list[tuple[float, int, str]] = []
        self._undo: list[tuple[str, Callable[[], None]]] = []

    def restore(self, lines: Sequence[Any]) -> list[tuple[Event, float]]:
        """Take over the lines of earlier sessions; they can no longer be undone."""
        self._lines = [(float(t), int(after), str(text)) for t, after, text in lines]
        return [(StudySteered(after, text), t) for t, after, text in self._lines]

    def write(self, text: str, undo: Callable[[], None] | None = None) -> None:
        """Add a line; `undo` takes back what it says."""
        if undo is not None:
            self._undo = [*self._undo, (text, undo)][-_UNDONE:]
        after = self._last_trial()
        self._lines = [*self._lines, (round(time.time(), 3), after, text)][-_KEPT:]
        self._store.set_attrs({"steered": self._lines})
        newest = self._undo[-1][0] if self._undo else ""
        self._events.emit(StudySteered(after, text, self._settings(), newest))

    def undo(self) -> bool:
        """Take back the newest change; False if there is none."""
        if not self._undo:
            return False
        text, take_back = self._undo.pop()
        take_back()
        self.write(f"taken back: {text}")
        return True
