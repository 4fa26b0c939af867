"""The comparisons on this machine, each with its queue: start, stop, reorder, leave cells out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.experiments import grid
from hyperllama.core.experiments.reading import CellFacts, Comparison, all_comparisons
from hyperllama.core.text import plain
from hyperllama.tui import actions, bridge, wording
from hyperllama.tui.glyphs import UNICODE, Glyphs
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.about_comparison import standing_lines
from hyperllama.tui.widgets.rows import Column, Rows
from hyperllama.tui.widgets.sheet import Lines, Sheet

REFRESH_S = 1.0
_WIDE = 110  # cells from which the standing is beside the queue
_NOTHING: Lines = []


_WHAT_FOR = """\
 A comparison answers which model, or which proposer, is worth its seconds:

   every contender runs on every task under every seed,
   nothing is trained twice, and the queue goes on after a restart;
   each difference is told beside the spread over the seeds, so that luck shows.

 It runs in a process of its own. For two studies that you have already:
 mark them on the first screen with space, then press c there."""


class ComparisonList(Rows):
    """One line a comparison."""

    NAME = "Comparisons"
    HELP = """\
A comparison runs models and proposers on the same tasks under the same seeds. `n` makes one, `s` \
starts or stops it, `↵` shows the figures so far. It is a process of its own: it goes on when this \
program is left, and after a restart of the machine `s` goes on where it was.
"""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.found: list[Comparison] | None = None

    def show(self, found: list[Comparison]) -> None:
        self.found = found
        self.rows_changed()

    @property
    def comparison(self) -> Comparison | None:
        found = self.found or []
        return found[self.cursor] if 0 <= self.cursor < len(found) else None

    def row_count(self) -> int:
        return len(self.found or ())

    def columns(self) -> Sequence[Column]:
        return (
            Column("state", "state", 10),
            Column("name", "comparison", 0),
            Column("what", "what", 34, drop=1),
            Column("done", "trials", 11, right=True),
            Column("left", "time left", 10, right=True),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        one = (self.found or [])[index]
        g = self.glyphs
        if key == "state":
            if one.pid is not None:
                return Content.styled(f"{g.running} running", "$primary")
            if one.finished:
                return Content.styled(f"{g.done} done", "$good")
            return Content.styled(f"{g.waiting} waits", "$dim")
        if key == "name":
            return Content.styled(plain(one.grid.name), "bold")
        if key == "what":
            what = (
                f"{len(one.grid.contenders)} contenders, {len(one.grid.tasks)} tasks, "
                f"{len(one.grid.seeds)} seeds"
            )
            return Content.styled(what, "$dim")
        if key == "done":
            return Content(f"{one.done_trials}/{one.trials}")
        left = None if one.finished else one.left_s
        return Content.styled("–" if left is None else wording.duration(left), "$dim")

    def empty(self) -> Content:
        return Content.assemble(
            (" No comparison yet. ", "bold"), "Press ", ("n", "bold $primary"),
            " to run models side by side on your tasks.\n\n",
            (_WHAT_FOR, "$dim"),
        )  # fmt: skip


class Queue(Rows):
    """The cells of a comparison in the order they are worked off."""

    NAME = "Queue"
    HELP = """\
