"""How a person arranged the study screen, see `settings.Layout`."""

from __future__ import annotations

from hyperllama.tui.content.arrange import Order
from hyperllama.tui.preferences import settings
from hyperllama.tui.preferences.settings import SHARES, Layout

STEP = 5  # per cent
keep = settings.keep_layout


def read() -> Layout:
    """The layout as it was kept, or the default one."""
    return settings.read().layout


def order(layout: Layout) -> Order:
    """The order of the history; a filter is never kept."""
    return Order(layout.sort, layout.backwards)


def share(percent: int) -> int:
    """A share of the screen that leaves every pane some room."""
    return max(SHARES[0], min(SHARES[-1], percent))
