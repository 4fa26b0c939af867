"""A child process of the interface that answers requests: it is awaited, and killed at any time.

The other end is `models.process.serve`; the interface never blocks on it and never loads what it
loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperllama.core.errors import ChildDied
from hyperllama.core.text import plain

_LINE_BYTES = 1 << 24


class JsonChild:
    """One child, started by its first request; one request at a time, in the order they came.

    Args:
        argv: see `models.process.python_argv`.
        name: what messages call it.
        log: file for what it prints and for its errors.
    """

    def __init__(self, argv: Sequence[str], name: str, log: Path) -> None:
        self._argv, self._name, self._log = list(argv), name, log
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._number = 0

    @property
    def pid(self) -> int | None:
        """Process id of the living child."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def ask(
        self,
        do: str,
        fields: Mapping[str, object] = {},
        on_event: Callable[[dict[str, Any]], None] = lambda message: None,
    ) -> dict[str, Any]:
        """Send a request and return the last message of its answer.

        Raises:
            ChildDied: it could not be started, ended, or answered with an error.
        """
        async with self._turn:
            process = await self._started()
            assert process.stdin is not None and process.stdout is not None
            self._number += 1
            request = {**fields, "id": self._number, "do": do}
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
                while line := await process.stdout.readline():
                    message: dict[str, Any] = json.loads(line)
                    if message.get("id") != self._number:
                        continue  # of a request that nobody waits for any longer
                    if "error" in message:
                        said = plain(str(message.get("message")))
                        raise ChildDied(said, plain(str(message.get("hint", ""))))
                    if "done" in message:
                        return message
                    on_event(message)
            except (ConnectionError, ValueError) as error:
                self.kill()
                raise ChildDied(f"{self._name} does not answer: {error}", self._where) from error
            raise ChildDied(f"{self._name} ended{self._last_words()}", self._where)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        pid, process = self.pid, self._process
        self._process = None
        if pid is not None and process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def close(self) -> None:
        """`kill`, and wait until it is gone."""
        process = self._process
        self.kill()
        if process is not None:
            await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    limit=_LINE_BYTES,
                    start_new_session=True,
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
                )
        except OSError as error:
            raise ChildDied(f"{self._name} could not be started: {error}", self._where) from error
        return self._process

    @property
    def _where(self) -> str:
        return f"its log: {self._log}"

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text("utf8", "replace").strip().splitlines()
            if lines:
                return f": {plain(lines[-1])[:200]}"
        return ""
