"""The page at the end of a study: what it has come to, and what can be done next."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.study import StudyState
from hyperllama.core.study.findings.verdict import Verdict, verdict
from hyperllama.core.text import plain
from hyperllama.tui.text.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.sheet import heading, packed

HELP = """\
What the study has come to: whether the winner is better than the default and how sure that is, \
the test scores, which hyperparameters mattered, what the winner has otherwise than the default, \
ranges that may be too narrow, and whether more trials are likely to pay.

`0` shows the panes again, as does the number of a pane.
"""
NextStep = tuple[str, str]
"""A key and what it does."""


class VerdictPage(VerticalScroll, can_focus=True):
    """Draws a verdict; it derives nothing itself.

    Args:
        steps: what can be done next, asked whenever the page is drawn.
    """

    NAME = "Verdict"
    HELP = HELP

    def __init__(
        self, steps: Callable[[], Sequence[NextStep]], *, glyphs: Glyphs = UNICODE, id: str
    ) -> None:
        super().__init__(id=id)
        self._steps = steps
        self.glyphs = glyphs
        self._shown: object = None

    def compose(self) -> ComposeResult:
        yield Static(id="verdict-text")

    def show(self, state: StudyState) -> None:
        """Draw the verdict on that state, where something in it has changed."""
        width = max(20, self.scrollable_content_region.width)
        ended = (state.finished, state.confirmation, state.chosen)
        drawn = (state.shape, state.started_t, ended, width)
        if drawn == self._shown or not self.display:
            return
        self._shown = drawn
        content = verdict_content(verdict(state), self._steps(), width, self.glyphs)
        self.query_one("#verdict-text", Static).update(content)


def verdict_content(
    found: Verdict | None, steps: Sequence[NextStep], width: int, glyphs: Glyphs
) -> Content:
    """The headline, the facts in two columns, the next steps with their keys."""
    if found is None:
        lines = [Content.styled("No trial has a score, so there is nothing to use.", "bold $bad")]
    else:
        mark, style = {
            True: (glyphs.done, "$good"), False: (glyphs.failed, "$bad"), None: ("?", "$accent"),
        }[found.better]  # fmt: skip
        head = textwrap.wrap(plain(found.headline), width - 2)
        lines = [
            Content.assemble((f"{mark} " if not n else "  ", f"bold {style}"), (line, "bold"))
            for n, line in enumerate(head)
        ]
        lines.append(Content(""))
        label = max((len(name) for name, _ in found.facts), default=0) + 2
        for name, text in found.facts:
            for n, line in enumerate(textwrap.wrap(plain(text), max(16, width - label))):
                lines.append(Content.assemble(((name if not n else "").ljust(label), "$dim"), line))
    parts = [Content.assemble((key, "bold $primary"), f" {text}") for key, text in steps]
    return Content("\n").join([*lines, Content(""), heading("Next"), *packed(parts, width)])
