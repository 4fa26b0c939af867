"""The form: its steps side by side or in turn, saving, and leaving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static, TextArea

from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.dialogs import AnswerDialog
from hyperllama.tui.screens.new_study.base import TABLE_FIRST, short
from hyperllama.tui.screens.new_study.space_step import SpaceStep
from hyperllama.tui.screens.new_study.table_step import TableStep
from hyperllama.tui.screens.new_study.task_step import TaskStep
from hyperllama.tui.widgets.form.lines import FIELDS, FormLine
from hyperllama.tui.widgets.form.space_table import SpaceTable
from hyperllama.tui.widgets.form.table_look import ColumnList, Files, PathField
from hyperllama.tui.widgets.form.task_text import TaskText

_WIDE = 118  # cells from which the task file is shown beside the form
STEPS = {"table": "Table", "task": "Task", "space": "Space", "text": "File"}


class _Steps(TableStep, TaskStep, SpaceStep):
    """The steps: which one is shown, where, and how far each is."""

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
    async def _move(self, text: Widget, to: Widget) -> None:
        """Mount the editor in the other place; its text is the draft's anyway."""
        await text.remove()
        box = _text_step()
        await to.mount(box)
        box.display = self.wide
        self.refresh_form()

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()
        self.draw_steps()

    def steps(self) -> list[str]:
        return [name for name in STEPS if not (self.wide and name == "text")]

    def go(self, step: str) -> None:
        """Show a step and focus its first widget."""
        self.query_one(ContentSwitcher).current = f"step-{step}"
        first: Widget = self.path_field
        if step == "table" and self.draft.columns:
            first = self.query_one(ColumnList)
        elif step == "task":
            first = self.query_one(f"#{FIELDS[0].id}")
        elif step == "space":
            first = self.query_one(SpaceTable)
        elif step == "text":
            first = self.query_one(TaskText)
        self.set_focus(first)  # at once: the next key must not reach the old field
        self.draw_steps()
        self.refresh_keys()

    def action_next(self, by: int = 1) -> None:
        steps = self.steps()
        if self.step == "table" and not self.draft.text and by > 0:
            self.interface.report("warning", TABLE_FIRST)
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

    # Drawing

    def refresh_form(self) -> None:
        """Show the draft everywhere: fields, tables, text, faults."""
        if not self.is_attached:
            return
        self.draw_table_step()
        self.draw_task_step()
        self.draw_space_step()
        draft = self.draft
        for text in self.query(TaskText):
            if not text.has_focus:
                text.replace_text(draft.text)
            text.mark([int(f["line"]) for f in draft.faults])
            text.border_title = Content(plain(draft.file.name) if draft.text else "Task file")
        for line in self.query("#text-told").results(Static):
            line.display = bool(draft.faults)
            line.update(Content.styled("\n".join(self._fault_lines()), "$bad"))
        self.draw_steps()

    def _fault_lines(self) -> Iterator[str]:
        for fault in self.draft.faults[:3]:
            line = f"line {fault['line'] + 1}: " if fault["line"] >= 0 else ""
            key = f"{fault['key']}: " if fault["key"] else ""
            hint = f" ({fault['hint']})" if fault["hint"] else ""
            yield plain(f"{self.glyphs.failed} {line}{key}{fault['problem']}{hint}")

    def draw_steps(self) -> None:
        g, steps = self.glyphs, self.steps()
        wrong = {_step_of(f["key"]) for f in self.draft.faults} | {*map(_step_of, self._own_faults)}
        parts = [("New study", "bold $primary"), ("   ", "")]
        for number, name in enumerate(steps, 1):
            done = bool(self.draft.text) and name not in wrong
            mark = g.failed if name in wrong else g.done if done else str(number)
            parts += [
                (f"{mark} ", "$bad" if name in wrong else "$good" if done else "$dim"),
                (STEPS[name], "bold underline" if name == self.step else "$dim"),
                (f"  {g.arrow}  " if number < len(steps) else "", "$faint"),
            ]
        if self._busy:
            parts.append((f"   {self._busy}{g.ellipsis}", "$voice"))
        elif (task := self.draft.task) and not self.draft.faults:
            free = f"{task['free']} hyperparameters, {task['metric']}"
            long = f"   {task['rows']:,} rows, {task['features']} columns, {free}"
            room = self.size.width - 4 - Content.assemble(*parts).cell_length
            fits = next((text for text in (long, f"   {free}") if len(text) <= room), "")
            parts.append((plain(fits), "$dim"))
        self.query_one("#steps", Static).update(Content.assemble(*parts))

    @on(TextArea.Changed)
    def _text_written(self, event: TextArea.Changed) -> None:
        if event.text_area.has_focus and event.text_area.text != self.draft.text:
            self.draft.text = event.text_area.text
            self.check()


