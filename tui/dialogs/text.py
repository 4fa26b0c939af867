"""A text to read and scroll."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

_AGAIN_S = 0.5


class TextDialog(ModalScreen[None]):
    """Shows styled text in a box.

    Args:
        again: gives the text anew, twice a second, where it changes while it is shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss(None)", "close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(
        self, title: str, content: Content, again: Callable[[], Content] | None = None
    ) -> None:
        super().__init__()
        self._title, self._content, self._again = title, content, again

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -large") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "[bold]esc[/] close"
            yield from self.compose_text()

    def compose_text(self) -> ComposeResult:
        """What stands in the box."""
        yield Static(self._content, classes="read")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        if self._again is not None:
            self.set_interval(_AGAIN_S, self.read_again, name="again")

    def read_again(self) -> None:
        """Show the text as it is now."""
        before = self._content
        self._content = self._again() if self._again is not None else before
        if self._content != before:
            self.query_one(Static).update(self._content)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
