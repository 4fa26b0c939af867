"""The lists of the comparisons screen: the comparisons, and the queue of the marked one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from hyperllama.core.experiments import grid
from hyperllama.core.experiments.reading import CellFacts, Comparison
from hyperllama.core.text import counted, plain
from hyperllama.tui import actions
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.lists.listing import Listing, state_mark
from hyperllama.tui.widgets.lists.rows import ListColumn, Rows
from hyperllama.tui.widgets.sheet import bar

_BESIDE_TASK = 54  # cells of a queue's line with a bar, but for the name of the task
_WHAT_FOR = """\
 A comparison answers which model, or which proposer, is worth its seconds:

   every contender runs on every task under every seed,
   nothing is trained twice, and the queue continues after a restart;
   each difference is shown beside the spread over the seeds.

 It runs in a process of its own. For two studies that you have already:
 mark them on the first screen with space, then press c there."""


class ComparisonList(Listing[Comparison]):
    """One line a comparison."""

    NAME = "Comparisons"
    TITLE = "On this machine"
    HELP = """\
A comparison runs models and proposers on the same tasks under the same seeds. `n` makes one, `s` \
starts or stops it, `↵` shows the figures so far. It is a process of its own: it continues when \
this program is left, and after a restart of the machine `s` continues it.
"""

    def columns(self) -> Sequence[ListColumn]:
        return (
            ListColumn("state", "state", 10),
            ListColumn("name", "comparison", 0),
            ListColumn("what", "size", 34, drop=1),
            ListColumn("done", "trials", 11, right=True),
            ListColumn("left", "time left", 10, right=True),
        )

    def draw(self, entry: Comparison, key: str, width: int) -> Content:
        made = entry.grid
        if key == "state":
            running = entry.pid is not None
            state = "running" if running else "done" if entry.finished else "waits"
            return state_mark(state, self.glyphs)
        if key == "name":
            return Content.styled(plain(made.name), "bold")
        if key == "what":
            counts = (
                (len(made.contenders), "contender"), (len(made.tasks), "task"),
                (len(made.seeds), "seed"),
            )  # fmt: skip
            return Content.styled(", ".join(counted(*one) for one in counts), "$dim")
        if key == "done":
            return Content(f"{entry.done_trials}/{entry.trials}")
        left = None if entry.finished else entry.left_s
        return Content.styled("–" if left is None else wording.duration(left), "$dim")

    def empty(self) -> Content:
        return Content.assemble(
            (" No comparison yet. ", "bold"), "Press ", ("n", "bold $primary"),
            " to run models side by side on your tasks.\n\n", (_WHAT_FOR, "$dim"),
        )  # fmt: skip


class CellQueue(Listing[CellFacts]):
    """The cells of a comparison in the order in which they run."""

    NAME = "Queue"
    HELP = """\
One line a cell: a contender on a task under a seed. `J` and `K` move the marked cell, `f` puts it \
first, `x` leaves it out or includes it again; what runs already is not changed.
"""
    WHERE = "queue"
    BINDINGS: ClassVar[list[BindingType]] = [*Rows.BINDINGS, *actions.bindings("queue")]
    budget = 0
    comparison = ""  # its name

    def show_cells(self, found: Comparison | None) -> None:
        if found is not None:
            self.budget, self.comparison = found.grid.budget, found.grid.name
        self.show(found.cells if found is not None else ())

    def columns(self) -> Sequence[ListColumn]:
        longest = max((len(c.cell.task) for c in self.entries), default=0)
        task = max(8, min(20, longest))
        bars = self.size.width >= _BESIDE_TASK + task
        return (
            ListColumn("state", "state", 12),
            ListColumn("contender", "contender", 0),
            ListColumn("task", "task", task, drop=2),
            ListColumn("seed", "seed", 4, right=True, drop=1),
            ListColumn("bar", "trials", 16 if bars else 6, right=not bars, drop=3),
            ListColumn("best", "best", 8, right=True, drop=4),
        )

    def draw(self, entry: CellFacts, key: str, width: int) -> Content:
        if key == "state":
            return state_mark(entry.state, self.glyphs)
        if key == "contender":
            style = "$dim" if entry.state == "skipped" else "bold"
            error = f"  {plain(entry.error)}" if entry.error else ""
            return Content.assemble((plain(entry.cell.contender), style), (error, "$bad"))
        if key == "task":
            return Content.styled(plain(entry.cell.task), "$dim")
        if key == "seed":
            return Content.styled(str(entry.cell.seed), "$dim")
        if key == "best":
            return Content(wording.score(entry.best_after(self.budget)))
        done = len(entry.trials)
        if width < 16:
            return Content.styled(f"{done}/{self.budget}", "$dim")
        filled = bar(done / max(1, self.budget), width - 6, self.glyphs)
        return Content.assemble(filled, (f" {done}/{self.budget}", "$dim"))

    def empty(self) -> Content:
        return Content.styled(" The queue of the marked comparison.", "$dim")

    def _ids(self) -> list[str]:
        return [c.cell.id for c in self.entries]

    def _changed(self, cell_id: str) -> None:
        """Tell the screen at which place the changed cell is now."""
        order = [c.id for c in grid.load_grid(self.comparison).cells]
        self.post_message(self.Chosen(self, order.index(cell_id)))

    def _swap(self, by: int) -> None:
        ids, there = self._ids(), self.cursor + by
        if self.entry is not None and 0 <= there < len(ids):
            ids[self.cursor], ids[there] = ids[there], ids[self.cursor]
            grid.reorder(self.comparison, ids)
            self._changed(self.entry.cell.id)

    def action_later(self) -> None:
        self._swap(1)

    def action_earlier(self) -> None:
        self._swap(-1)

    def action_top(self) -> None:
        if (entry := self.entry) is not None:
            grid.move(self.comparison, lambda c: c.id == entry.cell.id)
            self._changed(entry.cell.id)

    def action_skip(self) -> None:
        if (entry := self.entry) is not None:
            skipped = not entry.cell.skipped
            grid.skip(self.comparison, lambda c: c.id == entry.cell.id, skipped)
            self._changed(entry.cell.id)