class NewStudy(_Steps):
    """From a table to a task file, and to a study, which is shown over the form."""

    WHERE = "new"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("new")]
    NAME = "New study"
    HELP = """\
Four steps: the *table*, the *task* (target, metric, estimators, validation, budget, limits, \
model), the *search space*, and the *file* that they make. `ctrl+n` goes to the next step, `tab` \
or `↓` to the next field, `←` `→` go through the values of a field, `↵` lists them. Errors stand \
beside their field. `ctrl+r` saves the file and starts the study, `ctrl+s` only saves it.
"""

    def __init__(self, task_file: Path | None = None, table: str = "") -> None:
        """`task_file`: a file to edit; `table`: one to begin with."""
        super().__init__()
        self._task_file, self._table = task_file, table
        self._saved = ""

    def compose(self) -> ComposeResult:
        yield Static(id="steps")
        with (
            Horizontal(id="new-panes"),
            ContentSwitcher(initial="step-table", id="new-steps"),
        ):
            with Vertical(id="step-table"):
                yield PathField(id="table-path", placeholder="(the path of a table)", compact=True)
                yield Static(id="table-told")
                yield Files(id="table-files")
                yield ColumnList(id="table-columns")
                yield Static(id="table-warnings")
            with VerticalScroll(id="step-task", can_focus=False):
                for field in FIELDS:
                    if field.section:
                        title = Content.styled(field.section, "bold $primary")
                        yield Static(title, classes="form-section")
                    yield FormLine(field)
            with Vertical(id="step-space"):
                yield SpaceTable(id="space-table")
                yield Static(id="space-about")
            yield _text_step()
        yield self.key_bar()

    async def on_mount(self) -> None:
        self.offer_models()
        self.lay_out()
        if self._task_file is not None:
            self._edit(self._task_file)
        self.path_field.value = short(Path(self._table)) if self._table else ""
        self.list_files()
        if self._table:
            self._look(Path(self._table).resolve())
        self.path_field.focus()
        self.refresh_form()

    async def on_unmount(self) -> None:
        await self.draft.child.close()

    @work(group="child", exclusive=True)
    async def _edit(self, file: Path) -> None:
        """Begin with a task file that is there."""
        if await self.wait_for(f"reading {plain(file.name)}", self.draft.open(file)):
            self._saved = self.draft.text
            self.path_field.value = str(self.draft.table or "")
            self.refresh_form()
            self.go("task")

    def action_save(self) -> None:
        self._finish(lambda: None)

    def action_start(self) -> None:
        self._finish(self._begin)

    def _begin(self) -> None:
        self.interface.begin_study(self.draft.file, self._choices)
        self.draft.child.kill()  # it starts again where something is changed after a failed start

    @work(group="finish", exclusive=True)
    async def _finish(self, then: Callable[[], None]) -> None:
        """Check, save, and do the rest; what is wrong is shown."""
        draft = self.draft
        if not draft.text:
            self.interface.report("warning", TABLE_FIRST)
            return
        self.workers.cancel_group(self, "child")
        if not await self.settle():
            return
        self.refresh_form()
        if draft.faults or self._own_faults:
            keys = [*(fault["key"] for fault in draft.faults), *self._own_faults]
            self._show_fault(keys[0])
            return
        if draft.file.exists() and not self._saved and not await self._may_overwrite():
            return
        try:
            draft.save()
        except OSError as error:
            self.interface.report("error", f"{draft.file}: {error.strerror or error}")
            return
        self._saved = draft.text
        then()  # a screen that is left takes its messages along
        self.app.notify(f"Saved {plain(short(draft.file))}", markup=False, timeout=3)

    def _show_fault(self, key: str) -> None:
        step = _step_of(key)
        self.go(step if step in self.steps() else self.step)
        for field in FIELDS:
            if key == field.key or key.startswith(field.key + "."):
                self.query_one(f"#{field.id}").focus()
        wrong = self.draft.fault_of(key) or self._own_faults.get(key, "")
        self.interface.report("warning", f"Not saved: {key or 'the file'}: {wrong}")

    async def _ask(self, title: str, *answers: tuple[str, str, str]) -> str | None:
        return await self.app.push_screen_wait(
            AnswerDialog(title, short(self.draft.file), answers)
        )

    async def _may_overwrite(self) -> bool:
        replace = ("yes", "y", "Replace it")
        rename = ("", "escape", "Choose another name")
        if await self._ask("The file exists already", replace, rename) == "yes":
            return True
        self.go("task")
        self.query_one("#f-run-file").focus()
        return False

    @work
    async def action_back(self) -> None:
        if self.draft.text in ("", self._saved, self.draft.base):
            self.dismiss()
            return
        answer = await self._ask(
            "The task file is not saved",
            ("save", "s", "Save it and leave"),
            ("leave", "l", "Leave without saving"),
            ("", "escape", "Stay"),
        )
        if answer == "save":
            self._finish(self.dismiss)
        elif answer == "leave":
            self.dismiss()


def _text_step() -> Vertical:
    return Vertical(TaskText(id="task-text"), Static(id="text-told"), id="step-text")


def _step_of(key: str) -> str:
    """The step in which a key of the task file is set."""
    if key in ("data.path", "data"):
        return "table"
    return "space" if key.partition(".")[0] == "space" else "task" if key else "text"
