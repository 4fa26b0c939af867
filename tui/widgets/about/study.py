"""A study on the first screen: progress, curve, best configuration, last reasoning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui.content.library import StudyEntry
from hyperllama.tui.text import markdown, wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.sheet import Lines, Sheet, bar, columns, heading, packed, words
from hyperllama.tui.widgets.study.progress import ProgressPlot
from hyperllama.tui.widgets.study.reasoning import split_thinking

_ROOM_FOR_PLOT = 18  # lines from which the curve is drawn at all


class StudyPage(Vertical):
    """Figures, the curve of the study screen, and what led there."""

    def __init__(self, *, glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self._shown: tuple[StudyEntry, StudyState | None, float, str] | None = None

    def compose(self) -> ComposeResult:
        yield Sheet(classes="page-head")
        plot = ProgressPlot(glyphs=self.glyphs, id="page-plot")
        plot.can_focus = False
        yield plot
        yield Sheet(classes="page-rest")

    def show(
        self, entry: StudyEntry, state: StudyState | None, now: float, problem: str = ""
    ) -> None:
        """Draw the study.

        Args:
            state: None while nothing of it was read.
            problem: the last message of its process when it ended with an error.
        """
        self._shown = (entry, state, now, problem)
        if self.is_mounted and self.size.height:
            self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._shown is None or not self.query(Sheet):
            return
        entry, found, now, problem = self._shown
        read, state = found is not None, found or StudyState()
        width, height = self.size.width, self.size.height
        head, rest = self.query_one(".page-head", Sheet), self.query_one(".page-rest", Sheet)
        lines = head_lines(entry, state, now, width, self.glyphs)
        head.styles.height = len(lines)
        head.show(lambda w, h: lines)
        plot = self.query_one(ProgressPlot)
        plot.display = height >= _ROOM_FOR_PLOT and any(
            t.value is not None for t in state.trials
        )
        plot.styles.height = max(7, min(16, (height - len(lines)) * 2 // 5))
        plot.show(state, None)
        glyphs = self.glyphs
        told = "Its trials cannot be read." if entry.trials else "No trial yet."
        nothing = words(told if read else "", width, "$dim")
        rest.show(lambda w, h: rest_lines(state, problem, w, h, glyphs) or nothing)


def head_lines(
    entry: StudyEntry, state: StudyState, now: float, width: int, glyphs: Glyphs
) -> Lines:
    """What was asked for, how far it is, what was reached."""
    opened, dot = state.opened, f" {glyphs.dot} "
    asked = [plain(", ".join(opened.estimators)) if opened else "", entry.metric]
    if opened is not None:
        asked += [f"{opened.rows:,} rows × {opened.features}", f"{opened.folds} folds"]
    model = wording.model_name(entry.model)
    lines = [
        Content.styled(dot.join(filter(None, asked)), ""),
        Content.styled(dot.join(filter(None, (entry.proposer, model))), "$voice"),
    ]
    if opened is not None and opened.unsandboxed:
        lines.append(Content.styled(wording.UNSANDBOXED, "$bad"))
    took = state.elapsed_s(now if entry.state == "running" else state.last_t)
    time = wording.duration(took) if took else ""
    left = state.left_s(now) if entry.state == "running" else None
    time += f", {wording.duration(left)} left" if left else ""
    told = f" {entry.trials}" + (f" of {entry.budget}" if entry.budget else "") + " trials"
    if entry.budget:
        cells = max(8, min(30, width - len(told) - len(time) - 3))
        lines.append(
            Content.assemble(
                bar(entry.trials / entry.budget, cells, glyphs), (told, ""), ("   " + time, "$dim")
            )
        )
    else:
        lines.append(Content.assemble(told.strip(), ("   " + time, "$dim")))
    best = state.winner
    if entry.best is not None:
        score, mark = entry.best, glyphs.best
        if best is not None and best.value is not None and best is not state.best:
            score, mark = best.value, "winner"  # the test score and the gain are its own
        spread = f" {glyphs.plus_minus} {wording.spread(best.std)}" if best and best.std else ""
        fresh = state.confirmed_gain is not None
        over = " on fresh folds" if fresh else " over the default"
        noise = wording.within_noise(entry.gain, state.beyond_noise)
        over += f", {noise}" if noise else ""
        gain = wording.gain_style(state.beyond_noise)
        test = state.test_value
        parts = [
            Content.assemble(
                (f"{mark} {wording.score(score)}", "bold $best"), (spread, "$dim")
            ),
            Content.assemble((wording.signed(entry.gain), gain), (over, "$dim")),
        ]
        if test is not None:
            parts.append(Content(f"test {wording.score(test)}"))
        lines += [Content(""), *packed(parts, width)]
    return [*lines, Content("")]


def rest_lines(
    state: StudyState, problem: str, width: int, height: int, glyphs: Glyphs
) -> Lines:
    """The winner against the default, then the last reasoning, as far as there is room."""
    lines: Lines = []
    if problem:
        lines += [heading("It ended with"), *words(problem, width, "$bad"), Content("")]
    best = state.winner
    if best is not None and best.config:
        title = "Best configuration" if best is state.best else "Winner"
        lines.append(heading(f"{title}, trial {best.number}"))
        lines += _configuration(best, _defaults(state), width, max(3, height * 2 // 3), glyphs)
    asked = (t for t in reversed(state.trials) if t.proposer not in ("default", "queue"))
    said = next((t for t in asked if t.reasoning.strip()), None)
    if said is not None:
        if lines:
            lines.append(Content(""))
        answer = split_thinking(said.reasoning)[1] or said.reasoning
        lines += [heading(f"Last reasoning, trial {said.number}")]
        lines += markdown.lines(plain(answer), width)
    return _cut(lines, height, glyphs)


def _defaults(state: StudyState) -> Mapping[str, Any]:
    """The library's default configuration: as it was scored, else as the space has it."""
    tried = next((t.config for t in state.trials if t.proposer == "default" and t.config), None)
    if tried is not None or state.opened is None:
        return tried or {}
    return {str(p.get("name")): p.get("default") for p in state.opened.space}


def _configuration(
    best: TrialState, default: Mapping[str, Any], width: int, most: int, glyphs: Glyphs
) -> Lines:
    lines: Lines = []
    changed, alike = [], []
    for name, value in best.config.items():
        here, usual = wording.setting(value), wording.setting(default.get(name))
        if name in default and here == usual:
            alike.append(f"{plain(name)} {here}")
        else:
            was = f"default {usual}" if name in default else ""
            changed.append(((plain(name), ""), (here, "bold"), (was, "$dim")))
    lines += columns(changed[:most], left=(0, 2))
    if len(changed) > most:
        lines.append(Content.styled(f"and {len(changed) - most} more", "$dim"))
    if alike:
        told = "as the default: " if changed else "It is the default: "
        lines += words(told + f" {glyphs.dot} ".join(alike), width, "$dim")
    return lines


def _cut(lines: Lines, height: int, glyphs: Glyphs) -> Lines:
    """The lines as far as there is room; an ellipsis stands for the rest."""
    if len(lines) <= height or height < 1:
        return lines
    return [*lines[: height - 1], Content.styled(glyphs.ellipsis, "$dim")]
