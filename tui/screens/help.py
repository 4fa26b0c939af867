"""Help: about the focused pane, then every key, all from the registry. Also the log of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from tui import actions
from tui.screens.dialogs import Read


class Help(Read):
    """What the focused pane shows, and all keys; those that apply here come first."""

    def __init__(
        self, title: str, text: str, places: Sequence[str], keymap: Mapping[str, str]
    ) -> None:
        super().__init__(f"Help: {title}" if title else "Help", keys_table(places, keymap))
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -large") as box:
            box.border_title = self._title
            box.border_subtitle = "[bold]esc[/] closes"
            if self._text:
                yield Markdown(self._text, classes="read", open_links=False)
            yield Static(self._content, classes="read")


def keys_table(places: Sequence[str], keymap: Mapping[str, str]) -> Content:
    """Every action with its keys, by place; the places that apply now first."""
    order = [*places, *(p for p in actions.PLACES if p not in places)]
    lines: list[Content] = []
    for place in order:
        if lines:
            lines.append(Content(""))
        lines.append(Content.styled(actions.PLACES[place], "bold $primary"))
        for action in actions.of(place):
            keys = "  ".join(actions.shown(k) for k in actions.keys_of(action, keymap))
            lines.append(Content.assemble((keys.ljust(14), "bold"), action.help))
    lines.append(Content(""))
    lines.append(Content.styled(f"Keys can be changed in {actions.keys_file()}", "$dim"))
    return Content("\n").join(lines)
