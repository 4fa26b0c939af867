"""The first step of the form: files to choose from, and the columns of the chosen table."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.field import Field
from hyperllama.tui.widgets.lists.listing import Listing
from hyperllama.tui.widgets.lists.rows import ListColumn, Rows

KINDS = ("", "drop", "categorical", "keep")
"""Keys of [data] that say what a column is used as; "" for what it was read as."""


class Files(Listing[Path]):
    """The folders and tables of one folder whose names begin with the typed text."""

    NAME = "Files"
    HELP = """\
Tables (CSV, Parquet, Feather, Arrow; also .gz and .zst) and folders. Type in the field above to \
narrow the list, `tab` completes, `↵` opens the marked line.
"""
    WHERE = "files"
    BINDINGS: ClassVar[list[BindingType]] = [*Rows.BINDINGS, *actions.bindings("files")]

    folder = Path()

    def show_folder(self, folder: Path, paths: Sequence[Path]) -> None:
        self.border_title = Content(plain(str(folder)))
        if paths != self.entries:
            self.folder = folder
            self.set_reactive(Rows.cursor, 0)
            self.show(paths)

    def columns(self) -> Sequence[ListColumn]:
        return (
            ListColumn("name", "name", 0),
            ListColumn("size", "size", 9, right=True, drop=1),
            ListColumn("when", "changed", 12, right=True, drop=2),
        )

    def draw(self, path: Path, key: str, width: int) -> Content:
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
        return Content.styled(" No table and no folder begins with this.", "$dim")

    def action_open(self) -> None:
        self.post_message(self.Chosen(self, self.cursor))

    def action_parent(self) -> None:
        self.post_message(self.Chosen(self, -1))


class ColumnList(Listing[dict[str, Any]]):
    """The columns of a table: role, type, empty cells, values."""

    NAME = "Columns"
    HELP = """\
The columns of the table. `t` makes the marked one the target, `d` leaves it out or includes it \
again: leave out what is not known yet when a prediction is needed. `c` changes its type: numbers \
and dates can be categories (postal codes, months), what looks like a number of the row or free \
text can be used all the same. `a` lists what the notes below the table propose and writes the \
chosen line.

