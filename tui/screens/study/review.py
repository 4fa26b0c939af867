"""Approving, editing and rejecting proposals; configurations of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import work

from hyperllama.core.events import requests
from hyperllama.tui.dialogs import PromptDialog
from hyperllama.tui.dialogs.configuration import ConfigurationDialog
from hyperllama.tui.screens.study.base import StudyBase
from hyperllama.tui.text import bounds

REVIEW_ACTIONS = ("accept", "reject", "another")


class ReviewActions(StudyBase):
    """The part of the study screen that decides what is tried."""

    _review_asked = False  # what was asked last, before the study says what is

    def action_review(self) -> None:
        opened = self.state.opened
        on = not (self._review_asked if opened is None else opened.review)
        self._review_asked = on
        message = "Review on: each proposal waits for your approval" if on else "Review off"
        self.send_lasting(requests.Review(on), message)

    def action_accept(self) -> None:
        trial = self.state.awaiting
        if trial is not None:
            self.send(requests.Approve(trial.number), f"Trial {trial.number} approved")

    @work
    async def action_reject(self) -> None:
        trial = self.state.awaiting
        if trial is None:
            return
        reason = await self.app.push_screen_wait(
            PromptDialog(
                f"Reject the proposal for trial {trial.number}",
                "Why? A chat model reads the reason, and it stays a hint for later proposals.",
                example="such deep trees take too long",
                send="reject",
            )
        )
        if reason:
            self.send(requests.Reject(trial.number, reason), "Rejected; another proposal follows")

    def action_another(self) -> None:
        trial = self.state.awaiting
        if trial is not None:
            self.send(requests.Reject(trial.number), "Rejected; another proposal follows")

    def action_edit(self) -> None:
        awaiting, trial = self.state.awaiting, self.selected_trial
        if awaiting is not None and self.live:
            start = f"the proposal for trial {awaiting.number}"
            self._configure(awaiting.config, start, awaiting.number)
        elif trial is not None and trial.config:
            self._configure(trial.config, f"trial {trial.number}")

    def action_queue(self) -> None:
        best, opened = self.state.best, self.state.opened
        if best is not None:
            self._configure(best.config, f"the best so far, trial {best.number}")
        elif opened is not None:
            default = {str(p.get("name")): p.get("default") for p in opened.space}
            self._configure(default, "the default")

    def _configure(
        self, config: Mapping[str, Any], start: str, awaiting: int | None = None
    ) -> None:
        self.run_worker(self._ask_configuration(config, start, awaiting))

    async def _ask_configuration(
        self, config: Mapping[str, Any], start: str, awaiting: int | None
    ) -> None:
        """Let the user edit a configuration, then queue it, or approve the trial `awaiting` so."""
        opened = self.state.opened
        if opened is None or not opened.space:
            self.interface.report("warning", "The search space is not known yet.")
            return
        space = {str(p.get("name")): p for p in opened.space if not p.get("off")}
        fits = {k: v for k, v in config.items() if k in space and not bounds.problem(v, space[k])}
        send = "queue" if awaiting is None else "approve"
        edited = await self.app.push_screen_wait(
            ConfigurationDialog(list(space.values()), fits, start, send)
        )
        if edited is None:
            return
        if awaiting is not None:
            message = f"Trial {awaiting} approved as edited"
            self.send(requests.Approve(awaiting, edited), message)
        else:
            self.queue_trial(edited)

    def queue_trial(self, config: Mapping[str, Any]) -> None:
        self.send_lasting(requests.QueueTrial(config), "Queued as the next trial")
