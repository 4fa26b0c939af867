"""The study screen itself: composing, drawing, what its widgets ask for."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer

from hyperllama.core.events import requests
from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.content import layout
from hyperllama.tui.dialogs import TextDialog
from hyperllama.tui.dialogs.trial import describe_trial
from hyperllama.tui.screens.study.arranging import HistoryArranging
from hyperllama.tui.screens.study.plotting import Plotting
from hyperllama.tui.screens.study.programs import ProgramActions
from hyperllama.tui.screens.study.reading import ReadingActions
from hyperllama.tui.screens.study.review import ReviewActions
from hyperllama.tui.screens.study.steering import SteeringActions, chat_models
from hyperllama.tui.screens.study.verdict import VerdictActions
from hyperllama.tui.widgets.lists.rows import Rows
from hyperllama.tui.widgets.study.belief import Belief
from hyperllama.tui.widgets.study.context import ContextGauge
from hyperllama.tui.widgets.study.history import COLUMNS, History
from hyperllama.tui.widgets.study.plain_text import PlainText
from hyperllama.tui.widgets.study.progress import ProgressPlot
from hyperllama.tui.widgets.study.reasoning import Reasoning
from hyperllama.tui.widgets.study.status import StatusLine
from hyperllama.tui.widgets.study.talk import Talk
from hyperllama.tui.widgets.study.verdict_page import VerdictPage

_REFRESH_S = 0.1
_OLD_NEWS_S = 10.0  # notes older than this when the screen opens are not reported again
_REST_S = 0.1  # until the panes beside follow the cursor
_BASELINES_S = 3.0  # between two looks at the baselines


class StudyScreen(
    ReviewActions, SteeringActions, ReadingActions, ProgramActions, HistoryArranging,
    VerdictActions, Plotting,
):
    """One study, live or finished."""

    WHERE = "study"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("study")]
    HELP = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._baselines_read = -_BASELINES_S
        self._problem = ""  # why there is no process, once that was reported
        self._noted = 0  # how many of the study's notes were looked at
        self._old_news_t = self.clock() - _OLD_NEWS_S
        self._alive_checked = -1.0
        self._rest_timer: Timer | None = None
        self._spared_trials = 0  # those that the garbage collector skips

    def compose(self) -> ComposeResult:
        g = self.glyphs
        yield StatusLine(self.link.name, glyphs=g, id="status")
        yield VerdictPage(self.next_steps, glyphs=g, id="verdict")
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
        history.order = self.interface.orders.get(self.link.name, layout.order(kept))
        history.shown = kept.columns or COLUMNS
        history.choose(self.interface.chosen.get(self.link.name))
        self.query_one(ProgressPlot).turn(kept.view)
        self.lay_out()
        self.pane("text" if kept.text else kept.maximised or "history").focus()
        self.refresh_study()
        if self.state.finished is not None:
            self.action_best()
        self.set_interval(_REFRESH_S, self.refresh_study, name="study")
        self._catch_up()

    @work(group="catch up", exclusive=True)
    async def _catch_up(self) -> None:
        """Read a long past faster than it is drawn, without holding anything up."""
        link = self.link
        while link.poll() and link is self.link:
            await asyncio.sleep(0)
        if self.state.finished is not None and self.selected is None:
            self.action_best()
        self._spare_trials()

    def _spare_trials(self) -> None:
        self._spared_trials = len(self.state.trials)
        self.interface.keep_for_good()

    # Drawing

    def refresh_study(self, look: bool = False) -> None:
        """Read what is new and draw it; called ten times a second."""
        changed = self.link.poll()
        if self.link.behind:
            self._catch_up()
        now = self.clock()
        if look or changed or now - self._alive_checked >= 1.0 or now < self._alive_checked:
            self._alive_checked = now
            before, self.process = self.process, self.look()
            changed = changed or before != self.process
        self._problem = "" if self.alive else self._problem
        state, trial = self.state, self.trial_beside()
        if self.verdict_shown:
            self.draw_verdict()
        if self.layout_kept.text:
            self.query_one(PlainText).show(state, self.link.name, self.alive)
        self.query_one(StatusLine).show(state, self.process, now)
        self.query_one(History).show(state, now, self._problem)
        self.query_one(Talk).show(state, self.process)
        self.query_one(Reasoning).show(state, trial)
        for pane in (ProgressPlot, ContextGauge, Belief):
            self.query_one(pane).show(state, trial)
        if abs(now - self._baselines_read) >= _BASELINES_S:
            self._baselines_read = now
            self.query_one(ProgressPlot).compare(self.link.baselines())
        if changed:
            if len(state.trials) > 1.25 * self._spared_trials + 100:
                self._spare_trials()
            self._report_notes()
            self.notice_end()
            self.lay_out()
            self.refresh_keys()
        if (self.dead or self.process == "refused") and not self._problem:
            self._report_end()

    def _report_notes(self) -> None:
        """Report warnings and errors that came since the screen was opened."""
        state = self.state
        fresh = state.noted - self._noted if state.noted >= self._noted else state.noted
        self._noted = state.noted
        for t, note in state.notes[len(state.notes) - min(fresh, len(state.notes)) :]:
            if t >= self._old_news_t:
                hint = plain(note.hint)
                if " range " in hint and hint.startswith("hyperllama tell"):
                    key = actions.keys_of(actions.BY_ID["study.ranges"], self.interface.keys)[0]
                    hint = f"{actions.shown(key)} changes the range"
                self.interface.report(note.level, f"{plain(note.text)}\n{hint}")
        if not self.link.behind:
            self._old_news_t = 0.0  # what comes from now on is new, whatever the clock says

    def _report_end(self) -> None:
        """Say once that the study process is gone."""
        output = self.link.last_output()
        if self.state.opened is None or (output and self.link.refused):
            text = output or "The study process ended before it began."
            text += "\nEscape goes back to where it was started." * (self.state.opened is None)
        else:
            text = "The study process is gone. Press r to resume; no finished trial is lost."
        self._problem = text
        self.query_one(History).show(self.state, self.clock(), text)
        self.interface.report("error", text)

    async def resume_study(self) -> None:
        link = await self.interface.resume_study(self.link.name)
        if link is None or link is self.link:
            return  # it could not be started, or that was requested twice
        link.continue_from(self.link)
        self.link = link
        self.process, self._problem = self.look(), ""
        self.app.clear_notifications()
        self.refresh_study()
        self._catch_up()

    # Messages of the widgets

    @on(History.Selected)
    def _selected(self) -> None:
        """Draw the other panes once the cursor rests: for every line a held key would lag."""
        self.show_titles("history")
        if self._rest_timer is not None:
            self._rest_timer.stop()
        self._rest_timer = self.set_timer(_REST_S, self._rest)

    def _rest(self) -> None:
        """The cursor rests: the panes beside follow it."""
        self._rested_at = self.selected
        self.refresh_study()
        self.show_titles()

    @on(History.ActionOpened)
    def _open_action(self, message: History.ActionOpened) -> None:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(message.action.t))
        self.app.push_screen(TextDialog(when, Content(plain(message.action.text))))

    @on(Rows.Chosen, "#history")
    def _open_trial(self, message: Rows.Chosen) -> None:
        trial = self.query_one(History).trial
        if trial is not None:
            opened = trial

            def described() -> Content:
                return describe_trial(self.state.trial(opened.number) or opened, self.state)

            again = None if trial.done else described
            self.app.push_screen(TextDialog(f"Trial {trial.number}", described(), again))

    @on(Talk.Asked)
    def _asked(self, message: Talk.Asked) -> None:
        sent = self.send(requests.AskQuestion(message.text))
        if not sent:
            self.query_one(Talk).give_back(message.text)
        elif not self.live:
            self.action_resume()  # a finished study answers, too

    @on(Talk.Taken)
    def _taken(self, message: Talk.Taken) -> None:
        self.queue_trial(message.config)

    @on(Talk.Stopped)
    def _stopped(self) -> None:
        self.send(requests.StopAnswer())

    @on(Talk.Left)
    def _left(self) -> None:
        self.pane("history").focus()

    @on(events.DescendantFocus, "#talk-ask")
    @work(group="chat models", exclusive=True)
    async def _find_chat_models(self) -> None:
        """Where the model cannot talk, the pane names those that can."""
        talk = self.query_one(Talk)
        if talk.mute and not talk.others:
            found = await asyncio.to_thread(chat_models)
            talk.others = [name for _, name, _ in found]
            talk.draw()

    # Keys

    def label_of(self, action: actions.Action) -> str:
        if action.id == "study.maximise" and self.maximised:
            return "all panes"
        if action.id == "study.text" and self.layout_kept.text:
            return "panes"
        if action.id == "study.back" and self.state.opened is None:
            return "back"
        if action.id == "talk.take" and not self.query_one(Talk).suggested:
            return ""
        return super().label_of(action)

    def action_follow(self) -> None:
        self.query_one(History).select(None)
        self._rest()

    def action_best(self) -> None:
        if self.state.incumbent is not None:
            self.query_one(History).select(self.state.incumbent)
            self._rest()

    def action_back(self) -> None:
        if self.maximised:
            self.action_maximise()
        elif self.state.opened is None:
            self.app.pop_screen()  # what was filled in to start it is below
        else:
            self.interface.go_home()
