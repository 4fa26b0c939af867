"""The file of requests to a study: who asks appends to it, the study process reads what is new."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from hyperllama.core.errors import StudyError
from hyperllama.core.events.requests import Request, parse, request_to_json
from hyperllama.core.storage.folder import COMMANDS, write_atomically

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def send(folder: Path, request: Request) -> None:
    """Append a request to the study's `commands.jsonl`.

    Raises:
        StudyError: the file cannot be written, or the study has no folder.
    """
    data = (request_to_json(request, time.time()) + "\n").encode("utf8")
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(folder / COMMANDS, flags, 0o600)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
    except FileNotFoundError as error:
        raise StudyError(
            f"the study {folder.name!r} has no folder here: it did not start, or was deleted",
            "start it again; `hyperllama studies` lists those that are there",
        ) from error
    except OSError as error:
        hint = f"check that {folder} is writable" if error.errno in _REFUSED else str(folder)
        raise StudyError(f"the request could not be written: {error.strerror}", hint) from error


def log_bytes(folder: Path) -> int:
    """The length of a study's `commands.jsonl`; 0 where there is none."""
    try:
        return (folder / COMMANDS).stat().st_size
    except OSError:
        return 0


class Inbox:
    """The study's end of `commands.jsonl`: what was asked since it last looked.

    How far it read is kept in `commands.done`: requests made while no process owns the study are
    read by the next one, and none is carried out twice.

    Args:
        unowned_bytes: length of the file when this process took the study over; what stands after
            that was asked of this process. Default: the length it has now.
    """

    def __init__(self, folder: Path, unowned_bytes: int | None = None) -> None:
        self._folder = folder
        self._mark = folder / "commands.done"
        self._unowned_bytes = log_bytes(folder) if unowned_bytes is None else unowned_bytes
        try:
            self._offset = int(self._mark.read_text("utf8"))
        except (OSError, ValueError):
            self._offset = 0
        if log_bytes(folder) < self._offset:
            self._offset = 0

    def read_unowned(self) -> list[Request | str]:
        """As `read`, but only what was asked while no process owned the study."""
        return self.read(max(0, self._unowned_bytes - self._offset))

    def read(self, most_bytes: int = -1) -> list[Request | str]:
        """New requests, oldest first; strings say what was wrong with a line.

        Costs one `stat` when there is nothing new. Call `done` once they are carried out.
        """
        if log_bytes(self._folder) <= self._offset:
            return []
        try:
            with (self._folder / COMMANDS).open("rb") as file:
                file.seek(self._offset)
                data = file.read(most_bytes)
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [parse(line) for line in whole.splitlines() if line.strip()]

    def done(self) -> None:
        """Remember that everything read so far was carried out."""
        write_atomically(self._mark, str(self._offset))
