"""Side by side: two to eight studies, or the contenders of a comparison task by task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.errors import StudyError
from hyperllama.core.experiments.reading import read_comparison
from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.content import sides, standing
from hyperllama.tui.content.sides import Side
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.about.sides import worth_lines
from hyperllama.tui.widgets.lists.sides import SideTable, Winners
from hyperllama.tui.widgets.plots.curves import Curves
from hyperllama.tui.widgets.sheet import Sheet

REFRESH_S = 1.0
_WIDE, _TALL = 110, 34  # cells from which panes stand beside, and plots below each other
_SECONDS = "#compare-seconds"


class Compare(BaseScreen[None]):
    """Curves above, figures below them, the winners beside; read again once a second."""

    WHERE = "compare"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("compare")]

    def __init__(
        self, title: str, read: Callable[[], dict[str, list[Side]]], apart: str = ""
    ) -> None:
        """`read`: the sides by task, each a page; one page needs no name.

        `apart`: what is said of several pages that do not belong to one comparison.
        """
        super().__init__()
        self._title, self._read, self._apart = title, read, apart
        self.pages: dict[str, list[Side]] = {}
        self.page = 0
        self.over = "trials"
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        g = self.glyphs
        yield Static(id="compare-title")
        with Container(id="compare-top"):
            with Container(id="compare-left"):
                yield Curves(glyphs=g, id="compare-curves")
                yield Curves(glyphs=g, id="compare-seconds")
            with Container(id="compare-right"):
                worth = Sheet(id="compare-worth", classes="page")
                worth.border_title = "Worth its seconds?"
                yield Winners(id="compare-winners")
                yield worth
        yield SideTable(id="compare-table")
        yield Static(id="compare-words")
        yield self.key_bar()

    def on_mount(self) -> None:
        self.query_one(SideTable).focus()
        self.refresh_sides()
        self.set_interval(REFRESH_S, self.refresh_sides)

    def refresh_sides(self) -> None:
        """Read again and draw."""
        try:
            fresh = self._read()
        except StudyError as error:
            self.interface.report_error(error)
            self.dismiss(None)
            return
        drawn = (self.size, self.page, self.over)
        if fresh == self.pages and drawn == self._drawn:
            return
        self.pages, self._drawn = fresh, drawn
        names = list(self.pages)
        self.page = min(self.page, max(0, len(names) - 1))
        shown = self.pages[names[self.page]] if names else []
        self._curves(shown)
        self.query_one(SideTable).show(shown)
        self.query_one(Winners).show_sides(shown)
        glyphs = self.glyphs
        self.query_one("#compare-worth", Sheet).show(lambda w, h: worth_lines(shown, w, glyphs))
        rows = len(self.query_one(Winners).entries)
        self.query_one(Winners).styles.height = min(rows + 3, self._half()) if self.wide else "1fr"
        self.query_one(SideTable).styles.height = min(len(shown) + 3, 12)
        self.query_one("#compare-words", Static).update(
            Content.assemble(
                plain(standing.in_words(shown)),
                (f" {self._apart}" if len(names) > 1 and self._apart else "", "$dim"),
            )
        )
        parts: list[Content | str | tuple[str, str]] = [
            Content.styled("Compare", "bold $primary"), f"   {plain(self._title)}   "
        ]  # fmt: skip
        if self._apart and len(names) > 1:
            of = f"  page {self.page + 1} of {len(names)}"
            of += f"   {self._apart}" if self.wide else ""
            parts += [Content.styled(plain(names[self.page]), "bold"), (of, "$dim")]
            names = []
        for number, name in enumerate(names):
            if name:
                style = "bold underline" if number == self.page else "$dim"
                parts += [Content.styled(plain(name), style), "   "]
        self.query_one("#compare-title", Static).update(Content.assemble(*parts))
        self.refresh_keys()

    @property
    def wide(self) -> bool:
        return self.has_class("-wide")

    def _half(self) -> int:
        """Lines that the winners may take of the right column."""
        return max(5, (self.size.height - 8) // 2)

    def _curves(self, shown: list[Side]) -> None:
        """Over trials and over seconds: below each other where there is room, else in turn."""
        wide = self.size.width >= _WIDE
        both = wide and self.size.height >= _TALL
        self.set_class(wide, "-wide")
        first, second = self.query_one("#compare-curves", Curves), self.query_one(_SECONDS, Curves)
        over = self.over if not both else "trials"
        first.show(shown, over)
        first.border_title = f"Best so far over {over}"
        second.show(shown, "seconds")
        second.border_title = "Best so far over seconds"
        second.display = both

    def on_resize(self) -> None:
        if self.pages:
            self.refresh_sides()

    def action_axis(self) -> None:
        """Trials or seconds along the plot."""
        self.over = "seconds" if self.over == "trials" else "trials"
        self.refresh_sides()

    def label_of(self, action: actions.Action) -> str:
        if action.name in ("next", "previous"):
            return action.label if len(self.pages) > 1 else ""
        if action.name == "axis" and self.is_mounted:
            both = self.query_one(_SECONDS).display
            return "" if both else "over seconds" if self.over == "trials" else "over trials"
        return action.label

    def action_next(self) -> None:
        self.page = (self.page + 1) % max(1, len(self.pages))
        self.refresh_sides()

    def action_previous(self) -> None:
        self.page = (self.page - 1) % max(1, len(self.pages))
        self.refresh_sides()

    def action_section(self) -> None:
        order = [
            self.query_one(SideTable),
            self.query_one("#compare-curves", Curves),
            self.query_one(Winners),
        ]
        here = next((i for i, w in enumerate(order) if w.has_focus), 0)
        there = order[(here + 1) % len(order)]
        self.set_class(isinstance(there, Winners), "-winners")
        there.focus()

    def action_back(self) -> None:
        self.dismiss(None)


def of_studies(names: Sequence[str]) -> Compare:
    """The screen for some studies, live ones too: a page for those that can be compared."""
    links = [bridge.FolderLink(name) for name in names[: sides.MOST]]

    def read() -> dict[str, list[Side]]:
        found: dict[str, list[Side]] = {}
        for number, link in enumerate(links):
            for _ in range(64):
                if not link.poll():
                    break
            side = sides.of_study(link.name, link.state, chr(65 + number))
            found.setdefault(sides.scored_on(link.state), []).append(side)
        return found if len(found) > 1 else {"": next(iter(found.values()), [])}

    apart = "Studies that are scored on something else: →"
    return Compare(f"{len(links)} studies", read, apart)


def of_comparison(name: str) -> Compare:
    """The screen for a comparison, a page a task."""

    def read() -> dict[str, list[Side]]:
        found = read_comparison(name)
        return {task: sides.of_comparison(found, task) for task in found.grid.tasks}

    return Compare(name, read)
