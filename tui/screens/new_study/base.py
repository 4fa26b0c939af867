"""What the steps of the form share: the draft, changes to it, and waiting for the child process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from textual import work

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.text import plain
from hyperllama.tui.content.draft import Draft
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.form.task_text import TaskText

_CHECK_AFTER_S = 0.2
TABLE_FIRST = "Choose a table first: type its path, or mark it."


class FormScreen(BaseScreen[None]):
    """A form over a draft."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft()
        self._choices = bridge.Choices()
        self._own_faults: dict[str, str] = {}  # of fields whose text is no value yet
        self._busy = ""
        self._rewritten: dict[str, Any] = {}  # target, kind, estimators to write the file for

    def refresh_form(self) -> None:
        """Show the draft everywhere."""
        raise NotImplementedError

    def draw_steps(self) -> None:
        """Show the steps, and what is going on."""
        raise NotImplementedError

    def fault_of(self, key: str) -> str:
        """What is wrong with a key, with the sign of a fault; empty if nothing is."""
        wrong = self.draft.fault_of(key)
        return plain(f"{self.glyphs.failed} {wrong}") if wrong else ""

    async def wait_for(self, doing: str, what: Awaitable[Any]) -> bool:
        """Await something of the child process; False, and reported, where it failed."""
        self._busy = doing
        self.draw_steps()
        try:
            await what
        except HyperLlamaError as error:
            self.interface.report_error(error)
            return False
        except OSError as error:
            self.interface.report("error", f"{error.filename or ''}: {error.strerror or error}")
            return False
        finally:
            self._busy = ""
            if self.is_attached:
                self.draw_steps()
        return True

    def set_key(self, path: tuple[str, ...], value: Any, instead: str = "") -> None:
        """Change a key of the task file."""
        try:
            self.draft.set(path, value, instead)
        except ValueError:
            told = "The task file is not valid TOML at present; correct it there first (F4)."
            self.interface.report("warning", told)
            return
        for text in self.query(TaskText):
            text.replace_text(self.draft.text)
        self.check()

    def rewrite(
        self, target: str = "", kind: str = "", estimators: tuple[str, ...] = ()
    ) -> None:
        """Write the file for another target, kind or estimators; earlier requests are kept."""
        asked = {"target": target, "kind": kind, "estimators": estimators}
        self._rewritten |= {key: value for key, value in asked.items() if value}
        self.check()

    @work(group="child", exclusive=True)
    async def check(self) -> None:
        """Find out, a little later, what the file comes to."""
        if not self._rewritten:
            await asyncio.sleep(_CHECK_AFTER_S)
        await self.settle()
        self.refresh_form()

    async def settle(self) -> bool:
        """Rewrite the file where that was asked for, and check it; False, and reported: failed."""
        if not self._rewritten:
            return await self.wait_for("checking", self.draft.check())
        lost: list[str] = []

        async def write() -> None:
            lost.extend(await self.draft.write(**self._rewritten))

        done = await self.wait_for("writing", write())
        self._rewritten = {}
        if lost:
            names = ", ".join(plain(key) for key in lost)
            self.interface.report("warning", f"No longer fits, and is the default again: {names}")
        return done


def short(path: Path) -> str:
    """A path relative to the current folder where it is below, else whole."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
