"""What the progress pane needs of its screen: the GP in a child process, and baselines."""

from __future__ import annotations

import base64
from typing import Any

from textual import on, work

from hyperllama.core.errors import ChildDied
from hyperllama.core.storage.paths import home
from hyperllama.models.process import program_argv, python_argv
from hyperllama.tui.dialogs.picture import PictureDialog
from hyperllama.tui.processes.child import JsonChild
from hyperllama.tui.processes.started import NOWHERE, Started
from hyperllama.tui.screens.study.dragging import PaneDragging
from hyperllama.tui.widgets.study.progress import ProgressPlot

_NO_PICTURES = """\
No pictures here. They need a terminal that shows them (Kitty, WezTerm, iTerm2, foot), the extra \
hyperllama[pictures], and over SSH the setting pictures = "on"."""


class Plotting(PaneDragging):
    """The part of the study screen that has plots computed elsewhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        log = home() / "logs" / "plots.log"
        self._gp = JsonChild(python_argv("hyperllama.core.propose.gp.server"), "the GP", log)
        log = home() / "logs" / "pictures.log"
        self._pictures = JsonChild(python_argv("hyperllama.core.report.picture"), "pictures", log)

    @on(ProgressPlot.Turned)
    def _turned(self) -> None:
        self.remember(view=self.query_one(ProgressPlot).view)

    @on(ProgressPlot.FitWanted)
    @work(group="fit", exclusive=True)
    async def _fit(self, message: ProgressPlot.FitWanted) -> None:
        """Let the child process fit the GP; where it cannot, the trials stand alone."""
        try:
            answer = await self._gp.ask(message.request["do"], message.request)
        except ChildDied as error:
            self.interface.report_error(error)
        else:
            self.query_one(ProgressPlot).show_fit(message.key, answer)

    @on(ProgressPlot.PictureWanted)
    @work(group="picture", exclusive=True)
    async def _picture(self, message: ProgressPlot.PictureWanted) -> None:
        """Let a child process draw the view, and show it."""
        widget = self.interface.picture_widget
        if widget is None:
            self.interface.report("info", _NO_PICTURES)
            return
        importance, (width, height) = self.state.importance, self.size
        asked = {
            "study": self.link.name, "width": width * 10, "height": height * 20,
            "dark": self.app.current_theme.dark,
            "shares": dict(importance.shares) if importance is not None else {}, **message.shown,
        }  # fmt: skip
        try:
            answer = await self._pictures.ask("picture", asked)
        except ChildDied as error:
            self.interface.report_error(error)
            return
        if "png" in answer:
            self.app.push_screen(PictureDialog(base64.b64decode(answer["png"]), widget))
        else:
            self.interface.report("info", "There is nothing to draw yet.")

    async def on_unmount(self) -> None:
        await self._gp.close()
        await self._pictures.close()

    def action_baselines(self) -> None:
        """Run the baselines in a process of their own; their curves come as they are found."""
        if self.state.default_value is None:
            self.interface.report("info", "Baselines need the default's score first.")
            return
        try:
            Started(program_argv("baselines", self.link.name, "--quiet"), NOWHERE)
        except OSError as error:
            self.interface.report("error", f"The baselines could not be started: {error}")
            return
        self.interface.report(
            "info", "Baselines run in the background with the same budget; Progress draws them."
        )
