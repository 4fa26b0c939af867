"""Help: about the focused pane, then every key, all from the registry. Also the log of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from hyperllama.tui import actions
from hyperllama.tui.screens.dialogs import Read


class Help(Read):
    """What the focused pane shows, and keys."""

    def __init__(self, title: str, text: str, keys: Content) -> None:
        """`text`: Markdown above the keys."""
        super().__init__(f"Help: {title}" if title else "Help", keys)
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -large") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "[bold]esc[/] closes"
            if self._text:
                yield Markdown(self._text, classes="read", open_links=False)
            yield Static(self._content, classes="read")


def keys_table(places: Sequence[str], keymap: Mapping[str, str]) -> Content:
    """Every action of these places with its keys."""
    lines: list[Content] = []
    for place in places:
        if lines:
            lines.append(Content(""))
        lines.append(Content.styled(actions.PLACES[place], "bold $primary"))
        for action in actions.of(place):
            keys = "  ".join(actions.shown(k) for k in actions.keys_of(action, keymap))
            lines.append(Content.assemble((keys.ljust(14), "bold"), action.help))
    lines.append(Content(""))
    settings = actions.shown(actions.keys_of(actions.BY_ID["app.settings"], keymap)[0])
    every = actions.shown(actions.keys_of(actions.BY_ID["app.keys"], keymap)[0])
    told = f"{every} lists all keys; {settings} changes them, as does {actions.keys_file()}"
    lines.append(Content.styled(told, "$dim"))
    return Content("\n").join(lines)
