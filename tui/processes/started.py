"""Processes that were started from here and do not end with the interface."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Sequence
from typing import BinaryIO

NOWHERE = subprocess.DEVNULL
_LOOK_S = 0.05  # between two looks whether it is gone


def environment() -> dict[str, str]:
    """The surroundings of a command of ours that is started from here."""
    return {**os.environ, "NO_COLOR": "1"}


class Started:
    """A process that was started from here and does not end with the interface.

    One of `asyncio` would be killed by it when its transport is collected (Python 3.12).
    """

    def __init__(self, argv: Sequence[str], output: BinaryIO | int) -> None:
        self.started_t = time.time()  # seconds since the epoch
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it lives."""
        return self._process.poll()

    def kill(self) -> None:
        self._process.kill()

    async def wait(self) -> int:
        """Its exit code, once it ended."""
        while (code := self.returncode) is None:
            await asyncio.sleep(_LOOK_S)
        return code
