"""Help: about the focused pane, then its keys, all from the action registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Markdown

from hyperllama.tui import actions
from hyperllama.tui.dialogs.text import TextDialog
from hyperllama.tui.preferences import settings


class HelpDialog(TextDialog):
    """What the focused pane shows, and keys."""

    def __init__(self, title: str, text: str, keys: Content) -> None:
        """`text`: Markdown above the keys."""
        super().__init__(f"Help: {title}" if title else "Help", keys)
        self._text = text

    def compose_text(self) -> ComposeResult:
        if self._text:
            yield Markdown(self._text, classes="read", open_links=False)
        yield from super().compose_text()


def keys_table(places: Sequence[str], keymap: Mapping[str, str]) -> Content:
    """Every action of these places with its keys."""
    lines: list[Content] = []
    for place in places:
        lines.append(Content.styled(actions.PLACES[place], "bold $primary"))
        for action in actions.of(place):
            keys = "  ".join(actions.shown(k) for k in actions.keys_of(action, keymap))
            lines.append(Content.assemble((keys.ljust(14), "bold"), action.help))
        lines.append(Content(""))
    change, every = (
        actions.shown(actions.keys_of(actions.BY_ID[id_], keymap)[0])
        for id_ in ("app.settings", "app.keys")
    )
    end = f"{every} lists all keys; {change} changes them, as does {settings.file()}"
    return Content("\n").join([*lines, Content.styled(end, "$dim")])
