"""New study: a guided form over a task file. The text of the file is the form's only state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input, Static, TextArea

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.text import plain
from hyperllama.tui import actions, bridge, wording
from hyperllama.tui.dialogs import AnswerDialog, PromptDialog
from hyperllama.tui.draft import Draft, complete, range_value
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.choice import Choice
from hyperllama.tui.widgets.field import Field
from hyperllama.tui.widgets.form import BY_ID, FIELDS, FormField, FormLine
from hyperllama.tui.widgets.rows import Rows
from hyperllama.tui.widgets.space_table import SpaceTable, range_text
from hyperllama.tui.widgets.table_look import ColumnList, Files, target_picture
from hyperllama.tui.widgets.task_text import TaskText

_CHECK_AFTER_S = 0.2
_WIDE = 118  # cells from which the task file stands beside the form
STEPS = (("table", "Table"), ("task", "Task"), ("space", "Space"), ("text", "File"))
_METHODS = (
    ("kfold", "kfold", "rows at random"),
    ("stratified", "stratified", "classes in equal shares in every fold"),
    ("group", "group", "whole groups stay together"),
    ("time", "time", "from the past to the future"),
    ("split", "split", "one part is scored; fast"),
)
_KINDS = (
    ("classification", "classification", "the target is a class"),
    ("regression", "regression", "the target is a number"),
)


class NewStudy(BaseScreen["tuple[Path, bridge.Choices] | None"]):
    """From a table to a task file, and to a study; returns (file, choices) to start one."""

    WHERE = "new"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("new")]
    NAME = "New study"
    HELP = """\
