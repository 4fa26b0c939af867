"""A page about what the cursor stands on elsewhere: lines of text that are made to measure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence

from textual.content import Content
from textual.widget import Widget

from hyperllama.core.text import plain
from hyperllama.tui.text.glyphs import Glyphs

Lines = list[Content]
Draw = Callable[[int, int], Lines]
"""Lines of at most so many cells; those beyond the height are left out."""
LABEL = 13  # cells of a fact's name


class Sheet(Widget):
    """Draws what it was given last; it takes no focus, and keys never end here."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw: Draw = lambda width, height: []

    def show(self, draw: Draw) -> None:
        """Draw this from now on."""
        self._draw = draw
        self.refresh()

    def render(self) -> Content:
        width, height = self.size.width, self.size.height
        if width < 8 or height < 1:
            return Content("")
        lines = (line.truncate(width, ellipsis=True) for line in self._draw(width, height)[:height])
        return Content("\n").join(lines)


class PagedSheet(Sheet):
    """A sheet whose lines may be more than fit: `turn` shows the next of them."""

    def __init__(self, *, id: str | None = None, key: Callable[[], str]) -> None:
        """`key`: what turns, for the line that says so."""
        super().__init__(id=id)
        self._key = key
        self._about: object = None
        self._first = 0

    def show(self, draw: Draw, about: object = None) -> None:
        """Draw this from now on; from its beginning where it is about something else."""
        self._first = self._first if about == self._about else 0
        self._about = about
        super().show(draw)

    @property
    def long(self) -> bool:
        """There is more than fits."""
        return len(self._draw(self.size.width, self.size.height)) > self.size.height > 1

    def turn(self) -> None:
        """Show what follows; after the end, the beginning."""
        room = self.size.height - 1
        at_end = self._first + room >= len(self._draw(self.size.width, self.size.height))
        self._first = 0 if at_end else self._first + room
        self.refresh()

    def render(self) -> Content:
        width, height = self.size.width, self.size.height
        if width < 8 or not self.long:
            return super().render()
        lines, room = self._draw(width, height), height - 1
        first = min(self._first, len(lines) - room)
        shown = [line.truncate(width, ellipsis=True) for line in lines[first : first + room]]
        told = f"lines {first + 1} to {first + room} of {len(lines)}; {self._key()} shows "
        told += "the beginning" if first + room >= len(lines) else "more"
        return Content("\n").join([*shown, Content.styled(told, "$dim")])


def heading(text: str) -> Content:
    """The title of a part."""
    return Content.styled(text, "bold $primary")


def facts(pairs: Iterable[tuple[str, str | Content]], width: int) -> Lines:
    """Names and values below each other; long values take several lines, empty ones none."""
    lines: Lines = []
    for name, value in pairs:
        if isinstance(value, Content):
            lines.append(Content.assemble((name.ljust(LABEL), "$dim"), value))
            continue
        for number, line in enumerate(wrapped(value, width - LABEL)):
            label = "" if number else name
            lines.append(Content.assemble((label.ljust(LABEL), "$dim"), line))
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """The text over as many lines as it needs; paragraphs stay apart."""
    lines: list[str] = []
    for paragraph in plain(text).strip().split("\n\n"):
        if lines:
            lines.append("")
        lines += textwrap.wrap(" ".join(paragraph.split()), max(8, width))
    return lines


def words(text: str, width: int, style: str = "") -> Lines:
    """The text as lines of one style."""
    return [Content.styled(line, style) for line in wrapped(text, width)]


def bar(share: float, cells: int, glyphs: Glyphs, style: str = "$primary") -> Content:
    """A bar of `cells` cells, filled from the left; something is more than nothing."""
    filled = min(cells, round(max(0.0, share) * cells))
    filled = max(filled, 1 if share > 0 else 0)
    return Content.assemble(
        (glyphs.bar * filled, style), (glyphs.track * (cells - filled), "$faint")
    )


def packed(parts: Iterable[Content], width: int, gap: int = 3) -> Lines:
    """The parts beside each other, over as many lines as they need."""
    lines: Lines = []
    for part in parts:
        if lines and lines[-1].cell_length + gap + part.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], " " * gap, part)
        else:
            lines.append(part)
    return lines


def columns(
    rows: Sequence[Sequence[tuple[str, str]]], left: Sequence[int] = (0,), gap: int = 2
) -> Lines:
    """Rows of (text, style) in columns: those in `left` at the left, others at the right."""
    count = max(map(len, rows), default=0)
    widths = [max((len(r[i][0]) for r in rows if i < len(r)), default=0) for i in range(count)]
    lines: Lines = []
    for row in rows:
        parts: list[tuple[str, str]] = []
        for i, (text, style) in enumerate(row):
            parts.append((text.ljust(widths[i]) if i in left else text.rjust(widths[i]), style))
            parts.append((" " * gap, ""))
        lines.append(Content.assemble(*parts[:-1]))
    return lines
