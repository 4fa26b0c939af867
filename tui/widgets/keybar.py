"""The footer: the keys of the registry that fit what has the focus; at most six in little room."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.content import Content
from textual.events import Click
from textual.widget import Widget
from textual.widgets import Input

from hyperllama.tui.actions import Action, keys_of, shown

MOST_KEYS = 6
_CELLS_A_KEY = 14  # in more room, one key for each of so many cells


class KeyBar(Widget):
    """One line: key, label; what does not fit is left out from the end, but for the last two."""

    ALLOW_SELECT = False

    def __init__(
        self,
        offered: Callable[[], list[tuple[Action, str]]],
        keymap: Callable[[], Mapping[str, str]],
        *,
        id: str | None = None,
    ) -> None:
        """`offered`: the actions that apply now with their labels, the most important first."""
        super().__init__(id=id)
        self._offered = offered
        self._keymap = keymap
        self._places: list[tuple[int, int, Action]] = []

    def chosen(self, width: int) -> list[tuple[Action, str, str]]:
        """(action, key, label) of what is shown in `width` cells."""
        keymap = self._keymap()
        offered = sorted(self._offered(), key=lambda pair: pair[0].footer)[:]
        tail = [pair for pair in offered if pair[0].where == "app"]
        most = max(MOST_KEYS, width // _CELLS_A_KEY)
        head = [pair for pair in offered if pair[0].where != "app"][: most - len(tail)]
        plain = not getattr(getattr(self.app, "glyphs", None), "braille", True)
        typing = isinstance(self.screen.focused, Input)
        entries = [
            (a, shown(key, plain), label)
            for a, label in (*head, *tail)
            if (key := _usable(keys_of(a, keymap), typing))
        ]
        while len(entries) > 1 and _width(entries) > width:
            entries.pop(-3 if len(entries) > 3 else 0)
        return entries

    def render(self) -> Content:
        width = self.size.width - 2
        entries = self.chosen(width)
        spare = max(0, width - _width(entries))
        x = 1
        pieces: list[Content | str] = [" "]
        self._places = []
        for action, key, label in entries:
            if action.where == "app" and spare:  # what is the same everywhere stands at the right
                pieces.append(" " * spare)
                x, spare = x + spare, 0
            pieces.append(Content.assemble((key, "bold $primary"), " ", (label, "$dim"), "   "))
            cells = len(key) + 1 + len(label)
            self._places.append((x, x + cells, action))
            x += cells + 3
        return Content.assemble(*pieces)

    async def on_click(self, event: Click) -> None:
        for start, end, action in self._places:
            if start <= event.x < end:
                if action.where == "app":
                    await self.app.run_action(action.action, self.app)
                else:
                    await self.app.run_action(action.action, self.screen)


def _usable(keys: list[str], typing: bool) -> str:
    """The first of the keys; while text is typed, the first that is no character."""
    characters = ("question_mark", "colon", "space", "slash")
    usable = [k for k in keys if not typing or (len(k) > 1 and k not in characters)]
    return usable[0] if usable else ""


def _width(entries: list[tuple[Action, str, str]]) -> int:
    return sum(len(key) + 1 + len(label) + 3 for _, key, label in entries) - 3
