"""Writes a study's `events.jsonl`, which others follow, and calls listeners in this process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from hyperllama.core.events import Event, to_json

Listener = Callable[[Event, float], None]


class EventLog:
    """Appends events with the time they happened; each is in the file before `emit` returns.

    The file is made anew whenever a study process starts, from what the storage holds, and put in
    the place of the old one: watchers see another inode and begin again.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._listeners: list[Listener] = []
        self._file: BinaryIO | None = None
        self.lock = threading.RLock()
        """Held while an event is written: a model may be loaded in a thread of its own."""

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def begin(self, first: Event, past: Iterable[tuple[Event, float]]) -> None:
        """Start the file with `first`, then what happened before; listeners hear only `first`."""
        t = self._clock()
        partial = self._path.with_name(self._path.name + ".part")
        with partial.open("wb") as file:
            file.write(_line(first, t))
            for event, then in past:
                file.write(_line(event, then))
        self.close()
        self._file = partial.open("ab")
        partial.replace(self._path)
        self._tell(first, t)

    def emit(self, event: Event) -> None:
        with self.lock:
            t = self._clock()
            if self._file is None:
                self._file = self._path.open("ab")
            # One write a line, unbuffered: a killed process leaves at most one torn last line.
            os.write(self._file.fileno(), _line(event, t))
            self._tell(event, t)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _tell(self, event: Event, t: float) -> None:
        for listener in self._listeners:
            listener(event, t)


def _line(event: Event, t: float) -> bytes:
    return (to_json(event, t) + "\n").encode("utf8", "replace")
