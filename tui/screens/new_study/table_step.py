"""The first step of the form: choose a table, its target, and the columns that are used."""

from __future__ import annotations

from pathlib import Path

from textual import events, on, work
from textual.content import Content
from textual.widgets import Input, Static

from hyperllama.core.text import plain
from hyperllama.tui.content.paths import complete
from hyperllama.tui.dialogs import PickDialog
from hyperllama.tui.screens.new_study.base import FormScreen, short
from hyperllama.tui.widgets.form.table_look import KINDS, ColumnList, Files, target_picture
from hyperllama.tui.widgets.lists.rows import Rows

_PREDICTED = ("number", "category", "boolean")
"""Kinds of columns that can be predicted."""


class TableStep(FormScreen):
    """The path, the files that it may mean, and the columns of the table."""

    @property
    def files(self) -> Files:
        return self.query_one(Files)

    @property
    def path_field(self) -> Input:
        return self.query_one("#table-path", Input)

    def draw_table_step(self) -> None:
        draft = self.draft
        self._show_files(not draft.columns)
        if draft.columns:
            target = str(draft.said(("data", "target")) or "")
            said = {key: frozenset(self._named(key)) for key in KINDS if key}
            self.query_one(ColumnList).show_columns(draft.columns, target, said)
            head = f"{draft.look['rows']:,} rows, {len(draft.columns)} columns   target "
            picture = target_picture(draft.look, self.glyphs, self.size.width)
            line = Content.assemble((head, "$dim"), picture)
        elif wrong := self.fault_of("data.path") or self.fault_of("data.target"):
            line = Content.styled(wrong, "$bad")
        else:
            line = Content.styled("type a path, tab completes, enter reads the table", "$dim")
        self.query_one("#table-told", Static).update(line)
        warnings = [f"! {plain(str(w))}" for w in draft.look.get("warnings", ())][:6]
        shown = self.query_one("#table-warnings", Static)
        shown.display = bool(warnings)
        shown.update(Content.styled("\n".join(warnings), "$best"))

    def _show_files(self, files: bool) -> None:
        self.files.display = files
        self.query_one(ColumnList).display = not files

    @on(events.DescendantFocus)
    def _focus_moved(self, event: events.DescendantFocus) -> None:
        """Files are listed while the path is written, columns otherwise."""
        if self.draft.columns and event.widget.id != "table-files":
            self._show_files(event.widget.id == "table-path")

    @on(Input.Changed, "#table-path")
    def list_files(self) -> None:
        self.files.show_folder(*complete(self.path_field.value))

    @on(Input.Submitted, "#table-path")
    def _path_entered(self, event: Input.Submitted) -> None:
        path = Path.cwd() / Path(event.value.strip()).expanduser()
        if event.value.strip() and path.is_file():
            self._look(path.resolve())
        elif self.files.entry is not None:
            self._open_path(self.files.entry)

    @on(Rows.Chosen, "#table-files")
    def _file_chosen(self, event: Rows.Chosen) -> None:
        chosen = self.files.folder.parent if event.index < 0 else self.files.entry
        if chosen is not None:
            self._open_path(chosen)

    def _open_path(self, path: Path) -> None:
        self.path_field.value = short(path) + ("/" if path.is_dir() else "")
        self.path_field.cursor_position = len(self.path_field.value)
        if not path.is_dir():
            self._look(path.resolve())

    @work(group="child", exclusive=True)
    async def _look(self, table: Path, header: bool = True) -> None:
        self._rewritten = {}
        looking = self.draft.look_at(table, header)
        if await self.wait_for(f"reading {plain(table.name)}", looking):
            self._own_faults.clear()
            self.refresh_form()
            if self.draft.columns:
                self.query_one(ColumnList).focus()
                self._ask_for_target()

    @work(group="dialog", exclusive=True)
    async def _ask_for_target(self) -> None:
        """Ask a person where others are nearly as likely as the guess; any column may be chosen."""
        guess = self.draft.look.get("target") or {}
        if not guess.get("close"):
            return
        options = [(c["name"], plain(c["name"]), c["reason"]) for c in (guess, *guess["close"])]
        listed = {name for name, *_ in options}
        options += [(c["name"], plain(c["name"]), c["kind"]) for c in self.draft.columns
                    if c["kind"] in _PREDICTED and c["name"] not in listed]
        title = "Which column is to be predicted?"
        chosen = await self.app.push_screen_wait(PickDialog(title, options))
        if chosen and chosen[0] != guess["name"]:
            self.rewrite(chosen[0])

    @on(ColumnList.AdviceWanted)
    @work(group="dialog", exclusive=True)
    async def _act_on_advice(self) -> None:
        """Write the line that a note names."""
        notes = [a for a in self.draft.look.get("advice", ()) if a["path"]]
        if not notes:
            self.interface.report("info", "No note on this table names a line of the file.")
            return
        options = [(str(i), plain(a["line"]), plain(a["text"])) for i, a in enumerate(notes)]
        chosen = await self.app.push_screen_wait(PickDialog("Act on a note", options))
        if not chosen:
            return
        path, value = tuple(notes[int(chosen[0])]["path"]), notes[int(chosen[0])]["value"]
        if path == ("data", "header") and self.draft.table is not None:
            self._look(self.draft.table, header=False)
        else:
            self.set_key(path, value)

    def _named(self, key: str) -> list[str]:
        """The columns that the task file names under a key of [data]."""
        found = self.draft.said(("data", key)) or ()
        return [str(n) for n in ((found,) if isinstance(found, str) else found)]

    @on(ColumnList.Targeted)
    def _targeted(self, event: ColumnList.Targeted) -> None:
        if isinstance(event, ColumnList.Dropped):
            self._use_as(event.name, "" if event.name in self._named("drop") else "drop")
        elif isinstance(event, ColumnList.Retyped):
            self._use_as(event.name, event.kind)
        else:
            self.rewrite(event.name)

    def _use_as(self, name: str, kind: str) -> None:
        """Name a column under that key of [data] and under no other."""
        for key in KINDS[1:]:
            before = self._named(key)
            after = [n for n in before if n != name] + ([name] if key == kind else [])
            if after != before:
                self.set_key(("data", key), after or None)
