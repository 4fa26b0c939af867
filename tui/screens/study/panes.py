"""Which panes of the study screen are seen, where, how large, and what their borders say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual import events
from textual.content import Content
from textual.widget import Widget

from hyperllama.core.study import TrialState
from hyperllama.core.text import plain
from hyperllama.tui.content import layout
from hyperllama.tui.screens.study.base import StudyBase
from hyperllama.tui.widgets.study.history import History
from hyperllama.tui.widgets.study.progress import ProgressPlot

WIDE = (110, 30)  # cells from which all panes have room side by side
BELOW_VERDICT = 40  # lines from which the history and the plot have room below the verdict
STACK_LINES = 17  # below this, one pane at a time
TABS_APART = 64  # cells from which the names of panes stand apart
TITLES = {
    "history": "History",
    "reasoning": "Reasoning",
    "progress": "Progress",
    "context": "Context",
    "belief": "Belief",
    "talk": "Talk",
}
OF_A_TRIAL = ("reasoning", "context", "belief")
SIDE = ("reasoning", "progress", "context", "belief", "talk")
LOWER = ("reasoning", "talk")  # these two share the room below the history
LEFT = ("history", *LOWER)


class StudyPanes(StudyBase):
    """The part of the study screen that arranges its panes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.layout_kept = layout.read()
        self._laid_out: object = None
        self._labels: dict[str, tuple[str, str]] = {}
        self._rested_at: int | None = None  # the selected trial when the cursor last rested

    @property
    def showing(self) -> str:
        """What takes the screen: "text", "verdict" or "panes"."""
        if self.layout_kept.text:
            return "text"
        return "verdict" if self.verdict_shown else "panes"

    @property
    def maximised(self) -> str:
        """The pane that has the screen to itself, or ""."""
        return self.layout_kept.maximised

    @property
    def side(self) -> str:
        """The pane beside the history where not all have room."""
        return self.layout_kept.side

    def remember(self, **changes: Any) -> None:
        """Change the layout, and keep it for the next start."""
        self.layout_kept = replace(self.layout_kept, **changes)
        layout.keep(self.layout_kept)
        self.lay_out()
        self.refresh_keys()

    def pane(self, name: str) -> Widget:
        return self.query_one(f"#{name}")

    def trial_beside(self) -> TrialState | None:
        """The trial that the panes beside the history show: the one the cursor rests on."""
        return self.trial_or_newest(self._rested_at)

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        if self.size.height < STACK_LINES:
            self.lay_out()

    def lay_out(self) -> None:
        """Decide from the size and the choices which panes are seen, and where.

        Setting a style draws the whole screen anew, so nothing is set where all is as it was.
        """
        width, height = self.size
        wide = width >= WIDE[0] and height >= WIDE[1]
        single = height < STACK_LINES
        below = wide and height >= BELOW_VERDICT and self.showing == "verdict"
        focused = self._focused_pane() if single else None
        wanted = (self.size, self.layout_kept, focused, self._without_model(), self.showing)
        if wanted != self._laid_out:
            self._laid_out = wanted
            self.set_class(wide, "-wide")
            self.set_class(not wide, "-stack")
            self.set_class(bool(self.maximised) or single, "-one")
            self.set_class(below, "-below")
            for name in ("text", "verdict", "panes"):
                self.pane(name).display = name == self.showing or (below and name == "panes")
            self.pane("status").display = not self.layout_kept.text
            seen = self._seen(wide, single, focused or "history")
            if below and not self.maximised:
                seen = {"history", "progress"}
            for name in TITLES:
                self.pane(name).display = name in seen
            self.pane("left").display = bool(seen & {*LEFT})
            self.pane("right").display = bool(seen - {*LEFT})
            self._share_out(wide)
        self.show_titles()

    def _seen(self, wide: bool, single: bool, focused: str) -> set[str]:
        """The panes that are shown."""
        if self.maximised:
            return {self.maximised}
        if not wide:
            return {focused} if single else {"history", self.side}
        hidden = {*LOWER} - {self.layout_kept.lower}
        if self._without_model():
            hidden |= {"context", "belief"} - {self.side}
        return set(TITLES) - hidden

    def _share_out(self, wide: bool) -> None:
        """Set the sizes that the user chose; where one pane has all the room they do not count."""
        kept = self.layout_kept
        alone = self.has_class("-one")
        below = f"{100 - kept.upper}fr"
        heights: dict[str, str | None] = dict.fromkeys((*TITLES, "left", "right"))
        del heights["context"]  # as many lines as it needs
        if not alone:
            heights |= {"history": f"{kept.upper}fr", **dict.fromkeys(LOWER, below)}
            if wide:
                heights |= {"progress": f"{kept.plot}fr", "belief": f"{100 - kept.plot}fr"}
            elif self.side not in LOWER:
                heights |= {"left": f"{kept.upper}fr", "right": below}
        for name, height in heights.items():
            self.pane(name).styles.height = height
        for name, width in (("left", kept.left), ("right", 100 - kept.left)):
            self.pane(name).styles.width = f"{width}fr" if wide and not alone else None

    def _focused_pane(self) -> str | None:
        """The pane that has the focus, itself or something in it."""
        node: Any = self.focused
        while node is not None and node.id not in TITLES:
            node = node.parent
        return None if node is None else str(node.id)

    def _without_model(self) -> bool:
        """A classical proposer has no context and no beliefs: the plot takes their room."""
        opened = self.state.opened
        return opened is not None and not opened.model

    def show_titles(self, *names: str) -> None:
        """Write the borders of all panes, or of those named."""
        for name in names or TITLES:
            texts = self._title(name), self._subtitle(name)
            if self._labels.get(name) != texts:
                self._labels[name] = texts
                pane = self.pane(name)
                pane.border_title, pane.border_subtitle = texts

    def _title(self, name: str) -> str:
        """The pane's number and name, or a row of tabs where it shares its place."""
        one = self.has_class("-one")
        together: tuple[str, ...] = ()
        if not self.has_class("-wide") and (one or name == self.side):
            together = tuple(TITLES) if one else SIDE
        elif not one and name in LOWER:
            together = LOWER
        if together:
            rule = " │ " if self.size.width >= TABS_APART else "│"
            return f"[$faint]{rule}[/]".join(
                f"[{'bold' if other == name else '$dim'}]{_number(other)} {TITLES[other]}[/]"
                for other in together
            )
        view = self.query_one(ProgressPlot).title if name == "progress" else ""
        return f"[bold]{_number(name)}[/] {TITLES[name]}" + (f"[$dim]: {view}[/]" if view else "")

    def _subtitle(self, name: str) -> str:
        """The trial that is shown; below the history a filter, and how to follow again."""
        if name != "history":
            trial = self.trial_beside()
            named = trial is not None and self._rested_at is not None and name in OF_A_TRIAL
            return f"trial {trial.number}" if named and trial else ""
        history = self.query_one(History)
        parts = []
        if history.order.text:
            fits = f"{history.row_count()} of {len(self.state.trials)}"
            parts.append(Content(f"filter: {plain(history.order.text)} ({fits})").markup)
        if self.selected is not None and history.order.sort == "number":
            parts.append("f follows the newest")
        return f"[$dim]{'   '.join(parts)}[/]" if parts else ""

    # Keys

    def action_maximise(self) -> None:
        self.remember(maximised="" if self.maximised else self._focused_pane() or "")

    def action_pane(self, name: str) -> None:
        self.verdict_shown = False
        changes: dict[str, str] = {}
        if name in SIDE:
            changes["side"] = name
        if name in LOWER:
            changes["lower"] = name
        if self.maximised:
            changes["maximised"] = name
        if any(getattr(self.layout_kept, key) != value for key, value in changes.items()):
            self.remember(**changes)
        pane = self.pane(name)
        pane.display = True
        (self.pane("talk-ask") if name == "talk" else pane).focus()
        self.lay_out()

    def action_text(self) -> None:
        self.remember(text=not self.layout_kept.text)
        self.refresh_study()
        self.pane("text" if self.layout_kept.text else "history").focus()

    def action_size(self, way: str, by: int) -> None:
        """Make the focused pane taller, or the left column wider."""
        kept, name = self.layout_kept, self._focused_pane() or "history"
        if way == "wide":
            share, sign = "left", 1
        elif name in ("progress", "belief", "context") and self.has_class("-wide"):
            share, sign = "plot", -1 if name == "belief" else 1
        else:
            share, sign = "upper", 1 if name == "history" else -1
        size = layout.share(getattr(kept, share) + sign * by * layout.STEP)
        self.remember(**{share: size})


def _number(name: str) -> int:
    """The digit that leads to a pane."""
    return list(TITLES).index(name) + 1
