"""The study screen: watching a study and steering it. It draws snapshots and sends requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from core.errors import StudyError
from core.text import plain
from tui import actions, bridge
from tui.screens.dialogs import Ask, Option
from tui.screens.steer import Steerable
from tui.screens.trial import TrialScreen
from tui.snapshot import Snapshot, TrialView
from tui.widgets.belief import Belief
from tui.widgets.context import ContextGauge
from tui.widgets.history import History
from tui.widgets.progress import ProgressPlot
from tui.widgets.reasoning import Reasoning
from tui.widgets.rows import Rows
from tui.widgets.status import StatusLine

REFRESH_S = 0.1
_OLD_NEWS_S = 10.0
_REST_S = 0.03
_WIDE = (110, 30)  # cells from which all panes have room side by side
_STACK_LINES = 17  # below this, one pane at a time
_TITLES = {
    "history": "History",
    "reasoning": "Reasoning",
    "progress": "Progress",
    "context": "Context",
    "belief": "Belief",
}
_OF_A_TRIAL = ("reasoning", "context", "belief")
_SIDE = ("reasoning", "progress", "context", "belief")


class StudyScreen(Steerable):
    """One study, live or over."""

    WHERE = "study"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("study")]
    HELP = ""

    def __init__(self, link: bridge.StudyLink, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.link = link
        self.clock = clock
        self.looked: int | None = None  # the trial looked at; None: the newest
        self.maximised = ""
        self.side = "reasoning"  # the pane beside the history where not all have room
        self._alive = True
        self._mourned = False
        self._notes_t = clock() - _OLD_NEWS_S  # when the last note was told
        self._alive_checked = -1.0
        self._labels: dict[str, tuple[str, str]] = {}
        self._look_timer: Timer | None = None

    @property
    def snapshot(self) -> Snapshot:
        return self.link.snapshot

    @property
    def resumable(self) -> bool:
        """Nobody works on it, and there is something left to do."""
        finished = self.snapshot.finished
        if finished is None:
            return not self._alive
        return finished.why not in ("budget", "minutes", "exhausted")

    @property
    def dead(self) -> bool:
        """Its process is gone although the study never said that it ended."""
        return not self._alive and self.snapshot.finished is None

    def compose(self) -> ComposeResult:
        g = self.glyphs
        yield StatusLine(self.link.name, glyphs=g, id="status")
        with Container(id="panes"):
            with Vertical(id="left"):
                yield History(glyphs=g, id="history")
                yield Reasoning(glyphs=g, id="reasoning")
            with Vertical(id="right"):
                yield ProgressPlot(glyphs=g, id="progress")
                yield ContextGauge(glyphs=g, id="context")
                yield Belief(glyphs=g, id="belief")
        yield self.key_bar()

    def on_mount(self) -> None:
        self.pane("history").focus()
        self.lay_out()
        self.refresh_study()
        if self.snapshot.finished is not None:
            self.action_best()
        self.set_interval(REFRESH_S, self.refresh_study, name="study")
        self.run_worker(self._catch_up(), name="catch up")

    async def _catch_up(self) -> None:
        """Read a long past faster than it is drawn, without holding anything up."""
        while self.link.poll():
            await asyncio.sleep(0)

    # Drawing

    def refresh_study(self) -> None:
        """Read what is new and draw it; called ten times a second."""
        changed = self.link.poll()
        now = self.clock()
        if changed or now - self._alive_checked >= 1.0 or now < self._alive_checked:
            self._alive_checked = now
            alive, self._alive = self._alive, self.link.alive
            changed = changed or alive != self._alive
        snapshot = self.link.snapshot
        trial = self.looked_at(snapshot)
        self.query_one(StatusLine).show(snapshot, self._alive, now)
        self.query_one(History).show(snapshot, now)
        self.query_one(Reasoning).show(snapshot, trial)
        for pane in (ProgressPlot, ContextGauge, Belief):
            self.query_one(pane).show(snapshot, trial)
        if changed:
            self._tell_news(snapshot)
            self.lay_out()
            self.refresh_keys()
        if self.dead and not self._mourned:
            self._mourn()

    def looked_at(self, snapshot: Snapshot) -> TrialView | None:
        """The trial that the panes beside the history show."""
        if self.looked is not None:
            return snapshot.trial(self.looked)
        return snapshot.trials[-1] if snapshot.trials else None

    def _tell_news(self, snapshot: Snapshot) -> None:
        """Warnings and errors that came since the screen was opened stay until dismissed."""
        for t, note in snapshot.notes:
            if t <= self._notes_t:
                continue
            self._notes_t = t
            text = plain(note.text) + (f"\n{plain(note.hint)}" if note.hint else "")
            self.interface.report(note.level, text)

    def _mourn(self) -> None:
        """Say once that the study's process is gone."""
        self._mourned = True
        words = self.link.last_words()
        if self.snapshot.opened is None:
            self.interface.report("error", words or "The study process ended before it began.")
        else:
            hint = "Press r to go on where it was; no finished trial is lost."
            self.interface.report("error", f"The study's process is gone. {hint}")

    def pane(self, name: str) -> Widget:
        return self.query_one(f"#{name}")

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()

    def lay_out(self) -> None:
        """Decide from the size and the choices which panes are seen, and where."""
        width, height = self.size
        wide = width >= _WIDE[0] and height >= _WIDE[1]
        single = height < _STACK_LINES
        self.set_class(wide, "-wide")
        self.set_class(not wide, "-stack")
        self.set_class(bool(self.maximised) or single, "-one")
        if self.maximised:
            seen = {self.maximised}
        elif wide:
            seen = set(_TITLES)
            if self._without_model():
                seen -= {"context", "belief"} - {self.side}
        elif single:
            focused = self.focused.id if self.focused is not None else "history"
            seen = {focused if focused in _TITLES else "history"}
        else:
            seen = {"history", self.side}
        for name in _TITLES:
            self.pane(name).display = name in seen
        self.query_one("#left").display = bool(seen & {"history", "reasoning"})
        self.query_one("#right").display = bool(seen - {"history", "reasoning"})
        self._titles()

    def _without_model(self) -> bool:
        """A classical proposer has no context and no beliefs: the plot takes their room."""
        opened = self.snapshot.opened
        return opened is not None and not opened.model

    def _titles(self) -> None:
        """Borders name the panes and the keys that lead to them."""
        one = self.has_class("-one")
        trial = self.looked_at(self.snapshot) if self.looked is not None else None
        for number, (name, title) in enumerate(_TITLES.items(), 1):
            label = f"[bold]{number}[/] {title}"
            if not self.has_class("-wide") and (one or name == self.side):
                names = list(_TITLES) if one else list(_SIDE)
                label = "[$faint] │ [/]".join(_tab(other, other == name) for other in names)
            below = f"trial {trial.number}" if trial and name in _OF_A_TRIAL else ""
            if name == "history":
                below = self._below_history()
            if self._labels.get(name) != (label, below):
                self._labels[name] = (label, below)
                pane = self.pane(name)
                pane.border_title, pane.border_subtitle = label, below

    def _below_history(self) -> str:
        """What is not obvious of the history: a filter, and how to get back to the newest."""
        history = self.query_one(History)
        order = history.order
        parts = []
        if order.text:
            fits = f"{history.row_count()} of {len(self.snapshot.trials)}"
            parts.append(Content(f"filter: {plain(order.text)} ({fits})").markup)
        if self.looked is not None and order.sort == "number":
            parts.append("f follows the newest")
        return f"[$dim]{'   '.join(parts)}[/]" if parts else ""

    # What the widgets say

    @on(History.Arranged)
    def _arranged(self) -> None:
        self._titles()

    @on(History.Selected)
    def _look_at(self, message: History.Selected) -> None:
        self.looked = message.number
        self._titles()
        # The panes beside follow when the cursor rests: a key held down stays light.
        if self._look_timer is not None:
            self._look_timer.stop()
        self._look_timer = self.set_timer(_REST_S, self.refresh_study)

    @on(Rows.Chosen, "#history")
    def _open_trial(self, message: Rows.Chosen) -> None:
        trial = self.query_one(History).trial
        if trial is not None:
            self.app.push_screen(TrialScreen(trial, self.snapshot))

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        if self.size.height < _STACK_LINES:
            self.lay_out()

    # Actions

    def label_of(self, action: actions.Action) -> str:
        if action.name == "maximise":
            return "all panes" if self.maximised else action.label
        return super().label_of(action)

    @property
    def live(self) -> bool:
        return self._alive and self.snapshot.finished is None

    async def resume_study(self) -> None:
        try:
            link = await bridge.resume(self.link.name)
        except StudyError as error:
            self.interface.report("error", f"{error.message}\n{error.hint}")
            return
        self.interface.adopt(link)
        self.link = link
        self._alive, self._mourned = True, False
        self.app.clear_notifications()
        self.refresh_study()

    def action_maximise(self) -> None:
        focused = self.focused.id if self.focused is not None else None
        self.maximised = "" if self.maximised or focused not in _TITLES else focused or ""
        self.lay_out()
        self.refresh_keys()

    def action_pane(self, name: str) -> None:
        if name in _SIDE:
            self.side = name
        if self.maximised:
            self.maximised = name
        pane = self.pane(name)
        self.lay_out()
        pane.display = True
        pane.focus()
        self.lay_out()

    def action_follow(self) -> None:
        self.query_one(History).select(None)

    def action_best(self) -> None:
        if self.snapshot.incumbent is not None:
            self.query_one(History).select(self.snapshot.incumbent)

    def action_back(self) -> None:
        if self.maximised:
            self.action_maximise()
        else:
            self.interface.go_home()

    async def ask_to_leave(self) -> str:
        """What becomes of the study: "leave", "stop" or "" (stay)."""
        if not self._alive or self.snapshot.finished is not None:
            return "leave"
        choice = await self.app.push_screen_wait(
            Ask(
                "The study is running",
                "It has a process of its own and needs no window.",
                (
                    Option("leave", "l", "Leave; the study goes on"),
                    Option("stop", "s", "Stop it after this trial, and leave"),
                    Option("", "escape", "Stay"),
                ),
            )
        )
        if choice == "stop":
            self.action_stop()
        return choice or ""


def _tab(name: str, active: bool) -> str:
    """A pane's number and name in a row of tabs."""
    style = "bold" if active else "$dim"
    return f"[{style}]{list(_TITLES).index(name) + 1} {_TITLES[name]}[/]"
