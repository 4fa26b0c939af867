"""The end of a study: its verdict, and what can be done next."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from textual import work
from textual.content import Content
from textual.widgets import Input

from hyperllama.core.errors import StudyError
from hyperllama.core.events import requests
from hyperllama.core.space import number
from hyperllama.core.study.findings.verdict import edges
from hyperllama.core.study.state import FINISHED
from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.content import library
from hyperllama.tui.dialogs import PickDialog, PromptDialog
from hyperllama.tui.screens.study.panes import StudyPanes
from hyperllama.tui.widgets.study.verdict_page import NextStep, VerdictPage

MORE_TRIALS = 20
"""How many trials are suggested where a study goes on with wider ranges."""
_NEXT = (
    ("predict", "predict new rows"),
    ("export", "export the model"),
    ("use", "use the selected trial"),
    ("report", "write the report"),
    ("confirm", "confirm on fresh folds"),
    ("baselines", "run baselines"),
    ("more", "more trials"),
    ("widen", "widen the range and go on"),
    ("compare", "compare with another study"),
    ("rerun", "score on other folds"),
)


class VerdictActions(StudyPanes):
    """The part of the study screen that says what the study has come to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ended = False  # that the study is finished was seen

    def next_steps(self) -> list[NextStep]:
        """What can be done with a study that has ended, with the keys as they are set."""
        bare = not self.glyphs.braille
        steps = []
        for name, text in _NEXT:
            if name == "widen" and not edges(self.state):
                continue
            if name == "use" and not self.state.front:
                continue
            keys = actions.keys_of(actions.BY_ID[f"study.{name}"], self.interface.keys)
            steps.append((actions.shown(keys[0], bare), text))
        return steps

    def notice_end(self) -> None:
        """Show the verdict when the study has ended, unless something is being written."""
        finished = self.state.finished
        if finished is None:
            if self._ended:
                self._ended = False
                self.show_verdict(False)
        elif not self._ended and not self.link.behind:
            self._ended = True
            if finished.why not in FINISHED or self.layout_kept.text:
                return
            if isinstance(self.focused, Input):
                self.notify("The study is finished: 0 shows the verdict", timeout=6)
            else:
                self.show_verdict(True)

    def show_verdict(self, shown: bool) -> None:
        """Show the verdict in the place of the panes, or the panes again."""
        if shown != self.verdict_shown:
            self.verdict_shown = shown
            self.lay_out()
            self.pane("verdict" if shown else "history").focus()
            self.refresh_keys()
            self.call_after_refresh(self.draw_verdict)

    def draw_verdict(self) -> None:
        """Draw the verdict, where it is shown."""
        state, chosen = self.state, self.interface.chosen.get(self.link.name)
        with suppress(StudyError):  # the trial is not read yet
            state = state if chosen is None else state.choosing(chosen)
        self.query_one(VerdictPage).show(state)

    def action_verdict(self) -> None:
        self.show_verdict(not self.verdict_shown)

    async def action_confirm(self) -> None:
        if self.send(requests.Confirm(), "The best trials are compared on fresh folds"):
            await self.go_on()

    @work
    async def action_widen(self) -> None:
        """Widen the ranges at whose ends the best values lie, and add trials."""
        found = edges(self.state)
        if not found:
            self.interface.report("info", "No best value lies at the end of its range.")
            return
        lines = [
            f"{plain(e.name)}: {number(e.low)} to {number(e.high)}, "
            f"now its {'upper' if e.upper else 'lower'} end is {number(e.bound)}"
            for e in found
        ]
        text = await self.app.push_screen_wait(
            PromptDialog(
                "Wider ranges", Content("\n".join([*lines, "How many more trials?"])),
                str(MORE_TRIALS), check=_count, send="go on",
            )
        )  # fmt: skip
        if text is None:
            return
        for e in found:
            if not self.send(requests.Range(e.name, e.low, e.high)):
                return
        if self.send(requests.Extend(int(text)), f"{text} more trials with wider ranges"):
            await self.go_on()

    @work
    async def action_compare(self) -> None:
        """Choose another study, and show both side by side."""
        here = self.link.name
        found = await asyncio.to_thread(library.studies)
        options = [(e.name, e.title, f"{e.task}  {e.metric}") for e in found if e.name != here]
        if not options:
            self.interface.report("info", "There is no other study to compare with.")
            return
        chosen = await self.app.push_screen_wait(PickDialog("Compare with which study?", options))
        if chosen:
            self.interface.open_screen("compare studies", [here, chosen[0]])


def _count(text: str) -> str:
    return "" if text.isdecimal() and int(text) else "a number of trials, for example 20"
