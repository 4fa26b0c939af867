"""The reasoning pane: the model's text as it comes, then the configuration it led to."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.study import PRUNED, StudyState, TrialState
from hyperllama.core.text import mentions, plain
from hyperllama.tui import actions
from hyperllama.tui.text import markdown, wording
from hyperllama.tui.text.glyphs import UNICODE, Glyphs

HELP = """\
What the model wrote about the selected trial, as it writes it. Its thinking is folded: \
`x` unfolds it. Below stands the configuration it led to, against the best one of that moment; a \
hyperparameter has one colour in both, so that you see which words concern which value.

Scroll with the arrow keys; the end is followed until you scroll up. Move in the history to read \
an earlier trial's reasoning.
"""

_THINKING = re.compile(r"<think(?:ing)?>(.*?)(?:</think(?:ing)?>|\Z)", re.DOTALL)


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer) of a reply; thinking that is still open counts as thinking."""
    thinking = "\n".join(part.strip() for part in _THINKING.findall(text))
    return thinking.strip(), _THINKING.sub("", text).strip()


class Reasoning(VerticalScroll, can_focus=True):
    """The reasoning of one trial; a pure function of the selected trial."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("reasoning")]
    NAME = "Reasoning"
    HELP = HELP
    WHERE = "reasoning"

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.unfolded = False
        self._state = StudyState()
        self._trial: TrialState | None = None
        self._number: int | None = None
        self._drawn: Content | None = None
        self._room = (0, 0)  # what the text takes; the screen is laid out anew when it changes

    def compose(self) -> ComposeResult:
        yield Static(id="reasoning-text")

    def show(self, state: StudyState, trial: TrialState | None) -> None:
        """Show that trial's reasoning."""
        if state is not self._state or trial is not self._trial:
            self._state, self._trial = state, trial
            self._draw()

    def action_unfold(self) -> None:
        if self._trial is None or not split_thinking(self._trial.reasoning)[0]:
            self.notify("There is no thinking here to unfold", timeout=4)
            return
        self.unfolded = not self.unfolded
        self._draw()

    def on_resize(self) -> None:
        if self._trial is not None:
            self._draw()

    def _draw(self) -> None:
        number = self._trial.number if self._trial else None
        another, self._number = number != self._number, number
        width = max(8, self.scrollable_content_region.width)
        content = self._content(width)
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

    def _content(self, width: int) -> Content:
        trial = self._trial
        if trial is None:
            loading = self._state.phase == "loading"
            text = "The model is being loaded." if loading else "The model's text appears here."
            return Content.styled(text, "$dim")
        thinking, answer = split_thinking(plain(trial.reasoning))
        parts = (
            self._head(trial), self._thinking(thinking, trial),
            Content("\n").join(_named(line, trial) for line in markdown.lines(answer, width)),
            self._proposal(trial),
        )  # fmt: skip
        return Content("\n\n").join(part for part in parts if part)

    def _head(self, trial: TrialState) -> Content:
        dot = f" {self.glyphs.dot} "
        facts = [plain(trial.proposer) or "?"]
        out = trial.tokens.get("generated")
        if isinstance(out, (int, float)) and out:
            facts.append(f"{wording.count(out)} tokens")
        if trial.proposal_s:
            facts.append(wording.duration(trial.proposal_s))
        title = (f"Trial {trial.number}", "bold")
        lines = [Content.assemble(title, (dot + dot.join(facts), "$dim"))]
        if trial.fallback:
            opened, because = self._state.opened, f"{plain(trial.proposer)} replaced the proposer: "
            if opened is not None and trial.proposer == opened.proposer:
                because = "A bound program instead of a free one: "  # all that a model makes itself
            lines.append(Content.assemble((because, "$bad"), plain(trial.fallback)))
        if not trial.reasoning and trial.state == "proposing":
            reading = self._state.reading
            loading = self._state.phase == "loading"
            told = "the model is being loaded" if loading else "thinking"
            if reading is not None:
                told = wording.reading(reading.done, reading.total, reading.seconds)
            lines.append(Content.styled(told, "italic $voice"))
        elif not trial.reasoning:
            silent = _SILENT.get(trial.proposer, "This proposer gives no reasons.")
            lines.append(Content.styled(silent, "$dim"))
        return Content("\n").join(lines)

    def _thinking(self, text: str, trial: TrialState) -> Content:
        if not text:
            return Content("")
        if self.unfolded:
            said = _named(Content.styled(text, "italic $dim"), trial)
            return Content.assemble(("thinking (x folds)\n", "$voice"), said)
        words = text.split()
        return Content.assemble(
            (f"{self.glyphs.running} thinking, {len(words)} words (x unfolds)  ", "$voice"),
            (f"{self.glyphs.ellipsis}{' '.join(words)[-60:]}", "italic $dim"),
        )

    def _proposal(self, trial: TrialState) -> Content:
        """The configuration against the best one of that moment, and the outcome."""
        g, lines = self.glyphs, []
        before = {name: pair[0] for name, pair in wording.visible(trial.changes).items()}
        changed = [name for name in trial.config if name in before]
        label = max((len(plain(name)) for name in changed), default=0)
        room = max((len(wording.setting(trial.config[name])) for name in changed), default=0)
        for name in changed:
            lines.append(
                Content.assemble(
                    (f"{g.arrow} ", "$best"),
                    (plain(name).ljust(label) + "  ", _colour(trial, name)),
                    (wording.setting(trial.config[name]).ljust(max(8, room)), "bold"),
                    (f"  was {wording.setting(before[name])}", "$dim"),
                )
            )
        rest = {name: value for name, value in trial.config.items() if name not in before}
        if rest:
            head = "unchanged  " if changed else ""
            lines.append(Content.styled(head + plain(wording.configuration(rest)), "$dim"))
        if trial.state == "fail":
            reason = plain(trial.reason) or "no reason given"
            lines += [Content(""), Content.assemble((f"{g.failed} failed: ", "$bad"), reason)]
        elif trial.state == PRUNED:
            lines += [Content(""), Content.styled(plain(trial.reason), "$dim")]
        elif trial.value is not None:
            std = f" {g.plus_minus} {wording.spread(trial.std)}" if trial.std is not None else ""
            score = ((f"{g.arrow} ", "$dim"), (wording.score(trial.value), "bold"), (std, "$dim"))
            best = ("   the best so far" if trial.best_then else "", "$best")
            lines += [Content(""), Content.assemble(*score, best)]
        return Content("\n").join(lines)


def _named(line: Content, trial: TrialState) -> Content:
    """A line in which each hyperparameter that is named has its colour."""
    for start, end, name in mentions(line.plain, trial.config):
        line = line.stylize(f"bold {_colour(trial, name)}", start, end)
    return line


def _colour(trial: TrialState, name: str) -> str:
    """The colour of a hyperparameter, where the trial's text names it; none elsewhere."""
    told = dict.fromkeys(found[2] for found in mentions(plain(trial.reasoning), trial.config))
    return f"$part-{list(told).index(name) % _COLOURS + 1}" if name in told else ""


_COLOURS = 5  # of the themes, $part-1 and so on
_SILENT = {
    "default": "The library's default configuration: what every gain is measured against.",
    "queue": "A configuration of yours.",
}
