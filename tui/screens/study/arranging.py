"""The order, the filter and the columns of the history: chosen in dialogs, or by a click."""

from __future__ import annotations

from dataclasses import replace

from textual import on, work

from hyperllama.tui.content.arrange import SORTS, Order
from hyperllama.tui.dialogs.arrangement import choose_columns, choose_filter, choose_sort
from hyperllama.tui.screens.study.panes import StudyPanes
from hyperllama.tui.widgets.lists.rows import Rows
from hyperllama.tui.widgets.study.history import COLUMNS, History
from hyperllama.tui.widgets.study.trial_cells import PARAM


class HistoryArranging(StudyPanes):
    """The part of the study screen that arranges the history, whatever has the focus."""

    @work
    async def action_sort(self) -> None:
        order = self.query_one(History).order
        self._arrange(order=await choose_sort(self.app, order, self._names()))

    @work
    async def action_filter(self) -> None:
        order = self.query_one(History).order
        self._arrange(order=await choose_filter(self.app, order))

    @work
    async def action_columns(self) -> None:
        shown = self.query_one(History).shown
        self._arrange(shown=await choose_columns(self.app, shown, self._names()))

    def _names(self) -> list[str]:
        """The hyperparameters."""
        opened = self.state.opened
        return [str(p.get("name")) for p in opened.space] if opened is not None else []

    def _arrange(self, order: Order | None = None, shown: tuple[str, ...] | None = None) -> None:
        """Give the history another order or other columns."""
        history = self.query_one(History)
        wanted = (order or history.order, shown or history.shown)
        if wanted != (history.order, history.shown):
            history.show_arranged(*wanted)

    @on(History.Arranged)
    def _arranged(self) -> None:
        history = self.query_one(History)
        columns = () if history.shown == COLUMNS else history.shown
        self.interface.orders[self.link.name] = replace(history.order, text="")
        self.remember(columns=columns)

    @on(Rows.HeaderClicked, "#history")
    def _sort_by_title(self, message: Rows.HeaderClicked) -> None:
        """A click on a column's title sorts by it, another one reverses that."""
        order = self.query_one(History).order
        key = message.key.removeprefix(PARAM)
        if key in SORTS or message.key != key:
            backwards = key == order.sort and not order.backwards
            self._arrange(order=replace(order, sort=key, backwards=backwards))
