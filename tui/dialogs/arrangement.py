"""Dialogs that arrange the history: order, filter, columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textual.app import App

from hyperllama.tui.content.arrange import SORTS, Order, parse
from hyperllama.tui.dialogs.pick import PickDialog
from hyperllama.tui.dialogs.prompt import PromptDialog
from hyperllama.tui.widgets.study.history import COLUMN_HELP
from hyperllama.tui.widgets.study.trial_cells import PARAM


async def choose_sort(app: App[Any], order: Order, names: Sequence[str]) -> Order:
    """Choose what to sort by, `names` are hyperparameters; the present choice is reversed."""
    options = [(key, key, about) for key, about in SORTS.items()]
    options += [(n, n, "by its value") for n in names if n not in SORTS]
    chosen = await app.push_screen_wait(PickDialog("Sort by", options, [order.sort]))
    if not chosen:
        return order
    backwards = chosen[0] == order.sort and not order.backwards
    return replace(order, sort=chosen[0], backwards=backwards)


async def choose_filter(app: App[Any], order: Order) -> Order:
    """Write a filter."""
    text = await app.push_screen_wait(
        PromptDialog(
            "Filter",
            "Words, failed, best, noted, score>0.85, max_depth<=4, by=tpe; -word leaves out. "
            "An empty line shows all trials.",
            order.text,
            "score>0.85 max_depth<=4 -tpe",
            check=lambda line: found if isinstance(found := parse(line), str) else "",
            send="show",
        )
    )
    return order if text is None else replace(order, text=text)


async def choose_columns(
    app: App[Any], shown: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """Mark columns; each hyperparameter in `names` may have its own."""
    options = [(key, key, about) for key, about in COLUMN_HELP.items()]
    options += [(PARAM + n, n, "a column of its own") for n in names]
    chosen = await app.push_screen_wait(PickDialog("Columns", options, shown, many=True))
    return tuple(shown if chosen is None else chosen)
