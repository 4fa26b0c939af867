"""The file of a study's events: the study process appends to it, others follow it as it grows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from hyperllama.core.events import Event, from_json, to_json

_CHUNK_BYTES = 65_536  # read at once; parsing that much takes a few milliseconds
_HEAD = 100  # bytes of a line that the name of its event stands in
_E = TypeVar("_E", bound=Event)
Listener = Callable[[Event, float], None]


class EventLog:
    """Appends events with the time they happened, and calls listeners in this process.

    An event is in the file before `emit` returns.

    The file is made anew whenever a study process starts, from what the storage holds, and put in
    the place of the old one: readers see another inode and begin again.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
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
        partial = self.path.with_name(self.path.name + ".part")
        with partial.open("wb") as file:
            file.write(_line(first, t))
            for event, then in past:
                file.write(_line(event, then))
        self.close()
        self._file = partial.open("ab")
        partial.replace(self.path)
        self._tell(first, t)

    def emit(self, event: Event) -> None:
        with self.lock:
            t = self._clock()
            if self._file is None:
                self._file = self.path.open("ab")
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


class EventTail:
    """Reads a growing file of events; starts again when the file was replaced or cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = -1
        self._offset = 0
        self._rest = b""
        self.behind = False  # the last read left something

    def read(self, most_bytes: int = _CHUNK_BYTES) -> tuple[list[tuple[Event, float]], bool]:
        """(the next events, True if they are the first of a new file)."""
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())
                fresh = stat.st_ino != self._inode or stat.st_size < self._offset
                if fresh:
                    self._inode, self._offset, self._rest = stat.st_ino, 0, b""
                if stat.st_size == self._offset:
                    self.behind = False
                    return [], fresh
                file.seek(self._offset)
                data = file.read(most_bytes)
        except FileNotFoundError:
            return [], False
        self._offset += len(data)
        self.behind = self._offset < stat.st_size
        *lines, self._rest = (self._rest + data).split(b"\n")
        parsed = (from_json(line.decode("utf8", "replace")) for line in lines if line.strip())
        return [event for event in parsed if event is not None], fresh


def read_events(path: Path) -> Iterator[tuple[Event, float]]:
    """The events of a file, each with the time it happened; none where there is no file."""
    tail = EventTail(path)
    while events := tail.read()[0]:
        yield from events


def latest(kind: type[_E], path: Path) -> _E | None:
    """The last event of that kind in a file; None where there is none, or no file."""
    mark, found = f'"{kind.__name__}"'.encode(), None
    with suppress(OSError), path.open("rb") as file:
        for line in file:
            if mark in line[:_HEAD]:
                read = from_json(line.decode("utf8", "replace"))
                found = read[0] if read is not None and isinstance(read[0], kind) else found
    return found


def _line(event: Event, t: float) -> bytes:
    return (to_json(event, t) + "\n").encode("utf8", "replace")
