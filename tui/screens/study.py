"""The study screen: watching a study and steering it. It draws snapshots and sends requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from hyperllama.core.events import requests
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui import actions, bridge, layout
from hyperllama.tui.dialogs import AnswerDialog, TextDialog
from hyperllama.tui.dialogs.arrangement import choose_columns, choose_filter, choose_sort
from hyperllama.tui.dialogs.record import describe_records
from hyperllama.tui.dialogs.trial import describe_trial
from hyperllama.tui.screens.steer import Steerable, chat_models
from hyperllama.tui.widgets.belief import Belief
from hyperllama.tui.widgets.context import ContextGauge
from hyperllama.tui.widgets.history import COLUMNS, History
from hyperllama.tui.widgets.plain_text import PlainText
from hyperllama.tui.widgets.progress import ProgressPlot
from hyperllama.tui.widgets.reasoning import Reasoning
from hyperllama.tui.widgets.rows import Rows
from hyperllama.tui.widgets.status import StatusLine
from hyperllama.tui.widgets.talk import Talk

REFRESH_S = 0.1
_OLD_NEWS_S = 10.0
_REST_S = 0.1  # the cursor stands still for so long before the panes beside follow it
_WIDE = (110, 30)  # cells from which all panes have room side by side
_STACK_LINES = 17  # below this, one pane at a time
_TABS_APART = 64  # cells from which the names of panes stand apart
_TITLES = {
    "history": "History",
    "reasoning": "Reasoning",
    "progress": "Progress",
    "context": "Context",
    "belief": "Belief",
    "talk": "Talk",
}
_OF_A_TRIAL = ("reasoning", "context", "belief")
_SIDE = ("reasoning", "progress", "context", "belief", "talk")
_LOWER = ("reasoning", "talk")  # these two share the place below the history
_LEFT = ("history", *_LOWER)
_HONESTY_S = 3.0  # between two looks at the baselines


class StudyScreen(Steerable):
    """One study, live or over."""

    WHERE = "study"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("study")]
    HELP = ""

    def __init__(self, link: bridge.StudyLink, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.link = link
        self.clock = clock
        self.layout_kept = layout.read()
        self._honesty_looked = -_HONESTY_S
        self._laid_out: object = None
        self._alive = True
        self._mourned = False
        self._notes_t = clock() - _OLD_NEWS_S  # when the last note was told
        self._alive_checked = -1.0
        self._labels: dict[str, tuple[str, str]] = {}
        self._rested_at: int | None = None  # the trial looked at when the cursor last stood still
        self._look_timer: Timer | None = None
        self._spared_trials = 0  # those that the garbage collector does not look at

    @property
    def looked(self) -> int | None:
        return self.query_one(History).looked

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
                yield Talk(glyphs=g, id="talk")
            with Vertical(id="right"):
                yield ProgressPlot(glyphs=g, id="progress")
                yield ContextGauge(glyphs=g, id="context")
                yield Belief(glyphs=g, id="belief")
        yield PlainText(id="text")
        yield self.key_bar()

    def on_mount(self) -> None:
        kept = self.layout_kept
        history = self.query_one(History)
        history.order, history.shown = layout.order(kept), kept.columns or COLUMNS
        self.query_one(ProgressPlot).turn(kept.view)
        self.lay_out()
        self.pane("text" if kept.text else kept.maximised or "history").focus()
        self.refresh_study()
        if self.snapshot.finished is not None:
            self.action_best()
        self.set_interval(REFRESH_S, self.refresh_study, name="study")
        self._catch_up()

    @work(group="catch up", exclusive=True)
    async def _catch_up(self) -> None:
        """Read a long past faster than it is drawn, without holding anything up."""
        link = self.link
        while link.poll() and link is self.link:
            await asyncio.sleep(0)
        self.interface.keep_for_good()
        self._spared_trials = len(self.snapshot.trials)

    # Drawing

    def refresh_study(self, look: bool = False) -> None:
        """Read what is new and draw it; called ten times a second."""
        changed = self.link.poll()
        if self.link.behind:
            self._catch_up()
        now = self.clock()
        if look or changed or now - self._alive_checked >= 1.0 or now < self._alive_checked:
            self._alive_checked = now
            alive, self._alive = self._alive, self.link.alive
            changed = changed or alive != self._alive
        snapshot = self.link.snapshot
        trial = self._beside(snapshot)
        if self.layout_kept.text:
            self.query_one(PlainText).show(snapshot, self.link.name, self._alive)
        self.query_one(StatusLine).show(snapshot, self._alive, now)
        self.query_one(History).show(snapshot, now)
        self.query_one(Reasoning).show(snapshot, trial)
        self.query_one(Talk).show(snapshot)
        for pane in (ProgressPlot, ContextGauge, Belief):
            self.query_one(pane).show(snapshot, trial)
        if abs(now - self._honesty_looked) >= _HONESTY_S:
            self._honesty_looked = now
            self.query_one(ProgressPlot).compare(self.link.honesty())
        if changed:
            if len(snapshot.trials) > 1.25 * self._spared_trials + 100:
                self._spared_trials = len(snapshot.trials)
                self.interface.keep_for_good()
            self._tell_news(snapshot)
            self.lay_out()
            self.refresh_keys()
        if (self.dead or (not self._alive and self.link.refused)) and not self._mourned:
            self._mourn()

    def looked_at(self, snapshot: StudyState) -> TrialState | None:
        if self.looked is not None:
            return snapshot.trial(self.looked)
        return snapshot.trials[-1] if snapshot.trials else None

    def _beside(self, snapshot: StudyState) -> TrialState | None:
        """The trial that the panes beside the history show: the one the cursor rests on."""
        if self._rested_at is not None:
            return snapshot.trial(self._rested_at)
        return snapshot.trials[-1] if snapshot.trials else None

    def _rest(self) -> None:
        """The cursor stands still: the panes beside follow it."""
        self._rested_at = self.looked
        self.refresh_study()
        self._titles()

    def _tell_news(self, snapshot: StudyState) -> None:
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
        if self.snapshot.opened is None or (words and self.link.refused):
            self.interface.report("error", words or "The study process ended before it began.")
        else:
            hint = "Press r to go on where it was; no finished trial is lost."
            self.interface.report("error", f"The study's process is gone. {hint}")

    def pane(self, name: str) -> Widget:
        return self.query_one(f"#{name}")

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()

    def lay_out(self) -> None:
        """Decide from the size and the choices which panes are seen, and where.

        Touching a style draws the whole screen anew, so nothing is touched where all is as it was.
        """
        width, height = self.size
        wide = width >= _WIDE[0] and height >= _WIDE[1]
        single = height < _STACK_LINES
        focused = self._focused_pane() if single else None
        wanted = (self.size, self.layout_kept, focused, self._without_model())
        if wanted == self._laid_out:
            self._titles()
            return
        self._laid_out = wanted
        self.set_class(wide, "-wide")
        self.set_class(not wide, "-stack")
        self.set_class(bool(self.maximised) or single, "-one")
        kept = self.layout_kept
        self.pane("text").display = kept.text
        for name in ("panes", "status"):
            self.pane(name).display = not kept.text
        if self.maximised:
            seen = {self.maximised}
        elif wide:
            seen = set(_TITLES) - ({*_LOWER} - {kept.lower})
            if self._without_model():
                seen -= {"context", "belief"} - {self.side}
        elif single:
            seen = {focused or "history"}
        else:
            seen = {"history", self.side}
        for name in _TITLES:
            self.pane(name).display = name in seen
        self.query_one("#left").display = bool(seen & {*_LEFT})
        self.query_one("#right").display = bool(seen - {*_LEFT})
        self._share_out(wide)
        self._titles()

    def _share_out(self, wide: bool) -> None:
        """Sizes as the person set them; where one pane has all the room they do not count."""
        kept = self.layout_kept
        alone = self.has_class("-one")
        below = f"{100 - kept.upper}fr"
        heights: dict[str, str | None] = dict.fromkeys((*_TITLES, "left", "right"))
        del heights["context"]  # as many lines as it needs
        if not alone:
            heights |= {"history": f"{kept.upper}fr", **dict.fromkeys(_LOWER, below)}
            if wide:
                heights |= {"progress": f"{kept.plot}fr", "belief": f"{100 - kept.plot}fr"}
            elif self.side not in _LOWER:
                heights |= {"left": f"{kept.upper}fr", "right": below}
        for name, height in heights.items():
            self.pane(name).styles.height = height
        for name, width in (("left", kept.left), ("right", 100 - kept.left)):
            self.pane(name).styles.width = f"{width}fr" if wide and not alone else None

    def _focused_pane(self) -> str | None:
        """The pane that has the focus, itself or something in it."""
        node: Any = self.focused
        while node is not None and node.id not in _TITLES:
            node = node.parent
        return None if node is None else str(node.id)

    def _without_model(self) -> bool:
        """A classical proposer has no context and no beliefs: the plot takes their room."""
        opened = self.snapshot.opened
        return opened is not None and not opened.model

    def _titles(self, *names: str) -> None:
        """Borders name the panes, or those named, and the keys that lead to them."""
        one = self.has_class("-one")
        trial = self._beside(self.snapshot) if self._rested_at is not None else None
        for number, (name, title) in enumerate(_TITLES.items(), 1):
            if names and name not in names:
                continue
            label = f"[bold]{number}[/] {title}"
            if name == "progress" and (view := self.query_one(ProgressPlot).title):
                label += f"[$dim]: {view}[/]"
            together: tuple[str, ...] = ()
            if not self.has_class("-wide") and (one or name == self.side):
                together = tuple(_TITLES) if one else _SIDE
            elif not one and name in _LOWER:
                together = _LOWER
            if together:
                rule = " │ " if self.size.width >= _TABS_APART else "│"
                label = f"[$faint]{rule}[/]".join(_tab(other, other == name) for other in together)
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
        history = self.query_one(History)
        columns = () if history.shown == COLUMNS else history.shown
        order = history.order
        self.remember(columns=columns, sort=order.sort, backwards=order.backwards)

    @on(History.DialogRequested)
    @work
    async def _arrange(self, message: History.DialogRequested) -> None:
        """Ask for another order, filter or columns of the history."""
        history, opened = self.query_one(History), self.snapshot.opened
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

    @on(History.ActionOpened)
    def _open_action(self, message: History.ActionOpened) -> None:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(message.action.t))
        self.app.push_screen(TextDialog(when, Content(plain(message.action.text))))

    @on(ProgressPlot.Turned)
    def _turned(self) -> None:
        self.remember(view=self.query_one(ProgressPlot).view)

    @on(Talk.Asked)
    def _asked(self, message: Talk.Asked) -> None:
        self.send(requests.AskQuestion(message.text))
        if not self.live:
            self.action_resume()  # a study that is over answers too

    @on(Talk.Taken)
    def _taken(self, message: Talk.Taken) -> None:
        self.send(requests.QueueTrial(message.config), "Queued: it is tried next")

    @on(Talk.Hushed)
    def _hushed(self) -> None:
        self.send(requests.StopAnswer())

    @on(Talk.Left)
    def _left(self) -> None:
        self.pane("history").focus()

    @on(History.Selected)
    def _look_at(self) -> None:
        """Drawing all panes for every line that a held key passes would hold that key up."""
        self._titles("history")
        if self._look_timer is not None:
            self._look_timer.stop()
        self._look_timer = self.set_timer(_REST_S, self._rest)

    @on(Rows.Chosen, "#history")
    def _open_trial(self, message: Rows.Chosen) -> None:
        trial = self.query_one(History).trial
        if trial is not None:
            content = describe_trial(trial, self.snapshot)
            self.app.push_screen(TextDialog(f"Trial {trial.number}", content))

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        if self.size.height < _STACK_LINES:
            self.lay_out()

    # Actions

    def label_of(self, action: actions.Action) -> str:
        if action.name == "maximise":
            return "all panes" if self.maximised else action.label
        if action.id == "talk.take":
            return action.label if self.query_one(Talk).suggested else ""
        if action.name == "text":
            return "panes" if self.layout_kept.text else action.label
        return super().label_of(action)

    @property
    def live(self) -> bool:
        return self._alive and self.snapshot.finished is None

    async def resume_study(self) -> None:
        link = await self.interface.resume_study(self.link.name)
        if link is None or link is self.link:
            return  # it could not be started, or that was asked for twice
        link.go_on_from(self.link)
        self.link = link
        self._alive, self._mourned = True, False
        self.app.clear_notifications()
        self.refresh_study()
        self._catch_up()

    def action_maximise(self) -> None:
        self.remember(maximised="" if self.maximised else self._focused_pane() or "")

    def action_pane(self, name: str) -> None:
        changes: dict[str, str] = {}
        if name in _SIDE:
            changes["side"] = name
        if name in _LOWER:
            changes["lower"] = name
        if self.maximised:
            changes["maximised"] = name
        pane = self.pane(name)
        if any(getattr(self.layout_kept, key) != value for key, value in changes.items()):
            self.remember(**changes)
        pane.display = True
        if name == "talk":
            self.query_one("#talk-ask").focus()
            self._look_for_talkers()
        else:
            pane.focus()
        self.lay_out()

    def action_text(self) -> None:
        self.remember(text=not self.layout_kept.text)
        self.refresh_study()
        self.pane("text" if self.layout_kept.text else "history").focus()

    @work
    async def action_record(self) -> None:
        trial = self.looked_at(self.snapshot)
        if trial is not None:
            records = await asyncio.to_thread(self.link.records, trial.number)
            title = f"Trial {trial.number}: prompt and reply"
            self.app.push_screen(TextDialog(title, describe_records(records)))

    def action_report(self) -> None:
        self.interface.write_report(self.link.name)

    def action_export(self) -> None:
        self.interface.write_winner(self.link.name)

    def action_size(self, way: str, by: int) -> None:
        """Make the focused pane taller, or the left column wider."""
        kept, name = self.layout_kept, self._focused_pane() or "history"
        if way == "wide":
            self.remember(left=layout.share(kept.left + by * layout.STEP))
        elif name in ("progress", "belief", "context") and self.has_class("-wide"):
            sign = -1 if name == "belief" else 1
            self.remember(plot=layout.share(kept.plot + sign * by * layout.STEP))
        else:
            sign = 1 if name == "history" else -1
            self.remember(upper=layout.share(kept.upper + sign * by * layout.STEP))

    @work(group="talkers", exclusive=True)
    async def _look_for_talkers(self) -> None:
        """Where the model cannot talk, the pane names those that can."""
        talk = self.query_one(Talk)
        if talk.mute and not talk.others:
            found = await asyncio.to_thread(chat_models)
            talk.others = [name for _, name, _ in found]
            talk.refresh_empty()

    def action_follow(self) -> None:
        self.query_one(History).select(None)
        self._rest()

    def action_best(self) -> None:
        if self.snapshot.incumbent is not None:
            self.query_one(History).select(self.snapshot.incumbent)
            self._rest()

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
            AnswerDialog(
                "The study is running",
                "It has a process of its own and needs no window.",
                (
                    ("leave", "l", "Leave; the study goes on"),
                    ("stop", "s", "Stop it after this trial, and leave"),
                    ("", "escape", "Stay"),
                ),
            )
        )
        if choice == "stop" and not self.send(requests.Stop()):
            return ""
        return choice or ""


def _tab(name: str, active: bool) -> str:
    """A pane's number and name in a row of tabs."""
    style = "bold" if active else "$dim"
    return f"[{style}]{list(_TITLES).index(name) + 1} {_TITLES[name]}[/]"
