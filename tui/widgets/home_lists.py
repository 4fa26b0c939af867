"""The lists of the first screen: studies, tasks, models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.glyphs import UNICODE, Glyphs
from hyperllama.tui.library import StudyEntry, TaskEntry
from hyperllama.tui.widgets.rows import Column, Rows

if TYPE_CHECKING:
    from hyperllama.models.gguf import ModelFile

_STATES = ("running", "paused", "interrupted", "error", "stopped", "finished")
ORDERS: dict[str, Callable[[StudyEntry], tuple[object, ...]]] = {
    "last touched": lambda e: (-e.touched_t,),
    "name": lambda e: (e.title.casefold(), e.name),
    "gain": lambda e: (-(e.gain if e.gain is not None else float("-inf")),),
    "state": lambda e: (_STATES.index(e.state) if e.state in _STATES else 9, -e.touched_t),
    "task": lambda e: (e.task, -(e.best if e.best is not None else float("-inf"))),
}


class StudyList(Rows):
    """The studies, the last touched first."""

    NAME = "Studies"
    HELP = """\
Every study on this machine. `↵` opens one: live if it runs, else as it ended. A study whose \
process is gone stands as *interrupted*; `r` goes on with it, and no finished trial is lost.

`/` keeps those whose line has all the words you type, `o` sorts otherwise, `R` gives another \
title, `A` archives (and `.` shows the archived ones too), `d` deletes and `u` takes that back, \
`space` marks studies that `c` compares.

*gain* is how much better the best trial scores than the library's default configuration.
"""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.entries: list[StudyEntry] = []
        self.all: list[StudyEntry] = []
        self.now = 0.0
        self.order = "last touched"
        self.words = ""
        self.archived = False
        self.marked: set[str] = set()

    def show(self, entries: list[StudyEntry], now: float) -> None:
        """Draw these, as far as they pass the filter; the cursor stays on its study."""
        chosen = self.entry
        self.all, self.now = entries, now
        words = self.words.casefold().split()
        entries = sorted(
            (
                e
                for e in entries
                if (self.archived or not e.archived) and all(w in _line(e) for w in words)
            ),
            key=ORDERS[self.order],
        )
        self.entries = entries
        self.marked &= {e.name for e in self.all}
        names = [entry.name for entry in entries]
        if chosen is not None and chosen.name in names:
            self.set_reactive(Rows.cursor, names.index(chosen.name))
        self.rows_changed()

    def choose(self, name: str) -> None:
        """Put the cursor on that study, where it is shown, and take the focus."""
        at = next((i for i, entry in enumerate(self.entries) if entry.name == name), None)
        if at is not None:
            self.cursor = at
            self.focus()

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
            Column("touched", "touched", 10, right=True, drop=3),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        entry = self.entries[index]
        if key == "state":
            return self._state(entry.state)
        if key == "name":
            mark = f"{self.glyphs.best} " if entry.name in self.marked else ""
            old = " (archived)" if entry.archived else ""
            return Content.assemble((mark, "$best"), (entry.title, "bold"), (old, "$dim"))
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

    def told(self) -> str:
        """What is shown, in a few words, where it is not simply everything."""
        hidden = sum(e.archived for e in self.all) if not self.archived else 0
        parts = [
            f"sorted by {self.order}" if self.order != "last touched" else "",
            f'with "{plain(self.words)}"' if self.words else "",
            f"{hidden} archived" if hidden else "",
            f"{len(self.marked)} marked" if self.marked else "",
        ]
        return f" {self.glyphs.dot} ".join(p for p in parts if p)

    def empty(self) -> Content:
        if self.words:
            return Content.styled(" No study has all these words; / changes them.", "$dim")
        if self.all:
            return Content.styled(" All studies are archived; . shows them.", "$dim")
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
    LEAST = 34

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.entries: list[TaskEntry] = []
        self.about_elsewhere = False  # then a task is not told about in its line

    def show(self, entries: list[TaskEntry]) -> None:
        self.entries = entries
        self.rows_changed()

    @property
    def entry(self) -> TaskEntry | None:
        return self.entries[self.cursor] if 0 <= self.cursor < len(self.entries) else None

    def row_count(self) -> int:
        return len(self.entries)

    def columns(self) -> Sequence[Column]:
        name = max(8, min(20, max((len(e.name) for e in self.entries), default=0)))
        if self.about_elsewhere:
            return (
                Column("name", "task", name),
                Column("estimators", "estimators", 0),
                Column("trials", "trials", 6, right=True),
            )
        return (
            Column("name", "task", name),
            Column("estimators", "estimators", 22, drop=3),
            Column("trials", "trials", 6, right=True, drop=2),
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


class ModelList(Rows):
    """The models found, in a few words; the models screen has the rest."""

    NAME = "Models"
    HELP = """\
The language models (GGUF files) found on this machine. `↵` opens the models screen: memory, \
speed, settings, and which model is the default; ★ marks it.
"""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.models: list[ModelFile] | None = None
        self.default = ""

    def show(self, models: list[ModelFile], default: str) -> None:
        self.models, self.default = models, default
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.models or ())

    def columns(self) -> Sequence[Column]:
        return (
            Column("mark", "", 1, gap=1),
            Column("name", "model", 0),
            Column("weights", "weights", 7, right=True, drop=2),
            Column("size", "size", 7, right=True, drop=1),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        model = (self.models or [])[index]
        if key == "mark":
            here = str(model.path) == self.default or model.path.stem == self.default
            return Content.styled(self.glyphs.best if here else " ", "$best")
        if key == "name":
            return Content.styled(plain(model.path.stem), "$dim" if model.problem else "bold")
        if key == "weights":
            return Content.styled(wording.weights(model.parameters), "$dim")
        return Content.styled(wording.size(model.size_bytes), "$dim")

    def empty(self) -> Content:
        looking = " Looking for models" + self.glyphs.ellipsis
        none = " No GGUF file found; the models screen (m) says where to put one."
        return Content.styled(looking if self.models is None else none, "$dim")


def _line(entry: StudyEntry) -> str:
    """Everything of a study that a filter looks at."""
    parts = (entry.name, entry.title, entry.state, entry.task, entry.proposer, entry.model)
    return " ".join((*parts, entry.metric)).casefold()
