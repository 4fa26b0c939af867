"""The study as lines of text: nothing is drawn, nothing blinks, new lines come at the end."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.study import StudyState
from hyperllama.tui.content import sentences

HELP = """\
The study as sentences, for screen readers. Lines are added at the end as trials finish; what the \
model is thinking stands in the last one. All keys work as they do beside the panes; `f4` returns \
to them.
"""


class PlainText(VerticalScroll, can_focus=True):
    """What `tui.content.sentences` says about a study."""

    NAME = "Text"
    HELP = HELP
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static(id="text-lines")

    def show(self, state: StudyState, name: str, alive: bool) -> None:
        """Show that state; nothing is drawn where the sentences are the same."""
        lines = sentences.describe(state, name, alive)
        if lines == self._shown:
            return
        self._shown = lines
        stay = self.is_vertical_scroll_end
        self.query_one("#text-lines", Static).update(Content("\n").join(map(Content, lines)))
        if stay:
            self.scroll_end(animate=False)
