"""What all panes of the study screen share: a border with its number and name, and help."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from hyperllama.core.study import StudyState, TrialState
from hyperllama.tui.text.glyphs import UNICODE, Glyphs


class Pane(Widget, can_focus=True):
    """A bordered drawing that is a pure function of a state and the selected trial."""

    HELP = ""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.state = StudyState()
        self.trial: TrialState | None = None

    def show(self, state: StudyState, trial: TrialState | None) -> None:
        """Draw that state; `trial` is the selected one."""
        if state is self.state and trial is self.trial:
            return
        self.state, self.trial = state, trial
        self.refresh()

    def render(self) -> Content:
        if self.size.width < 4 or self.size.height < 1:
            return Content("")
        return Content("\n").join(self.lines(self.size.width, self.size.height))

    def lines(self, width: int, height: int) -> list[Content]:
        """At most `height` lines of at most `width` cells."""
        raise NotImplementedError
