"""The lists of the first screen: studies, tasks, models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui.content.library import StudyEntry, TaskEntry
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.lists.listing import Listing, state_mark
from hyperllama.tui.widgets.lists.rows import ListColumn, Rows

if TYPE_CHECKING:
    from hyperllama.models.gguf import ModelFile

_STATES = ("running", "paused", "interrupted", "error", "stopped", "finished")
ORDERS: dict[str, Callable[[StudyEntry], tuple[object, ...]]] = {
    "last change": lambda e: (-e.changed_t,),
    "name": lambda e: (e.title.casefold(), e.name),
    "gain": lambda e: (-(e.gain if e.gain is not None else float("-inf")),),
    "state": lambda e: (_STATES.index(e.state) if e.state in _STATES else 9, -e.changed_t),
    "task": lambda e: (e.task, -(e.best if e.best is not None else float("-inf"))),
}


class StudyList(Listing[StudyEntry]):
    """The studies, the most recent first."""

    NAME = "Studies"
    HELP = """\
Every study on this machine. `↵` opens one: live while it runs, else as it ended. A study that no \
process owns is *interrupted*; `r` resumes it, and no finished trial is lost.

`/` shows only the studies that contain all the words you type, `o` changes the order, `R` \
renames, `A` archives (and `.` shows the archived ones), `d` deletes and `u` undoes that, `space` \
marks studies that `c` compares.

*gain* is how much better than the library's default configuration: of a finished study as confirmed
on fresh folds (0 where the default stays), else of the best trial so far.
"""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.all: list[StudyEntry] = []
        self.now = 0.0
        self.order = "last change"
        self.words = ""
        self.archived = False
        self.marked: set[str] = set()

    def show_studies(self, studies: list[StudyEntry], now: float) -> None:
        """Draw those that pass the filter; the cursor stays on its study."""
        chosen = self.entry
        self.all, self.now = studies, now
        words = self.words.casefold().split()
        shown = [e for e in studies if self.archived or not e.archived]
        shown = [e for e in shown if all(word in _searched(e) for word in words)]
        shown.sort(key=ORDERS[self.order])
        self.marked &= {e.name for e in studies}
        names = [entry.name for entry in shown]
        if chosen is not None and chosen.name in names:
            self.set_reactive(Rows.cursor, names.index(chosen.name))
        self.show(shown)

    def choose(self, name: str) -> None:
        """Put the cursor on that study, where it is shown, and take the focus."""
        at = next((i for i, entry in enumerate(self.entries) if entry.name == name), None)
        if at is not None:
            self.cursor = at
            self.focus()

    def columns(self) -> Sequence[ListColumn]:
        return (
            ListColumn("state", "state", 13),
            ListColumn("name", "study", 0),
            ListColumn("task", "task", 22, drop=5),
            ListColumn("by", "proposer", 26, drop=6),
            ListColumn("metric", "metric", 18, drop=4),
            ListColumn("best", "best", 8, right=True),
            ListColumn("gain", "gain", 8, right=True, drop=2),
            ListColumn("trials", "trials", 7, right=True, drop=1),
            ListColumn("changed", "changed", 10, right=True, drop=3),
        )

    def draw(self, entry: StudyEntry, key: str, width: int) -> Content:
        if key == "state":
            return state_mark(entry.state, self.glyphs)
        if key == "name":
            mark = f"{self.glyphs.chosen} " if entry.name in self.marked else ""
            old = " (archived)" if entry.archived else ""
            return Content.assemble((mark, "$accent"), (entry.title, "bold"), (old, "$dim"))
        if key == "task":
            return Content.styled(entry.task.rpartition("/")[2], "$dim")
        if key == "by":
            model = wording.model_name(entry.model)
            sep = f" {self.glyphs.dot} "
            return Content.styled(sep.join(filter(None, (entry.proposer, model))), "$dim")
        if key == "metric":
            return Content.styled(entry.metric, "$dim")
        if key == "best":
            return Content(wording.score(entry.best))
        if key == "gain":
            style = wording.gain_style(entry.beyond_noise)
            return Content.styled(wording.signed(entry.gain), style)
        if key == "trials":
            total = f"/{entry.budget}" if entry.budget else ""
            return Content(f"{entry.trials}{total}")
        return Content.styled(wording.ago(max(0.0, self.now - entry.changed_t)), "$dim")

    def summary(self) -> str:
        """Order, filter and marks in a few words, where they are not the default."""
        hidden = sum(e.archived for e in self.all) if not self.archived else 0
        parts = [
            f"sorted by {self.order}" if self.order != "last change" else "",
            f'with "{plain(self.words)}"' if self.words else "",
            f"{hidden} archived" if hidden else "",
            f"{len(self.marked)} marked" if self.marked else "",
        ]
        return f" {self.glyphs.dot} ".join(p for p in parts if p)

    def empty(self) -> Content:
        if self.words:
            return Content.styled(" No study contains all these words; / changes them.", "$dim")
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


class TaskList(Listing[TaskEntry]):
    """Task files that can be run at once."""

    NAME = "Tasks"
    HELP = """\
