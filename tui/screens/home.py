"""The first screen: the studies on this machine and the tasks that can be run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from core.errors import StudyError
from tui import actions, bridge, library, wording
from tui.glyphs import UNICODE, Glyphs
from tui.library import StudyEntry, TaskEntry
from tui.screens.base import Place
from tui.screens.preview import Preview
from tui.widgets.rows import Column, Rows

REFRESH_S = 1.0


class StudyList(Rows):
    """The studies, the last touched first."""

    NAME = "Studies"
    HELP = """\
Every study on this machine. `↵` opens one: live if it runs, else as it ended. A study whose \
process is gone stands as *interrupted*; `r` goes on with it, and no finished trial is lost.

*gain* is how much better the best trial scores than the library's default configuration.
"""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.entries: list[StudyEntry] = []
        self.now = 0.0

    def show(self, entries: list[StudyEntry], now: float) -> None:
        """Draw these; the cursor stays on its study."""
        chosen = self.entry
        self.entries, self.now = entries, now
        names = [entry.name for entry in entries]
        if chosen is not None and chosen.name in names:
            self.set_reactive(Rows.cursor, names.index(chosen.name))
        self.rows_changed()

    @property
    def entry(self) -> StudyEntry | None:
        return self.entries[self.cursor] if 0 <= self.cursor < len(self.entries) else None

    def row_count(self) -> int:
        return len(self.entries)

    def columns(self) -> Sequence[Column]:
        return (
            Column("state", "state", 13),
            Column("name", "study", 0),
            Column("task", "task", 22, drop=5),
            Column("by", "proposer", 26, drop=6),
            Column("metric", "metric", 18, drop=4),
            Column("best", "best", 8, right=True),
            Column("gain", "gain", 8, right=True, drop=2),
            Column("trials", "trials", 7, right=True, drop=1),
            Column("touched", "touched", 11, right=True, drop=3),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        entry = self.entries[index]
        if key == "state":
            return self._state(entry.state)
        if key == "name":
            return Content.styled(entry.name, "bold")
        if key == "task":
            return Content.styled(entry.task.rpartition("/")[2], "$dim")
        if key == "by":
            model = entry.model.rpartition("/")[2].removesuffix(".gguf")
            sep = f" {self.glyphs.dot} "
            return Content.styled(sep.join(filter(None, (entry.proposer, model))), "$dim")
        if key == "metric":
            return Content.styled(entry.metric, "$dim")
        if key == "best":
            return Content(wording.score(entry.best))
        if key == "gain":
            style = "$good" if (entry.gain or 0) > 0 else "$dim"
            return Content.styled(wording.signed(entry.gain), style)
        if key == "trials":
            total = f"/{entry.budget}" if entry.budget else ""
            return Content(f"{entry.trials}{total}")
        return Content.styled(wording.ago(max(0.0, self.now - entry.touched_t)), "$dim")

    def _state(self, state: str) -> Content:
        g = self.glyphs
        glyph, style = {
            "running": (g.running, "$primary"),
            "paused": (g.paused, "$best"),
            "finished": (g.done, "$good"),
            "stopped": (g.stopped, "$dim"),
            "interrupted": (g.stopped, "$bad"),
            "error": (g.failed, "$bad"),
        }.get(state, (g.waiting, "$dim"))
        return Content.styled(f"{glyph} {state}", style)

    def empty(self) -> Content:
        return Content.assemble(
            (" No study yet.", "bold"),
            " Choose a task below and press ",
            ("↵", "bold $primary"),
            " to run it.\n",
            (" A table of your own? ", "$dim"),
            ("n", "bold $primary"),
            (" makes a study of it.", "$dim"),
        )

    def action_open(self) -> None:
        self.post_message(self.Chosen(self, self.cursor))


class TaskList(Rows):
    """Task files that can be run at once."""

    NAME = "Tasks"
    HELP = """\
