"""How a person arranged the study screen: kept in one small file and found again at the next start.

What cannot be read is as if it were not there; what cannot be written is not kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from hyperllama.core.storage.folder import write_atomically
from hyperllama.tui import preferences
from hyperllama.tui.arrange import Order

LEAST_SHARE, MOST_SHARE, STEP = 20, 80, 5  # per cent


@dataclass(frozen=True)
class Layout:
    """What is remembered.

    Attributes:
        side: the pane beside the history where not all have room.
        lower: the pane below the history where all have room: "reasoning" or "talk".
        maximised: the pane that has the screen to itself, or "".
        left: width of the left column, per cent.
        upper: height of the history, per cent of its column.
        plot: height of the progress pane, per cent of what it shares with the belief.
        view: of the progress pane.
        columns: of the history; empty: the usual ones.
        sort, backwards: of the history.
        text: the study as plain lines of text.
    """

    side: str = "reasoning"
    lower: str = "reasoning"
    maximised: str = ""
    left: int = 64
    upper: int = 50
    plot: int = 65
    view: str = "best"
    columns: tuple[str, ...] = ()
    sort: str = "number"
    backwards: bool = False
    text: bool = False

    @property
    def order(self) -> Order:
        """The order of the history; a filter is never kept."""
        return Order(self.sort, self.backwards)


def file() -> Path:
    return preferences.folder() / "study.json"


def read() -> Layout:
    """The layout as it was kept, or the usual one."""
    try:
        table = json.loads(file().read_text("utf8"))
    except (OSError, ValueError):
        return Layout()
    if not isinstance(table, dict):
        return Layout()
    usual = Layout()
    kept: dict[str, Any] = {}
    for field in fields(Layout):
        value, known = table.get(field.name), getattr(usual, field.name)
        if field.name == "columns" and isinstance(value, list):
            kept["columns"] = tuple(str(v) for v in value)
        elif type(value) is type(known):
            kept[field.name] = value
    layout = Layout(**kept)
    return Layout(**{**vars(layout), **{n: share(getattr(layout, n)) for n in _SHARES}})


_SHARES = ("left", "upper", "plot")


def share(percent: int) -> int:
    """A share within what leaves every pane something."""
    return max(LEAST_SHARE, min(MOST_SHARE, percent))


def keep(layout: Layout) -> None:
    """Write the layout for the next start."""
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file(), json.dumps(asdict(layout), indent=1) + "\n")
    except OSError:
        return  # a full disk must not hinder anyone who resizes a pane
