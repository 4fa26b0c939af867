"""A table over a list of entries, with the entry at the cursor: the base of most lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from textual.content import Content

from hyperllama.tui.text.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.lists.rows import Rows

Entry = TypeVar("Entry")


class Listing(Rows, Generic[Entry]):
    """One row an entry; a subclass names the columns and draws the cells."""

    TITLE = ""
    """Of the border; empty: the one in NAME."""
    NAME = ""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.entries: Sequence[Entry] = ()
        self.border_title = self.TITLE or self.NAME

    @property
    def glyphs(self) -> Glyphs:
        return getattr(self.app, "glyphs", UNICODE)

    @property
    def entry(self) -> Entry | None:
        """The entry at the cursor."""
        return self.entries[self.cursor] if 0 <= self.cursor < len(self.entries) else None

    def show(self, entries: Sequence[Entry]) -> None:
        """Draw these entries."""
        self.entries = entries
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.entries)

    def cell(self, index: int, key: str, width: int) -> Content:
        return self.draw(self.entries[index], key, width)

    def draw(self, entry: Entry, key: str, width: int) -> Content:
        """What stands in the column `key` of an entry's row."""
        raise NotImplementedError


def state_mark(state: str, g: Glyphs) -> Content:
    """The state of a study, a comparison or a cell, with its sign."""
    sign, style = {
        "running": (g.running, "$primary"),
        "paused": (g.paused, "$best"),
        "broken off": (g.paused, "$best"),
        "finished": (g.done, "$good"),
        "done": (g.done, "$good"),
        "stopped": (g.stopped, "$dim"),
        "skipped": (g.stopped, "$faint"),
        "interrupted": (g.stopped, "$bad"),
        "error": (g.failed, "$bad"),
        "failed": (g.failed, "$bad"),
    }.get(state, (g.waiting, "$dim"))
    return Content.styled(f"{sign} {state}", style)