Task files: those that come with HyperLlama, and those in the folder it was started in. `↵` runs \
one as it is; `space` shows the file, where model, proposer and budget can be chosen first. \
`e` takes one up in the form, `n` begins with a table of yours.
"""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.entries: list[TaskEntry] = []

    def show(self, entries: list[TaskEntry]) -> None:
        self.entries = entries
        self.rows_changed()

    @property
    def entry(self) -> TaskEntry | None:
        return self.entries[self.cursor] if 0 <= self.cursor < len(self.entries) else None

    def row_count(self) -> int:
        return len(self.entries)

    def columns(self) -> Sequence[Column]:
        return (
            Column("name", "task", 20),
            Column("estimators", "estimators", 22, drop=2),
            Column("trials", "trials", 6, right=True, drop=3),
            Column("about", "about", 0, drop=1),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        entry = self.entries[index]
        if key == "name":
            return Content.styled(entry.name, "bold" if not entry.problem else "$bad")
        if key == "estimators":
            return Content.styled(", ".join(entry.estimators) or "–", "$dim")
        if key == "trials":
            return Content.styled(str(entry.trials or "–"), "$dim")
        if entry.problem:
            return Content.styled(f"{self.glyphs.failed} {entry.problem}", "$bad")
        where = "" if entry.sample else f"{entry.path.parent.name}/{entry.path.name}  "
        return Content.assemble((where, "$dim"), entry.about)

    def empty(self) -> Content:
        return Content.assemble(
            "No task file here. ", ("n", "bold $primary"), " makes one from a table."
        )


class Home(Place[None]):
    """Studies above, tasks below."""

    WHERE = "home"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("home")]

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.clock = clock
        self._starting = False

    def compose(self) -> ComposeResult:
        studies = StudyList(glyphs=self.glyphs, id="studies")
        studies.border_title = "Studies"
        tasks = TaskList(glyphs=self.glyphs, id="tasks")
        tasks.border_title = "Tasks"
        yield Banner(self.glyphs, id="banner")
        yield studies
        yield tasks
        yield self.key_bar()

    def on_mount(self) -> None:
        self.query_one(TaskList).show(library.tasks())
        self.refresh_home()
        first = self.query_one(StudyList)
        (first if first.entries else self.query_one(TaskList)).focus()
        self.set_interval(REFRESH_S, self.refresh_home, name="home")

    def on_screen_resume(self) -> None:
        self.refresh_home()

    def refresh_home(self) -> None:
        """Read the summaries again; a few small files, once a second."""
        if not self.is_current and self.query_one(StudyList).entries:
            return
        studies = self.query_one(StudyList)
        studies.show(library.studies(), self.clock())
        tasks = self.query_one(TaskList)
        self.set_class(not studies.entries, "-empty")
        lines = max(3, len(tasks.entries) + 1) + 2
        most = self.size.height - 6 if not studies.entries else (self.size.height - 4) // 2
        tasks.styles.height = min(lines, max(5, most))
        self.refresh_keys()

    @on(Rows.Moved)
    def _moved(self) -> None:
        self.refresh_keys()

    # Actions

    @property
    def in_tasks(self) -> bool:
        return isinstance(self.focused, TaskList)

    def label_of(self, action: actions.Action) -> str:
        if action.name == "open":
            return "run" if self.in_tasks else "open"
        if action.name in ("preview", "edit"):
            return action.label if self.in_tasks else ""
        if action.name == "resume":
            entry = self.query_one(StudyList).entry
            resumable = entry is not None and entry.state in ("interrupted", "stopped", "error")
            return action.label if resumable and not self.in_tasks else ""
        return action.label

    def action_section(self) -> None:
        other = StudyList if self.in_tasks else TaskList
        self.query_one(other).focus()

    def action_open(self) -> None:
        if self.in_tasks:
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
            self._run(entry, choices or bridge.Choices())

    @work
    async def _run(self, entry: TaskEntry, choices: bridge.Choices) -> None:
        try:
            link = await self.interface.start_study(entry.path, choices)
        except StudyError as error:
            self.interface.report("error", f"{error.message}\n{error.hint}")
        else:
            self.interface.show_study(link)
        finally:
            self._starting = False

    @work
    async def action_resume(self) -> None:
        entry = self.query_one(StudyList).entry
        if entry is None:
            return
        try:
            link = await self.interface.resume_study(entry.name)
        except StudyError as error:
            self.interface.report("error", f"{error.message}\n{error.hint}")
        else:
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
