"""One line that is checked while it is written, with something to read above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from hyperllama.tui.screens.dialogs import Field


class Prompt(ModalScreen["str | None"]):
    """Returns the line, or None where it was given up.

    Args:
        check: says what is wrong with a line, or "".
        send: the word for what enter does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "give up")]

    def __init__(
        self,
        title: str,
        about: str | Content,
        value: str = "",
        example: str = "",
        *,
        check: Callable[[str], str] = lambda text: "",
        send: str = "send",
    ) -> None:
        super().__init__()
        self._title, self._about, self._value, self._example = title, about, value, example
        self._check, self._send = check, send

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = f"[bold]↵[/] {self._send}   [bold]esc[/] give up"
            about = self._about if isinstance(self._about, Content) else Content(self._about)
            yield Static(about, classes="dialog--text")
            yield Field(self._value, placeholder=self._example)
            yield Static(classes="wrong")

    @on(Input.Changed)
    def _look(self, event: Input.Changed) -> None:
        self._say(self._check(event.value.strip()) if event.value.strip() else "")

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        wrong = self._check(text)
        self._say(wrong)
        if not wrong:
            self.dismiss(text)

    def _say(self, wrong: str) -> None:
        self.query_one(".wrong", Static).update(Content.styled(wrong, "$bad"))
