"""The search space of a task as a table to edit, with a small picture of each range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from hyperllama.tui import actions
from hyperllama.tui.content.draft import place
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.lists.listing import Listing
from hyperllama.tui.widgets.lists.rows import ListColumn, Rows


class SpaceTable(Listing[dict[str, Any]]):
    """One line a hyperparameter: picture, range, default, what it does."""

    NAME = "Search space"
    HELP = """\
The hyperparameters. `↵` changes the marked one: a range (`2 .. 8`, `0.01 .. 0.3 log`), some of \
the choices (`rbf, poly`), or one value to freeze it at (`6`). `v` freezes it at the default or \
lets it vary again, `backspace` resets it.

The picture shows the range within the default one; the diamond is the first trial's value.
"""
    WHERE = "space"
    BINDINGS: ClassVar[list[BindingType]] = [*Rows.BINDINGS, *actions.bindings("space")]
    LEAST = 16

    class EditRequested(Message):
        """The user wants to edit, freeze ("hold") or reset the hyperparameter of a row."""

        def __init__(self, what: str, row: Mapping[str, Any]) -> None:
            super().__init__()
            self.what, self.row = what, row

    def columns(self) -> Sequence[ListColumn]:
        return (
            ListColumn("mark", "", 1, gap=1),
            ListColumn("name", "hyperparameter", 0),
            ListColumn("picture", "range", 18),
            ListColumn("text", "", 26, drop=1),
            ListColumn("default", "start", 9, right=True, drop=2),
            ListColumn("about", "what it does", 40, drop=3),
        )

    def draw(self, row: dict[str, Any], key: str, width: int) -> Content:
        now = row.get("now")
        frozen = now is None or _frozen(now)
        g = self.glyphs
        if key == "mark":
            return Content.styled("*" if row.get("changed") else " ", "bold $best")
        if key == "name":
            return Content.styled(str(row["name"]), "$dim" if frozen else "bold")
        if key == "picture":
            return picture(row, width, g)
        if key == "about":
            return Content.styled(str((now or row["usual"])["description"]), "$dim")
        if now is None:
            return Content.styled("has no effect" if key == "text" else "", "$dim")
        if key == "default":
            return Content(wording.setting(now["default"]))
        if frozen:
            return Content.styled("frozen", "$dim")
        return Content.styled(range_text(now), "" if row.get("changed") else "$dim")

    def empty(self) -> Content:
        return Content.styled(" Choose a table and a target first.", "$dim")

    def _change(self, what: str) -> None:
        if self.entry is not None:
            self.post_message(self.EditRequested(what, self.entry))

    def action_edit(self) -> None:
        self._change("edit")

    def action_hold(self) -> None:
        self._change("hold")

    def action_reset(self) -> None:
        self._change("reset")


def range_text(row: Mapping[str, Any]) -> str:
    """A range as it is typed: "2 .. 8", "0.01 .. 0.3 log", "rbf, poly", or one frozen value."""
    if "choices" in row:
        return ", ".join(wording.setting(c) for c in row["choices"])
    low, high = wording.setting(row["low"]), wording.setting(row["high"])
    if row["low"] == row["high"]:
        return low
    return f"{low} .. {high}{' log' if row.get('log') else ''}"


def _frozen(row: Mapping[str, Any]) -> bool:
    if "choices" in row:
        return len(row["choices"]) == 1
    return bool(row["low"] == row["high"])


def picture(row: Mapping[str, Any], width: int, glyphs: Glyphs) -> Content:
    """The range inside the default one, and where the first trial starts."""
    now, usual = row.get("now"), row.get("usual") or row.get("now")
    if now is None or usual is None:
        return Content.styled(glyphs.dot * width, "$faint")
    full, thin, start = ("━", "─", "◆") if glyphs.braille else ("=", "-", "o")
    if "choices" in usual:
        parts: list[Content | str] = []
        for choice in usual["choices"]:
            inside = choice in now.get("choices", [now.get("default")])
            sign = start if choice == now["default"] else full if inside else thin
            parts.append(Content.styled(sign * 2, "$primary" if inside else "$faint"))
            parts.append(" ")
        return Content.assemble(*parts)
    if "choices" in now:
        return Content.styled(full * 2, "$primary")
    low, high = min(usual["low"], now["low"]), max(usual["high"], now["high"])
    log = bool(usual.get("log")) and low > 0

    def cell(value: float) -> int:
        return round(place(value, low, high, log) * (width - 1))

    first, last, here = cell(now["low"]), cell(now["high"]), cell(now["default"])
    style = "$best" if row.get("changed") else "$primary"
    pieces = []
    for x in range(width):
        if x == here:
            pieces.append((start, "bold " + style))
        elif first <= x <= last:
            pieces.append((full, style))
        else:
            pieces.append((thin, "$faint"))
    return Content.assemble(*pieces)
