"""Files that others wrote: only regular ones are opened, and only up to a size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from hyperllama.models.errors import HyperLlamaError

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
          (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def open_regular(path: Path, error: type[HyperLlamaError], buffering: int = -1) -> BinaryIO:
    """Open a regular file, also through links, without ever waiting for another program.

    Raises:
        HyperLlamaError: of the type `error`: it is a folder, a pipe, a socket or a device, or the
            path holds a NUL character.
        OSError: it is not there, or may not be read.
    """
    shown = _shown(path)
    if "\0" in str(path):
        raise error(f"{shown}: the path holds a NUL character", "no file can be called so")
    _only_regular(path.stat().st_mode, shown, error)
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _only_regular(os.fstat(number).st_mode, shown, error)  # it may be another file by now
        return os.fdopen(number, "rb", buffering)
    except BaseException:
        os.close(number)
        raise


def read_small(path: Path, most_bytes: int, error: type[HyperLlamaError]) -> bytes:
    """All of a regular file that is expected to be small. Raises as `open_regular`, or too large.
    """
    with open_regular(path, error) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise error(f"{_shown(path)} has more than {most_bytes:,} bytes",
                    "is this the right file?")
    return content


def _shown(path: Path) -> str:
    """The path as one line, without characters that a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(path))


def _only_regular(mode: int, shown: str, error: type[HyperLlamaError]) -> None:
    if not stat.S_ISREG(mode):
        what = next((name for test, name in _KINDS if test(mode)), "no file")
        raise error(f"{shown} is {what}", "name a regular file")
