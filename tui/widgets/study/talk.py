"""The talk pane: questions about the study, and the model's answers as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from hyperllama.core.study import Exchange, StudyState
from hyperllama.core.study.findings.computed_answer import computed_answer
from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.text import markdown, wording
from hyperllama.tui.text.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.field import Field

_SHOWN = 12  # exchanges; earlier ones stay in the study's storage

HELP = """\
Ask about the study: *why is depth 12 bad?*, *is trial 7 better than the default?*, *trial 7 \
failed, why?* What the program can compute stands below the question at once: verdicts, noise, \
importance, ranges, failures. A chat model then puts it into words, from the study's facts. It \
answers while a trial trains or the study is paused, and waits while a proposal is being made.

Where an answer ends with a configuration, `^t` queues it. `esc` ends an answer, then returns to \
the history. Embedded models propose but cannot talk; any instruct model can.
"""
CANNOT = "proposes, but cannot talk: questions are answered by what the program computes."


class Talk(Vertical):
    """A conversation about one study."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("talk")]
    NAME = "Talk"
    HELP = HELP
    WHERE = "talk"

    class Asked(Message):
        """The user asked something."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Taken(Message):
        """The user wants to queue the configuration that was suggested last."""

        def __init__(self, config: Mapping[str, Any]) -> None:
            super().__init__()
            self.config = config

    class Stopped(Message):
        """The user wants the answer to end."""

    class Left(Message):
        """The user wants to return to the history."""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.others: list[str] = []  # names of models that can talk
        self._state = StudyState()
        self._process = "alive"
        self._sent: list[str] = []  # questions that the study process has not heard yet
        self._drawn = Content("")

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="talk-said", can_focus=False):
            yield Static(id="talk-text")
        yield Field(placeholder="(ask about the study)", id="talk-ask")

    def show(self, state: StudyState, process: str = "alive") -> None:
        """Show the questions and answers so far; `process`: as `StudyBase.process`."""
        before, self._state = self._state, state
        was, self._process = self._process, process
        new = state.conversation[len(before.conversation) :]
        for exchange in new:
            if exchange.asked in self._sent:
                self._sent.remove(exchange.asked)
        moved = self.answering and (state.phase, state.loading, state.reading, process) != (
            before.phase, before.loading, before.reading, was
        )  # fmt: skip
        if moved or (state.conversation, state.opened) != (before.conversation, before.opened):
            self.draw(bool(new))

    def give_back(self, text: str) -> None:
        """The question could not be sent: it stands in the line again."""
        if text in self._sent:
            self._sent.remove(text)
            self.query_one("#talk-ask", Field).value = text
            self.draw()

    def draw(self, scroll_end: bool = False) -> None:
        """Draw the newest exchanges; before the first what can be asked, or why nothing can."""
        scroll = self.query_one("#talk-said", VerticalScroll)
        width = max(8, scroll.size.width - 1)
        drawn = [self._exchange(one, width) for one in self._state.conversation[-_SHOWN:]]
        drawn += [
            self._exchange(Exchange(-1, text, computed=computed_answer(text, self._state)), width)
            for text in self._sent
        ]
        content = Content("\n\n").join(drawn) if drawn else self._before_first()
        if not self._drawn.is_same(content):
            scroll_end = scroll_end or scroll.is_vertical_scroll_end
            self._drawn = content
            self.query_one("#talk-text", Static).update(content)
            if scroll_end:
                scroll.scroll_end(animate=False)

    def on_mount(self) -> None:
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    @property
    def suggested(self) -> Mapping[str, Any]:
        """The configuration that the newest answer suggests, or none."""
        talk = self._state.conversation
        return talk[-1].config if talk and talk[-1].done else {}

    @property
    def answering(self) -> bool:
        """A question waits for the model, or its answer is being written."""
        return bool(self._sent) or (bool(self._state.asked) and self._process == "alive")

    @property
    def mute(self) -> bool:
        """The study's model is known not to talk."""
        opened = self._state.opened
        if opened is None:
            return False
        name = wording.model_name(opened.model)
        return not name or name.startswith("embedded")

    def _exchange(self, exchange: Exchange, width: int) -> Content:
        """A question, what was computed on it, the model's words as far as they have come, a
        suggested configuration."""
        arrow = f"{self.glyphs.arrow} "
        lines = [Content.assemble((arrow, "$primary"), (plain(exchange.asked), "bold"))]
        lines += [Content(plain(sentence)) for sentence in exchange.computed]
        if exchange.text:
            name = plain(exchange.model) or "the model"
            lines.append(Content.styled(f"{name} says:", "$dim"))
        lines += markdown.lines(plain(exchange.text), width)
        if exchange.cut:
            end = "the answer was cut" if exchange.text else "no words of the model"
            lines.append(Content.styled(f"{end}: {plain(exchange.cut)}", "italic $dim"))
        if not exchange.done and not exchange.text:
            lines.append(Content.styled(self._waiting(exchange), "italic $voice"))
        if exchange.problem:
            lines.append(Content.styled(plain(exchange.problem), "$bad"))
            if exchange.hint:
                lines.append(Content.styled(plain(exchange.hint), "$dim"))
            if self.others:
                lines.append(Content.styled(f"M chooses: {self._named()}", "$dim"))
        elif exchange.done and not exchange.text and not exchange.cut:
            lines.append(Content.styled(plain(exchange.hint) or "no answer", "$dim"))
            if exchange.hint and self.others:
                lines.append(Content.styled(f"M chooses: {self._named()}", "$dim"))
        if exchange.config:
            best = self._state.best.config if self._state.best is not None else {}
            changed = {
                n: v for n, v in exchange.config.items()
                if wording.setting(best.get(n)) != wording.setting(v)
            }  # fmt: skip
            text = plain(wording.configuration(changed or exchange.config))
            lines.append(Content.assemble((arrow, "$best"), (text, "bold")))
        return Content("\n").join(lines)

    def _waiting(self, exchange: Exchange) -> str:
        """What happens before the first word of an answer."""
        state = self._state
        if self._process == "opening" or state.phase == "waiting":
            return "the study's process is starting"
        if self._process != "alive":
            return "no process owns the study"
        if state.phase == "loading":
            return f"the model is being loaded, {state.loading:.0%}"
        if state.phase == "proposing":
            return "the model answers once the proposal is made"
        if exchange.number < 0:
            return "sent"
        if exchange is not state.asked[0]:
            return "the model answers after the question before"
        reading = state.reading
        if reading is None:
            return "thinking"
        return wording.reading(reading.done, reading.total, reading.seconds)

    def _before_first(self) -> Content:
        if not self.mute:
            return Content.styled(
                "Ask about the study: why is depth 12 bad? What would you try with ten more? "
                "Trial 7 failed, why?",
                "$dim",
            )
        opened = self._state.opened
        name = wording.model_name(opened.model) if opened is not None else ""
        text = f"The {name} model {CANNOT}" if name else "No model proposes here."
        if self.others:
            hint = f"On this machine can talk: {self._named()}. M chooses one for this study."
        else:
            hint = "Any instruct GGUF can; put one into a folder of models, and M chooses it."
        return Content.assemble(text, "\n", (hint, "$dim"))

    def _named(self) -> str:
        return ", ".join(plain(name) for name in self.others[:6])

    # Keys

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text:
            event.input.value = ""
            self._sent.append(text)
            self.draw(scroll_end=True)
            self.post_message(self.Asked(text))

    def action_take(self) -> None:
        if self.suggested:
            self.post_message(self.Taken(self.suggested))

    def action_leave(self) -> None:
        if not self.answering:
            self.post_message(self.Left())
            return
        self._sent.clear()  # where it was heard meanwhile, its end is told
        self.draw()
        self.post_message(self.Stopped())

    def action_older(self) -> None:
        self.query_one("#talk-said", VerticalScroll).action_page_up()

    def action_newer(self) -> None:
        self.query_one("#talk-said", VerticalScroll).action_page_down()
