"""The program in a pseudo-terminal, with real study processes, and what its studies say."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperllama.core.api.studies import read_study
from hyperllama.core.events import ProposalMade, from_json
from hyperllama.core.storage.folder import COMMANDS, EVENTS, holder, read_summary
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study.findings.verdict import verdict
from tests.tui.terminal import LIMIT_S, Terminal

ROOT = Path(__file__).resolve().parents[2]
_F2, _F5, F9 = "\x1bOQ", "\x1b[15~", "\x1b[20~"
NEW_ROWS = "new.csv"
_EDITOR = """
import pathlib, sys
file = pathlib.Path(sys.argv[1])
text = file.read_text()
at = text.index("    return ", text.index("def build("))
file.write_text(text[:at] + "    last = columns[len(columns)]  # one too far\\n" + text[at:])
"""
"""Stands for the user's editor: adds a line to a program that fails where it is run."""


def run_before(
    folder: Path, table: str, target: str, study: str = "before", *options: str
) -> None:
    """Make a study of two trials of the table in `folder`, to compare with or to go on with."""
    (folder / "before.toml").write_text(
        f'name = "{Path(table).stem}"\nestimator = "decision_tree"\n\n[data]\npath = "{table}"\n'
        f'target = "{target}"\n',
        "utf8",
    )
    argv = [sys.executable, "-m", "hyperllama", "run", "before.toml", "--study", study]
    argv += ["--proposer", "random", "--budget", "2", *options]
    subprocess.run(argv, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=folder)


class Session:
    """The program in a terminal, in a folder that holds the table `name`."""

    def __init__(
        self, folder: Path, table: str, target: str, size: tuple[int, int] = (140, 45)
    ) -> None:
        self.folder, self.table, self.target = folder, table, target
        self.name = Path(table).stem
        editor = folder / "editor.py"
        editor.write_text(_EDITOR)
        self.terminal = Terminal(
            ["-m", "hyperllama"], size, PYTHONPATH=str(ROOT), VISUAL=f"{sys.executable} {editor}"
        )

    def press(self, *keys: str) -> None:
        """Keys one after the other; each, or each text, is followed before the next."""
        for key in keys:
            self.terminal.press(key)
            self.terminal.settle(0.05)

    @property
    def columns(self) -> list[str]:
        with (self.folder / self.table).open(encoding="utf8") as file:
            return file.readline().strip().split(",")

    def write_new_rows(self) -> list[str]:
        """Write five new rows: one column of numbers is missing, one category is a new one.

        Returns what has to be said about them.
        """
        with (self.folder / self.table).open(encoding="utf8") as file:
            rows = list(csv.DictReader(file))[:5]
        first = {name: value for name, value in rows[0].items() if name != self.target}
        numbers = [name for name, value in first.items() if re.fullmatch(r"-?[\d.]+", value)]
        words = [name for name, value in first.items() if re.fullmatch(r"[A-Za-z].*", value)]
        for row in rows:
            del row[numbers[-1]], row[self.target]
        rows[1] |= dict.fromkeys(words[:1], "Elsewhere")
        with (self.folder / NEW_ROWS).open("w", encoding="utf8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return ["is missing", *["Elsewhere" for _ in words[:1]]]

    # The study, as it stands on the disk

    @property
    def process(self) -> int | None:
        return holder(study_dir(self.name))

    @property
    def asked(self) -> str:
        """What the study was asked for so far."""
        return self._read(COMMANDS)

    @property
    def heard(self) -> str:
        """What the study told so far."""
        return self._read(EVENTS)

    @property
    def trials(self) -> int:
        return int(self._summary.get("trials") or 0)

    @property
    def state(self) -> str:
        return str(self._summary.get("state"))

    @property
    def held(self) -> int | None:
        """The trial whose proposal waits for approval; None when none does."""
        told = [from_json(line) for line in self.heard.splitlines()]
        last = next((pair[0] for pair in reversed(told) if pair), None)
        return last.number if isinstance(last, ProposalMade) and last.awaits_approval else None

    @property
    def verdict(self) -> str:
        """What the study has come to, in the sentence that its page has to begin with."""
        found = verdict(read_study(self.name))
        assert found is not None
        return found.headline

    @property
    def _summary(self) -> dict[str, Any]:
        return read_summary(study_dir(self.name)) or {}

    def _read(self, name: str) -> str:
        file = study_dir(self.name) / name
        return file.read_text("utf8") if file.exists() else ""

    @property
    def said(self) -> str:
        """What was drawn since the last key, as running text."""
        return " ".join(re.split(r"[\s│]+", self.terminal.drawn))

    # Waiting

    def wait(self, said: str) -> None:
        self.terminal.wait_for(said)

    def until(self, true: Callable[[], Any], what: str) -> None:
        """Wait for something outside the terminal."""
        deadline = time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < deadline, f"{what} never came: {self.terminal.drawn[-2000:]}"
            self.terminal.read(0.1)

    def see_proposal(self, number: int) -> None:
        """Wait until that proposal waits for approval, and is shown."""
        self.until(lambda: self.held == number, f"proposal {number}")
        self.wait(f"? {number:>2}")

    def approve(self, number: int) -> None:
        """Press the key of approval until it reaches the proposal, which may be shown a little
        after the study told of it."""
        deadline = time.monotonic() + LIMIT_S
        while self.held == number:
            assert time.monotonic() < deadline, f"proposal {number} was never approved"
            self.press(" ")
            again = time.monotonic() + 5
            while self.held == number and time.monotonic() < again:
                self.terminal.read(0.1)

    def end(self) -> None:
        """End the program and the study, whatever they do."""
        self.terminal.kill()
        if pid := self.process:
            os.kill(pid, signal.SIGKILL)

    def resize(self, size: tuple[int, int]) -> None:
        self.terminal.resize(size)
        self.terminal.settle(0.2)

    def next_theme(self) -> None:
        self.press(_F2)

    def picture(self) -> Path:
        """Save the screen as it is; the file."""
        before = set(self.folder.glob("*.svg"))
        self.press(F9)
        self.terminal.press(_F5)
        self.until(lambda: set(self.folder.glob("*.svg")) - before, "a picture")
        self.press(F9)
        (file,) = set(self.folder.glob("*.svg")) - before
        return file
