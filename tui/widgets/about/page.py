"""The page of the first screen about the marked line: a study, a task or a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer

from hyperllama.core.text import plain
from hyperllama.tui.content import task_facts
from hyperllama.tui.content.library import StudyEntry, TaskEntry
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.sheet import Draw, Lines, Sheet

if TYPE_CHECKING:  # loaded when a study or a model is shown for the first time
    from hyperllama.models.gguf import Machine, ModelFile
    from hyperllama.tui.processes.bridge import FolderLink

_REST_S = 0.12  # how long the cursor rests on a study before its events are read
_BETWEEN_S = 0.03  # between two pieces of a long study's events, so that keys are answered
_KEPT = 6  # studies whose events are kept


class AboutPane(Vertical):
    """One page; a study's events are read in small pieces, and only what is new."""

    def __init__(self, *, glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id, classes="page")
        self.glyphs = glyphs
        self._links: dict[str, FolderLink] = {}
        self._entry: StudyEntry | None = None
        self._now = 0.0
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Sheet(id="about-sheet")

    def show_task(self, entry: TaskEntry, studies: Sequence[StudyEntry]) -> None:
        """A task file, and the scores reached on it."""
        from hyperllama.tui.widgets.about.task import task_lines

        facts, g = task_facts.read(entry.path), self.glyphs
        of_it = [s for s in studies if s.task == entry.name]
        self._show(entry.name, lambda w, h: task_lines(entry, facts, of_it, w, h, g))

    def show_model(self, model: ModelFile, here: Machine, studies: Sequence[StudyEntry]) -> None:
        """A model file in short; the models screen has the details."""
        from hyperllama.tui.widgets.about.model import about_lines
        from hyperllama.tui.widgets.about.model_cost import cost_lines
        from hyperllama.tui.widgets.lists.models import row_of

        g, row = self.glyphs, row_of(model, here)

        def draw(width: int, height: int) -> Lines:
            costs = cost_lines(row, here, None, width, g)
            about = about_lines(row, studies, width, height - len(costs) - 1, g)
            return [*about, Content(""), *costs]

        self._show(wording.model_name(model.path), draw)

    def show_nothing(self, words: str) -> None:
        self._show("", lambda w, h: [Content.styled(words, "$dim")])

    def _show(self, title: str, draw: Draw) -> None:
        self._entry = None
        self.border_title = Content(plain(title))
        self.query_one("#about-sheet", Sheet).show(draw)
        self._switch(study=False)

    def _switch(self, study: bool) -> None:
        self.query_one("#about-sheet").display = not study
        for page in self.query("#about-study"):
            page.display = study

    # Studies

    def show_study(self, entry: StudyEntry, now: float) -> None:
        """A study: its figures at once, its trials as soon as the cursor rests."""
        same = self._entry is not None and self._entry.name == entry.name
        self._entry, self._now = entry, now
        self.border_title = Content(entry.title)
        if not (same and self.reading):
            self._draw_study()
            self._read_after(_BETWEEN_S if same else _REST_S)

    @property
    def reading(self) -> bool:
        """Something of the marked study is still to be read."""
        return self._timer is not None

    def _read_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(seconds, self._read)

    def _read(self) -> None:
        """Read one more piece of the study's events."""
        self._timer = None
        entry = self._entry
        if entry is None or not self.display:
            return
        from hyperllama.tui.processes.bridge import FolderLink

        link = self._links.pop(entry.name, None) or FolderLink(entry.name)
        self._links[entry.name] = link  # the most recently used is the last
        while len(self._links) > _KEPT:
            del self._links[next(iter(self._links))]
        if link.poll():
            self._read_after(_BETWEEN_S)
        else:
            self._draw_study()

    def _draw_study(self) -> None:
        entry = self._entry
        if entry is None:
            return
        from hyperllama.tui.widgets.about.study import StudyPage

        pages = self.query(StudyPage)
        page = pages.first() if pages else StudyPage(glyphs=self.glyphs, id="about-study")
        link = self._links.get(entry.name)
        state = link.state if link is not None else None
        problem = ""
        if link is not None and state is not None and entry.state == "error":
            problem = plain(state.finished.message if state.finished else "") or link.last_output()
        page.show(entry, state, self._now, problem)
        if not pages:
            self.mount(page)
        self._switch(study=True)
