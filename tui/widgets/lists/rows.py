"""A table that draws only the visible lines: the base of the lists and of the history.

It keeps no rows of its own. A subclass says how many there are and what stands in a cell, so ten
thousand rows cost as much as ten, and nothing is ever added or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from hyperllama.tui import actions

_GAP = 2  # cells between columns
_KEPT_ROWS = 400


@dataclass(frozen=True)
class ListColumn:
    """One column.

    Attributes:
        width: cells; 0: takes what the others leave.
        right: numbers stand at the right.
        drop: when the table is too narrow, the column with the highest goes first; 0: never.
        gap: cells after it.
    """

    key: str
    title: str
    width: int = 0
    right: bool = False
    drop: int = 0
    gap: int = _GAP


def fit(columns: Sequence[ListColumn], width: int, least: int = 12) -> list[tuple[ListColumn, int]]:
    """The columns that find room in `width` cells, each with its width."""
    kept = list(columns)

    def wanted() -> int:
        return sum((c.width or least) + c.gap for c in kept) - (kept[-1].gap if kept else 0)

    while kept and wanted() > width and any(c.drop for c in kept):
        kept.remove(max(kept, key=lambda c: c.drop))
    flexible = sum(not c.width for c in kept)
    share = (width - wanted()) // flexible if flexible else 0  # negative: no other can give way
    return [(c, c.width or max(1, least + share)) for c in kept]


class Rows(ScrollView, can_focus=True):
    """A scrolling list of aligned rows with a cursor and a header that stays."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--header", "rows--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("list")]
    WHERE = "list"
    HEADER = True
    LEAST = 12  # cells that a flexible column needs
    EMPTY = "Nothing here yet"

    cursor: reactive[int] = reactive(0)

    class RowMessage(Message):
        """A message about a row."""

        def __init__(self, rows: Rows, index: int) -> None:
            super().__init__()
            self.rows = rows
            self.index = index

        @property
        def control(self) -> Rows:
            return self.rows

    class Moved(RowMessage):
        """The cursor stands on another row."""

    class Chosen(RowMessage):
        """Enter or a double click on a row."""

    class HeaderClicked(Message):
        """The title of a column was clicked."""

        def __init__(self, rows: Rows, key: str) -> None:
            super().__init__()
            self.rows, self.key = rows, key

        @property
        def control(self) -> Rows:
            return self.rows

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kept: dict[Hashable, Strip] = {}

    # What a subclass provides

    def columns(self) -> Sequence[ListColumn]:
        """The columns, left to right."""
        raise NotImplementedError

    def row_count(self) -> int:
        raise NotImplementedError

    def cell(self, index: int, key: str, width: int) -> Content:
        """What stands in the column `key` of row `index`; it is cut or padded to `width`."""
        raise NotImplementedError

    def identity(self, index: int) -> Hashable | None:
        """What a row's drawing depends on, if it may be kept; None: it is drawn every time."""
        return None

    def empty(self) -> Content:
        """What is shown instead of rows when there are none."""
        return Content.styled(self.EMPTY, "$dim")

    # Drawing

    @property
    def header_lines(self) -> int:
        return 1 if self.HEADER and self.row_count() else 0

    def rows_changed(self) -> None:
        """Call when rows were added or changed: the size is adapted and everything drawn anew."""
        size = Size(self._inner_width(), self.row_count() + self.header_lines)
        if size != self.virtual_size:
            self.virtual_size = size
        last = max(0, self.row_count() - 1)
        if self.cursor > last:
            self.cursor = last
        self.refresh()

    def _inner_width(self) -> int:
        return self.scrollable_content_region.width or self.size.width

    def on_resize(self, event: events.Resize) -> None:
        self.rows_changed()
        self._reveal()

    def render_line(self, y: int) -> Strip:
        width = self._inner_width()
        base = self.visual_style
        if not self.row_count():
            lines = self.empty().split("\n", allow_blank=True)
            content = lines[y] if y < len(lines) else Content("")
            return self._strip(content, width, base)
        if y < self.header_lines:
            return self._strip(self._header(width), width, self.get_visual_style("rows--header"))
        index = self.scroll_offset.y + y - self.header_lines
        if index >= self.row_count():
            return Strip.blank(width, base.rich_style)
        here = index == self.cursor
        style = self.get_visual_style("rows--cursor") if here else base
        identity = self.identity(index)
        if identity is None:
            return self._strip(self._row(index, width), width, style)
        key = (identity, width, here, here and self.has_focus, self.app.theme)
        strip = self._kept.get(key)
        if strip is None:
            if len(self._kept) > _KEPT_ROWS:
                self._kept.clear()
            strip = self._kept[key] = self._strip(self._row(index, width), width, style)
        return strip

    def _strip(self, content: Content, width: int, style: object) -> Strip:
        strips = Visual.to_strips(self, content, width, 1, style, pad=True)  # type: ignore[arg-type]
        return strips[0].crop(0, width) if strips else Strip.blank(width)

    def _header(self, width: int) -> Content:
        return self._aligned(" ", width, lambda column, cells: Content(column.title))

    def _row(self, index: int, width: int) -> Content:
        mark = ("▌" if self.has_focus else "▏") if index == self.cursor else " "
        return self._aligned(mark, width, lambda column, cells: self.cell(index, column.key, cells))

    def _aligned(
        self, mark: str, width: int, text: Callable[[ListColumn, int], Content]
    ) -> Content:
        """A line of the texts of all columns that have room."""
        parts = [Content.styled(mark, "$primary")]
        for column, cells in fit(self.columns(), width - 2, self.LEAST):
            cell = text(column, cells).truncate(cells, ellipsis=True)
            spare = max(0, cells - cell.cell_length)
            cell = cell.pad_left(spare) if column.right else cell.pad_right(spare)
            parts.append(cell.pad_right(column.gap))
        return Content.assemble(*parts)

    # The cursor

    def validate_cursor(self, value: int) -> int:
        return max(0, min(value, self.row_count() - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        if old != new:
            self._reveal()
            self.refresh_row(old)
            self.refresh_row(new)
            self.post_message(self.Moved(self, new))

    def _reveal(self) -> None:
        """Scroll so that the row of the cursor is visible."""
        height = self.scrollable_content_region.height - self.header_lines
        if height <= 0:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def watch_has_focus(self, value: bool) -> None:
        super().watch_has_focus(value)
        self.refresh()

    def action_up(self) -> None:
        self.cursor -= 1

    def action_down(self) -> None:
        self.cursor += 1

    def action_page_up(self) -> None:
        self.cursor -= max(1, self.size.height - self.header_lines - 1)

    def action_page_down(self) -> None:
        self.cursor += max(1, self.size.height - self.header_lines - 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self.row_count() - 1

    def on_click(self, event: events.Click) -> None:
        if self.header_lines and event.y == self.gutter.top:
            key = self._column_at(event.x - self.gutter.left)
            if key:
                self.post_message(self.HeaderClicked(self, key))
            return
        index = self.scroll_offset.y + event.y - self.gutter.top - self.header_lines
        if 0 <= index < self.row_count() and event.y >= self.gutter.top + self.header_lines:
            self.cursor = index
            if event.chain == 2:
                self.post_message(self.Chosen(self, index))

    def _column_at(self, x: int) -> str:
        """The key of the column at a cell; empty beside them."""
        start = 1  # the cursor's mark
        for column, cells in fit(self.columns(), self._inner_width() - 2, self.LEAST):
            if start <= x < start + cells:
                return column.key
            start += cells + column.gap
        return ""

    def refresh_row(self, index: int) -> None:
        """Draw only that row anew."""
        y = index - self.scroll_offset.y + self.header_lines
        if -1 < y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))
