"""The talk pane: questions about the study, the model's answers as they come, what they suggest."""

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
from hyperllama.core.text import plain
from hyperllama.tui import actions, markdown, wording
from hyperllama.tui.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.field import Field

_SHOWN = 12  # exchanges; earlier ones stay in the study's storage

HELP = """\
Ask the model about the study: *why is depth 12 bad?*, *what would you try with ten more?*, \
*trial 7 failed, why?* It answers from the study's facts: the space, the best and the latest \
trials, the ones that you name, what was found about each hyperparameter. It answers while a trial \
trains or the study rests, and waits while a proposal is being made.

Where an answer ends with a configuration, `^t` queues it. `esc` ends an answer, then returns to \
the history. Embedded models propose but cannot talk; any instruct model can.
"""
CANNOT = "proposes, but cannot talk: it was trained on numbers alone."


class Talk(Vertical):
    """A conversation about one study."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("talk")]
    NAME = "Talk"
    HELP = HELP
    WHERE = "talk"

    class Asked(Message):
        """The person asked something."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Taken(Message):
        """The person wants the configuration that was suggested last."""

        def __init__(self, config: Mapping[str, Any]) -> None:
            super().__init__()
            self.config = config

    class Stopped(Message):
        """The answer is to end."""

    class Left(Message):
        """The person is done here."""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.others: list[str] = []  # names of models that can talk
        self._snapshot = StudyState()
        self._started_t = -1.0
        self._drawn: dict[int, Exchange] = {}
        self._empty: Content | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="talk-said", can_focus=False):
            yield Static(id="talk-empty")
        yield Field(placeholder="ask about the study", id="talk-ask")

    def show(self, snapshot: StudyState) -> None:
        """Show what was said so far."""
        if snapshot is self._snapshot:
            return
        talk, before = snapshot.conversation, self._snapshot.conversation
        fresh = snapshot.started_t != self._started_t
        self._snapshot, self._started_t = snapshot, snapshot.started_t
        self.refresh_empty()
        if talk is not before or fresh:
            self.run_worker(self._write(talk[-_SHOWN:], fresh), group="talk", exclusive=False)

    def refresh_empty(self) -> None:
        """What stands there before the first question."""
        empty = self.query_one("#talk-empty", Static)
        said = Content("") if self._snapshot.conversation else self._before_first()
        if self._empty is None or not self._empty.is_same(said):
            self._empty = said
            empty.display = bool(said)
            empty.update(said)

    @property
    def suggested(self) -> Mapping[str, Any]:
        """The configuration that the newest answer suggests, or none."""
        talk = self._snapshot.conversation
        return talk[-1].config if talk and talk[-1].done else {}

    @property
    def speaking(self) -> bool:
        """An answer is awaited or being given."""
        return bool(self._snapshot.conversation) and not self._snapshot.conversation[-1].done

    @property
    def mute(self) -> bool:
        """The study's model is known not to talk."""
        opened = self._snapshot.opened
        if opened is None:
            return False
        name = opened.model.rpartition("/")[2]
        return not name or name == "embedded" or name.startswith("hyperllama-")

    async def _write(self, talk: tuple[Exchange, ...], fresh: bool) -> None:
        said = self.query_one("#talk-said", VerticalScroll)
        if fresh:
            self._drawn.clear()
            await said.query(".talk").remove()
        stay = said.is_vertical_scroll_end
        for exchange in talk:
            number = exchange.number
            before = self._drawn.get(number)
            self._drawn[number] = exchange
            if before is None:
                await said.mount(
                    Static(_question(exchange, self.glyphs), classes="talk talk--asked"),
                    Static(id=f"talk-text-{number}", classes="talk"),
                    Static(id=f"talk-end-{number}", classes="talk talk--end"),
                )
                before = Exchange(number, exchange.asked)
                stay = True
            if exchange != before or (exchange.done and not before.done):
                self._draw(exchange)
        if stay:
            said.scroll_end(animate=False)

    def _draw(self, exchange: Exchange) -> None:
        width = self.query_one("#talk-said", VerticalScroll).size.width - 1
        words = markdown.lines(plain(exchange.text), max(8, width))
        text = self.query_one(f"#talk-text-{exchange.number}", Static)
        text.update(Content("\n").join(words))
        text.display = bool(words)
        self.query_one(f"#talk-end-{exchange.number}", Static).update(self._end(exchange))

    def on_resize(self) -> None:
        for exchange in self._drawn.values():
            if self.query(f"#talk-end-{exchange.number}"):
                self._draw(exchange)

    def _end(self, exchange: Exchange) -> Content:
        if not exchange.done:
            return Content.styled("" if exchange.text else "thinking", "italic $voice")
        lines: list[Content] = []
        if exchange.problem:
            lines.append(Content.styled(plain(exchange.problem), "$bad"))
            if exchange.hint:
                lines.append(Content.styled(plain(exchange.hint), "$dim"))
            if self.others:
                lines.append(Content.styled(f"M chooses: {self._named()}", "$dim"))
        elif not exchange.text:
            lines.append(Content.styled("no answer", "$dim"))
        if exchange.config:
            best = self._snapshot.best.config if self._snapshot.best is not None else {}
            changed = {
                n: v for n, v in exchange.config.items()
                if wording.setting(best.get(n)) != wording.setting(v)
            }  # fmt: skip
            lines.append(
                Content.assemble(
                    (f"{self.glyphs.arrow} ", "$best"),
                    (plain(wording.configuration(changed or exchange.config)), "bold"),
                )
            )
        return Content("\n").join(lines)

    def _before_first(self) -> Content:
        if not self.mute:
            return Content.styled(
                "Ask about the study: why is depth 12 bad? What would you try with ten more? "
                "Trial 7 failed, why?",
                "$dim",
            )
        opened = self._snapshot.opened
        who = plain(opened.model).rpartition("/")[2] if opened is not None and opened.model else ""
        said = f"The {who or 'embedded'} model {CANNOT}" if who else "No model proposes here."
        if self.others:
            can = f"On this machine can talk: {self._named()}. M chooses one for this study."
        else:
            can = "Any instruct GGUF can; put one into a folder of models, and M chooses it."
        return Content.assemble((said, ""), "\n", (can, "$dim"))

    def _named(self) -> str:
        return ", ".join(plain(name) for name in self.others[:6])

    # Keys

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text:
            event.input.value = ""
            self.post_message(self.Asked(text))

    def action_take(self) -> None:
        if self.suggested:
            self.post_message(self.Taken(self.suggested))

    def action_leave(self) -> None:
        self.post_message(self.Stopped() if self.speaking else self.Left())

    def action_older(self) -> None:
        self.query_one("#talk-said", VerticalScroll).action_page_up()

    def action_newer(self) -> None:
        self.query_one("#talk-said", VerticalScroll).action_page_down()


def _question(exchange: Exchange, glyphs: Glyphs) -> Content:
    return Content.assemble((f"{glyphs.arrow} ", "$primary"), (plain(exchange.asked), "bold"))
