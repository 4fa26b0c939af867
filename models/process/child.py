"""The parent's end of a child process that uses JSON lines: the engine, the trial runner.

One request is handled at a time, in the child's main thread (`serve`); the last message of its
answer, and only that, has "done" or "error":

    -> {"id": 1, "do": "load", ...}
    <- {"id": 1, "event": "progress", ...}
    <- {"id": 1, "done": ...}     or     {"id": 1, "error": KIND, "message": .., "hint": ..}
    -> {"do": "cancel", "id": 1}               sets `ChildRequest.cancelled`, nothing else
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperllama.models.errors import ChildDied, HyperLlamaError
from hyperllama.models.process.command import DIE_WITH_THREAD, PARENT
from hyperllama.models.process.priority import hand_on_niceness

Message = dict[str, Any]

_POLL_S = 0.05
_SEND_S = 30.0


class ChildError(HyperLlamaError):
    """The child answered a request with an error and lives on.

    Attributes:
        kind: name of the exception class that was raised in the child.
    """

    def __init__(self, message: str, hint: str = "", kind: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind


class Child:
    """The parent's end: starts a process, sends it requests, notices when it dies.

    Args:
        argv: the command; see `python_argv`.
        name: what messages call it ("the engine", "the trial runner").
        log: file that stderr and stray prints are appended to; its folder is made.
        env: added to the environment of this process.

    Raises:
        ChildDied: the command could not be started.
    """

    def __init__(
        self, argv: Sequence[str], *, name: str, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._next_id = 0
        self._lines: collections.deque[bytes] = collections.deque()
        self._rest = b""
        self._sending = threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **(env or {}), PARENT: str(os.getpid())}
        # The kernel's "parent died" means the starting *thread*, so only the main one may ask.
        environment.pop(DIE_WITH_THREAD, None)
        if threading.current_thread() is threading.main_thread():
            environment[DIE_WITH_THREAD] = "1"
        with log.open("ab") as errors:
            self._log_from = errors.seek(0, os.SEEK_END)
            try:
                self._process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,
                    bufsize=0,
                )
            except OSError as e:
                raise ChildDied(f"{name} could not be started: {e}", f"command: {argv[0]}") from e
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in = self._process.stdin.fileno()
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self.pid: int = self._process.pid
        hand_on_niceness(self.pid)

    @property
    def alive(self) -> bool:
        """Whether the process is running (it may still be busy or hung)."""
        return self._process.poll() is None

    @property
    def cpu_s(self) -> float:
        """CPU seconds used by the child and everything it started; 0 when it is gone."""
        from hyperllama.models.process.usage import family_cpu_s

        return family_cpu_s(self.pid)

    # -- messages ------------------------------------------------------------------------------

    def send(self, message: Mapping[str, object]) -> None:
        """Write one message; dataclasses in it are written as their fields.

        Raises:
            ChildDied: it ended, or has not read its input for 30 s.
        """
        line = json.dumps(message, separators=(",", ":"), default=vars).encode() + b"\n"
        left = memoryview(line)
        deadline = time.monotonic() + _SEND_S
        with self._sending:
            while left:
                try:
                    left = left[os.write(self._in, left) :]
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        self.kill()
                        raise ChildDied(f"{self.name} hangs: it does not read its input") from None
                    select.select([], [self._in], [], _POLL_S)
                except (OSError, ValueError):
                    raise self._death() from None

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None when there is none within `timeout_s`.

        Raises:
            ChildDied: it ended; everything that it wrote before has been received.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            if self._lines:
                line = self._lines.popleft()
                try:
                    message = json.loads(line)
                except ValueError:
                    self.kill()
                    raise ChildDied(f"{self.name} wrote no message: {line[:80]!r}") from None
                if isinstance(message, dict):
                    return message
                continue
            wait_s = max(deadline - time.monotonic(), 0.0)
            try:
                if not select.select([self._out], [], [], wait_s)[0]:
                    return None
                chunk = os.read(self._out, 1 << 16)
            except (OSError, ValueError):
                raise self._death() from None
            if not chunk:
                raise self._death()
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._lines.extend(line for line in lines if line)

    def call(
        self,
        do: str,
        fields: Mapping[str, object] | None = None,
        *,
        on_event: Callable[[Message], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        silence_s: float = 60.0,
        cancel_s: float = 2.0,
    ) -> Message:
        """Send a request and return its "done" message.

        Args:
            on_event: gets every other event of this request.
            should_stop: polled; when true the request is cancelled, and the child killed if the
                request has not ended within `cancel_s` of that.
            silence_s: a child that has neither written anything nor used the CPU for so long is
                killed; one that computes without writing is given ten times as long.

        Raises:
            ChildDied: it ended, hung, or had to be killed to cancel the request.
            ChildError: the handler raised an error.
        """
        self._next_id += 1
        number = self._next_id
        self.send({**(fields or {}), "id": number, "do": do})
        answered = busy = time.monotonic()
        used_s = -1.0
        cancelled: float | None = None
        while True:
            message = self.receive(_POLL_S if should_stop or cancelled else min(1.0, silence_s))
            now = time.monotonic()
            if message is not None and message.get("id") == number:
                answered = busy = now
                if "done" in message:
                    return message
                if "error" in message:
                    texts = (str(message.get(k, "")) for k in ("message", "hint", "error"))
                    raise ChildError(*texts)
                if on_event is not None:
                    on_event(message)
            elif now - busy > silence_s / 2:
                spent_s = self.cpu_s
                if spent_s > used_s + 0.01:
                    used_s, busy = spent_s, now
                if now - busy > silence_s or now - answered > 10 * silence_s:
                    self.kill()
                    raise ChildDied(
                        f"{self.name} gave no sign of life for {now - answered:.0f} s and was "
                        f"killed", f"its log: {self.log}",
                    )  # fmt: skip
            if cancelled is None and should_stop is not None and should_stop():
                cancelled = now
                self.send({"do": "cancel", "id": number})
            elif cancelled is not None and now - cancelled > cancel_s:
                self.kill()
                raise ChildDied(f"{self.name} was stopped: it did not react within {cancel_s:g} s")

    # -- the end -------------------------------------------------------------------------------

    def stop(self, grace_s: float = 2.0) -> None:
        """End it and everything it started: close its stdin, then SIGTERM, then SIGKILL."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        for signum in (None, signal.SIGTERM):
            if signum is not None:
                with contextlib.suppress(OSError):
                    self._process.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
                break
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole session group, and collect the remains. Idempotent."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()

    def _death(self) -> ChildDied:
        """Why it died: the signal or exit code, and the last lines that it wrote to its log."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2.0)
        code = self._process.poll()
        self.kill()
        if code is None:
            how = "closed its output"
        elif code < 0:
            how = f"was ended by {_signal_name(-code)}"
        else:
            how = f"ended with exit code {code}"
        lines = " | ".join(self._log_lines(3))
        return ChildDied(
            f"{self.name} {how}" + (f"; its log ends: {lines}" if lines else ""),
            f"its log: {self.log}",
        )

    def _log_lines(self, count: int) -> list[str]:
        """The last `count` lines of the log that this child wrote, without faulthandler's dump."""
        try:
            with self.log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_from, end - 20_000))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        text = text.split("Fatal Python error", 1)[0]
        return [line.strip() for line in text.splitlines() if line.strip()][-count:]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
