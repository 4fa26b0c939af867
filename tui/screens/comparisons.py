"""The comparisons on this machine, each with its queue: start, stop, reorder, leave cells out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.experiments import grid
from hyperllama.core.experiments.reading import Comparison, all_comparisons
from hyperllama.core.storage.folder import holder
from hyperllama.tui import actions
from hyperllama.tui.processes import bridge
from hyperllama.tui.processes.started import Started
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.about.comparison import standing_lines
from hyperllama.tui.widgets.lists.comparisons import CellQueue, ComparisonList
from hyperllama.tui.widgets.lists.rows import Rows
from hyperllama.tui.widgets.sheet import Lines, Sheet

REFRESH_S = 1.0
_WIDE = 110  # cells from which the standing is beside the queue
_NOTHING: Lines = []
_PATIENCE = 40  # looks, 50 ms apart, at which process a comparison that has begun is


class Comparisons(BaseScreen[None]):
    """Comparisons above, the queue of the marked one below."""

    WHERE = "comparisons"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("comparisons")]

    def compose(self) -> ComposeResult:
        told = "   which model, or which proposer, is worth its seconds"
        title = Content.assemble(("Comparisons", "bold $primary"), (told, "$dim"))
        yield Static(title, id="compare-title")
        with Container(id="comparisons-panes"):
            yield ComparisonList(id="comparisons-list")
            with Horizontal(id="comparisons-below"):
                yield CellQueue(id="comparisons-queue")
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
        name = found.entry.grid.name if found.entry is not None else ""
        fresh = all_comparisons()
        names = [c.grid.name for c in fresh]
        if name in names:
            found.set_reactive(Rows.cursor, names.index(name))
        found.show(fresh)
        self.query_one(CellQueue).show_cells(found.entry)
        one, glyphs, now = found.entry, self.glyphs, self.interface.clock()
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
        return self.query_one(ComparisonList).entry

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
        self.query_one(CellQueue).cursor = event.index

    def action_section(self) -> None:
        queue = self.query_one(CellQueue)
        if not queue.entries:
            return
        (self.query_one(ComparisonList) if queue.has_focus else queue).focus()

    @work(group="start", exclusive=True)
    async def action_start(self) -> None:
        one = self.comparison
        if one is None:
            return
        if one.pid is None:
            await self._run(one.grid.name)
            return
        pid: int | None = one.pid
        for _ in range(_PATIENCE):
            if pid != 0:  # it has begun, and not yet said which process it is
                break
            await asyncio.sleep(0.05)
            pid = holder(one.grid.folder)
        if pid == 0:
            self.interface.report("error", "Which process runs the comparison is not known.")
        elif pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGINT)
            self.app.notify("It stops after the running trial.", timeout=3)

    async def _run(self, name: str) -> None:
        """Start the process that runs the queue; it outlives this one."""
        log = grid.comparison_folder(name) / "compare.log"
        try:
            with log.open("ab") as output:
                self._working = Started([*bridge.COMMAND, "compare", name], output)
        except OSError as error:
            self.interface.report("error", f"The comparison did not start: {error}")
        await asyncio.sleep(0.2)
        self.refresh_comparisons()

    @work(group="new", exclusive=True)
    async def action_new(self) -> None:
        plan = await self.interface.ask_screen("new comparison")
        if plan is None:
            return
        self.query_one(ComparisonList).set_reactive(Rows.cursor, 0)
        self.refresh_comparisons()
        if plan.start:
            await self._run(plan.name)

    def action_back(self) -> None:
        self.dismiss(None)
