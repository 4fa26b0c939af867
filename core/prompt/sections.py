"""The parts of a prompt beside the history: instructions, task, question, and room for a reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hyperllama.core.prompt.counting import Message, TokenCounter
from hyperllama.core.prompt.knowledge import known_text
from hyperllama.core.prompt.layout import JSON, PromptLayout, ReplyForm
from hyperllama.core.prompt.levels import LevelNames
from hyperllama.core.prompt.plan import Level
from hyperllama.core.prompt.rows import FLAT, TrialTable
from hyperllama.core.prompt.shapes import shapes
from hyperllama.core.prompt.templates import Templates
from hyperllama.core.prompt.untouched import unexplored
from hyperllama.core.prompt.wording import (
    CUT,
    Names,
    metric_words,
    score_text,
    space_lines,
    untrusted,
)
from hyperllama.core.space import Categorical, SearchSpace
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import succeeded
from hyperllama.core.trials.movement import unmoved

ANSWER = "Configuration: "
MOST_HINTS = 5  # of the user's, the latest
_FEW_LEFT = 10  # trials left when the model learns how many there are
_USUAL_NUMBER = 8  # tokens of a usual number
NUMBER_TOKENS = 40  # tokens that the engine keeps free for a number (models.engine.programme)


@dataclass(frozen=True)
class PromptDraft:
    """What all parts of one prompt are made from.

    Attributes:
        trials: all trials of the study, by rising number; shown: those that the layout shows.
        analysis: whether the model is asked to write an analysis.
        in_rows: whether the reply is to be a row of the table.
        known_tokens: most tokens for what is known of the trials.
    """

    setting: ProposerSetting
    templates: Templates
    counter: TokenCounter
    space: SearchSpace
    trials: Sequence[Observed]
    context: AskContext
    analysis: bool
    in_rows: bool
    known_tokens: int = 0
    names: Names = field(init=False)
    table: TrialTable = field(init=False)
    shown: Sequence[Observed] = field(init=False)

    def __post_init__(self) -> None:
        levels = self.layout.levels if self.row else 0
        neutral = self.options.neutral_names
        names = LevelNames(self.space, neutral, levels) if levels else Names(self.space, neutral)
        table = TrialTable(self.space, names, self.options, self.trials, self.layout,
                           self.setting.goals)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "shown", table.chosen(self.trials))

    @property
    def options(self) -> PromptOptions:
        return self.setting.prompt

    @property
    def whole_chat(self) -> bool:
        """Whether each trial is a turn of the conversation, in place of a row."""
        return self.options.history == "chat"

    @property
    def layout(self) -> PromptLayout:
        return self.templates.layout

    @property
    def reply(self) -> ReplyForm:
        """How the reply is written, and how it begins."""
        if not self.row:
            return JSON
        kind = "pairs" if self.layout.rows == "pairs" else "columns"
        return ReplyForm(kind, self.table.begin(self.context.number, self.trials))

    @property
    def row(self) -> bool:
        """Whether the next row of the table is asked for."""
        return self.in_rows and not self.whole_chat

    @property
    def opened(self) -> bool:
        """Whether the reply begins with the table."""
        return self.row and self.layout.question == "in the reply"

    def fill(self, name: str, **values: object) -> str:
        """A template with its values."""
        return self.templates.fill(name, values)


def system_text(draft: PromptDraft, reasoning: int) -> str:
    """The instructions, for an analysis of so many tokens at most."""
    return draft.fill(
        "system",
        reasoning=draft.analysis and reasoning > 0,
        sentences="three sentences" if reasoning < 160 else "six sentences",
        row=draft.table.asked if draft.row else "",
        example=_example(draft),
    )


def _example(draft: PromptDraft) -> str:
    """A reply in its form, with the values in the middle of the ranges; the same for a study."""
    space = draft.space
    middle = {p.name: p.start if p.frozen else p.domain.from_unit(0.5) for p in space}
    config = space.complete(middle)
    if not draft.row:
        return draft.names.config(config)
    first = "" if draft.layout.score == "first" else "1,"
    return first + draft.table.cells(config)


def task_text(draft: PromptDraft, level: Level) -> str:
    """The task and the search space."""
    s, o = draft.setting, draft.options
    known = not o.neutral_names
    dataset = known and o.dataset_facts and level.dataset
    notes = known and level.notes_characters
    return draft.fill(
        "task",
        task=untrusted(s.task, 80) if known else "",
        kind=untrusted(s.kind, 40),
        model=untrusted(", ".join(s.estimators)) if known else "",
        metric=metric_words(s.metric) if s.metric else "",
        folds=s.folds or "",
        goals=_goals(s.goals),
        dataset=untrusted("; ".join(s.dataset.splitlines()), 800) if dataset else "",
        notes=untrusted(s.notes, level.notes_characters) if notes else "",
        space=space_lines(draft.space, draft.names, o.descriptions and level.descriptions),
    )


def _goals(goals: Goals) -> str:
    """Further objectives and constraints in a sentence each; empty where the score is all."""
    further = [o.label for o in goals.objectives[1:]]
    parts = [f"As important as the score: {'; '.join(further)}. Look for configurations that none "
             "of the trials beats in all of these."] if further else []  # fmt: skip
    if goals.constraints:
        parts.append(f"A trial has to keep {' and '.join(c.text for c in goals.constraints)}.")
    return " ".join(parts)


def frame(draft: PromptDraft, level: Level, reasoning: int) -> list[Message]:
    """The conversation without history and question."""
    empty = "" if draft.whole_chat else draft.fill("history", **table_values(draft, []))
    return [system_message(draft, reasoning), user_message(task_text(draft, level), empty, "")]


def question_text(draft: PromptDraft, rejected: Sequence[str]) -> str:
    """What is asked now, with the reasons for which earlier replies were rejected."""
    context, left = draft.context, draft.context.trials_left
    goals = draft.setting.goals
    scored = [t for t in draft.trials if succeeded(t) and not goals.broken(t)]
    best = max(scored, key=lambda t: (float(t.value or 0.0), -t.number), default=None)
    since = sum(t.number > best.number for t in scored) if best else 0
    known = context.known and known_text(
        context.known, draft.space, draft.names, draft.counter.text, draft.known_tokens
    )
    return draft.fill(
        "ask",
        known=known or "",
        incumbent=draft.names.config(best.config) if best else "",
        incumbent_number=best.number if best else "",
        incumbent_score=score_text(best.value) if best else "",
        left=left or "",
        few_left=left if left and 1 < left <= _FEW_LEFT else "",
        row=draft.row,
        unmoved=", ".join(map(draft.names.name, unmoved(draft.space, draft.trials))),
        unexplored=unexplored(draft.space, draft.trials, draft.names),
        last=left == 1,
        flat=since if since >= FLAT else "",
        hints="; ".join(untrusted(h, 300) for h in context.hints[-MOST_HINTS:]),
        rejected=" ".join(rejected[-2:]),
        number=context.number,
    )


def table_values(draft: PromptDraft, trials: Sequence[Observed]) -> dict[str, object]:
    """The values of a template with a table: its columns, its rows, the spread over folds."""
    table = draft.table
    ordered = table.ordered(trials)
    if draft.opened:  # lines end where they are complete, and the last one is no part of its own
        rows = "".join(f"{table.configured(t)}{CUT}{table.resulted(t)}\n{CUT}" for t in ordered)
        return {"columns": f"{table.columns}\n{CUT}", "rows": rows, "spread": ""}
    rows = "".join(f"{CUT}\n{table.configured(t)}{CUT}{table.resulted(t)}" for t in ordered)
    return {"columns": table.columns, "rows": rows, "spread": table.spread(draft.trials)}


def reply_tokens(draft: PromptDraft, numbers_at_once: int) -> int:
    """Tokens kept for the longest reply, with the room that the engine wants for numbers."""
    names = draft.names

    def longest(name: str) -> str:
        number = not isinstance(draft.space[name].domain, Categorical)
        value = "-0.00012345" if number else max(names.choices(name), key=len)
        kind = draft.reply.kind
        if kind == "columns":
            return value
        return f"{names.name(name)}={value}" if kind == "pairs" else f"{names.key(name)}: {value}"

    most = 0
    for config in shapes(draft.space):
        numbers = sum(
            not isinstance(p.domain, Categorical) for p in draft.space.free if p.name in config
        )
        spare = (NUMBER_TOKENS - _USUAL_NUMBER) * min(numbers, numbers_at_once)
        text = f"{ANSWER}{{{', '.join(map(longest, config))}}}"
        most = max(most, draft.counter.text(text) + spare)
    return most + 16


def system_message(draft: PromptDraft, reasoning: int) -> Message:
    return {"role": "system", "content": system_text(draft, reasoning)}


def user_message(*parts: str) -> Message:
    return {"role": "user", "content": joined(*parts)}


def joined(*parts: str) -> str:
    """Paragraphs with a cut between them."""
    return f"{CUT}\n\n".join(p for p in parts if p)
