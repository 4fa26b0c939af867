"""A field whose value is one of a few: arrows go through them, enter lists them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from hyperllama.core.text import plain


class Choice(Widget, can_focus=True):
    """Shows its value between arrows. `many`: several values at once, listed by enter only."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "before", show=False),
        Binding("right,l", "turn(1)", "next", show=False),
        Binding("enter,space", "list", "choose", show=False),
    ]
    value: reactive[tuple[str, ...]] = reactive(())

    class ChoiceMessage(Message):
        """Something happened to a choice."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> Choice:
            return self.choice

    class Changed(ChoiceMessage):
        """The user chose another value."""

    class Opened(ChoiceMessage):
        """The user wants to see all options in a dialog."""

    def __init__(
        self,
        options: Sequence[tuple[str, str, str]] = (),
        *,
        title: str = "",
        empty: str = "",
        many: bool = False,
        id: str | None = None,
    ) -> None:
        """`options`: (value, label, what it is); `empty`: what is shown for no value."""
        super().__init__(id=id)
        self.options = list(options)
        self.title, self.empty, self.many = title, empty, many

    def offer(self, options: Sequence[tuple[str, str, str]]) -> None:
        """What can be chosen from now on."""
        if list(options) != self.options:
            self.options = list(options)
            self.refresh()

    def show(self, value: Sequence[str]) -> None:
        """Show a value without a message."""
        self.value = tuple(value)

    def render(self) -> Content:
        labels = {value: label for value, label, _ in self.options}
        text = ", ".join(plain(labels.get(v) or v) for v in self.value if v) or self.empty
        style = "" if any(self.value) else "$dim"
        ends = ("$primary" if self.has_focus else "$faint") if len(self.options) > 1 else "$surface"
        left, right = ("[", "]") if self.many else ("‹", "›")
        if not getattr(getattr(self.app, "glyphs", None), "braille", True) and not self.many:
            left, right = "<", ">"
        room = max(1, self.size.width - 4)
        shown = Content.styled(text, style).truncate(room, ellipsis=True)
        return Content.assemble((f"{left} ", ends), shown, (f" {right}", ends))

    def action_turn(self, step: int) -> None:
        names = [value for value, _, _ in self.options]
        if self.many or len(names) < 2:
            return
        here = names.index(self.value[0]) if self.value and self.value[0] in names else 0
        self.choose((names[(here + step) % len(names)],))

    def action_list(self) -> None:
        if self.options:
            self.post_message(self.Opened(self))

    def choose(self, value: tuple[str, ...]) -> None:
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self))

    def on_click(self) -> None:
        self.action_list()