One line a cell: a contender on a task under a seed. `J` and `K` move the marked cell, `f` puts it \
first, `x` leaves it out or takes it in again; what runs already is not touched.
"""
    WHERE = "queue"
    BINDINGS: ClassVar[list[BindingType]] = [*Rows.BINDINGS, *actions.bindings("queue")]

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.cells: list[CellFacts] = []
        self.budget = 0
        self.name_of = ""

    def show(self, found: Comparison | None) -> None:
        self.cells = list(found.cells) if found is not None else []
        self.budget = found.grid.budget if found is not None else 0
        self.name_of = found.grid.name if found is not None else ""
        self.rows_changed()

    @property
    def cell_facts(self) -> CellFacts | None:
        return self.cells[self.cursor] if 0 <= self.cursor < len(self.cells) else None

    def row_count(self) -> int:
        return len(self.cells)

    def columns(self) -> Sequence[Column]:
        longest = max((len(c.cell.task) for c in self.cells), default=0)
        return (
            Column("state", "state", 12),
            Column("contender", "contender", 0),
            Column("task", "task", max(8, min(20, longest)), drop=2),
            Column("seed", "seed", 4, right=True, drop=3),
            Column("bar", "trials", 16, drop=1),
            Column("best", "best", 8, right=True, drop=4),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        facts = self.cells[index]
        g = self.glyphs
        if key == "state":
            sign, style = {
                "running": (g.running, "$primary"),
                "done": (g.done, "$good"),
                "failed": (g.failed, "$bad"),
                "skipped": (g.stopped, "$faint"),
                "broken off": (g.paused, "$best"),
            }.get(facts.state, (g.waiting, "$dim"))
            return Content.styled(f"{sign} {facts.state}", style)
        if key == "contender":
            style = "$dim" if facts.state == "skipped" else "bold"
            error = f"  {plain(facts.error)}" if facts.error else ""
            return Content.assemble((plain(facts.cell.contender), style), (error, "$bad"))
        if key == "task":
            return Content.styled(plain(facts.cell.task), "$dim")
        if key == "seed":
            return Content.styled(str(facts.cell.seed), "$dim")
        if key == "best":
            return Content(wording.score(facts.best_after(self.budget)))
        room = width - 6
        filled = round(room * len(facts.trials) / max(1, self.budget))
        return Content.assemble(
            (g.bar * min(room, filled), "$primary"),
            (g.track * max(0, room - filled), "$faint"),
            (f" {len(facts.trials)}/{self.budget}", "$dim"),
        )

    def empty(self) -> Content:
        return Content.styled(" The queue of the marked comparison.", "$dim")

    def _change(self, what: str) -> None:
        facts = self.cell_facts
        if facts is None:
            return
        ids = [c.cell.id for c in self.cells]
        here, one = ids.index(facts.cell.id), facts.cell.id
        if what == "skip":
            grid.skip(self.name_of, lambda c: c.id == one, not facts.cell.skipped)
        elif what == "first":
            grid.move(self.name_of, lambda c: c.id == one)
        else:
            there = here + (1 if what == "later" else -1)
            if 0 <= there < len(ids):
                ids[here], ids[there] = ids[there], ids[here]
                grid.reorder(self.name_of, ids)
        order = {c.id: i for i, c in enumerate(grid.load_grid(self.name_of).cells)}
        self.post_message(self.Chosen(self, order[one]))

    def action_later(self) -> None:
        self._change("later")

    def action_earlier(self) -> None:
        self._change("earlier")

    def action_top(self) -> None:
        self._change("first")

    def action_skip(self) -> None:
        self._change("skip")


class Comparisons(BaseScreen[None]):
    """Comparisons above, the queue of the marked one below."""

    WHERE = "comparisons"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("comparisons")]

    def compose(self) -> ComposeResult:
        g = self.glyphs
        told = "   which model, or which proposer, is worth its seconds"
        title = Content.assemble(("Comparisons", "bold $primary"), (told, "$dim"))
        yield Static(title, id="compare-title")
        with Container(id="comparisons-panes"):
            found = ComparisonList(glyphs=g, id="comparisons-list")
            found.border_title = "On this machine"
            queue = Queue(glyphs=g, id="comparisons-queue")
            queue.border_title = "Queue"
            yield found
            with Horizontal(id="comparisons-below"):
                yield queue
                standing = Sheet(id="comparisons-standing", classes="page")
                standing.border_title = "Standing"
                yield standing
        yield self.key_bar()

    def on_mount(self) -> None:
        self.query_one(ComparisonList).focus()
        self.refresh_comparisons()
        self.set_interval(REFRESH_S, self.refresh_comparisons)

    @on(Rows.Moved, "#comparisons-list")
    def refresh_comparisons(self) -> None:
        """Read the folders again and draw; the cursor stays on its comparison."""
        if not self.is_current:
            return
        found = self.query_one(ComparisonList)
        name = found.comparison.grid.name if found.comparison is not None else ""
        fresh = all_comparisons()
        names = [c.grid.name for c in fresh]
        if name in names:
            found.set_reactive(Rows.cursor, names.index(name))
        found.show(fresh)
        self.query_one(Queue).show(found.comparison)
        one, glyphs, now = found.comparison, self.glyphs, self.interface.clock()
        self.set_class(self.size.width >= _WIDE, "-wide")
        self.query_one(Sheet).show(
            lambda w, h: standing_lines(one, now, w, h, glyphs) if one is not None else _NOTHING
        )
        self.query_one("#comparisons-below").display = bool(fresh)
        found.styles.height = max(4, min(len(fresh) + 3, 12)) if fresh else "1fr"
        self.refresh_keys()

    def on_resize(self) -> None:
        self.refresh_comparisons()

    @property
    def comparison(self) -> Comparison | None:
        return self.query_one(ComparisonList).comparison

    def label_of(self, action: actions.Action) -> str:
        one = self.comparison if self.is_mounted else None
        if action.name in ("open", "start", "section") and one is None:
            return ""
        if action.name == "start" and one is not None:
            return "stop" if one.pid is not None else "" if one.finished else "start"
        return action.label

    @on(Rows.Chosen, "#comparisons-list")
    def action_open(self) -> None:
        if self.comparison is not None:
            self.interface.open_screen("comparison", self.comparison.grid.name)

    @on(Rows.Chosen, "#comparisons-queue")
    def _moved(self, event: Rows.Chosen) -> None:
        self.refresh_comparisons()
        self.query_one(Queue).cursor = event.index

    def action_section(self) -> None:
        queue = self.query_one(Queue)
        if not queue.cells:
            return
        (self.query_one(ComparisonList) if queue.has_focus else queue).focus()

    @work(group="start", exclusive=True)
    async def action_start(self) -> None:
        one = self.comparison
        if one is None:
            return
        if one.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one.pid, signal.SIGINT)
            self.app.notify("It stops after the trial under way.", timeout=3)
        else:
            await self._run(one.grid.name)

    async def _run(self, name: str) -> None:
        """Start the process that works the queue off; it outlives this one."""
        log = grid.comparison_folder(name) / "compare.log"
        try:
            with log.open("ab") as output:
                self._working = bridge.Started([*bridge.COMMAND, "compare", name], output)
        except OSError as error:
            self.interface.report("error", f"The comparison did not start: {error}")
        await asyncio.sleep(0.2)
        self.refresh_comparisons()

    @work(group="new", exclusive=True)
    async def action_new(self) -> None:
        wanted = await self.interface.ask_screen("new comparison")
        if wanted is None:
            return
        try:
            made = await asyncio.to_thread(wanted.make)
        except HyperLlamaError as error:
            self.interface.report_error(error)
            return
        self.query_one(ComparisonList).set_reactive(Rows.cursor, 0)
        self.refresh_comparisons()
        if wanted.start:
            await self._run(made.name)

    def action_back(self) -> None:
        self.dismiss(None)
