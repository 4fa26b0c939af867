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
from hyperllama.tui import actions
from hyperllama.tui.content import library
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.dialogs import PromptDialog
from hyperllama.tui.preferences import settings
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.about.page import AboutPane
from hyperllama.tui.widgets.lists.filter_line import FilterLine
from hyperllama.tui.widgets.lists.home import ORDERS, ModelList, StudyList, TaskList
from hyperllama.tui.widgets.lists.rows import Rows

if TYPE_CHECKING:  # loaded when a study is opened, after the first screen is drawn
    from hyperllama.models.gguf import Machine

REFRESH_S = 1.0
_WIDE, _TALL = 110, 30  # cells from which there is room beside the lists, and for three of them
_RESUMABLE = ("interrupted", "stopped", "error")
_Step = Callable[[], None]


class _StudyActions(BaseScreen[None]):
    """What can be done to the marked study: rename, archive, delete, mark; and the list's order."""

    def __init__(self) -> None:
        super().__init__()
        self._undo: list[tuple[str, _Step]] = []

    @property
    def studies(self) -> StudyList:
        return self.query_one(StudyList)

    def refresh_home(self) -> None:
        raise NotImplementedError

    def action_sort(self) -> None:
        names = list(ORDERS)
        self.studies.order = names[(names.index(self.studies.order) + 1) % len(names)]
        self.refresh_home()

    def action_filter(self) -> None:
        self.query_one(FilterLine).open()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self.studies.words = event.value.strip()
        self.refresh_home()

    def key_escape(self) -> None:
        self.query_one(FilterLine).clear_words()

    def action_mark(self) -> None:
        if self.studies.entry is not None:
            self.studies.marked ^= {self.studies.entry.name}
            self.studies.action_down()
            self.refresh_home()

    def action_archived(self) -> None:
        self.studies.archived = not self.studies.archived
        self.refresh_home()

    @work(group="rename")
    async def action_rename(self) -> None:
        entry = self.studies.entry
        if entry is None:
            return
        about = f"Commands and the storage keep its name, {entry.name}."
        title = await self.app.push_screen_wait(PromptDialog("Rename", about, entry.title))
        if title and title != entry.title:
            self._do(
                f"the title of {entry.name}",
                lambda: trash.retitle(entry.name, title),
                lambda: trash.retitle(entry.name, entry.title),
            )

    def action_archive(self) -> None:
        if (entry := self.studies.entry) is not None:
            self._do(
                f"archiving {entry.title}",
                lambda: trash.archive(entry.name, not entry.archived),
                lambda: trash.archive(entry.name, entry.archived),
            )

    def action_delete(self) -> None:
        if (entry := self.studies.entry) is not None:
            self._do(
                f"deleting {entry.title}",
                lambda: trash.delete(entry.name),
                lambda: trash.restore(entry.name),
            )

    def _do(self, name: str, step: _Step, back: _Step) -> None:
        """Do something that one key undoes with `back`."""
        if self._try(step, f"Done: {name}. {self._key('undo')} undoes it."):
            self._undo.append((name, back))
            self.refresh_home()

    def action_undo(self) -> None:
        if self._undo:
            name, back = self._undo.pop()
            self._try(back, f"Undone: {name}")
            self.refresh_home()

    def _try(self, step: _Step, message: str) -> bool:
        try:
            step()
        except StudyError as error:
            self.interface.report_error(error)
            return False
        self.app.notify(message, markup=False, timeout=4)
        return True

    def _key(self, name: str) -> str:
        """The key of an action of this screen, as it is shown."""
        keys = actions.keys_of(actions.BY_ID[f"home.{name}"], self.interface.keys)
        return actions.shown(keys[0], not self.glyphs.braille) if keys else ""


