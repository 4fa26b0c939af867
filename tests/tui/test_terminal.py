"""The whole interface in a pseudo-terminal, over a stand-in for the study process."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.folder import all_summaries

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "tui" / "fake_study.py"
START = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from tui import bridge, app
bridge.COMMAND = (sys.executable, {str(FAKE)!r})
raise SystemExit(app.run())
"""
LIMIT_S = 30.0


class Terminal:
    """A child in a pseudo-terminal, what it drew, and keys for it."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", PYTHONUTF8="1")
            os.execv(sys.executable, [sys.executable, "-c", START])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    @property
    def drawn(self) -> str:
        """What was drawn since the last key, without the sequences that place and colour it."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]", "", self._raw.decode("utf8", "replace"))

    def press(self, keys: str) -> None:
        self._raw = b""
        os.write(self.fd, keys.encode())

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

    def wait_for(self, said: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while said not in self.drawn:
            assert time.monotonic() < deadline, f"{said!r} was never drawn: {self.drawn[-2000:]}"
            assert self.read(0.05), f"it ended before {said!r} was drawn: {self.drawn[-2000:]}"

    def wait_for_end(self) -> int:
        deadline = time.monotonic() + LIMIT_S
        while self.read(0.05):
            assert time.monotonic() < deadline
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    opened = Terminal((120, 40))
    yield opened
    try:
        os.kill(opened.pid, 9)
        os.waitpid(opened.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
    os.close(opened.fd)


def test_a_session_from_an_empty_home_to_a_study_that_goes_on(terminal: Terminal) -> None:
    terminal.wait_for("No study yet")
    terminal.press("\r")
    terminal.wait_for("roc_auc")
    terminal.wait_for("★")
    terminal.press("p")
    terminal.wait_for("paused")
    terminal.press("p")
    terminal.wait_for("pause")
    terminal.press("q")
    terminal.wait_for("The study is running")
    terminal.press("l")
    assert terminal.wait_for_end() == 0
    (summary,) = all_summaries()
    assert summary["live"] and summary["state"] in ("running", "paused")

    again = Terminal((80, 24))
    again.wait_for("running")
    again.press("\r")
    again.wait_for("1 History")
    again.press("s")
    again.wait_for("stopped")
    again.press("q")
    assert again.wait_for_end() == 0
    os.close(again.fd)
    (summary,) = all_summaries()
    assert summary["state"] == "stopped" and not summary["live"]
