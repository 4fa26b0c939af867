"""A program in a pseudo-terminal: keys go in, what it draws is waited for. No screen is kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

LIMIT_S = 90.0


class Terminal:
    """A child in a pseudo-terminal, what it drew, and keys for it."""

    def __init__(
        self, argv: Sequence[str], size: tuple[int, int] = (120, 40), **environment: str
    ) -> None:
        """`argv`: the arguments of Python; `environment`: changes to this process's own."""
        self._raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:  # the size is there before the program asks for it
            _set_size(0, size)
            given = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1"}
            # named one by one: readline may have put COLUMNS there behind Python's back, and a
            # process that was started by such a one has it in its own
            whole = {**os.environ, **given, **environment}
            for name in ("COLUMNS", "LINES"):
                whole.pop(name, None)
            os.execve(sys.executable, [sys.executable, *argv], whole)

    @property
    def drawn(self) -> str:
        """What was drawn since the last key, without the sequences that place and colour it."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]", "", self._raw.decode("utf8", "replace"))

    def press(self, keys: str) -> None:
        self._raw = b""
        os.write(self.fd, keys.encode())

    def resize(self, size: tuple[int, int]) -> None:
        """Give it so many columns and lines, and wait until it has drawn the last one."""
        self._raw = b""
        _set_size(self.fd, size)
        while f"\x1b[{size[1]};1H".encode() not in self._raw:
            assert self.read(LIMIT_S), "it ended before it was drawn in another size"

    def read(self, seconds: float) -> bool:
        """Take what is drawn within `seconds`; False when the child is gone."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65_536)
            except OSError:
                return False
            if not data:
                return False
            self._raw += data
        return True

    def settle(self, seconds: float) -> None:
        """Take what is drawn until for so many seconds nothing came and the program did nothing.

        A thread that is ready to run does something, also where other programs hold the
        processors. A hundred times as long is the longest.
        """
        began = quiet = time.monotonic()
        while quiet < began + 100 * seconds and time.monotonic() < quiet + seconds:
            if select.select([self.fd], [], [], seconds / 2)[0]:
                if not self.read(0.0):
                    return
                quiet = time.monotonic()
            elif self._works():
                quiet = time.monotonic()

    def _works(self) -> bool:
        """Whether a thread of the program runs, is ready to, or waits for a disk; False where the
        system does not tell."""
        with contextlib.suppress(OSError):
            for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
                with contextlib.suppress(OSError):
                    if stat.read_text("utf8").rpartition(")")[2].split()[0] in "RD":
                        return True
        return False

    def wait_for(self, said: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while said not in self.drawn:
            assert time.monotonic() < deadline, f"{said!r} was never drawn: {self.drawn[-6000:]}"
            assert self.read(0.05), f"it ended before {said!r} was drawn: {self.drawn[-6000:]}"

    def kill(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def wait_for_end(self) -> int:
        deadline = time.monotonic() + LIMIT_S
        while self.read(0.05):
            assert time.monotonic() < deadline
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _set_size(fd: int, size: tuple[int, int]) -> None:
    """Columns and lines of the terminal `fd`; its program is told."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
