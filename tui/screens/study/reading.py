"""What is opened from a study: prompts, two trials side by side, reports, exports, predictions."""

from __future__ import annotations

import asyncio

from textual import work

from hyperllama.core.errors import StudyError
from hyperllama.core.text import plain
from hyperllama.tui.dialogs import PickDialog, TextDialog
from hyperllama.tui.dialogs.predict import PredictDialog
from hyperllama.tui.dialogs.record import describe_records
from hyperllama.tui.dialogs.two_trials import describe_two
from hyperllama.tui.screens.study.base import StudyBase
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.study.history import History


class ReadingActions(StudyBase):
    """The part of the study screen that shows more of its trials, and hands the winner on."""

    @work
    async def action_record(self) -> None:
        trial = self.selected_trial
        if trial is not None:
            records = await asyncio.to_thread(self.link.records, trial.number)
            title = f"Trial {trial.number}: prompt and reply"
            self.app.push_screen(TextDialog(title, describe_records(records)))

    def action_report(self) -> None:
        self.interface.write_report(self.link.name)

    def action_export(self) -> None:
        self.interface.write_winner(self.link.name, self.interface.chosen.get(self.link.name))

    def action_use(self) -> None:
        """Choose the selected trial, or leave the choice to the study again."""
        trial, name, chosen = self.selected_trial, self.link.name, self.interface.chosen
        if trial is None:
            self.interface.report("info", "There is no trial to use yet.")
            return
        number: int | None = trial.number
        text = f"Trial {trial.number} is the one to use: E exports it, P predicts with it."
        if chosen.get(name) == number:
            number, text = None, "The study says again which trial to use."
        try:
            if number is not None:
                self.state.choosing(number)
            chosen.choose(name, number)
        except (StudyError, OSError) as error:
            self.interface.report("error", f"It cannot be chosen: {error}")
            return
        self.query_one(History).choose(chosen.get(name))
        self.refresh_study()
        self.notify(text, timeout=5)

    def action_predict(self) -> None:
        chosen = self.interface.chosen.get(self.link.name)
        winner, opened = self.state.trial(chosen) or self.state.winner, self.state.opened
        if winner is None or opened is None:
            self.interface.report("info", "No trial is complete yet, so there is no model.")
        else:
            classes = opened.kind == "classification"
            self.app.push_screen(PredictDialog(
                self.link.name, winner.number, classes=classes, chosen=chosen is not None
            ))  # fmt: skip

    @work(group="beside", exclusive=True)
    async def action_beside(self) -> None:
        state, trial = self.state, self.selected_trial
        others = [t for t in state.trials if t.done and trial is not None and t is not trial]
        if trial is None or not others:
            self.interface.report("info", "Two finished trials are needed to compare them.")
            return
        best = state.incumbent if trial.number != state.incumbent else others[0].number
        options = [
            (str(t.number), f"trial {t.number}", f"{wording.score(t.value)}  {plain(t.proposer)}")
            for t in others
        ]
        title = f"Trial {trial.number} beside which?"
        chosen = await self.app.push_screen_wait(PickDialog(title, options, [str(best)]))
        other = state.trial(int(chosen[0])) if chosen else None
        if other is not None:
            title = f"Trial {trial.number} and trial {other.number}"
            self.app.push_screen(TextDialog(title, describe_two(trial, other, self.state)))