*empty* is the share of empty cells; *values* shows the range and median of numbers, the most \
frequent values of categories with their shares.
"""
    WHERE = "columns"
    BINDINGS: ClassVar[list[BindingType]] = [*Rows.BINDINGS, *actions.bindings("columns")]

    LEAST = 14

    class AdviceWanted(Message):
        """A note on the table is to be acted on."""

    class Targeted(Message):
        """The column of that name is to be the target."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Dropped(Targeted):
        """The column of that name is to be left out, or included again."""

    class Retyped(Targeted):
        """The column of that name is to be of the next type; `kind` as in `next_kind`."""

        def __init__(self, name: str, kind: str) -> None:
            super().__init__(name)
            self.kind = kind

    target = ""
    said: Mapping[str, frozenset[str]] = MappingProxyType({})

    def show_columns(
        self, columns: Sequence[dict[str, Any]], target: str, said: Mapping[str, frozenset[str]]
    ) -> None:
        """`said`: the columns that the task file names under drop, categorical and keep."""
        self.target, self.said = target, said
        self.show(columns)

    def kind_of(self, column: dict[str, Any]) -> str:
        """What a column is used as: a key of [data] that names it, or "" as it was read."""
        named = (key for key in KINDS if key and column["name"] in self.said.get(key, ()))
        return next(named, "")

    def next_kind(self, column: dict[str, Any]) -> str:
        """What follows in turn; what was left out when it was read can be kept."""
        read_out = column["role"] == "dropped"
        kinds: tuple[str, ...] = ("", "categorical", "keep" if read_out else "drop")
        if column["kind"] in ("category", "boolean"):
            kinds = ("", "drop")
        here = self.kind_of(column)
        return kinds[(kinds.index(here) + 1) % len(kinds)] if here in kinds else ""

    def columns(self) -> Sequence[ListColumn]:
        return (
            ListColumn("use", "", 2),
            ListColumn("name", "column", 0),
            ListColumn("kind", "type", 9),
            ListColumn("empty", "empty", 6, right=True, drop=1),
            ListColumn("distinct", "distinct", 8, right=True, drop=3),
            ListColumn("values", "values", 34, drop=2),
        )

    def draw(self, column: dict[str, Any], key: str, width: int) -> Content:
        name = str(column["name"])
        g = self.glyphs
        kind = self.kind_of(column)
        out = kind == "drop" or (column["role"] == "dropped" and not kind)
        if key == "use":
            if name == self.target:
                return Content.styled(g.arrow[:1] if g.braille else ">", "bold $best")
            return Content.styled(g.failed if out else g.done, "$faint" if out else "$good")
        if key == "name":
            style = "bold $best" if name == self.target else "$dim" if out else "bold"
            return Content.styled(plain(name).replace("\n", " "), style)
        if key == "kind":
            shown = {"categorical": "category", "keep": "kept"}.get(kind, column["kind"])
            return Content.styled(shown, "bold" if kind in ("categorical", "keep") else "$dim")
        if key == "empty":
            share = float(column["missing_share"])
            text = f"{100 * share:.1f}%" if share else "–"
            return Content.styled(text, "$bad" if share > 0.3 else "$dim")
        if key == "distinct":
            return Content.styled(wording.count(column["distinct"]), "$dim")
        values = self._values(column)
        note = Content.styled(plain(str(column.get("note") or "")), "italic $dim")
        return Content.assemble(values, "  " if values and note else "", note)

    def _values(self, column: dict[str, Any]) -> Content:
        ends = column.get("range")
        if ends:
            words = [e if isinstance(e, str) else f"{e:.6g}" for e in ends]
            dots = f" {self.glyphs.dot * 2} "
            return Content.styled(dots.join(words), "$dim")
        top = column.get("top") or []
        total = sum(n for _, n in top) or 1
        levels = self.glyphs.levels
        parts: list[tuple[str, str]] = []
        for label, rows in top[:6]:
            level = min(len(levels) - 1, int(rows / total * len(levels)))
            parts += [(levels[level], "$primary"), (f" {plain(label)}  ", "$dim")]
        return Content.assemble(*parts)

    def action_advice(self) -> None:
        self.post_message(self.AdviceWanted())

    def action_target(self) -> None:
        if self.entry is not None:
            self.post_message(self.Targeted(str(self.entry["name"])))

    def action_kind(self) -> None:
        if self.entry is not None and self.entry["name"] != self.target:
            kind = self.next_kind(self.entry)
            self.post_message(self.Retyped(str(self.entry["name"]), kind))

    def action_drop(self) -> None:
        if self.entry is not None and self.entry["name"] != self.target:
            self.post_message(self.Dropped(str(self.entry["name"])))


def target_picture(look: dict[str, Any], glyphs: Glyphs, width: int) -> Content:
    """The distribution of the target in one line."""
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


class PathField(Field):
    """A path to write; tab completes it as far as the names in `Files` agree."""

    async def _on_key(self, event: events.Key) -> None:
        files = self.screen.query_one(Files)
        if event.key == "tab" and self.value and files.entries and self._complete(files.entries):
            event.stop()
            event.prevent_default()
        elif event.key in ("down", "up") and files.display:
            event.stop()
            event.prevent_default()
            files.cursor += 1 if event.key == "down" else -1
        else:
            await super()._on_key(event)

    def _complete(self, found: Sequence[Path]) -> bool:
        """Complete what was typed; False where there is nothing to add."""
        start = self.value.rpartition("/")[2]
        same = os.path.commonprefix([p.name for p in found])  # noqa: RUF071
        if len(found) == 1 and found[0].is_dir():
            same += "/"
        if len(same) <= len(start):
            return False
        self.value = self.value[: len(self.value) - len(start)] + same
        self.cursor_position = len(self.value)
        return True
