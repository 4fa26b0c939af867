"""One line of text, checked while it is written."""

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

from hyperllama.tui.widgets.field import Field


class PromptDialog(ModalScreen["str | None"]):
    """Returns the line without outer spaces, which may be empty; None where it was cancelled.

    Args:
        about: what to read above the line.
        value: what stands in the line at first.
        example: shown while the line is empty.
        check: says what is wrong with a line, or "".
        send: the word for what enter does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "cancel")]

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
        self._title, self._value, self._example = title, value, example
        self._about = about if isinstance(about, Content) else Content(about)
        self._check, self._send = check, send

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = f"[bold]esc[/] cancel · [bold]↵[/] {self._send}"
            yield Static(self._about, classes="dialog--text")
            yield Field(self._value, placeholder=self._example)
            yield Static(classes="wrong")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        text = event.value.strip()
        self._show_problem(self._check(text) if text else "")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        problem = self._check(text)
        self._show_problem(problem)
        if not problem:
            self.dismiss(text)

    def _show_problem(self, problem: str) -> None:
        self.query_one(".wrong", Static).update(Content.styled(problem, "$bad"))