Four steps: the *table*, the *task* (target, metric, estimators, validation, budget, limits, \
model), the *search space*, and the *file* that they make. `ctrl+n` goes to the next step, `tab` \
to the next field, `←` `→` go through the values of a field, `↵` lists them. What is wrong stands \
beside its field. `ctrl+r` saves the file and starts the study, `ctrl+s` only saves it.
"""

    def __init__(self, task_file: Path | None = None, table: str = "") -> None:
        """`task_file`: take up a file that is there; `table`: a path to begin with."""
        super().__init__()
        self.draft = Draft()
        self._task_file, self._table = task_file, table
        self._saved = ""
        self._choices = bridge.Choices()
        self._own_faults: dict[str, str] = {}
        self._busy = ""
        self._wanted: dict[str, Any] = {}  # target, kind, estimators that the file does not have

    def compose(self) -> ComposeResult:
        g = self.glyphs
        yield Static(id="steps")
        with (
            Horizontal(id="new-panes"),
            ContentSwitcher(initial="step-table", id="new-steps"),
        ):
            with Vertical(id="step-table"):
                yield PathField(id="table-path", placeholder="a table: data.csv", compact=True)
                yield Static(id="table-told")
                yield Files(glyphs=g, id="table-files")
                yield ColumnList(glyphs=g, id="table-columns")
                yield Static(id="table-warnings")
            with VerticalScroll(id="step-task", can_focus=False):
                for field in FIELDS:
                    if field.section:
                        yield Static(Content.styled(field.section, "bold $primary"),
                                     classes="form-section")  # fmt: skip
                    yield FormLine(field)
            with Vertical(id="step-space"):
                yield SpaceTable(glyphs=g, id="space-table")
                yield Static(id="space-about")
            with Vertical(id="step-text"):
                yield TaskText(id="task-text")
                yield Static(id="text-told")
        yield self.key_bar()

    async def on_mount(self) -> None:
        for selector, title in (("#table-files", "Files"), ("#table-columns", "Columns")):
            self.query_one(selector).border_title = title
        self.query_one(SpaceTable).border_title = "Search space"
        self._offer_models()
        self.lay_out()
        if self._task_file is not None:
            self._take_up(self._task_file)
        path = self.query_one("#table-path", Input)
        path.value = self._table
        self._list_files()
        path.focus()
        self.refresh_form()

    async def on_unmount(self) -> None:
        await self.draft.child.close()

    # Steps

    @property
    def step(self) -> str:
        current = self.query_one(ContentSwitcher).current or "step-table"
        return current.removeprefix("step-")

    @property
    def wide(self) -> bool:
        return self.size.width >= _WIDE

    def lay_out(self) -> None:
        """The task file beside the form where both have room, else as a step of its own."""
        self.set_class(self.wide, "-wide")
        panes, text = self.query_one("#new-panes"), self.query_one("#step-text")
        steps = self.query_one(ContentSwitcher)
        if self.wide and text.parent is steps:
            if steps.current == "step-text":
                steps.current = "step-task"
            self._move(text, panes)
        elif not self.wide and text.parent is panes:
            self._move(text, steps)

    @work(group="layout", exclusive=True)
    async def _move(self, text: Any, to: Any) -> None:
        """Mount the editor in the other place; its text is the draft's anyway."""
        await text.remove()
        box = Vertical(TaskText(id="task-text"), Static(id="text-told"), id="step-text")
        await to.mount(box)
        box.display = self.wide
        self.refresh_form()

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()
        self._draw_steps()

    def steps(self) -> list[str]:
        return [name for name, _ in STEPS if not (self.wide and name == "text")]

    def go(self, step: str) -> None:
        """Show a step and focus what is first there."""
        self.query_one(ContentSwitcher).current = f"step-{step}"
        first: Widget = self.query_one("#table-path")
        if step == "table" and self.draft.columns:
            first = self.query_one(ColumnList)
        elif step == "task":
            first = self.query_one(f"#{FIELDS[0].id}")
        elif step == "space":
            first = self.query_one(SpaceTable)
        elif step == "text":
            first = self.query_one(TaskText)
        self.set_focus(first)  # at once: the next key must not reach the old field
        self._draw_steps()
        self.refresh_keys()

    def action_next(self, by: int = 1) -> None:
        steps = self.steps()
        if self.step == "table" and not self.draft.text and by > 0:
            self.interface.report("warning", "Choose a table first: type its path, or mark it.")
            return
        at = steps.index(self.step) if self.step in steps else 0
        self.go(steps[(at + by) % len(steps)])

    def action_previous(self) -> None:
        self.action_next(-1)

    def action_toml(self) -> None:
        if isinstance(self.focused, TaskText):
            self.go("task" if not self.wide else self.step)
        elif self.wide:
            self.query_one(TaskText).focus()
        else:
            self.go("text")

    def _draw_steps(self) -> None:
        parts: list[Content | str] = [Content.assemble(("New study", "bold $primary"), "   ")]
        wrong = {self._step_of(f["key"]) for f in self.draft.faults} | {
            self._step_of(key) for key in self._own_faults
        }
        g = self.glyphs
        for number, name in enumerate(self.steps(), 1):
            title = dict(STEPS)[name]
            here = name == self.step
            done = bool(self.draft.text) and name not in wrong
            mark = g.failed if name in wrong else g.done if done else str(number)
            style = "$bad" if name in wrong else "$good" if done else "$dim"
            parts += [
                Content.styled(f"{mark} ", style),
                Content.styled(title, "bold underline" if here else "$dim"),
                Content.styled(f"  {g.arrow}  " if number < len(self.steps()) else "", "$faint"),
            ]
        if self._busy:
            parts.append(Content.styled(f"   {self._busy}{g.ellipsis}", "$voice"))
        elif self.draft.task and not self.draft.faults:
            task = self.draft.task
            free = f"{task['free']} hyperparameters, {task['metric']}"
            told = (f"   {task['rows']:,} rows, {task['features']} columns, {free}", f"   {free}")
            spare = self.size.width - 4 - Content.assemble(*parts).cell_length
            short = next((text for text in told if len(text) <= spare), "")
            parts.append(Content.styled(plain(short), "$dim"))
        self.query_one("#steps", Static).update(Content.assemble(*parts))

    @staticmethod
    def _step_of(key: str) -> str:
        top = key.partition(".")[0]
        if key in ("data.path", "data"):
            return "table"
        return "space" if top == "space" else "task" if key else "text"

    # The child: one thing at a time, the form says which

    async def _wait(self, saying: str, what: Awaitable[Any]) -> bool:
        """Await something of the child; False, and reported, where it failed."""
        self._busy = saying
        self._draw_steps()
        try:
            await what
        except HyperLlamaError as error:
            self.interface.report_error(error)
            return False
        except OSError as error:
            self.interface.report("error", f"{error.filename or ''}: {error.strerror or error}")
            return False
        finally:
            self._busy = ""
            if self.is_attached:
                self._draw_steps()
        return True

    @work(group="child", exclusive=True)
    async def _take_up(self, file: Path) -> None:
        if await self._wait(f"reading {plain(file.name)}", self.draft.open(file)):
            self._saved = self.draft.text
            self.query_one("#table-path", Input).value = str(self.draft.table or "")
            self.refresh_form()
            self.go("task")

    @work(group="child", exclusive=True)
    async def _look(self, table: Path) -> None:
        self._wanted = {}
        if await self._wait(f"reading {plain(table.name)}", self.draft.look_at(table)):
            self._own_faults.clear()
            self.refresh_form()
            if self.draft.columns:
                self.query_one(ColumnList).focus()

    def _rewrite(
        self, target: str = "", kind: str = "", estimators: tuple[str, ...] = ()
    ) -> None:
        """Write the file anew for these; what was wanted before and is not done yet stays so."""
        wanted = {"target": target, "kind": kind, "estimators": estimators}
        self._wanted |= {key: value for key, value in wanted.items() if value}
        self._check()

    @work(group="child", exclusive=True)
    async def _check(self) -> None:
        if not self._wanted:
            await asyncio.sleep(_CHECK_AFTER_S)
        await self._settle()
        self.refresh_form()

    async def _settle(self) -> bool:
        """Do what is wanted of the file and check it; False, and reported, where that failed."""
        if not self._wanted:
            return await self._wait("checking", self.draft.check())
        lost: list[str] = []

        async def write() -> None:
            lost.extend(await self.draft.write(**self._wanted))

        whole = await self._wait("writing", write())
        self._wanted = {}
        if lost:
            told = ", ".join(plain(key) for key in lost)
            self.interface.report("warning", f"No longer fits, so it is as usual again: {told}")
        return whole

    @work(group="models", exclusive=True)
    async def _offer_models(self) -> None:
        """Which models there are; headers alone are read, in a thread."""
        from hyperllama.core.propose import proposers
        from hyperllama.models.gguf import find_models

        listed = {n: i for n, i in proposers().items() if n not in ("default", "queue")}
        self._choice("run", "proposer").offer(
            [
                ("", "default", "hybrid where there is a model"),
                *((name, name, info.summary) for name, info in listed.items()),
            ]
        )
        found = await asyncio.to_thread(find_models)
        if not self.is_attached:
            return
        usable = [m for m in found if not m.problem]
        self._choice("run", "model").offer(
            [
                ("", "default", "the model chosen on the models screen, else the embedded one"),
                *(
                    (str(m.path), m.path.stem, f"{m.architecture}, {wording.size(m.size_bytes)}")
                    for m in usable
                ),
            ]
        )

    def _choice(self, *path: str) -> Choice:
        return self.query_one("#f-" + "-".join(path), Choice)

    # Drawing

    def refresh_form(self) -> None:
        """Show the draft everywhere: fields, tables, text, faults."""
        if not self.is_attached:
            return
        draft, g = self.draft, self.glyphs
        known = bool(draft.columns)
        self.query_one(Files).display = not known
        self.query_one(ColumnList).display = known
        target = str(draft.said(("data", "target")) or "")
        dropped = {str(n) for n in draft.said(("data", "drop")) or ()}
        if known:
            self.query_one(ColumnList).show(draft.look, target, dropped)
        self._draw_table_lines()
        self._offer_values()
        for line in self.query(FormLine):
            field = line.field
            wrong = self._own_faults.get(field.key) or draft.fault_of(field.key)
            if field.key not in self._own_faults:
                line.show(self._value(field))
            line.note(wrong, g.failed)
        self.query_one(SpaceTable).show((draft.task or {}).get("space", []))
        self._about_space()
        for text in self.query(TaskText):
            if not text.has_focus:
                text.replace_text(draft.text)
            text.mark([int(f["line"]) for f in draft.faults])
            text.border_title = Content(plain(draft.file.name) if draft.text else "Task file")
        self._tell_faults()
        self._draw_steps()

    def _draw_table_lines(self) -> None:
        draft, g = self.draft, self.glyphs
        told = self.query_one("#table-told", Static)
        wrong = draft.fault_of("data.path") or draft.fault_of("data.target")
        if draft.columns:
            head = f"{draft.look['rows']:,} rows, {len(draft.columns)} columns   "
            target = target_picture(draft.look, g, self.size.width)
            told.update(Content.assemble((head, "$dim"), ("target ", "$dim"), target))
        elif wrong:
            told.update(Content.styled(plain(f"{g.failed} {wrong}"), "$bad"))
        else:
            hint = "type a path, tab completes, enter looks at the table"
            told.update(Content.styled(hint, "$dim"))
        warnings = [plain(str(w)) for w in draft.look.get("warnings", ())]
        shown = self.query_one("#table-warnings", Static)
        shown.display = bool(warnings)
        shown.update(Content("\n").join(Content.styled(f"! {w}", "$best") for w in warnings[:6]))

    def _value(self, field: FormField) -> Any:
        if field.key == "run.file":
            return _short(self.draft.file)
        if field.path[0] == "run":
            return getattr(self._choices, field.path[1])
        task = self.draft.task or {}
        said = self.draft.said(field.path)
        if field.key == "estimators":
            return self.draft.estimators()
        if said is None and field.key in ("kind", "metric"):
            return task.get(field.key)
        if said is None and field.key == "validation.method":
            return task.get("method")
        return said

    def _offer_values(self) -> None:
        draft = self.draft
        columns = [(str(c["name"]), plain(str(c["name"])), c["kind"]) for c in draft.columns]
        task = draft.task or {}
        labels = task.get("labels", {})
        self._choice("data", "target").offer(columns)
        self._choice("kind").offer(_KINDS)
        self._choice("metric").offer([(m, m, "") for m in task.get("metrics", ())])
        self._choice("estimators").offer(
            [(f, f, labels.get(f, "")) for f in task.get("families", ())]
        )
        stratified = task.get("kind") != "regression"
        methods = [m for m in _METHODS if stratified or m[0] != "stratified"]
        self._choice("validation", "method").offer(methods)
        for name in ("group", "time"):
            self._choice("validation", name).offer([("", "none", ""), *columns])

    def _tell_faults(self) -> None:
        for told in self.query("#text-told").results(Static):
            lines = [
                f"{self.glyphs.failed} "
                + (f"line {f['line'] + 1}: " if f["line"] >= 0 else "")
                + (f"{f['key']}: " if f["key"] else "")
                + f["problem"]
                + (f" ({f['hint']})" if f["hint"] else "")
                for f in self.draft.faults[:3]
            ]
            told.display = bool(lines)
            told.update(Content("\n").join(Content.styled(plain(x), "$bad") for x in lines))

    def _about_space(self) -> None:
        table = self.query_one(SpaceTable)
        told = self.query_one("#space-about", Static)
        wrong = self.draft.fault_of("space")
        if wrong:
            told.update(Content.styled(plain(f"{self.glyphs.failed} {wrong}"), "$bad"))
        elif table.space:
            row = table.space[table.cursor]
            usual = row.get("usual")
            now = row.get("now") or usual or {}
            before = f"   default: {range_text(usual)}" if row["changed"] and usual else ""
            told.update(
                Content.assemble(
                    (str(row["name"]), "bold"), f"  {now['description']}", (before, "$dim")
                )
            )
        else:
            told.update("")

    # What people do

    @on(Input.Changed, "#table-path")
    def _typed_path(self) -> None:
        self._list_files()

    def _list_files(self) -> None:
        folder, found = complete(self.query_one("#table-path", Input).value)
        self.query_one(Files).show(folder, found)
        self.query_one(Files).border_title = Content(plain(str(folder)))

    @on(Input.Submitted, "#table-path")
    def _path_entered(self, event: Input.Submitted) -> None:
        path = Path(event.value.strip()).expanduser()
        files = self.query_one(Files)
        if event.value.strip() and (Path.cwd() / path).is_file():
            self._look((Path.cwd() / path).resolve())
        elif files.path is not None:
            self._open_path(files.path)

    @on(Rows.Chosen, "#table-files")
    def _file_chosen(self, event: Rows.Chosen) -> None:
        files = self.query_one(Files)
        chosen = files.folder.parent if event.index < 0 else files.path
        if chosen is not None:
            self._open_path(chosen)

    def _open_path(self, path: Path) -> None:
        field = self.query_one("#table-path", Input)
        field.value = _short(path) + ("/" if path.is_dir() else "")
        field.cursor_position = len(field.value)
        if not path.is_dir():
            self._look(path.resolve())

    @on(events.DescendantFocus)
    def _focus_moved(self, event: events.DescendantFocus) -> None:
        """The files are listed while the path is written, the columns otherwise."""
        if event.widget.id == "table-path" and self.draft.columns:
            self.query_one(Files).display = True
            self.query_one(ColumnList).display = False
        elif self.draft.columns and event.widget.id != "table-files":
            self.query_one(Files).display = False
            self.query_one(ColumnList).display = True

    @on(ColumnList.Wanted)
    def _column_wanted(self, event: ColumnList.Wanted) -> None:
        if event.what == "target":
            self._rewrite(event.name)
            return
        dropped = [str(n) for n in self.draft.said(("data", "drop")) or ()]
        left = [n for n in dropped if n != event.name]
        self._set(("data", "drop"), left if len(left) < len(dropped) else [*dropped, event.name])

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        field = BY_ID[str(event.choice.id)]
        value = event.choice.value
        one = value[0] if value else ""
        if field.path[0] == "run":
            self._choices = bridge.Choices(**{**vars(self._choices), field.path[1]: one})
        elif field.key == "data.target":
            self._rewrite(one)
        elif field.key == "kind":
            self._rewrite(kind=one)
        elif field.key == "estimators":
            self._rewrite(estimators=value)
        else:
            self._choose(field, one)

    def _choose(self, field: FormField, one: str) -> None:
        """Set a choice; `group` and `time` go with their method."""
        other = {"validation.group": "time", "validation.time": "group"}.get(field.key)
        if other:
            name = field.path[1]
            if self.draft.said(("validation", other)) and one:
                self._set(("validation", other), None)
            self._set(("validation", "method"), name if one else None)
        elif field.key == "validation.method":
            for name in ("group", "time"):
                if one != name and self.draft.said(("validation", name)):
                    self._set(("validation", name), None)
        self._set(field.path, one or None)

    @on(Input.Changed)
    def _written(self, event: Input.Changed) -> None:
        field = BY_ID.get(str(event.input.id))
        if field is None or not event.input.has_focus:
            return
        self._own_faults.pop(field.key, None)
        if field.key == "run.file":
            if event.value.strip():
                self.draft.file = Path.cwd() / Path(event.value.strip()).expanduser()
            return
        try:
            value = field.read(event.value)
        except ValueError as error:
            self._own_faults[field.key] = str(error)
            self.refresh_form()
            return
        self._set(field.path, value)

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        if event.input.id in BY_ID:
            self.focus_next()

    @on(TextArea.Changed)
    def _text_written(self, event: TextArea.Changed) -> None:
        if event.text_area.has_focus and event.text_area.text != self.draft.text:
            self.draft.text = event.text_area.text
            self._check()

    def _set(self, path: tuple[str, ...], value: Any, instead: str = "") -> None:
        try:
            self.draft.set(path, value, instead)
        except ValueError:
            self.interface.report(
                "warning", "The task file is not valid TOML just now; mend it there first (F4)."
            )
            return
        for text in self.query(TaskText):
            text.replace_text(self.draft.text)
        self._check()

    # The space

    @on(Rows.Moved, "#space-table")
    def _space_moved(self) -> None:
        self._about_space()

    @on(SpaceTable.Wanted)
    def _space_wanted(self, event: SpaceTable.Wanted) -> None:
        row = event.row
        path = tuple(row["path"])
        if event.what == "edit":
            self._edit_range(row)
        elif event.what == "reset" or self.draft.said(path) is not None:
            self._set(path, None, row["comment"])
        else:
            default = (row.get("now") or row["usual"])["default"]
            self._set(path, "none" if default is None else default)

    @work(group="edit")
    async def _edit_range(self, row: Mapping[str, Any]) -> None:
        now, usual = row.get("now") or row["usual"], row.get("usual")
        told = f"{now['description']}. Default: {range_text(usual)}." if usual else ""
        how = "Some of the choices, with commas; one holds it." if "choices" in now else (
            "A range (2 .. 8, 0.01 .. 0.3 log), or one value to hold it.")  # fmt: skip
        error = ""
        text = range_text(now)
        while True:
            question = PromptDialog(plain(str(row["name"])), f"{told}\n{how}{error}", text)
            answer = await self.app.push_screen_wait(question)
            if not answer:
                return
            try:
                value = range_value(answer, row)
            except ValueError as wrong:
                error, text = f"\n{self.glyphs.failed} {wrong}", answer
                continue
            self._set(tuple(row["path"]), value, row["comment"])
            return

    # The end

    def action_save(self) -> None:
        self._finish(lambda: None)

    def action_start(self) -> None:
        self._finish(lambda: self.dismiss((self.draft.file, self._choices)))

    @work(group="finish", exclusive=True)
    async def _finish(self, then: Callable[[], None]) -> None:
        """Check, save, go on; what is wrong is shown where it stands."""
        if not self.draft.text:
            self.interface.report("warning", "Choose a table first: type its path, or mark it.")
            return
        self.workers.cancel_group(self, "child")
        if not await self._settle():
            return
        self.refresh_form()
        if self.draft.faults or self._own_faults:
            key = self.draft.faults[0]["key"] if self.draft.faults else next(iter(self._own_faults))
            self._show_fault(key)
            return
        if self.draft.file.exists() and self._saved == "" and not await self._may_overwrite():
            return
        try:
            self.draft.save()
        except OSError as error:
            self.interface.report("error", f"{self.draft.file}: {error.strerror or error}")
            return
        self._saved = self.draft.text
        self.app.notify(f"Saved {plain(_short(self.draft.file))}", markup=False, timeout=3)
        then()

    def _show_fault(self, key: str) -> None:
        step = self._step_of(key)
        self.go(step if step in self.steps() else self.step)
        for field in FIELDS:
            if key == field.key or key.startswith(field.key + "."):
                self.query_one(f"#{field.id}").focus()
        said = self.draft.fault_of(key) or self._own_faults.get(key, "")
        self.interface.report("warning", f"Not saved: {key or 'the file'}: {said}")

    async def _may_overwrite(self) -> bool:
        answer = await self.app.push_screen_wait(
            AnswerDialog(
                "The file is there already",
                _short(self.draft.file),
                (("yes", "y", "Replace it"), ("", "escape", "Choose another name")),
            )
        )
        if answer != "yes":
            self.go("task")
            self.query_one("#f-run-file").focus()
        return answer == "yes"

    def action_back(self) -> None:
        if self.draft.text in ("", self._saved, self.draft.base):
            self.dismiss(None)
        else:
            self._ask_back()

    @work
    async def _ask_back(self) -> None:
        answer = await self.app.push_screen_wait(
            AnswerDialog(
                "The task file is not saved",
                _short(self.draft.file),
                (
                    ("save", "s", "Save it and leave"),
                    ("leave", "l", "Leave without saving"),
                    ("", "escape", "Stay"),
                ),
            )
        )
        if answer == "save":
            self._finish(lambda: self.dismiss(None))
        elif answer == "leave":
            self.dismiss(None)


class PathField(Field):
    """A path to write; tab completes as far as it is clear."""

    async def _on_key(self, event: events.Key) -> None:
        files = self.screen.query_one(Files)
        if event.key == "tab" and self.value and files.paths and self._longer(files.paths):
            event.stop()
            event.prevent_default()
        elif event.key in ("down", "up") and files.display:
            event.stop()
            event.prevent_default()
            files.cursor += 1 if event.key == "down" else -1
        else:
            await super()._on_key(event)

    def _longer(self, found: list[Path]) -> bool:
        """Complete what was typed; False where there is nothing to add."""
        start = self.value.rpartition("/")[2]
        same = _common([p.name for p in found])
        if len(found) == 1 and found[0].is_dir():
            same += "/"
        if len(same) <= len(start):
            return False
        self.value = self.value[: len(self.value) - len(start)] + same
        self.cursor_position = len(self.value)
        return True


def _common(names: list[str]) -> str:
    """The characters that all names begin with."""
    low, high = min(names), max(names)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[:same]


def _short(path: Path) -> str:
    """A path from here where it is below, else whole."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
