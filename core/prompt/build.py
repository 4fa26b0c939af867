"""The prompt of one proposal: planned in the model's own tokens, then built.

What never changes comes first (instructions, task, space), then the history in an order in which it
only grows, at the end the question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hyperllama.core.prompt import history, sections
from hyperllama.core.prompt.counting import Message, TokenCounter
from hyperllama.core.prompt.layout import JSON, ReplyForm
from hyperllama.core.prompt.plan import LEVELS, Level, TokenPlan, least_history, rounded
from hyperllama.core.prompt.sections import MOST_HINTS, PromptDraft
from hyperllama.core.prompt.templates import PromptError, Templates
from hyperllama.core.prompt.wording import CUT, Names
from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Observed, ProposerSetting

_REJECTION = 96  # tokens kept for the reason of a rejection
_KNOWN = 320  # tokens for what is known of the trials
_LONG = 4096  # a context of so many tokens has room for a reply in one go
NUMBERS_AT_ONCE = 64
_FEW_AT_ONCE = 4


@dataclass(frozen=True)
class Lead:
    """What the model is to write before the configuration.

    Attributes:
        tokens: most tokens; the plan may grant fewer.
        analysis: whether the prompt asks for an analysis.
    """

    tokens: int
    analysis: bool


@dataclass(frozen=True)
class ProposalPrompt:
    """A prompt and how it came about.

    Attributes:
        parts: the text after the model's chat template; the reply follows directly. A part that
            was in the last prompt is the same in this one, so that it need not be evaluated again:
            instructions with task and space, the history's beginning, then for every trial its
            configuration, known while it runs, and its result.
        messages: before the template.
        plan: where the tokens went; `plan.reasoning` is how many the reasoning may take.
        names: what hyperparameters are called in it.
        version: of the templates.
        reply: how the reply is written, and how it begins.
        text_ends: whether the text ends with the last trial's line.
    """

    parts: tuple[str, ...]
    messages: tuple[Message, ...]
    plan: TokenPlan
    names: Names
    version: str
    reply: ReplyForm = JSON
    text_ends: bool = False

    @property
    def text(self) -> str:
        return "".join(self.parts)


class PromptBuilder:
    """Builds prompts for one model and one study.

    Args:
        setting: the problem and the options.
        templates: the texts.
        count: tokens of a piece of text.
        chat: messages -> text, by the model's chat template, ready for the reply.
        context_length: of the model as it was loaded.
        continues: whether the prompt is a text that the reply continues; `chat` is not used then.
    """

    def __init__(
        self,
        setting: ProposerSetting,
        templates: Templates,
        count: Callable[[str], int],
        chat: Callable[[Sequence[Message]], str],
        context_length: int,
        continues: bool = False,
    ) -> None:
        chat = continued if continues else partial(opened, chat)
        self._setting, self._templates, self._chat = setting, templates, chat
        self._context_length = context_length
        self._counter = TokenCounter(count, chat)
        self._summaries: list[tuple[object, history.Summary]] = []  # this front's, and the next's

    @property
    def _known_tokens(self) -> int:
        return min(_KNOWN, self._context_length // 8)

    def build(
        self,
        space: SearchSpace,
        trials: Sequence[Observed],
        context: AskContext,
        lead: Lead,
        rejected: Sequence[str] = (),
    ) -> ProposalPrompt:
        """The prompt for trial `context.number`.

        Args:
            trials: all trials of the study, by rising number.
            rejected: why earlier replies for this trial were rejected.

        Raises:
            PromptError: task, space and reply alone do not fit the context.
        """
        return self._built(self._draft(space, trials, context, lead), lead, rejected)

    def _draft(
        self, space: SearchSpace, trials: Sequence[Observed], context: AskContext, lead: Lead
    ) -> PromptDraft:
        in_rows = self._setting.prompt.reply == "row" and not lead.tokens
        return PromptDraft(self._setting, self._templates, self._counter, space, trials, context,
                           lead.analysis, in_rows, self._known_tokens)  # fmt: skip

    def _built(
        self, draft: PromptDraft, lead: Lead, rejected: Sequence[str] = (), early: int = 0
    ) -> ProposalPrompt:
        """See `build`; `early`: how many trials to sum up, where it is not as many as need be."""
        margin = 8 + self._context_length // 128
        for _ in range(4):
            plan, level = self._planned(draft, lead.tokens, margin)
            messages, plan = self._messages(draft, plan, level, rejected, early)
            parts = tuple(filter(None, self._chat(messages).split(CUT)))
            plan = replace(plan, prompt=sum(map(self._counter.text, parts)))
            excess = plan.prompt + plan.reasoning + plan.reply - plan.context_length
            if excess <= 0:
                clean = tuple({**m, "content": m["content"].replace(CUT, "")} for m in messages)
                version = self._templates.version
                ends = draft.opened and not plan.question
                return ProposalPrompt(parts, clean, plan, draft.names, version, draft.reply, ends)
            margin += excess + 8
        raise _too_long(f"the prompt has {plan.prompt} tokens, {excess} too many for a context of "
                        f"{plan.context_length}")  # fmt: skip

    def ahead(
        self,
        space: SearchSpace,
        trials: Sequence[Observed],
        context: AskContext,
        lead: Lead,
        running: Observed,
    ) -> tuple[str, ...]:
        """The known beginning of the next prompt, while `context`'s trial is `running`.

        Empty where it depends on that trial's score.
        """
        return self._front(space, trials, context, lead, running)

    def later(
        self,
        space: SearchSpace,
        trials: Sequence[Observed],
        context: AskContext,
        lead: Lead,
        running: Observed,
    ) -> tuple[tuple[str, ...], int]:
        """What is known of the front that the prompts get when the checkpoint moves, and in how
        many trials they get it; nothing and 0 as long as its summary is not known.

        What `ahead` gives is not among it: the next prompt has that front already where it is due.
        """
        try:
            draft = self._draft(space, trials, context, lead)
            plan, _ = self._planned(draft, lead.tokens, 8 + self._context_length // 128)
        except PromptError:
            return (), 0
        early, due = history.next_early(draft, plan.history)
        if due < 2:
            return (), 0
        return self._front(space, trials, context, lead, running, early), due

    def _front(
        self,
        space: SearchSpace,
        trials: Sequence[Observed],
        context: AskContext,
        lead: Lead,
        running: Observed,
        early: int = 0,
    ) -> tuple[str, ...]:
        """The next prompt as far as it is known, or what it would be with `early` summed up."""
        layout = self._templates.layout
        if layout.order != "number" or layout.best:
            return ()
        later_trials = sorted([*trials, running], key=lambda t: t.number)
        left = context.trials_left
        later = AskContext(context.number + 1, left and left - 1, context.hints)
        try:
            draft = self._draft(space, later_trials, later, lead)
            prompt = self._built(draft, lead, early=early)
        except PromptError:
            return ()
        listed = later_trials[-1] is running and prompt.plan.checkpoint < len(later_trials)
        unknown = 1 + (layout.score == "first")  # its score, and where that is first its values
        unknown += not prompt.text_ends  # what stands after the table
        return prompt.parts[:-unknown] if listed else ()

    def _planned(self, draft: PromptDraft, wanted: int, margin: int) -> tuple[TokenPlan, Level]:
        """The tokens shared out, with as little given up as leaves enough for the history."""
        length, setting, options = self._context_length, draft.setting, draft.options
        step = min(128, length // 16)
        question = self._counter.text(sections.question_text(draft, ()))
        # what is known differs from trial to trial, and must not move the history's beginning
        question = max(rounded(question, step), self._known_tokens) + min(_REJECTION, step)
        at_once = NUMBERS_AT_ONCE if length >= _LONG else _FEW_AT_ONCE
        reply = sections.reply_tokens(draft, at_once)
        wanted = min(wanted, length // 4)
        for level in LEVELS:
            reasoning = int(wanted * level.reasoning_share)
            fixed = self._counter.chat(sections.frame(draft, level, reasoning))
            left = length - fixed - question - reasoning - reply - margin
            if left >= least_history(length):
                break
        if left < 0:
            raise _too_long(f"task, search space and reply need {length - left} tokens; the "
                            f"context has {length}")  # fmt: skip
        dropped = level.dropped(
            reasoning=wanted > 0,
            dataset=bool(setting.dataset) and options.dataset_facts,
            descriptions=options.descriptions,
            notes_characters=len(setting.notes),
        )
        if len(draft.context.hints) > MOST_HINTS:
            dropped += (f"all hints but the last {MOST_HINTS}",)
        task = self._counter.text(sections.task_text(draft, level))
        plan = TokenPlan(length, fixed, question, reasoning, reply, left, dropped=dropped,
                         numbers_at_once=at_once, task=task)  # fmt: skip
        return plan, level

    def _messages(
        self,
        draft: PromptDraft,
        plan: TokenPlan,
        level: Level,
        rejected: Sequence[str],
        early: int,
    ) -> tuple[list[Message], TokenPlan]:
        """The conversation, and the plan with what became of the history."""
        trials, task = draft.shown, sections.task_text(draft, level)
        early, form = early or history.early_trials(draft, plan.history), "digest"
        selected: Sequence[Observed] = ()
        if not early:
            form = "whole" if trials else "none"
            text = draft.fill("history", **sections.table_values(draft, trials))
        else:
            summary = self._summed_up(draft, early, plan.history)
            text, selected = history.digest_text(draft, summary, early), summary.selected
            plan = replace(plan, facts=len(summary.facts), facts_left_out=summary.left_out)
        listed = tuple(sorted({t.number for t in (*selected, *trials[early:])}))
        question = sections.question_text(draft, rejected)
        plan = replace(
            plan, form=form, checkpoint=early, listed=listed,
            left_out=len(draft.trials) - len(listed),
            question=self._counter.text(question),
        )  # fmt: skip
        system = sections.system_message(draft, plan.reasoning)
        if draft.whole_chat:
            lead = sections.joined(task, text) if form == "digest" else task
            return [system, *history.turns(draft, lead, trials[early:], question)], plan
        if draft.opened:
            text = f"{text}{question}\n{CUT}" if question else text
            reply = {"role": "assistant", "content": text}
            return [system, sections.user_message(task), reply], plan
        if draft.layout.question == "before the trials":
            return [system, sections.user_message(task, question, text + CUT)], plan
        text += f"{CUT}\n\n{question}" if question else CUT
        return [system, sections.user_message(task, text)], plan

    def _summed_up(self, draft: PromptDraft, early: int, history_tokens: int) -> history.Summary:
        """The first `early` trials in short; the last two summaries are remembered."""
        tokens, trials = history.digest_tokens(draft, history_tokens), list(draft.shown[:early])
        key = (draft.space, tokens, draft.names.neutral, trials)
        for known, summary in self._summaries:
            if known == key:
                return summary
        made = history.summed_up(draft, trials, tokens)
        self._summaries = [*self._summaries[-1:], (key, made)]
        return made


def continued(messages: Sequence[Message]) -> str:
    """A conversation as one text whose next line is the reply, for a model without a template."""
    text = "\n\n".join(filter(None, (m["content"] for m in messages)))
    return text if text.endswith(f"\n{CUT}") else f"{text}\n"


def opened(chat: Callable[[Sequence[Message]], str], messages: Sequence[Message]) -> str:
    """A conversation in the model's layout, with the beginning of the reply where there is one."""
    if messages[-1]["role"] != "assistant":
        return chat(messages)
    return f"{chat(messages[:-1])}{CUT}{messages[-1]['content']}"


def _too_long(message: str) -> PromptError:
    return PromptError(message, "load the model with a longer context")
