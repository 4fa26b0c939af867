"""The first screen: the studies on this machine, the tasks that can be run, the models found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from core import shelf
from core.errors import StudyError
from tui import actions, library, preferences
from tui.glyphs import Glyphs
from tui.library import StudyEntry, TaskEntry
from tui.screens.base import Place
from tui.screens.dialogs import Field, Line
from tui.widgets.home_lists import ORDERS, ModelList, StudyList, TaskList
from tui.widgets.rows import Rows

if TYPE_CHECKING:  # what reads studies is loaded when one is opened, after the first screen stands
    from tui import bridge

REFRESH_S = 1.0
_WIDE = 110  # cells from which models stand beside the tasks
_OF_A_STUDY = ("rename", "archive", "delete", "mark")


class Home(Place[None]):
    """Studies above, tasks below."""

    WHERE = "home"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("home")]

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.clock = clock
        self._starting = False
        self._undo: list[tuple[str, Callable[[], None]]] = []

    def compose(self) -> ComposeResult:
        studies = StudyList(glyphs=self.glyphs, id="studies")
        studies.border_title = "Studies"
        tasks = TaskList(glyphs=self.glyphs, id="tasks")
        tasks.border_title = "Tasks"
        yield Banner(self.glyphs, id="banner")
        models = ModelList(glyphs=self.glyphs, id="models")
        models.border_title = "Models"
        yield studies
        yield Field(id="filter", placeholder="words that a study's line has", compact=True)
        with Horizontal(id="below"):
            yield tasks
            yield models
        yield self.key_bar()

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.call_after_refresh(self._find_models)
        self.query_one(TaskList).show(library.tasks())
        self.refresh_home()
        first = self.query_one(StudyList)
        (first if first.all else self.query_one(TaskList)).focus()
        self.set_interval(REFRESH_S, self.refresh_home, name="home")

    def on_screen_resume(self) -> None:
        self.refresh_home()
        self.query_one(StudyList).choose(self.interface.last_study)
        self.interface.last_study = ""
        if any(models.models is not None for models in self.query(ModelList)):
            self._find_models()

    @work(group="models", exclusive=True)
    async def _find_models(self) -> None:
        """Headers alone are read, in a thread."""
        from models.registry import find_models

        found = await asyncio.to_thread(find_models)
        usable = [m for m in found if not m.problem]
        for models in self.query(ModelList):  # none, when the program was left meanwhile
            models.show(usable, preferences.default_model())

    def refresh_home(self) -> None:
        """Read the summaries again; a few small files, once a second."""
        if not self.is_current and self.query_one(StudyList).all:
            return
        studies = self.query_one(StudyList)
        studies.show(library.studies(), self.clock())
        tasks = self.query_one(TaskList)
        studies.border_subtitle = studies.told()
        self.set_class(not studies.all, "-empty")
        self.set_class(self.size.width >= _WIDE, "-wide")
        lines = max(3, len(tasks.entries) + 1) + 2
        most = self.size.height - 6 if not studies.all else (self.size.height - 4) // 2
        self.query_one("#below").styles.height = min(lines, max(5, most))
        self.refresh_keys()

    @on(Rows.Moved)
    def _moved(self) -> None:
        self.refresh_keys()

    # Actions

    @property
    def in_tasks(self) -> bool:
        return isinstance(self.focused, TaskList)

    @property
    def in_studies(self) -> bool:
        return isinstance(self.focused, StudyList)

    @property
    def entry(self) -> StudyEntry | None:
        """The study at the cursor."""
        return self.query_one(StudyList).entry

    def label_of(self, action: actions.Action) -> str:
        if action.name == "open":
            return "run" if self.in_tasks else "open"
        if action.name in ("preview", "edit"):
            return action.label if self.in_tasks else ""
        if action.name in _OF_A_STUDY:
            return action.label if self.in_studies and self.entry is not None else ""
        if action.name == "undo":
            return action.label if self._undo else ""
        if action.name == "resume":
            entry = self.entry
            resumable = entry is not None and entry.state in ("interrupted", "stopped", "error")
            return action.label if resumable and self.in_studies else ""
        return action.label

    def action_section(self, by: int = 1) -> None:
        lists: list[Rows] = [self.query_one(StudyList), self.query_one(TaskList)]
        if self.query_one(ModelList).display:
            lists.append(self.query_one(ModelList))
        here = next((i for i, widget in enumerate(lists) if widget.has_focus), 0)
        lists[(here + by) % len(lists)].focus()

    def action_sort(self) -> None:
        studies = self.query_one(StudyList)
        names = list(ORDERS)
        studies.order = names[(names.index(studies.order) + 1) % len(names)]
        self.refresh_home()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self.query_one(StudyList).words = event.value.strip()
        self.refresh_home()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = bool(field.value.strip())
        self.query_one(StudyList).focus()

    def key_escape(self) -> None:
        field = self.query_one("#filter", Input)
        if field.display:
            field.value = ""
            self._filter_done()

    def action_mark(self) -> None:
        if self.entry is not None:
            self.query_one(StudyList).marked ^= {self.entry.name}
            self.query_one(StudyList).action_down()
            self.refresh_home()

    def action_archived(self) -> None:
        studies = self.query_one(StudyList)
        studies.archived = not studies.archived
        self.refresh_home()

    @work(group="rename")
    async def action_rename(self) -> None:
        entry = self.entry
        if entry is None:
            return
        told = f"Commands and the storage keep its name, {entry.name}."
        title = await self.app.push_screen_wait(Line("Rename", told, value=entry.title))
        if title and title != entry.title:
            self._do(
                lambda: shelf.retitle(entry.name, title),
                f"the title of {entry.name}",
                lambda: shelf.retitle(entry.name, entry.title),
            )

    def action_archive(self) -> None:
        entry = self.entry
        if entry is not None:
            self._do(
                lambda: shelf.archive(entry.name, not entry.archived),
                f"archiving {entry.title}",
                lambda: shelf.archive(entry.name, entry.archived),
            )

    def action_delete(self) -> None:
        entry = self.entry
        if entry is not None:
            self._do(
                lambda: shelf.delete(entry.name),
                f"deleting {entry.title}",
                lambda: shelf.restore(entry.name),
            )

    def _do(self, what: Callable[[], None], name: str, back: Callable[[], None]) -> None:
        """Do something that can be taken back with one key."""
        try:
            what()
        except StudyError as error:
            self.interface.report("error", f"{error.message}\n{error.hint}")
            return
        self._undo.append((name, back))
        key = actions.shown(actions.keys_of(actions.BY_ID["home.undo"], self.interface.keys)[0])
        self.app.notify(f"Done: {name}. {key} takes it back.", markup=False, timeout=4)
        self.refresh_home()

    def action_undo(self) -> None:
        if not self._undo:
            return
        name, back = self._undo.pop()
        try:
            back()
        except StudyError as error:
            self.interface.report("error", f"{error.message}\n{error.hint}")
        else:
            self.app.notify(f"Taken back: {name}", markup=False, timeout=3)
        self.refresh_home()

    def action_compare(self) -> None:
        """The marked studies side by side; without marks the comparisons."""
        studies = self.query_one(StudyList)
        marked = [e.name for e in studies.entries if e.name in studies.marked]
        if len(marked) == 1:
            self.interface.report("warning", "Mark two to eight studies, or none.")
        elif marked:
            from tui.screens.compare import of_studies

            self.app.push_screen(of_studies(marked))
        else:
            from tui.screens.comparisons import Comparisons

            self.app.push_screen(Comparisons())

    def action_models(self) -> None:
        self.interface.open_models()

    def action_open(self) -> None:
        if isinstance(self.focused, ModelList):
            self.action_models()
        elif self.in_tasks:
            entry = self.query_one(TaskList).entry
            if entry is not None:
                self.run_task(entry)
        else:
            study = self.query_one(StudyList).entry
            if study is not None:
                self.interface.open_study(study.name)

    @on(Rows.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    def action_preview(self) -> None:
        entry = self.query_one(TaskList).entry
        if entry is not None:
            self._preview(entry)

    @work
    async def _preview(self, entry: TaskEntry) -> None:
        from tui.screens.preview import Preview

        choices = await self.app.push_screen_wait(Preview(entry))
        if choices is not None:
            self.run_task(entry, choices)

    def action_new(self) -> None:
        self._form(None)

    def action_edit(self) -> None:
        entry = self.query_one(TaskList).entry
        if entry is not None:
            self._form(entry.path)

    @work
    async def _form(self, task_file: Path | None) -> None:
        """The form; afterwards the tasks at hand may be other ones."""
        from tui.screens.new_study import NewStudy

        made = await self.app.push_screen_wait(NewStudy(task_file))
        self.query_one(TaskList).show(library.tasks())
        if made is not None:
            file, choices = made
            self.run_task(TaskEntry(file, file.stem), choices)

    def run_task(self, entry: TaskEntry, choices: bridge.Choices | None = None) -> None:
        """Start a study of the task and show it."""
        if entry.problem:
            self.interface.report("error", f"{entry.path.name}: {entry.problem}")
        elif not self._starting:
            self._starting = True
            from tui.bridge import Choices

            self._run(entry, choices or Choices())

    @work
    async def _run(self, entry: TaskEntry, choices: bridge.Choices) -> None:
        try:
            link = await self.interface.start_study(entry.path, choices)
        finally:
            self._starting = False
        if link is not None:
            self.interface.show_study(link)

    @work(exclusive=True, group="resume")
    async def action_resume(self) -> None:
        entry = self.query_one(StudyList).entry
        link = None if entry is None else await self.interface.resume_study(entry.name)
        if link is not None and self.is_current:
            self.interface.show_study(link)


class Banner(Widget):
    """The name and what it is for, in one line."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs

    def render(self) -> Content:
        left = Content.assemble(("HyperLlama", "bold $primary"))
        if self.size.width < 60:
            return left
        about = f"  {self.glyphs.dot}  hyperparameters tuned by a language model on this machine"
        return Content.assemble(left, (about, "$dim"))
