"""The first step of the form: files to choose from, the columns of the table that was chosen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from hyperllama.core.text import plain
from hyperllama.tui import actions, wording
from hyperllama.tui.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.rows import Column, Rows


class Files(Rows):
    """Folders and tables of one folder, as far as they begin like what was typed."""

    NAME = "Files"
    HELP = """\
Tables (CSV, Parquet, Feather, Arrow; also .gz and .zst) and folders. Type in the field above to \
narrow the list, `tab` completes, `↵` opens what is marked.
"""
    WHERE = "files"
    BINDINGS: ClassVar[list[BindingType]] = [*Rows.BINDINGS, *actions.bindings("files")]

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.folder = Path()
        self.paths: list[Path] = []

    def show(self, folder: Path, paths: list[Path]) -> None:
        if paths != self.paths:
            self.folder, self.paths = folder, paths
            self.set_reactive(Rows.cursor, 0)
            self.rows_changed()

    @property
    def path(self) -> Path | None:
        return self.paths[self.cursor] if 0 <= self.cursor < len(self.paths) else None

    def row_count(self) -> int:
        return len(self.paths)

    def columns(self) -> Sequence[Column]:
        return (
            Column("name", "name", 0),
            Column("size", "size", 9, right=True, drop=1),
            Column("when", "changed", 12, right=True, drop=2),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        path = self.paths[index]
        try:
            stat = path.stat()
            folder = path.is_dir()
        except OSError:
            return Content.styled(plain(path.name) if key == "name" else "", "$dim")
        if key == "name":
            name = plain(path.name) + ("/" if folder else "")
            return Content.styled(name, "$primary" if folder else "")
        if key == "size":
            return Content.styled("" if folder else wording.size(stat.st_size), "$dim")
        return Content.styled(wording.ago(max(0.0, time.time() - stat.st_mtime)), "$dim")

    def empty(self) -> Content:
        return Content.styled(" No table and no folder begins like this.", "$dim")

    def action_open(self) -> None:
        self.post_message(self.Chosen(self, self.cursor))

    def action_parent(self) -> None:
        self.post_message(self.Chosen(self, -1))


class ColumnList(Rows):
    """The columns of a table: type, empty cells, values, what each is used for."""

    NAME = "Columns"
    HELP = """\
The columns of the table. `t` predicts the marked one, `d` leaves it out or takes it in again: \
leave out what is not known at the moment when a prediction is needed.

*empty* is the share of empty cells; *values* shows the range and median of numbers, the most \
frequent values of categories with their shares.
"""
    WHERE = "columns"
    BINDINGS: ClassVar[list[BindingType]] = [*Rows.BINDINGS, *actions.bindings("columns")]

    class Wanted(Message):
        """A person wants the column at the cursor as the target, or left out or taken in."""

        def __init__(self, what: str, name: str) -> None:
            super().__init__()
            self.what, self.name = what, name

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.look: dict[str, Any] = {}
        self.found: list[dict[str, Any]] = []
        self.target = ""
        self.dropped: set[str] = set()

    def show(self, look: dict[str, Any], target: str, dropped: set[str]) -> None:
        self.look, self.target, self.dropped = look, target, dropped
        self.found = list(look.get("columns", ()))
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.found)

    def columns(self) -> Sequence[Column]:
        return (
            Column("use", "", 2),
            Column("name", "column", 0),
            Column("kind", "type", 9),
            Column("empty", "empty", 6, right=True, drop=1),
            Column("distinct", "distinct", 8, right=True, drop=3),
            Column("values", "values", 34, drop=2),
        )

    LEAST = 14

    def cell(self, index: int, key: str, width: int) -> Content:
        column = self.found[index]
        name = str(column["name"])
        g = self.glyphs
        out = name in self.dropped or column["role"] == "dropped"
        if key == "use":
            if name == self.target:
                return Content.styled(g.arrow[:1] if g.braille else ">", "bold $best")
            return Content.styled(g.failed if out else g.done, "$faint" if out else "$good")
        if key == "name":
            style = "bold $best" if name == self.target else "$dim" if out else "bold"
            return Content.styled(plain(name).replace("\n", " "), style)
        if key == "kind":
            return Content.styled(column["kind"], "$dim")
        if key == "empty":
            share = float(column["missing_share"])
            text = f"{100 * share:.1f}%" if share else "–"
            return Content.styled(text, "$bad" if share > 0.3 else "$dim")
        if key == "distinct":
            return Content.styled(wording.count(column["distinct"]), "$dim")
        if column.get("note"):
            return Content.styled(plain(str(column["note"])), "italic $dim")
        return self._values(column, width)

    def _values(self, column: dict[str, Any], width: int) -> Content:
        ends = column.get("range")
        if ends:
            words = [e if isinstance(e, str) else f"{e:.6g}" for e in ends]
            dots = f" {self.glyphs.dot * 2} "
            return Content.styled(dots.join(words), "$dim")
        top = column.get("top") or []
        total = sum(n for _, n in top) or 1
        parts: list[Content | str] = []
        for label, rows in top[:6]:
            bar = self.glyphs.levels[
                min(len(self.glyphs.levels) - 1, int(rows / total * len(self.glyphs.levels)))
            ]
            parts += [Content.styled(bar, "$primary"), Content.styled(f" {plain(label)}  ", "$dim")]
        return Content.assemble(*parts)

    def _marked(self) -> str:
        return str(self.found[self.cursor]["name"]) if self.found else ""

    def action_target(self) -> None:
        if self.found:
            self.post_message(self.Wanted("target", self._marked()))

    def action_drop(self) -> None:
        if self.found and self._marked() != self.target:
            self.post_message(self.Wanted("drop", self._marked()))


def target_picture(look: dict[str, Any], glyphs: Glyphs, width: int) -> Content:
    """How the target is distributed, in one line."""
    target = look.get("target")
    if not target:
        return Content.styled("no column was recognised: mark one and press t", "$bad")
    head = Content.assemble((plain(str(target["name"])), "bold $best"), "  ")
    classes = target.get("classes")
    if not classes:
        low, middle, high = (f"{v:.6g}" for v in target["range"])
        numbers = "numbers from " if width >= 100 else ""
        text = f"{numbers}{low} to {high}, median {middle}"
        return Content.assemble(head, (text, "$dim"))
    parts: list[Content | str] = [head]
    room = max(6, min(24, width // 3))
    for number, found in enumerate(classes[:6]):
        share = float(found["share"])
        style = f"$part-{number % 5 + 1}"
        parts.append(Content.styled(glyphs.full * max(1, round(room * share)), style))
        parts.append(Content.styled(f" {plain(str(found['label']))} {100 * share:.0f}%  ", "$dim"))
    if len(classes) > 6:
        parts.append(Content.styled(f"and {len(classes) - 6} more", "$dim"))
    return Content.assemble(*parts)
