"""The order, the filter and the columns of the history: chosen in dialogs, or by a click."""

from __future__ import annotations

from dataclasses import replace

from textual import on, work

from hyperllama.tui.content.arrange import SORTS
from hyperllama.tui.dialogs.arrangement import choose_columns, choose_filter, choose_sort
from hyperllama.tui.screens.study.panes import StudyPanes
from hyperllama.tui.widgets.lists.rows import Rows
from hyperllama.tui.widgets.study.history import COLUMNS, History
from hyperllama.tui.widgets.study.trial_cells import PARAM


class HistoryArranging(StudyPanes):
    """The part of the study screen that arranges the history."""

    @on(History.Arranged)
    def _arranged(self) -> None:
        history = self.query_one(History)
        columns = () if history.shown == COLUMNS else history.shown
        order = history.order
        self.remember(columns=columns, sort=order.sort, backwards=order.backwards)

    @on(Rows.HeaderClicked, "#history")
    def _sort_by_title(self, message: Rows.HeaderClicked) -> None:
        """A click on a column's title sorts by it, another one reverses that."""
        history = self.query_one(History)
        key, order = message.key.removeprefix(PARAM), history.order
        if key in SORTS or message.key != key:
            backwards = key == order.sort and not order.backwards
            history.show_arranged(replace(order, sort=key, backwards=backwards), history.shown)

    @on(History.DialogRequested)
    @work
    async def _arrange(self, message: History.DialogRequested) -> None:
        """Let the user choose another order, filter or columns of the history."""
        history, opened = self.query_one(History), self.state.opened
        names = [str(p.get("name")) for p in opened.space] if opened is not None else []
        order, shown = history.order, history.shown
        if message.dialog == "sort":
            order = await choose_sort(self.app, order, names)
        elif message.dialog == "filter":
            order = await choose_filter(self.app, order)
        else:
            shown = await choose_columns(self.app, shown, names)
        if (order, shown) != (history.order, history.shown):
            history.show_arranged(order, shown)
