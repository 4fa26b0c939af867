"""The studies that were started from the interface, and what is asked when it is left."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work

from hyperllama.core.errors import StudyError
from hyperllama.core.storage import trash
from hyperllama.core.text import plain
from hyperllama.tui.app.look import LookApp
from hyperllama.tui.dialogs import AnswerDialog
from hyperllama.tui.preferences.chosen import ChosenTrials
from hyperllama.tui.screens.base import BaseScreen

if TYPE_CHECKING:
    from hyperllama.tui.content.arrange import Order
    from hyperllama.tui.processes import bridge


class StudiesApp(LookApp):
    """Starts, resumes and shows studies, and writes their files while other screens are shown.

    Attributes:
        links: the studies that were started from here, by name.
        last_study: name of the study whose screen was shown last.
        orders: how the history of each study was sorted, by the study's name.
        chosen: the trial that a person wants to use, of each study.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.links: dict[str, bridge.StudyLink] = {}
        self.last_study = ""
        self.orders: dict[str, Order] = {}
        self.chosen = ChosenTrials()
        self._leaving = False
        self._starting = False

    def open_screen(self, name: str, *given: Any) -> None:
        """Show the screen of that name, made with the arguments `given`."""
        raise NotImplementedError

    async def _started(self, link: Awaitable[bridge.StudyLink]) -> bridge.StudyLink | None:
        try:
            return self.adopt(await link)
        except StudyError as error:
            self.report_error(error)
            return None

    def begin_study(self, task: Path, choices: bridge.Choices | None = None) -> None:
        """Start a new study and show it over what is shown; once however often that is asked."""
        if not self._starting:
            self._starting = True
            self._begin(task, choices)

    @work
    async def _begin(self, task: Path, choices: bridge.Choices | None) -> None:
        from hyperllama.tui.processes import bridge

        try:
            link = await self._started(bridge.start(task, choices or bridge.Choices()))
        finally:
            self._starting = False
        if link is not None:
            self.show_study(link)

    async def resume_study(self, name: str) -> bridge.StudyLink | None:
        """Resume a study, once however often that is asked; None, and reported: it failed."""
        from hyperllama.tui.processes import bridge

        link = self.links.get(name)
        if link is not None and link.alive:
            return link
        return await self._started(bridge.resume(name))

    def adopt(self, link: bridge.StudyLink) -> bridge.StudyLink:
        """Remember a study that was started from here: leaving asks what to do with it."""
        self.links[link.name] = link
        return link

    def open_study(self, name: str) -> None:
        """Show a study that is on the disk."""
        from hyperllama.tui.processes import bridge

        self.show_study(self.links.get(name) or bridge.FolderLink(name))

    def show_study(self, link: bridge.StudyLink) -> None:
        self.last_study = link.name
        self.open_screen("study", link, self.clock)

    @work(group="export")
    async def write_report(self, name: str) -> None:
        from hyperllama.tui.processes import bridge

        self.notify("Writing the report", timeout=3)
        try:
            self.report("info", f"The report is {await bridge.report(name)}")
        except StudyError as error:
            self.report_error(error)

    @work(group="export")
    async def write_winner(self, name: str, trial: int | None = None) -> None:
        """Export the winner, or that trial: the fit on all rows takes about as long as a trial."""
        from hyperllama.tui.processes import bridge

        what = "the winner" if trial is None else f"trial {trial}"
        self.notify(f"Writing {what}: configuration, script, fitted pipeline", timeout=4)
        try:
            folder, files = await bridge.export(name, trial)
        except StudyError as error:
            self.report_error(error)
        else:
            names = ", ".join(file.name for file in files)
            self.report("info", f"{what[0].upper()}{what[1:]} is in {folder}\n{names}")

    @work(group="trash")
    async def empty_trash(self) -> None:
        """Let a process of its own remove what has been in the trash for a week."""
        if not trash.overdue(self.clock()):
            return
        from hyperllama.models.process import python_argv
        from hyperllama.tui.processes.started import NOWHERE, Started

        with contextlib.suppress(OSError):  # it is tried again at the next start
            argv = python_argv("hyperllama.core.storage.trash")
            self._trash_process = Started(argv, NOWHERE)

    # Leaving

    async def action_quit(self) -> None:
        self.leave()

    @work
    async def leave(self) -> None:
        """Ask what to do with running studies, tell them, and end; at once if asked twice."""
        if self._leaving:
            self.exit()
        elif await self._may_leave():
            self._leaving = True
            if any(link.starting for link in self.links.values()):
                self.notify("Your requests wait for the study to begin", timeout=60)
            for link in self.links.values():
                await link.delivered()
            writing = [worker for worker in self.workers if worker.group == "export"]
            if writing:
                self.notify("The files are being written; q again leaves at once", timeout=60)
                await self.workers.wait_for_complete(writing)
            self.exit()

    async def _may_leave(self) -> bool:
        answer = await self.screen.ask_to_leave() if isinstance(self.screen, BaseScreen) else None
        running = [link for link in self.links.values() if link.alive]
        if answer is not None or not running:
            return answer != ""
        one = len(running) == 1
        it = "it" if one else "them"
        answers = (
            ("leave", "l", f"Leave {it} running"),
            ("stop", "s", f"Stop {it} after the running trial"),
            ("", "escape", "Stay"),
        )
        title = "A study is running" if one else f"{len(running)} studies are running"
        names = ", ".join(plain(link.name) for link in running)
        answer = await self.push_screen_wait(AnswerDialog(title, names, answers))
        if answer == "stop":
            from hyperllama.core.events.requests import Stop

            try:
                for link in running:
                    link.send(Stop())
            except StudyError as error:
                self.report_error(error)
                return False
        return bool(answer)
