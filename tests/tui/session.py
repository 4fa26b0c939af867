"""A whole session at the keyboard, with real study processes: from a table to an exported winner.

Each step waits for what it leaves behind; `scripts/screens.py` takes pictures on the way.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.folder import COMMANDS, all_summaries, holder
from core.paths import study_dir
from tests.tui.terminal import LIMIT_S, Terminal

ROOT = Path(__file__).resolve().parents[2]
_ENTER, _ESCAPE, _BACKSPACE, _TAB = "\r", "\x1b", "\x7f", "\t"
_CTRL = {name: chr(ord(name) - 96) for name in "abcdefghijklmnopqrstuvwxyz"}
_F4, _F5, _F6, _F9 = "\x1bOS", "\x1b[15~", "\x1b[17~", "\x1b[20~"

Shoot = Callable[[str], None]


class Session:
    """The program in a terminal, in a folder that holds the table `name`."""

    def __init__(self, folder: Path, table: str, size: tuple[int, int] = (140, 45)) -> None:
        self.folder, self.table = folder, table
        self.terminal = Terminal(["-m", "hyperllama"], size, PYTHONPATH=str(ROOT))

    def press(self, *keys: str) -> None:
        """Keys one after the other; the program has time to follow each."""
        for key in keys:
            self.terminal.press(key)
            self.terminal.settle(0.15)

    def wait(self, said: str) -> None:
        self.terminal.wait_for(said)

    def until(self, true: Callable[[], Any], what: str) -> None:
        """Wait for something outside the terminal."""
        deadline = time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < deadline, f"{what} never came: {self.terminal.drawn[-2000:]}"
            self.terminal.read(0.1)

    def end(self) -> None:
        """End the program and the study, whatever they do."""
        self.terminal.kill()
        pid = holder(study_dir(Path(self.table).stem))
        if pid:
            os.kill(pid, signal.SIGKILL)

    def picture(self) -> Path:
        """Save the screen as it is; the file."""
        before = set(self.folder.glob("*.svg"))
        self.press(_F9)
        self.terminal.press(_F5)
        self.until(lambda: set(self.folder.glob("*.svg")) - before, "a picture")
        self.press(_F9)
        (file,) = set(self.folder.glob("*.svg")) - before
        return file


def steps(session: Session) -> Iterator[str]:
    """The session; yields the name of each screen that is worth a picture."""
    s = session
    s.wait("breast_cancer")
    yield "home"

    s.press("n")
    s.wait("type a path")
    s.press(*s.table, _ENTER)
    s.wait("predict this")
    yield "new-table"
    s.press(_CTRL["n"])
    s.wait("Validation")
    s.press(*[_TAB] * 3, _ENTER)
    s.wait("narrow the list")
    s.press(" ", *"decision", " ", _ENTER)
    s.wait('estimators = ["decision_tree"]')
    s.press(*[_TAB] * 8, _BACKSPACE, _BACKSPACE, "6")
    s.wait("trials = 6")
    yield "new-task"
    s.press(_CTRL["n"])
    s.wait("Search space")
    s.press("j", "j", "v")
    s.wait("held")
    yield "new-space"
    s.press(_CTRL["r"])
    name = Path(s.table).stem
    s.wait("1 History")
    s.until(lambda: holder(study_dir(name)), "the study process")

    s.press("v")
    s.wait("word is awaited")
    yield "study-review"
    s.press("e")
    s.wait("Starts from the proposal")
    s.press(_CTRL["u"], "5")
    s.press(_ENTER)
    s.until(lambda: _trials(name) >= 2, "the edited trial")
    s.wait("word is awaited")
    s.press("w")
    s.wait("best")
    s.press("\x1b[B", _ENTER)  # the first one is held by the task
    s.wait("Range of")
    s.press(_CTRL["u"], "5")
    s.press(_ENTER)
    s.until(lambda: '"freeze"' in _asked(name), "the request to freeze")
    s.press("t")
    s.wait("Tell")
    s.press(*"prefer small trees", _ENTER)
    s.press("p")
    s.until(lambda: '"pause"' in _asked(name), "the request to pause")
    s.press(" ")
    s.wait("paused")
    yield "study-paused"

    pid = holder(study_dir(name))
    assert pid
    os.kill(pid, signal.SIGKILL)
    s.wait("resume")
    yield "study-killed"
    s.press("r")
    s.until(lambda: holder(study_dir(name)) not in (None, pid), "another process")
    s.press("v")
    s.until(lambda: _asked(name).count('"review"') > 1, "the request to go on without review")
    s.until(lambda: _state(name) in ("paused", "running", "finished"), "the study where it was")
    if _state(name) == "paused":
        s.press("p")
    s.until(lambda: _state(name) == "finished", "the end of the study")
    s.wait("finished")
    s.press("b")
    yield "study-finished"
    s.press(_F6)
    s.until(lambda: [*s.folder.rglob("*.html"), *study_dir(name).rglob("*.html")], "a report")

    s.press(_F9, _ESCAPE)
    s.wait("breast_cancer")
    s.press(" ", " ", "c")
    s.wait("Winners")
    yield "compare"
    s.press(_ESCAPE)
    s.press("m")
    s.wait("of memory free")
    yield "models"
    s.press(_ESCAPE, "q")
    assert s.terminal.wait_for_end() == 0


def _summary(name: str) -> dict[str, Any]:
    return next((x for x in all_summaries() if x.get("study") == name), {})


def _asked(name: str) -> str:
    """What the study was asked for so far."""
    file = study_dir(name) / COMMANDS
    return file.read_text("utf8") if file.exists() else ""


def _trials(name: str) -> int:
    return int(_summary(name).get("trials") or 0)


def _state(name: str) -> str:
    return str(_summary(name).get("state"))