class Home(_StudyActions):
    """The lists, the page about the marked line, and what opens from here."""

    WHERE = "home"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("home")]

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.clock = clock
        self._about_shown: bool | None = None  # as the user chose; None: where there is room
        self._machine: Machine | None = None

    def compose(self) -> ComposeResult:
        yield Banner(id="banner")
        with Container(id="home"):
            with Vertical(id="lists"):
                yield StudyList(id="studies")
                yield FilterLine("#studies", "words that a study must contain")
                yield TaskList(id="tasks")
                yield ModelList(id="models")
            yield AboutPane(glyphs=self.glyphs, id="about")
        yield self.key_bar()

    def on_mount(self) -> None:
        self.call_after_refresh(self._find_models)
        self.query_one(TaskList).show(library.tasks())
        self.refresh_home()
        (self.studies if self.studies.all else self.query_one(TaskList)).focus()
        self.set_interval(REFRESH_S, self.refresh_home, name="home")

    def on_screen_resume(self) -> None:
        self.query_one(TaskList).show(library.tasks())  # the form may have written one
        self.refresh_home()
        self.studies.choose(self.interface.last_study)
        self.interface.last_study = ""
        if any(models.searched for models in self.query(ModelList)):
            self._find_models()

    def on_resize(self) -> None:
        self._arrange()

    @work(group="models", exclusive=True)
    async def _find_models(self) -> None:
        """Read the models' headers, and how much memory is free, in a thread."""
        from hyperllama.models.gguf import find_models, machine

        found, here = await asyncio.to_thread(lambda: (find_models(), machine()))
        usable = [m for m in found if not m.problem]
        for models in self.query(ModelList):  # none, when the program was left meanwhile
            models.show_models(usable, settings.read().default_model or _embedded())
            self._machine = here
            self._arrange()
            self._show_about()

    def refresh_home(self) -> None:
        """Read the studies' summaries again: a few small files, once a second."""
        if not self.is_current and self.studies.all:
            return
        self.studies.show_studies(library.studies(), self.clock())
        self._arrange()
        self._show_about()
        self.refresh_keys()

    def _arrange(self) -> None:
        """Distribute the room: lists, and beside or below them the page about the marked line."""
        studies, tasks = self.studies, self.query_one(TaskList)
        models, about = self.query_one(ModelList), self.query_one(AboutPane)
        height, wide, empty = self.size.height - 2, self.size.width >= _WIDE, not studies.all
        below = not wide and (empty if self._about_shown is None else self._about_shown)
        about.display = below or (wide and self._about_shown is not False)
        if tasks.described != about.display:
            tasks.described = about.display
            tasks.rows_changed()
        for name, on_ in (("-empty", empty), ("-wide", wide), ("-below", below)):
            self.set_class(on_, name)
        hint = "" if about.display or empty else f"{self._key('about')} tells more"
        studies.border_subtitle = Content("   ".join(filter(None, (studies.summary(), hint))))
        alone = below and not empty  # the list that has the focus stands for all
        here = next((x for x in (tasks, models) if x.has_focus), studies)
        for one in (studies, tasks, models):
            one.display = not alone or one is here
        if alone:
            here.styles.height = "1fr"
            self.query_one("#lists").styles.height = max(6, height * 2 // 5)
            return
        most = max(3, len(tasks.entries) + 1) + 2
        models.display = wide and height >= _TALL
        room = max(3, min(len(models.entries) + 3, 8)) if models.display else 0
        studies.styles.height = 4 if empty else "1fr"
        if empty and wide:
            tasks.styles.height = "1fr"
        else:
            tasks.styles.height = min(most, max(5, height - 4 if empty else (height - room) // 2))
        models.styles.height = room or None
        self.query_one("#lists").styles.height = 4 + most if below else "100%"

    def _show_about(self) -> None:
        """Show the page about the marked line of the focused list."""
        about, models, task = self.query_one(AboutPane), self.query_one(ModelList), self.marked_task
        if not about.display:
            return
        if models.has_focus and models.entry is not None and self._machine is not None:
            about.show_model(models.entry, self._machine, self.studies.all)
        elif self.studies.entry is not None and not self.query_one(TaskList).has_focus:
            about.show_study(self.studies.entry, self.clock())
        elif task is not None:
            about.show_task(task, self.studies.all)
        else:
            about.show_nothing("Nothing is marked.")

    @on(Rows.Moved)
    def _moved(self) -> None:
        self._show_about()
        self.refresh_keys()

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        if self.is_mounted:
            self._arrange()
            self._show_about()

    @property
    def marked_task(self) -> TaskEntry | None:
        """The marked task."""
        return self.query_one(TaskList).entry

    def label_of(self, action: actions.Action) -> str:
        in_tasks = isinstance(self.focused, TaskList)
        study = self.focused.entry if isinstance(self.focused, StudyList) else None
        applies = {
            "preview": in_tasks,
            "edit": in_tasks,
            **dict.fromkeys(("rename", "archive", "delete", "mark"), study is not None),
            "undo": bool(self._undo),
            "resume": study is not None and study.state in _RESUMABLE,
        }
        if action.name == "open" and in_tasks:
            return "run"
        return action.label if applies.get(action.name, True) else ""

    def action_section(self, by: int = 1) -> None:
        lists: list[Rows] = [self.studies, self.query_one(TaskList)]
        if self.query_one(ModelList).display:
            lists.append(self.query_one(ModelList))
        here = next((i for i, widget in enumerate(lists) if widget.has_focus), 0)
        there = lists[(here + by) % len(lists)]
        there.display = True  # where one list stands for all, the others are hidden
        there.focus()

    def action_about(self) -> None:
        self._about_shown = not self.query_one(AboutPane).display
        self._arrange()
        self._show_about()

    def action_compare(self) -> None:
        """The marked studies side by side; without marks the comparisons."""
        marked = [e.name for e in self.studies.entries if e.name in self.studies.marked]
        if len(marked) == 1:
            self.interface.report("warning", "Mark two to eight studies, or none.")
        elif marked:
            self.interface.open_screen("compare studies", marked)
        else:
            self.interface.open_screen("comparisons")

    def action_models(self) -> None:
        self.interface.open_screen("models")

    @on(Rows.Chosen)
    def action_open(self) -> None:
        if self.query_one(ModelList).has_focus:
            self.action_models()
        elif self.query_one(TaskList).has_focus:
            if self.marked_task is not None:
                self.run_task(self.marked_task)
        elif self.studies.entry is not None:
            self.interface.open_study(self.studies.entry.name)

    def action_preview(self) -> None:
        if self.marked_task is not None:
            self.interface.open_screen("preview", self.marked_task)

    def action_new(self) -> None:
        self.open_form()

    def action_edit(self) -> None:
        if self.marked_task is not None:
            self.open_form(self.marked_task.path)

    def open_form(self, task_file: Path | None = None, table: str = "") -> None:
        """Open the form, on a file or a table."""
        self.interface.open_screen("new study", task_file, table)

    def run_task(self, entry: TaskEntry) -> None:
        """Start a study of the task and show it."""
        if entry.problem:
            self.interface.report("error", f"{entry.path.name}: {entry.problem}")
        else:
            self.interface.begin_study(entry.path)

    @work(exclusive=True, group="resume")
    async def action_resume(self) -> None:
        entry = self.studies.entry
        link = None if entry is None else await self.interface.resume_study(entry.name)
        if link is not None and self.is_current:
            self.interface.show_study(link)


def _embedded() -> str:
    """The name of the model that ships, used where no other was chosen; empty: none ships."""
    from hyperllama.models.errors import ModelFileError
    from hyperllama.models.gguf import resolve_model
    from hyperllama.models.paths import model_name

    try:
        return model_name(resolve_model("embedded"))
    except ModelFileError:
        return ""


class Banner(Widget):
    """The name of the program and what it does, in one line."""

    def render(self) -> Content:
        left = Content.styled("HyperLlama", "bold $primary")
        if self.size.width < 60:
            return left
        dot = getattr(self.app, "glyphs").dot  # noqa: B009
        about = f"  {dot}  hyperparameters tuned by a language model on this machine"
        return Content.assemble(left, (about, "$dim"))
