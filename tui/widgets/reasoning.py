"""The reasoning pane: the model's words as they come, then the configuration they led to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui import actions, markdown, wording
from hyperllama.tui.glyphs import UNICODE, Glyphs

HELP = """\
What the model wrote about the trial that is looked at, as it writes it. Its thinking is folded: \
`x` unfolds it. Below stands the configuration it led to, against the best one of that moment.

Scroll with the arrow keys; the end is followed until you scroll up. Move in the history to read \
an earlier trial's reasoning.
"""

_THINKING = re.compile(r"<think(?:ing)?>(.*?)(?:</think(?:ing)?>|\Z)", re.DOTALL)


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer) of a reply; thinking that is still open counts as thinking."""
    thinking = "\n".join(part.strip() for part in _THINKING.findall(text))
    return thinking.strip(), _THINKING.sub("", text).strip()


class Reasoning(VerticalScroll, can_focus=True):
    """The words of one trial; a pure function of the trial looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("reasoning")]
    NAME = "Reasoning"
    HELP = HELP
    WHERE = "reasoning"

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.unfolded = False
        self._snapshot = StudyState()
        self._trial: TrialState | None = None
        self._number: int | None = None
        self._drawn: Content | None = None
        self._room = (0, 0)  # what the text takes; the screen is laid out anew when it changes

    def compose(self) -> ComposeResult:
        yield Static(id="reasoning-text")

    def show(self, snapshot: StudyState, trial: TrialState | None) -> None:
        """Show that trial's words; what was added since the last call is appended."""
        if snapshot is self._snapshot and trial is self._trial:
            return
        self._snapshot, self._trial = snapshot, trial
        self._draw()

    def action_unfold(self) -> None:
        self.unfolded = not self.unfolded
        self._draw()

    def on_resize(self) -> None:
        if self._trial is not None:
            self._draw()

    def _draw(self) -> None:
        trial = self._trial
        thinking, answer = split_thinking(plain(trial.reasoning)) if trial else ("", "")
        another = (trial.number if trial else None) != self._number
        self._number = trial.number if trial else None
        width = max(8, self.scrollable_content_region.width)
        words = markdown.lines(answer, width)
        parts = (
            self._head(), self._thinking(thinking), Content("\n").join(words), self._proposal()
        )  # fmt: skip
        content = Content("\n\n").join(part for part in parts if part)
        if self._drawn is not None and self._drawn.is_same(content):
            return
        self._drawn = content
        stay = self.is_vertical_scroll_end
        height = sum(max(1, -(-len(line) // width)) for line in content.plain.split("\n"))
        other, self._room = (width, height) != self._room, (width, height)
        self.query_one("#reasoning-text", Static).update(content, layout=other)
        if another:
            self.scroll_home(animate=False)
        elif stay:
            self.scroll_end(animate=False)

    def _head(self) -> Content:
        trial = self._trial
        if trial is None:
            return self._before_first()
        dot = f" {self.glyphs.dot} "
        facts = [plain(trial.proposer) or "?"]
        out = trial.tokens.get("generated")
        if isinstance(out, (int, float)) and out:
            facts.append(f"{wording.count(out)} tokens")
        seconds = trial.tokens.get("seconds")
        if isinstance(seconds, (int, float)):
            facts.append(wording.duration(seconds))
        head = Content.assemble((f"Trial {trial.number}", "bold"), (dot + dot.join(facts), "$dim"))
        if trial.fallback:
            head = Content.assemble(
                head, "\n", (f"{plain(trial.proposer)} stepped in: ", "$bad"), plain(trial.fallback)
            )
        if not trial.reasoning and trial.state == "proposing":
            head = Content.assemble(head, "\n", ("thinking", "italic $voice"))
        elif not trial.reasoning:
            head = Content.assemble(head, "\n", (_silent(trial.proposer), "$dim"))
        return head

    def _before_first(self) -> Content:
        if self._snapshot.phase == "loading":
            return Content.styled("The model is being loaded.", "$dim")
        return Content.styled("The model's words appear here as they come.", "$dim")

    def _thinking(self, text: str) -> Content:
        if not text:
            return Content("")
        if self.unfolded:
            return Content.assemble(("thinking (x folds)\n", "$voice"), (text, "italic $dim"))
        words = len(text.split())
        tail = " ".join(text.split())[-60:]
        return Content.assemble(
            (f"{self.glyphs.running} thinking, {words} words (x unfolds)  ", "$voice"),
            (f"{self.glyphs.ellipsis}{tail}", "italic $dim"),
        )

    def _proposal(self) -> Content:
        trial = self._trial
        if trial is None or not trial.config:
            return Content("")
        lines: list[Content] = []
        before = {name: pair[0] for name, pair in wording.visible(trial.changes).items()}
        changed = [name for name in trial.config if name in before]
        label = max((len(plain(name)) for name in changed), default=0)
        for name in changed:
            lines.append(
                Content.assemble(
                    (f"{self.glyphs.arrow} ", "$best"),
                    plain(name).ljust(label) + "  ",
                    (wording.setting(trial.config[name]).ljust(8), "bold"),
                    (f"  was {wording.setting(before[name])}", "$dim"),
                )
            )
        rest = {name: value for name, value in trial.config.items() if name not in before}
        if rest:
            head = "unchanged  " if changed else ""
            lines.append(Content.styled(head + plain(wording.configuration(rest)), "$dim"))
        outcome = self._outcome(trial)
        return Content("\n").join([*lines, *outcome])

    def _outcome(self, trial: TrialState) -> Iterable[Content]:
        if trial.state == "fail":
            yield Content("")
            yield Content.assemble(
                (f"{self.glyphs.failed} failed: ", "$bad"), plain(trial.reason) or "no reason given"
            )
        elif trial.value is not None:
            yield Content("")
            yield Content.assemble(
                (f"{self.glyphs.arrow} ", "$dim"),
                (wording.score(trial.value), "bold"),
                (f" {self.glyphs.plus_minus} {wording.score(trial.std)}", "$dim")
                if trial.std is not None
                else "",
                ("   the best so far" if trial.best_then else "", "$best"),
            )


def _silent(proposer: str) -> str:
    known = {
        "default": "The library's default configuration: what every gain is measured against.",
        "queue": "A configuration of yours.",
    }
    return known.get(proposer, "This proposer gives no reasons.")
