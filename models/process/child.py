"""A child process that speaks JSON lines: both ends of it, for the engine and the trial runner.

Parent side: `Child`. Child side: `serve`. One request is handled at a time, in the child's main
thread; the last message of its answer, and only that, has "done" or "error":

    -> {"id": 1, "do": "load", ...}
    <- {"id": 1, "event": "progress", ...}
    <- {"id": 1, "done": true, ...}     or     {"id": 1, "error": KIND, "message": .., "hint": ..}
    -> {"do": "cancel", "id": 1}               sets `Request.cancelled`, nothing else

The child's descriptor 1 is a private pipe: whatever native code prints goes to the log with
descriptor 2. The child ends when its stdin closes, so it never outlives its parent.
"""

from __future__ import annotations

import collections
import contextlib
import faulthandler
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from hyperllama.models.errors import ChildDied, HyperLlamaError
from hyperllama.models.process.priority import pass_on

Message = dict[str, Any]

_POLL_S = 0.05
_SEND_S = 30.0
_PARENT = "HYPERLLAMA_PARENT_PID"
_DIE_WITH_THREAD = "HYPERLLAMA_DIE_WITH_PARENT"


class ChildSaid(HyperLlamaError):
    """The child answered a request with an error and lives on.

    Attributes:
        kind: name of the exception class that was raised in the child.
    """

    def __init__(self, message: str, hint: str = "", kind: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind


def python_argv(module: str, *args: str) -> list[str]:
    """The command that runs one of our modules as a child, from where this one was loaded.

    Not `-m`: it would look in the current folder first, where a user may keep a `random.py`.
    """
    root = str(Path(__file__).absolute().parents[2])
    code = (
        f"import sys; sys.path[0] = {root!r}; import runpy; "
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-c", code, *args]


def program_argv(*args: str) -> list[str]:
    """The command that runs `hyperllama ARGS` in a process of its own."""
    return python_argv("hyperllama", *args)


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
        self._rest = bytearray()
        self._sending = threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)
        surroundings = {**os.environ, **(env or {}), _PARENT: str(os.getpid())}
        # The kernel's "parent died" means the starting *thread*, so only the main one may ask.
        surroundings.pop(_DIE_WITH_THREAD, None)
        if threading.current_thread() is threading.main_thread():
            surroundings[_DIE_WITH_THREAD] = "1"
        with log.open("ab") as errors:
            self._log_from = errors.seek(0, os.SEEK_END)
            try:
                self._process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=surroundings,
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
        pass_on(self.pid)

    @property
    def alive(self) -> bool:
        """Whether the process is running (it may still be busy or hung)."""
        return self._process.poll() is None

    @property
    def rss_mb(self) -> float:
        """Resident memory of the child and everything it started, in MiB; 0 when it is gone."""
        return sum(_quietly(p, lambda p: p.memory_info().rss) for p in self._family()) / 2**20

    @property
    def cpu_s(self) -> float:
        """CPU seconds used by the child and everything it started; 0 when it is gone."""
        return sum(_quietly(p, lambda p: sum(p.cpu_times()[:2])) for p in self._family())

    def _family(self) -> list[Any]:
        try:
            me = psutil.Process(self.pid)
            return [me, *me.children(recursive=True)]
        except psutil.Error:
            return []

    # -- messages ------------------------------------------------------------------------------

    def send(self, message: Mapping[str, object]) -> None:
        """Write one message.

        Raises:
            ChildDied: it ended, or has not read its input for 30 s.
        """
        left = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        give_up = time.monotonic() + _SEND_S
        with self._sending:
            while left:
                try:
                    left = left[os.write(self._in, left) :]
                except BlockingIOError:
                    if time.monotonic() > give_up:
                        self.kill()
                        raise ChildDied(f"{self.name} hangs: it does not read its input") from None
                    select.select([], [self._in], [], _POLL_S)
                except (OSError, ValueError):
                    raise self.obituary() from None

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
                    raise ChildDied(
                        f"{self.name} wrote what is no message: {line[:80]!r}"
                    ) from None
                if isinstance(message, dict):
                    return message
                continue
            wait_s = max(deadline - time.monotonic(), 0.0)
            try:
                ready = select.select([self._out], [], [], wait_s)[0]
                chunk = os.read(self._out, 1 << 16) if ready else None
            except (OSError, ValueError):
                raise self.obituary() from None
            if chunk is None:
                return None
            if not chunk:
                raise self.obituary()
            *lines, rest = (bytes(self._rest) + chunk).split(b"\n")
            self._rest = bytearray(rest)
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
            silence_s: a child that has neither said anything nor used the CPU for so long hangs and
                is killed; one that computes in silence is given ten times as long.

        Raises:
            ChildDied: it ended, hung, or had to be killed to cancel the request.
            ChildSaid: the handler raised an error.
        """
        self._next_id += 1
        number = self._next_id
        self.send({**(fields or {}), "id": number, "do": do})
        heard = busy_since = time.monotonic()
        used_s = -1.0
        cancelled: float | None = None
        while True:
            message = self.receive(_POLL_S if should_stop or cancelled else min(1.0, silence_s))
            now = time.monotonic()
            if message is not None and message.get("id") == number:
                heard = busy_since = now
                if "done" in message:
                    return message
                if "error" in message:
                    raise ChildSaid(
                        str(message.get("message")),
                        str(message.get("hint", "")),
                        str(message["error"]),
                    )
                if on_event is not None:
                    on_event(message)
            elif now - heard > silence_s / 2 and now - busy_since > silence_s / 2:
                spent_s = self.cpu_s
                if spent_s > used_s + 0.01:
                    used_s, busy_since = spent_s, now
                elif now - busy_since > silence_s:
                    self._hang(now - heard)
                if now - heard > 10 * silence_s:
                    self._hang(now - heard)
            if cancelled is None and should_stop is not None and should_stop():
                cancelled = now
                self.send({"do": "cancel", "id": number})
            elif cancelled is not None and now - cancelled > cancel_s:
                self.kill()
                raise ChildDied(f"{self.name} was stopped: it did not react within {cancel_s:g} s")

    def _hang(self, silent_s: float) -> None:
        self.kill()
        raise ChildDied(
            f"{self.name} gave no sign of life for {silent_s:.0f} s and was killed",
            f"its log: {self.log}",
        )

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

    def obituary(self, last_lines: int = 3) -> ChildDied:
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
        said = self.log_lines(last_lines)
        message = f"{self.name} {how}" + (f"; it said: {' | '.join(said)}" if said else "")
        return ChildDied(message, f"its log: {self.log}")

    def log_lines(self, count: int) -> list[str]:
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


def _quietly(process: Any, read: Callable[[Any], float]) -> float:
    try:
        return read(process)
    except psutil.Error:
        return 0.0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# -- the child's end ---------------------------------------------------------------------------


class Request(Message):
    """The message that a handler is given, with a way to report events and the cancel flag."""

    def __init__(self, message: Message, write: Callable[[Message], None]) -> None:
        super().__init__(message)
        self._write = write
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """True once the parent no longer wants the result; poll it between units of work."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def send(self, event: str, **fields: object) -> None:
        """Report something at once, also from inside a callback and from any thread."""
        self._write({"id": self.get("id"), "event": event, **fields})


def serve(handle: Callable[[Request], Iterable[Mapping[str, object]] | None]) -> None:
    """The main function of a child: handle requests until stdin closes or {"do": "stop"} comes.

    `handle` runs in the calling thread. What it yields is sent, with the request's id; the last of
    it has "done". What it raises is sent as an error, and the child lives on.
    """
    faulthandler.enable()
    _die_with_parent()
    private_in, private_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    writing = threading.Lock()

    def write(message: Message) -> None:
        left = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        with writing:
            while left:
                left = left[os.write(private_out, left) :]

    requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    pending: dict[object, Request] = {}

    def read() -> None:
        parent = os.getppid()
        rest = b""
        while True:
            try:
                # looks up now and then: a forked sibling may hold the pipe open after the parent
                if not select.select([private_in], [], [], 1.0)[0]:
                    if os.getppid() != parent:
                        _end_group()
                    continue
                chunk = os.read(private_in, 1 << 16)
            except OSError:
                chunk = b""
            if not chunk:
                _end_group()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if message.get("do") == "cancel":
                    if request := pending.get(message.get("id")):
                        request.cancel()
                elif message.get("do") == "stop":
                    requests.put(None)
                else:
                    request = Request(message, write)
                    pending[request.get("id")] = request
                    requests.put(request)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (request := requests.get()) is not None:
        number = request.get("id")
        try:
            for answer in handle(request) or ():
                write({"id": number, **answer})
        except Exception as e:
            if isinstance(e, HyperLlamaError):
                message, hint = e.message, e.hint
            else:
                traceback.print_exc()  # into the log; the parent gets one line
                message, hint = f"{type(e).__name__}: {' '.join(str(e).split())}"[:1000], ""
            kind = type(e).__name__
            write({"id": number, "error": kind, "message": message, "hint": hint})
        finally:
            pending.pop(number, None)


def _end_group() -> None:
    """End this process at once, and what it started when it leads a session of its own."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        others = psutil.Process().children(recursive=True)
        for other in others:
            with contextlib.suppress(psutil.Error):
                other.kill()
    os._exit(0)


def _die_with_parent() -> None:
    """Ask Linux for SIGKILL when the parent is gone, for the case that no thread here can run."""
    if not (sys.platform.startswith("linux") and os.environ.get(_DIE_WITH_THREAD)):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.environ.get(_PARENT) not in (None, str(os.getppid())):
        os._exit(0)
