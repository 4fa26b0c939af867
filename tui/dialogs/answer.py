"""A question with a few answers."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from hyperllama.tui.actions import shown


class AnswerDialog(ModalScreen[str]):
    """Returns the chosen answer's id."""

    def __init__(self, title: str, text: str, answers: Sequence[tuple[str, str, str]]) -> None:
        """`answers`: (id, key, text)."""
        super().__init__()
        self._title, self._text, self._answers = title, text, answers

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(Content(self._text), classes="dialog--text")
            yield OptionList(
                *(
                    Option(Content.assemble((shown(key).rjust(4), "bold $primary"), "  ", text))
                    for _, key, text in self._answers
                )
            )

    def on_key(self, event: events.Key) -> None:
        for id_, key, _ in self._answers:
            if event.key == key:
                event.stop()
                self.dismiss(id_)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._answers[event.option_index][0])
