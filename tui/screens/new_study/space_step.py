"""The third step of the form: the ranges of the hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import on, work
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.text import plain
from hyperllama.tui.content.draft import range_value
from hyperllama.tui.dialogs import PromptDialog
from hyperllama.tui.screens.new_study.base import FormScreen
from hyperllama.tui.widgets.form.space_table import SpaceTable, range_text
from hyperllama.tui.widgets.lists.rows import Rows


class SpaceStep(FormScreen):
    """The table of the search space, and a line about the marked hyperparameter."""

    def draw_space_step(self) -> None:
        self.query_one(SpaceTable).show((self.draft.task or {}).get("space", []))
        self._about_space()

    @on(Rows.Moved, "#space-table")
    def _about_space(self) -> None:
        row, about = self.query_one(SpaceTable).entry, Content("")
        if wrong := self.fault_of("space"):
            about = Content.styled(wrong, "$bad")
        elif row is not None:
            usual = row.get("usual")
            now = row.get("now") or usual or {}
            before = f"   default: {range_text(usual)}" if row["changed"] and usual else ""
            description = f"  {now['description']}"
            about = Content.assemble((str(row["name"]), "bold"), description, (before, "$dim"))
        self.query_one("#space-about", Static).update(about)

    @on(SpaceTable.EditRequested)
    def _space_changed(self, event: SpaceTable.EditRequested) -> None:
        row = event.row
        path = tuple(row["path"])
        if event.what == "edit":
            self._edit_range(row)
        elif event.what == "reset" or self.draft.said(path) is not None:
            self.set_key(path, None, row["comment"])
        else:
            default = (row.get("now") or row["usual"])["default"]
            self.set_key(path, "none" if default is None else default)

    @work(group="edit")
    async def _edit_range(self, row: Mapping[str, Any]) -> None:
        now, usual = row.get("now") or row["usual"], row.get("usual")
        about = f"{now['description']}. Default: {range_text(usual)}." if usual else ""
        choices = "Some of the choices, with commas; a single one freezes it."
        numbers = "A range (2 .. 8, 0.01 .. 0.3 log), or one value to freeze it."

        def check(text: str) -> str:
            try:
                range_value(text, row)
            except ValueError as error:
                return str(error)
            return ""

        dialog = PromptDialog(
            plain(str(row["name"])),
            f"{about}\n{choices if 'choices' in now else numbers}",
            range_text(now),
            check=check,
        )
        if answer := await self.app.push_screen_wait(dialog):
            self.set_key(tuple(row["path"]), range_value(answer, row), row["comment"])
