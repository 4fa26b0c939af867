"""A list to choose from: type to narrow it, enter takes the marked line; space marks several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from hyperllama.core.text import plain
from hyperllama.tui.screens.dialogs import Field


class Pick(ModalScreen["list[str] | None"]):
    """Returns the chosen values, or None where it was given up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "give up"),
        Binding("down", "move('down')", priority=True),
        Binding("up", "move('up')", priority=True),
        Binding("pagedown", "move('page_down')", priority=True),
        Binding("pageup", "move('page_up')", priority=True),
    ]

    def __init__(
        self,
        title: str,
        options: Sequence[tuple[str, str, str]],
        chosen: Sequence[str] = (),
        *,
        many: bool = False,
    ) -> None:
        """`options`: (value, label, what it is)."""
        super().__init__()
        self._title, self._all, self._many = title, list(options), many
        self._chosen = [c for c in chosen if c]
        self._shown: list[tuple[str, str, str]] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -pick") as box:
            box.border_title = Content(self._title)
            box.styles.height = len(self._all) + 7  # of the whole list; narrowing moves nothing
            mark = "[bold]space[/] mark   " if self._many else ""
            box.border_subtitle = f"{mark}[bold]↵[/] take   [bold]esc[/] give up"
            yield Field(placeholder="type to narrow the list", id="pick-filter")
            listed = OptionList(id="pick-list")
            listed.can_focus = False  # the keys belong to the line above, in their order
            yield listed

    def on_mount(self) -> None:
        self._fill("")
        values = [value for value, _, _ in self._shown]
        if self._chosen and self._chosen[0] in values:
            self.query_one(OptionList).highlighted = values.index(self._chosen[0])

    def _fill(self, text: str) -> None:
        words = text.casefold().split()
        self._shown = [
            o for o in self._all if all(w in f"{o[0]} {o[1]} {o[2]}".casefold() for w in words)
        ]
        listed = self.query_one(OptionList)
        here = listed.highlighted or 0
        listed.clear_options()
        width = max((len(label or value) for value, label, _ in self._all), default=0)
        for value, label, about in self._shown:
            mark = ("[x] " if value in self._chosen else "[ ] ") if self._many else ""
            listed.add_option(
                Option(
                    Content.assemble(
                        mark,
                        plain(label or value).ljust(min(width, 30)),
                        (f"  {plain(about)}", "$dim"),
                    )
                )
            )
        if self._shown:
            listed.highlighted = min(here, len(self._shown) - 1)

    @on(Input.Changed)
    def _narrowed(self, event: Input.Changed) -> None:
        if self._many and event.value.endswith(" "):
            event.input.value = event.value.rstrip()
            self._mark()
            return
        self._fill(event.value)

    def _mark(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is None or not self._shown:
            return
        value = self._shown[at][0]
        if value in self._chosen:
            self._chosen.remove(value)
        else:
            self._chosen.append(value)
        self._fill(self.query_one(Input).value)

    def action_move(self, way: str) -> None:
        getattr(self.query_one(OptionList), f"action_{_WAYS[way]}")()

    @on(Input.Submitted)
    def _take(self) -> None:
        at = self.query_one(OptionList).highlighted
        if self._many:
            if not self._chosen and at is not None and self._shown:
                self._chosen = [self._shown[at][0]]
            order = [value for value, _, _ in self._all]
            self.dismiss(sorted(self._chosen, key=lambda c: order.index(c) if c in order else 0))
        elif at is not None and self._shown:
            self.dismiss([self._shown[at][0]])

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        if self._many:
            self._mark()
        else:
            self._take()


_WAYS = {"down": "cursor_down", "up": "cursor_up", "page_down": "page_down", "page_up": "page_up"}
