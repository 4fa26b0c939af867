"""A list to choose from: typing narrows it, enter chooses the highlighted line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from hyperllama.core.text import plain
from hyperllama.tui.widgets.field import Field

_MOVES = {
    "down": "cursor_down", "up": "cursor_up", "pagedown": "page_down", "pageup": "page_up",
}  # fmt: skip


class _Words(Field):
    """The words that narrow a list; where several may be chosen, space marks and is no word.

    Keys that move in the list come here, too, so that all take effect in the order they were typed.
    """

    class Marked(Message):
        """Space was pressed, after all that was typed before it."""

    class MoveAsked(Message):
        """The highlighted line is to be another one: an action of the list says which."""

        def __init__(self, way: str) -> None:
            super().__init__()
            self.way = way

    def __init__(self, *, many: bool, id: str) -> None:
        super().__init__(placeholder="(type to narrow the list)", id=id)
        self._many = many

    async def _on_key(self, event: events.Key) -> None:
        if event.key in _MOVES:
            message: Message = self.MoveAsked(_MOVES[event.key])
        elif self._many and event.key == "space":
            message = self.Marked()
        else:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        self.post_message(message)


class PickDialog(ModalScreen["list[str] | None"]):
    """Returns the chosen values, or None where it was cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
    ]

    def __init__(
        self,
        title: str,
        options: Sequence[tuple[str, str, str]],
        chosen: Sequence[str] = (),
        *,
        many: bool = False,
    ) -> None:
        """`options`: (value, label, description); `many`: space marks several values."""
        super().__init__()
        self._title, self._all, self._many = title, list(options), many
        self._chosen = [c for c in chosen if c]
        self._shown: list[tuple[str, str, str]] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -pick") as box:
            box.border_title = Content(self._title)
            box.styles.height = len(self._all) + 7  # of the whole list; narrowing moves nothing
            mark = "[bold]space[/] mark · " if self._many else ""
            box.border_subtitle = f"{mark}[bold]esc[/] cancel · [bold]↵[/] choose"
            yield _Words(many=self._many, id="pick-filter")
            listed = OptionList(id="pick-list")
            listed.can_focus = False  # keys go to the line above, in the order they were typed
            yield listed

    def on_mount(self) -> None:
        self._fill("")
        values = [value for value, _, _ in self._shown]
        if self._chosen and self._chosen[0] in values:
            self.query_one(OptionList).highlighted = values.index(self._chosen[0])

    def _fill(self, text: str) -> None:
        words = text.casefold().split()
        self._shown = [o for o in self._all if all(w in " ".join(o).casefold() for w in words)]
        listed = self.query_one(OptionList)
        here = listed.highlighted or 0
        listed.clear_options()
        width = min(30, max((len(label or value) for value, label, _ in self._all), default=0))
        for value, label, about in self._shown:
            mark = ("[x] " if value in self._chosen else "[ ] ") if self._many else ""
            text = plain(label or value).ljust(width)
            listed.add_option(Option(Content.assemble(mark, text, (f"  {plain(about)}", "$dim"))))
        if self._shown:
            listed.highlighted = min(here, len(self._shown) - 1)

    @property
    def _highlighted(self) -> list[str]:
        """The value of the highlighted line, if there is one."""
        at = self.query_one(OptionList).highlighted
        return [self._shown[at][0]] if at is not None and self._shown else []

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    @on(_Words.Marked)
    def _mark(self) -> None:
        for value in self._highlighted:
            if value in self._chosen:
                self._chosen.remove(value)
            else:
                self._chosen.append(value)
            self._fill(self.query_one(Input).value)

    @on(_Words.MoveAsked)
    async def _move(self, message: _Words.MoveAsked) -> None:
        await self.query_one(OptionList).run_action(message.way)

    @on(Input.Submitted)
    def _submit(self) -> None:
        if self._many:
            chosen = self._chosen or self._highlighted
            order = [value for value, _, _ in self._all]
            self.dismiss(sorted(chosen, key=lambda c: order.index(c) if c in order else 0))
        elif self._highlighted:
            self.dismiss(self._highlighted)

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        if self._many:
            self._mark()
        else:
            self._submit()
