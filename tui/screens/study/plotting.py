"""What the progress pane needs of its screen: the GP in a child process, and baselines."""

from __future__ import annotations

from typing import Any

from textual import on, work

from hyperllama.core.errors import ChildDied
from hyperllama.core.storage.paths import home
from hyperllama.models.process import program_argv, python_argv
from hyperllama.tui.processes.child import JsonChild
from hyperllama.tui.processes.started import NOWHERE, Started
from hyperllama.tui.screens.study.dragging import PaneDragging
from hyperllama.tui.widgets.study.progress import ProgressPlot


class Plotting(PaneDragging):
    """The part of the study screen that has plots computed elsewhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        log = home() / "logs" / "plots.log"
        self._gp = JsonChild(python_argv("hyperllama.core.propose.gp.server"), "the GP", log)

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

    async def on_unmount(self) -> None:
        await self._gp.close()

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
