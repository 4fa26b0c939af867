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
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from hyperllama.core.errors import StudyError
from hyperllama.core.storage import trash
from hyperllama.tui import actions, library, settings
from hyperllama.tui.dialogs import PromptDialog
from hyperllama.tui.glyphs import Glyphs
from hyperllama.tui.library import StudyEntry, TaskEntry
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.about import About
from hyperllama.tui.widgets.field import Field
from hyperllama.tui.widgets.home_lists import ORDERS, ModelList, StudyList, TaskList
from hyperllama.tui.widgets.rows import Rows

if TYPE_CHECKING:  # what reads studies is loaded when one is opened, after the first screen stands
    from hyperllama.models.gguf import Machine
    from hyperllama.tui import bridge

REFRESH_S = 1.0
_WIDE, _TALL = 110, 30  # cells from which there is room beside the lists, and for three of them
_OF_A_STUDY = ("rename", "archive", "delete", "mark")


class Home(BaseScreen[None]):
    """Studies above, tasks below."""

    WHERE = "home"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("home")]

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.clock = clock
        self._starting = False
        self._about_wanted: bool | None = None  # None: as there is room
        self._machine: Machine | None = None
        self._undo: list[tuple[str, Callable[[], None]]] = []

    def compose(self) -> ComposeResult:
        g = self.glyphs
        yield Banner(g, id="banner")
        with Container(id="home"):
            with Vertical(id="lists"):
                studies = StudyList(glyphs=g, id="studies")
                studies.border_title = "Studies"
                yield studies
                yield Field(id="filter", placeholder="words that a study's line has", compact=True)
                tasks = TaskList(glyphs=g, id="tasks")
                tasks.border_title = "Tasks"
                yield tasks
                models = ModelList(glyphs=g, id="models")
                models.border_title = "Models"
                yield models
            yield About(glyphs=g, id="about")
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

    def on_resize(self) -> None:
        self._arrange()

    @work(group="models", exclusive=True)
    async def _find_models(self) -> None:
        """Headers alone are read, and how much memory is free, in a thread."""
        from hyperllama.models.gguf import find_models, machine

        found, here = await asyncio.to_thread(lambda: (find_models(), machine()))
        usable = [m for m in found if not m.problem]
        for models in self.query(ModelList):  # none, when the program was left meanwhile
            models.show(usable, settings.read().default_model or _embedded())
            self._machine = here
            self._arrange()
            self._look()

    def refresh_home(self) -> None:
        """Read the summaries again; a few small files, once a second."""
        studies = self.query_one(StudyList)
        if not self.is_current and studies.all:
            return
        studies.show(library.studies(), self.clock())
        self._arrange()
        self._look()
        self.refresh_keys()

    def _arrange(self) -> None:
        """Share the screen out: lists, and beside or below them what the cursor stands on."""
        studies, tasks = self.query_one(StudyList), self.query_one(TaskList)
        models, about = self.query_one(ModelList), self.query_one(About)
        width, height = self.size.width, self.size.height - 2
        empty = not studies.all
        self.set_class(empty, "-empty")
        wide = width >= _WIDE
        wanted = self._about_wanted
        below = not wide and (bool(wanted) if wanted is not None else empty)
        about.display = below or (wide and wanted is not False)
        if tasks.about_elsewhere != about.display:
            tasks.about_elsewhere = about.display
            tasks.rows_changed()
        self.set_class(wide, "-wide")
        self.set_class(below, "-below")
        hint = "" if about.display or empty else f"{self._key('about')} tells more"
        told = "   ".join(filter(None, (studies.told(), hint)))
        studies.border_subtitle = Content(told)
        alone = below and not empty  # the list that has the focus stands for all
        here = next((x for x in (tasks, models) if x.has_focus), studies)
        many = max(3, len(tasks.entries) + 1) + 2
        for one in (studies, tasks, models):
            one.display = not alone or one is here
        if alone:
            here.styles.height = "1fr"
            self.query_one("#lists").styles.height = max(6, height * 2 // 5)
            return
        models.display = wide and height >= _TALL
        room = max(3, min(len(models.models or ()) + 3, 8)) if models.display else 0
        if empty:
            studies.styles.height = 4
            tasks.styles.height = "1fr" if wide else min(many, max(5, height - 4))
        else:
            studies.styles.height = "1fr"
            tasks.styles.height = min(many, max(5, (height - room) // 2))
        models.styles.height = room or None
        self.query_one("#lists").styles.height = 4 + many if below else "100%"

    def _look(self) -> None:
        """Show what the cursor of the focused list stands on."""
        about = self.query_one(About)
        if not about.display:
            return
        studies, models = self.query_one(StudyList), self.query_one(ModelList)
        task = self.query_one(TaskList).entry
        if isinstance(self.focused, ModelList) and models.models and self._machine is not None:
            about.show_model(models.models[models.cursor], self._machine, studies.all)
        elif self.entry is not None and not self.in_tasks:
            about.show_study(self.entry, self.clock())
        elif task is not None:
            about.show_task(task, studies.all)
        else:
            about.show_nothing("Nothing is marked.")

    @on(Rows.Moved)
    def _moved(self) -> None:
        self._look()
        self.refresh_keys()

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        if self.is_mounted:
            self._arrange()
            self._look()

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
        there = lists[(here + by) % len(lists)]
        there.display = True  # where one list stands for all, only it is there
        there.focus()

    def action_about(self) -> None:
        """Show or hide what the cursor stands on."""
        self._about_wanted = not self.query_one(About).display
        self._arrange()
        self._look()

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
        title = await self.app.push_screen_wait(PromptDialog("Rename", told, entry.title))
        if title and title != entry.title:
            self._do(
                lambda: trash.retitle(entry.name, title),
                f"the title of {entry.name}",
                lambda: trash.retitle(entry.name, entry.title),
            )

    def action_archive(self) -> None:
        entry = self.entry
        if entry is not None:
            self._do(
                lambda: trash.archive(entry.name, not entry.archived),
                f"archiving {entry.title}",
                lambda: trash.archive(entry.name, entry.archived),
            )

    def action_delete(self) -> None:
        entry = self.entry
        if entry is not None:
            self._do(
                lambda: trash.delete(entry.name),
                f"deleting {entry.title}",
                lambda: trash.restore(entry.name),
            )

    def _do(self, what: Callable[[], None], name: str, back: Callable[[], None]) -> None:
        """Do something that can be taken back with one key."""
        try:
            what()
        except StudyError as error:
            self.interface.report_error(error)
            return
        self._undo.append((name, back))
        told = f"Done: {name}. {self._key('undo')} takes it back."
        self.app.notify(told, markup=False, timeout=4)
        self.refresh_home()

    def _key(self, name: str) -> str:
        """The key of an action of this screen, as it is shown."""
        keys = actions.keys_of(actions.BY_ID[f"home.{name}"], self.interface.keys)
        return actions.shown(keys[0], not self.glyphs.braille) if keys else ""

    def action_undo(self) -> None:
        if not self._undo:
            return
        name, back = self._undo.pop()
        try:
            back()
        except StudyError as error:
            self.interface.report_error(error)
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
            self.interface.open_screen("compare studies", marked)
        else:
            self.interface.open_screen("comparisons")

    def action_models(self) -> None:
        self.interface.open_screen("models")

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
        choices = await self.interface.ask_screen("preview", entry)
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
        made = await self.interface.ask_screen("new study", task_file)
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
            from hyperllama.tui.bridge import Choices

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


def _embedded() -> str:
    """The name of the model that is used where nobody chose one; empty where none ships."""
    from hyperllama.models.errors import ModelFileError
    from hyperllama.models.gguf import resolve_model

    try:
        return resolve_model("embedded").stem
    except ModelFileError:
        return ""


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
