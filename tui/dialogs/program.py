"""The program of a trial: its text, or its difference to the incumbent's, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from hyperllama.core.text import plain


@dataclass(frozen=True)
class ShownProgram:
    """A trial's program as the dialog shows it.

    Attributes:
        number: of the trial.
        text: the program with its values; foreign text.
        outcome: the trial's score, or why it has none.
        best_number: of the incumbent; None without one.
        best: the incumbent's program; empty where it has none, or the trial is the incumbent.
    """

    number: int
    text: str
    outcome: str
    best_number: int | None = None
    best: str = ""


class ProgramDialog(ModalScreen["str | None"]):
    """Returns "edit", "keep" or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "close"),
        Binding("e", "dismiss('edit')", "edit"),
        Binding("f", "dismiss('keep')", "keep a part"),
        Binding("d,tab", "difference", "difference"),
        Binding("y", "copy", "copy"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, shown: ShownProgram) -> None:
        super().__init__()
        self._shown = shown
        self._difference = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -large") as box:
            box.border_subtitle = (
                "[bold]d[/] difference · [bold]e[/] edit · [bold]f[/] keep a part · "
                "[bold]y[/] copy · [bold]esc[/] close"
            )
            yield Static(classes="read", id="program-text")

    def on_mount(self) -> None:
        self._draw()
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._shown.text)
        self.notify("The program is copied", timeout=3)

    def action_difference(self) -> None:
        if not self._shown.best:
            self.notify("There is no other program to compare it with.", timeout=3)
            return
        self._difference = not self._difference
        self._draw()

    def _draw(self) -> None:
        shown, box = self._shown, self.query_one(VerticalScroll)
        title = f"Program of trial {shown.number}"
        if self._difference:
            title += f", against trial {shown.best_number} (the best)"
        box.border_title = Content(title)
        body = Content("\n").join(difference(shown.best, shown.text)) if self._difference else (
            highlighted(shown.text)
        )
        self.query_one(Static).update(
            Content("\n").join([Content.styled(plain(shown.outcome), "$dim"), Content(""), body])
        )


def highlighted(text: str) -> Content:
    """Python with its words in colours."""
    from textual.highlight import highlight

    return highlight(plain(text), language="python")


def difference(before: str, after: str) -> Iterator[Content]:
    """The lines that differ, each with its sign, between lines that do not."""
    styles = {"+": "$good", "-": "$bad", "@": "$faint"}
    lines = list(unified_diff(plain(before).splitlines(), plain(after).splitlines(), lineterm=""))
    if not lines:
        yield Content.styled("The programs are the same.", "$dim")
    for line in lines[2:]:  # without the names of the files
        yield Content.styled(line, styles.get(line[:1], ""))
