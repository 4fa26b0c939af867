"""The child's end of a child process that uses JSON lines; `child` describes the format.

Descriptor 1 becomes a private pipe: whatever native code prints goes to the log with descriptor 2.
The child ends when its stdin closes, so it never outlives its parent.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import psutil

from hyperllama.models.errors import HyperLlamaError
from hyperllama.models.process.command import DIE_WITH_THREAD, PARENT


class ChildRequest(dict[str, Any]):
    """The message that a handler is given, with a way to report events and the cancel flag."""

    def __init__(self, message: Mapping[str, Any], write: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(message)
        self._write = write
        self._cancelled = threading.Event()
        self.cancel = self._cancelled.set

    @property
    def cancelled(self) -> bool:
        """True once the parent has cancelled the request; poll it between units of work."""
        return self._cancelled.is_set()

    def send(self, event: str, **fields: object) -> None:
        """Report something at once, also from inside a callback and from any thread."""
        self._write({"id": self.get("id"), "event": event, **fields})


def serve(handle: Callable[[ChildRequest], Iterable[Mapping[str, object]] | None]) -> None:
    """The main function of a child: handle requests, one at a time, until stdin closes.

    `handle` runs in the calling thread. What it yields is sent, with the request's id; the last of
    it has "done". What it raises is sent as an error, and the child lives on. Dataclasses in an
    answer are written as their fields.
    """
    faulthandler.enable()
    _die_with_parent()
    pipes = _Pipes()
    threading.Thread(target=pipes.read, name="stdin", daemon=True).start()
    while True:
        request = pipes.requests.get()
        number = request.get("id")
        try:
            for answer in handle(request) or ():
                pipes.write({"id": number, **answer})
        except Exception as error:
            pipes.write({"id": number, **_as_message(error)})
        finally:
            pipes.pending.pop(number, None)


class _Pipes:
    """The two pipes to the parent, taken away from descriptors 0 and 1."""

    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[ChildRequest] = queue.SimpleQueue()
        self.pending: dict[object, ChildRequest] = {}
        self._in, self._out = os.dup(0), os.dup(1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._writing = threading.Lock()

    def write(self, message: dict[str, Any]) -> None:
        line = json.dumps(message, separators=(",", ":"), default=vars).encode() + b"\n"
        left = memoryview(line)
        with self._writing:
            while left:
                left = left[os.write(self._out, left) :]

    def read(self) -> None:
        """Queue requests and set cancel flags, until the parent is gone."""
        parent, rest = os.getppid(), b""
        while True:
            try:
                # checked once a second: a forked sibling may hold the pipe open after the parent
                if not select.select([self._in], [], [], 1.0)[0]:
                    if os.getppid() != parent:
                        _end_group()
                    continue
                chunk = os.read(self._in, 1 << 16)
            except OSError:
                chunk = b""
            if not chunk:
                _end_group()
            *lines, rest = (rest + chunk).split(b"\n")
            for message in map(json.loads, lines):
                number = message.get("id")
                if message.get("do") != "cancel":
                    self.pending[number] = ChildRequest(message, self.write)
                    self.requests.put(self.pending[number])
                elif number in self.pending:
                    self.pending[number].cancel()


def _as_message(error: Exception) -> dict[str, str]:
    """The message about an error; the traceback of an unexpected one goes to the log."""
    kind = type(error).__name__
    if isinstance(error, HyperLlamaError):
        return {"error": kind, "message": error.message, "hint": error.hint}
    traceback.print_exc()
    return {"error": kind, "message": f"{kind}: {' '.join(str(error).split())}"[:1000], "hint": ""}


def _end_group() -> None:
    """End this process at once, and what it started when it leads a session of its own."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        for other in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                other.kill()
    os._exit(0)


def _die_with_parent() -> None:
    """Ask Linux for SIGKILL when the parent is gone, for the case that no thread here can run."""
    if not (sys.platform.startswith("linux") and os.environ.get(DIE_WITH_THREAD)):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.environ.get(PARENT) not in (None, str(os.getppid())):
        os._exit(0)
