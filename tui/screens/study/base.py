"""A screen over one study: its state, the selected trial, requests to its process."""

from __future__ import annotations

import time
from collections.abc import Callable

from hyperllama.core.errors import SpaceError, StudyError
from hyperllama.core.events import requests
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.state import FINISHED
from hyperllama.core.study.steering.asking import check_request
from hyperllama.tui.processes.bridge import StudyLink
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.study.history import History


class StudyBase(BaseScreen[None]):
    """What watching and steering share."""

    def __init__(self, link: StudyLink, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.link = link
        self.clock = clock
        self.verdict_shown = False  # in the place of the panes
        self.process = "alive"
        """Of the study, at the last look: "alive", "opening" (it was started a moment ago),
        "refused" (it failed to start) or "gone"."""

    @property
    def state(self) -> StudyState:
        return self.link.state

    @property
    def live(self) -> bool:
        """A process owns the study and reads requests."""
        return self.alive and (self.state.finished is None or self.process == "opening")

    @property
    def alive(self) -> bool:
        """There is a process, or it is not known yet that it is gone."""
        return self.process in ("alive", "opening")

    @property
    def dead(self) -> bool:
        """The process is gone although the study never said that it ended."""
        return not self.alive and self.state.finished is None

    def look(self) -> str:
        """How it is with the study's process now; see `process`."""
        link = self.link
        if link.opening:
            return "opening"
        if link.alive or link.behind:  # its end may stand in what was not read yet
            return "alive"
        return "refused" if link.refused else "gone"

    @property
    def resumable(self) -> bool:
        """No process owns the study, and there is something left to do."""
        finished = self.state.finished
        if finished is None or self.alive:
            return not self.alive
        return finished.why not in FINISHED

    @property
    def selected(self) -> int | None:
        """Number of the selected trial; None: the newest, whatever it is."""
        return self.query_one(History).selected

    @property
    def selected_trial(self) -> TrialState | None:
        """The trial under the history's cursor."""
        return self.trial_or_newest(self.selected)

    def trial_or_newest(self, number: int | None) -> TrialState | None:
        """The trial of that number; for None the newest."""
        trials = self.state.trials
        if number is not None:
            return self.state.trial(number)
        return trials[-1] if trials else None

    def refresh_study(self, look: bool = False) -> None:
        """Draw what is new; `look`: also whether the process lives."""
        raise NotImplementedError

    async def resume_study(self) -> None:
        """Start a process for the study again."""
        raise NotImplementedError

    async def go_on(self) -> None:
        """Let a study that no process owns carry out what was asked of it."""
        if not self.live:
            await self.resume_study()

    def send_lasting(self, request: requests.Request, message: str) -> bool:
        """As `send`; where no process owns the study, say when the request takes effect."""
        if not self.live:
            how = "r resumes it" if self.resumable else "m adds trials"
            message = f"It holds once the study goes on: {how}"
        return self.send(request, message)

    def send(self, request: requests.Request, message: str = "") -> bool:
        """Send a request and show `message`; False, and reported, if that failed."""
        if not self.link.alive and not isinstance(request, requests.LASTING):
            self.refresh_study(look=True)  # its process ended a moment ago
            return False
        try:
            check_request(self.state, request)
            self.link.send(request)
        except (SpaceError, StudyError) as error:
            self.interface.report_error(error)
            return False
        if message:
            self.notify(message, timeout=3, markup=False)
        return True
