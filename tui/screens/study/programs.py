"""The programs of a study's trials: shown, compared, edited in the user's editor, partly kept."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from textual import work
from textual.app import App, SuspendNotSupported

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import requests
from hyperllama.core.study import TrialState
from hyperllama.core.text import one_line, plain
from hyperllama.tui.dialogs import AnswerDialog, PickDialog, PromptDialog
from hyperllama.tui.dialogs.program import ProgramDialog, ShownProgram
from hyperllama.tui.screens.study.base import StudyBase
from hyperllama.tui.text import wording

_PART = "pipeline."
_EDITORS = ("nano", "vim", "vi")
_NONE = (
    "Trial {0} has no program: it varies an estimator's hyperparameters. `run --programs pipeline` "
    "tries whole pipelines; `hyperllama tell {1} program FILE.py` one of your own."
)


class ProgramActions(StudyBase):
    """The part of the study screen that is about programs."""

    @work(group="program", exclusive=True)
    async def action_program(self) -> None:
        trial = self.selected_trial
        if trial is None:
            self.interface.report("info", "There is no trial yet.")
            return
        text = await self._program_of(trial)
        if not text:
            said = _NONE.format(trial.number, self.link.name)
            self.interface.report("info", said)
            return
        best, other = self.state.best, ""
        if best is not None and best.number != trial.number:
            other = await self._program_of(best)
        number = best.number if best is not None else None
        shown = ShownProgram(trial.number, text, _outcome(trial), number, other)
        chosen = await self.app.push_screen_wait(ProgramDialog(shown))
        if chosen == "edit":
            await self._edit_program(text)
        elif chosen == "keep":
            await self._keep_part(trial)

    async def _program_of(self, trial: TrialState) -> str:
        """The text of a trial's program; empty where it has none."""
        records = await asyncio.to_thread(self.link.records, trial.number)
        return str(records[-1].get("program") or "") if records else ""

    async def _edit_program(self, text: str) -> None:
        """Let the user edit a program until it can be used, and queue it."""
        from hyperllama.core.programs.contract import ProgramError, parse_program

        edited = text
        while True:
            try:
                edited = edited_text(self.app, edited)
            except (OSError, SuspendNotSupported, HyperLlamaError) as error:
                said = error.message if isinstance(error, HyperLlamaError) else one_line(error)
                self.interface.report("error", f"The program was not edited: {said}")
                return
            if edited.strip() == text.strip():
                self.notify("Nothing was changed, so nothing is queued.", timeout=3)
                return
            try:
                parse_program(edited)
            except ProgramError as error:
                again = await self.app.push_screen_wait(
                    AnswerDialog("The program cannot be queued", plain(error.message), (
                        ("again", "e", "Edit it again"), ("", "escape", "Drop it"),
                    ))
                )
                if not again:
                    return
            else:
                self.send_lasting(requests.QueueProgram(edited), "Queued: it is evaluated next")
                return

    async def _keep_part(self, trial: TrialState) -> None:
        """Freeze a choice of a pipeline, or tell the model what to keep of a program."""
        parts = [(n, n.removeprefix(_PART), wording.setting(v))
                 for n, v in trial.config.items() if n.startswith(_PART)]  # fmt: skip
        if parts:
            title = f"Keep which part of trial {trial.number} from now on?"
            chosen = await self.app.push_screen_wait(PickDialog(title, parts))
            if chosen:
                name = chosen[0]
                kept = f"{name} stays {wording.setting(trial.config[name])}; w lets it vary again"
                self.send_lasting(requests.Freeze(name, trial.config[name]), kept)
            return
        hint = await self.app.push_screen_wait(
            PromptDialog(
                "What should programs keep?",
                f"The model reads it with the program of trial {trial.number}.",
                example="keep the encoder", send="tell",
            )
        )
        if hint:
            text = f"about the program of trial {trial.number}: {hint}"
            self.send_lasting(requests.Hint(text), "The model reads it before its next proposal")


def edited_text(app: App[object], text: str) -> str:
    """What a user's editor (VISUAL, EDITOR) makes of a text; the interface rests meanwhile.

    Raises:
        HyperLlamaError: there is no editor, or it failed.
        SuspendNotSupported: this terminal cannot be given to another program.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not command:
        command = [name for name in _EDITORS if shutil.which(name)][:1]
    if not command:
        raise HyperLlamaError("no editor is known", "set EDITOR, for example EDITOR=nano")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.py"
        file.write_text(text, "utf8")
        with app.suspend():
            code = subprocess.run([*command, str(file)], check=False).returncode
        if code:
            raise HyperLlamaError(f"{command[0]} ended with exit code {code}")
        return file.read_text("utf8", "replace")


def _outcome(trial: TrialState) -> str:
    if trial.value is not None:
        return f"score {wording.score(trial.value)}"
    return one_line(trial.reason, 400) or trial.state
