"""The permanent log of every proposal: one JSON object a line, never rewritten.

A line holds the proposal's number, time, proposer, configuration, reasoning, and its whole record:
prompt, raw reply, rejections, seed, model file and hash, settings, tokens, seconds. A proposal that
was made anew after a crash is there twice; the later line counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO


class ProposalLog:
    """Appends to the log; each line is on the disk before `append` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line, flushed and synced. A torn line left by a crash is closed off first."""
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
        self.write(text, new=True)

    def fetch(self) -> None:
        """Take over what other processes of the study have written."""

    def write(self, text: str, new: bool = False) -> None:
        """Write a line; `new`: it was not read from the log of the study."""
        if self._file is None:
            self._file = self.path.open("ab")
            if _ends_torn(self.path):
                self._file.write(b"\n")
        self._file.write(text.encode("utf8", "replace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def read_proposals(path: Path, number: int | None = None) -> Iterator[dict[str, Any]]:
    """The records in the order they were written, without lines that a crash tore.

    With a number, lines that cannot be of that trial are passed over unread: quick in a long log.
    """
    sign = b"" if number is None else b'"number":%d,' % number
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if sign not in line:
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


def read_beliefs(path: Path) -> dict[int, Mapping[str, Any]]:
    """What the model believed at each trial's proposal, by number, where it was recorded."""
    found: dict[int, Mapping[str, Any]] = {}
    for record in read_proposals(path):
        number, beliefs = record.get("number"), record.get("beliefs")
        if isinstance(number, int) and isinstance(beliefs, dict):
            found[number] = beliefs  # the last proposal for a trial is the one that counts
    return found


def _ends_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