Task files: those that come with HyperLlama, and those in the folder it was started in. `↵` runs \
one as it is; `space` shows the file, where model, proposer and budget can be chosen first. \
`e` opens one in the form, `n` begins with a table of yours.
"""
    LEAST = 34
    described = False  # the page beside the list has the description

    def columns(self) -> Sequence[ListColumn]:
        name = max(8, min(20, max((len(e.name) for e in self.entries), default=0)))
        if self.described:
            return (
                ListColumn("name", "task", name),
                ListColumn("estimators", "estimators", 0),
                ListColumn("trials", "trials", 6, right=True),
            )
        return (
            ListColumn("name", "task", name),
            ListColumn("estimators", "estimators", 22, drop=3),
            ListColumn("trials", "trials", 6, right=True, drop=2),
            ListColumn("about", "about", 0, drop=1),
        )

    def draw(self, entry: TaskEntry, key: str, width: int) -> Content:
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


class ModelList(Listing["ModelFile"]):
    """The models found; the models screen has the details."""

    NAME = "Models"
    HELP = """\
The language models (GGUF files) found on this machine. `↵` opens the models screen: memory, \
speed, settings, and which model is the default; ◆ marks it.
"""

    default = ""  # path or name of the model for new studies
    searched = False

    def show_models(self, models: list[ModelFile], default: str) -> None:
        self.searched, self.default = True, default
        self.show(models)

    def columns(self) -> Sequence[ListColumn]:
        return (
            ListColumn("mark", "", 1, gap=1),
            ListColumn("name", "model", 0),
            ListColumn("weights", "weights", 7, right=True, drop=2),
            ListColumn("size", "size", 7, right=True, drop=1),
        )

    def draw(self, model: ModelFile, key: str, width: int) -> Content:
        if key == "mark":
            here = self.default in (str(model.path), wording.model_name(model.path))
            return Content.styled(self.glyphs.chosen if here else " ", "$accent")
        if key == "name":
            name = wording.model_among(model.path, (m.path for m in self.entries))
            return Content.styled(name, "$dim" if model.problem else "bold")
        if key == "weights":
            return Content.styled(wording.weights(model.parameters), "$dim")
        return Content.styled(wording.size(model.size_bytes), "$dim")

    def empty(self) -> Content:
        searching = " Searching for models" + self.glyphs.ellipsis
        none = " No GGUF file found; the models screen (m) says where to put one."
        return Content.styled(none if self.searched else searching, "$dim")


def _searched(entry: StudyEntry) -> str:
    """The text of a study that the filter searches."""
    parts = (entry.name, entry.title, entry.state, entry.task, entry.proposer, entry.model)
    return " ".join((*parts, entry.metric)).casefold()
