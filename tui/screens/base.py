"""What all screens share: the app's services, the footer, which actions apply now, help."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from textual import on
from textual.screen import Screen
from textual.widget import Widget

from hyperllama.tui import actions
from hyperllama.tui.dialogs import PickDialog
from hyperllama.tui.interface import Interface
from hyperllama.tui.text.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.form.choice import Choice
from hyperllama.tui.widgets.keybar import KeyBar
from hyperllama.tui.widgets.lists.rows import Rows

Result = TypeVar("Result")


class BaseScreen(Screen[Result], Generic[Result]):
    """A screen whose actions are those of one place in the registry."""

    WHERE = ""

    @property
    def interface(self) -> Interface:
        """What the app offers to its screens."""
        return cast("Interface", self.app)

    @property
    def glyphs(self) -> Glyphs:
        return getattr(self.app, "glyphs", UNICODE)

    def label_of(self, action: actions.Action) -> str:
        """The footer's word for an action in the present state; empty: it does not apply now."""
        return action.label

    def reason(self, action: actions.Action) -> str:
        """Why an action whose `label_of` is empty does not apply now; empty: nothing is said."""
        return ""

    def why_not(self, call: str) -> str:
        """Why pressing the key of an action of this screen does nothing; empty: it does something.

        Args:
            call: the action as bindings have it.
        """
        wanted = next((a for a in actions.of(self.WHERE) if a.action == call), None)
        if wanted is None or self.label_of(wanted):
            return ""
        keys = {*actions.keys_of(wanted, self.interface.keys)}
        if any(
            keys & {*actions.keys_of(a, self.interface.keys)} and self.label_of(a)
            for place in self.places() for a in actions.of(place) if a is not wanted
        ):  # fmt: skip
            return ""  # the key means something else now
        return self.reason(wanted)

    def _around_focus(self, name: str) -> Widget | None:
        """The focused widget or the closest one around it that has a class attribute `name`."""
        node: Widget | None = self.focused
        while node is not None and not getattr(node, name, ""):
            node = node.parent if isinstance(node.parent, Widget) else None
        return node

    def places(self) -> tuple[str, ...]:
        """Where actions apply now: this screen, what has the focus, everywhere."""
        here = getattr(self._around_focus("WHERE"), "WHERE", "")
        lists = "list" if isinstance(self.focused, Rows) else ""
        return tuple(dict.fromkeys(filter(None, (self.WHERE, here, lists, "app"))))

    def offered(self) -> list[tuple[actions.Action, str]]:
        """The actions for the footer with their labels."""
        return [
            (action, label)
            for place in self.places()
            for action in actions.of(place)
            if action.footer and (label := self.label_of(action))
        ]

    def key_bar(self) -> KeyBar:
        return KeyBar(self.offered, lambda: self.interface.keys, id="keys")

    def refresh_keys(self) -> None:
        for bar in self.query(KeyBar):
            bar.refresh()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An action that does not apply now is not offered and its key is free for others."""
        known = actions.BY_ID.get(f"{self.WHERE}.{action}")
        return known is None or bool(self.label_of(known))

    def on_descendant_focus(self) -> None:
        self.refresh_keys()

    async def ask_to_leave(self) -> str | None:
        """What becomes of what runs here; "": do not leave; None: this screen asks nothing."""
        return None

    @on(Choice.Opened)
    def _open_choice(self, message: Choice.Opened) -> None:
        choice = message.choice

        def choose(chosen: list[str] | None) -> None:
            if chosen is not None:
                choice.choose(tuple(chosen))

        dialog = PickDialog(choice.title, choice.options, choice.value, many=choice.many)
        self.app.push_screen(dialog, choose)

    def help_for(self) -> tuple[str, str]:
        """(title, Markdown) about what has the focus."""
        node = self._around_focus("HELP")
        return (str(getattr(node, "NAME", "")), str(node.HELP)) if node is not None else ("", "")
