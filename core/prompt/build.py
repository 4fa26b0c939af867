"""The prompt of one proposal: planned in the model's own tokens, then built.

What never changes stands in front (instructions, task, space), then the history in an order in
which it only grows, at the end what is asked now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hyperllama.core.prompt.facts import facts_of
from hyperllama.core.prompt.plan import (
    DIGEST_SHARE,
    FACTS_SHARE,
    LEVELS,
    Level,
    Plan,
    checkpoint,
    enough,
    rounded,
    stride,
)
from hyperllama.core.prompt.rows import FLAT, Rows, by_worth
from hyperllama.core.prompt.shapes import shapes
from hyperllama.core.prompt.templates import PromptError, Templates
from hyperllama.core.prompt.wording import (
    CUT,
    Names,
    failure_text,
    metric_words,
    score_text,
    space_lines,
    untrusted,
)
from hyperllama.core.space import Categorical, SearchSpace
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from hyperllama.core.trials.history import succeeded

Message = Mapping[str, str]
ANSWER = "Configuration: "
_FEW_LEFT = 10  # trials left when the model is told of the end
_HINTS = 5  # of the user's, the latest
_REJECTION = 96  # tokens kept for the reason of a rejection
_HEADINGS = 72  # tokens kept for the headings of a digest
_LONG = 4096  # a context of so many tokens has room for a reply in one go
NUMBERS_AT_ONCE = 64
_FEW_AT_ONCE = 4
_USUAL_NUMBER = 8  # tokens of a usual number
NUMBER_TOKENS = 40  # tokens that the engine keeps free for a number (models.engine.programme)
_REMEMBERED = 50_000  # counted texts


_SummedUp = tuple[object, list[Observed], tuple[list[str], int, list[Observed]]]


@dataclass(frozen=True)
class Prompt:
    """A prompt and how it came about.

    Attributes:
        parts: the text after the model's chat template; the reply follows directly. A part that
            was in the last prompt stands in this one unchanged, so that it need not be read again:
            instructions with task and space, the history's beginning, then for every trial its
            configuration, known while it runs, and what came of it.
        messages: before the template.
        plan: where the tokens went; `plan.reasoning` is how many the reasoning may take.
        names: what hyperparameters are called in it.
        version: of the templates.
        row: how the row begins that is asked for; empty where a JSON object is.
    """

    parts: tuple[str, ...]
    messages: tuple[Message, ...]
    plan: Plan
    names: Names
    version: str
    row: str = ""

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
    """

    def __init__(
        self,
        setting: ProposerSetting,
        templates: Templates,
        count: Callable[[str], int],
        chat: Callable[[Sequence[Message]], str],
        context_length: int,
    ) -> None:
        self._setting, self._templates, self._chat = setting, templates, chat
        self._options: PromptOptions = setting.prompt
        self._context_length = context_length
        self._count_now = count
        self._counted: dict[str, int] = {}
        self._frames: dict[tuple[tuple[str, str], ...], int] = {}
        self._summed_up: _SummedUp | None = None

    def build(
        self,
        space: SearchSpace,
        trials: Sequence[Observed],
        context: AskContext,
        *,
        reasoning_tokens: int,
        analysis: bool,
        rejected: Sequence[str] = (),
    ) -> Prompt:
        """The prompt for trial `context.number`.

        Args:
            trials: all that was told, by rising number.
            reasoning_tokens: most tokens wanted before the configuration; the plan may grant fewer.
            analysis: whether the model is told to write an analysis.
            rejected: why earlier replies for this trial were not taken.

        Raises:
            PromptError: task, space and reply alone do not fit the context.
        """
        names = Names(space, self._options.neutral_names)
        row = self._options.reply == "row" and not reasoning_tokens
        draft = _Draft(self, space, trials, context, names, analysis, tuple(rejected), row)
        margin = 8 + self._context_length // 128
        for _ in range(4):
            plan, level = draft.plan(reasoning_tokens, margin)
            messages, plan = draft.messages(plan, level)
            parts = tuple(filter(None, self._chat(messages).split(CUT)))
            plan = replace(plan, prompt=sum(map(self.count, parts)))
            excess = plan.prompt + plan.reasoning + plan.reply - plan.context_length
            if excess <= 0:
                clean = tuple({**m, "content": m["content"].replace(CUT, "")} for m in messages)
                return Prompt(parts, clean, plan, names, self._templates.version, draft.lead)
            margin += excess + 8
        raise PromptError(
            f"the prompt has {plan.prompt} tokens, {excess} too many for a context of "
            f"{plan.context_length}",
            "load the model with a longer context",
        )

    def ahead(
        self,
        space: SearchSpace,
        trials: Sequence[Observed],
        context: AskContext,
        running: Observed,
        *,
        reasoning_tokens: int,
        analysis: bool,
    ) -> tuple[str, ...]:
        """The front of the prompt after `context`'s trial, which is `running` and has no score yet;
        empty where that depends on the score.
        """
        told = sorted([*trials, running], key=lambda t: t.number)
        left = context.trials_left
        later = AskContext(context.number + 1, left and left - 1, context.hints)
        try:
            prompt = self.build(
                space, told, later, reasoning_tokens=reasoning_tokens, analysis=analysis
            )
        except PromptError:
            return ()
        listed = told[-1] is running and prompt.plan.checkpoint < len(told)
        return prompt.parts[:-2] if listed else ()

    def count_chat(self, messages: Sequence[Message]) -> int:
        """Tokens of a conversation in the model's layout; the latest few are remembered."""
        key = tuple((m["role"], m["content"]) for m in messages)
        if key not in self._frames:
            if len(self._frames) >= 2 * len(LEVELS):
                self._frames.clear()
            self._frames[key] = self._count_now(self._chat(messages).replace(CUT, ""))
        return self._frames[key]

    def count(self, text: str) -> int:
        """Tokens of a text; remembered."""
        text = text.replace(CUT, "")
        found = self._counted.get(text)
        if found is None:
            if len(self._counted) >= _REMEMBERED:
                self._counted.clear()
            found = self._counted[text] = self._count_now(text)
        return found


class _Draft:
    """One prompt in the making."""

    def __init__(
        self,
        builder: PromptBuilder,
        space: SearchSpace,
        trials: Sequence[Observed],
        context: AskContext,
        names: Names,
        analysis: bool,
        rejected: tuple[str, ...],
        row: bool,
    ) -> None:
        self._b, self._space, self._trials, self._context = builder, space, trials, context
        self._names, self._analysis, self._rejected = names, analysis, rejected
        self._options = builder._options
        self._fill = builder._templates.fill
        self._count = builder.count
        self._rows = Rows(space, names, self._options, trials)
        self._chat_mode = self._options.history == "chat"
        self.lead = f"{context.number}," if row and self._rows.wide and not self._chat_mode else ""

    def plan(self, reasoning_tokens: int, margin: int) -> tuple[Plan, Level]:
        """The tokens shared out, with as little given up as leaves enough for the history."""
        length = self._b._context_length
        step = min(128, length // 16)
        question = rounded(self._count(self._ask(())), step) + min(_REJECTION, step)
        at_once = NUMBERS_AT_ONCE if length >= _LONG else _FEW_AT_ONCE
        reply = self._reply_tokens(at_once)
        wanted = min(reasoning_tokens, length // 4)
        for level in LEVELS:
            reasoning = int(wanted * level.reasoning_share)
            fixed = self._b.count_chat(self._frame(level, reasoning))
            history = length - fixed - question - reasoning - reply - margin
            if history >= enough(length):
                break
        if history < 0:
            raise PromptError(
                f"task, search space and reply need {length - history} tokens; the context has "
                f"{length}",
                "load the model with a longer context",
            )
        setting, options = self._b._setting, self._options
        dropped = level.dropped(
            reasoning=wanted > 0,
            dataset=bool(setting.dataset) and options.dataset_facts,
            descriptions=options.descriptions,
            notes_characters=len(setting.notes),
        )
        if len(self._context.hints) > _HINTS:
            dropped += (f"all hints but the last {_HINTS}",)
        plan = Plan(
            length, fixed, question, reasoning, reply, history, dropped=dropped,
            numbers_at_once=at_once, task=self._count(self._task(level)),
        )  # fmt: skip
        return plan, level

    def messages(self, plan: Plan, level: Level) -> tuple[list[Message], Plan]:
        """The conversation, and the plan with what became of the history."""
        system = {"role": "system", "content": self._system(plan.reasoning)}
        lead = self._task(level)
        sizes = self._sizes(plan.history)
        listed: Sequence[Observed]
        if len(sizes) == len(self._trials) and sum(sizes) <= plan.history:
            listed = self._trials
            plan = replace(plan, form="whole" if listed else "none")
            history = self._fill("history", self._table(listed))
        else:
            line = self._usual_size()
            at = checkpoint(sizes, len(self._trials), plan.history, line)
            listed = self._trials[at:]
            history, plan = self._digest(plan, at)
        plan = replace(
            plan,
            listed=tuple(sorted({*plan.listed, *(t.number for t in listed)})),
        )
        plan = replace(plan, left_out=len(self._trials) - len(plan.listed))
        ask = self._ask(self._rejected)
        plan = replace(plan, question=self._count(ask))
        if not self._chat_mode:
            told = f"{history}{CUT}" + (f"\n\n{ask}" if ask else "")
            return [system, _user(lead, told)], plan
        if plan.form == "digest":
            lead = _joined(lead, history)
        turns = self._turns(lead, listed, ask)
        return [system, *turns], plan

    # The pieces.

    def _system(self, reasoning: int) -> str:
        sentences = "three sentences" if reasoning < 160 else "six sentences"
        wanted = self._analysis and reasoning > 0
        row = self._rows.asked if self.lead else ""
        return self._fill("system", {"reasoning": wanted, "sentences": sentences, "row": row})

    def _task(self, level: Level) -> str:
        s, o = self._b._setting, self._options
        known = not o.neutral_names
        return self._fill(
            "task",
            {
                "task": untrusted(s.task, 80) if known else "",
                "kind": untrusted(s.kind, 40),
                "model": untrusted(", ".join(s.estimators)) if known else "",
                "metric": metric_words(s.metric) if s.metric else "",
                "folds": s.folds or "",
                "dataset": untrusted("; ".join(s.dataset.splitlines()), 800)
                if known and o.dataset_facts and level.dataset
                else "",
                "notes": untrusted(s.notes, level.notes_characters)
                if known and level.notes_characters
                else "",
                "space": space_lines(
                    self._space, self._names, o.descriptions and level.descriptions
                ),
            },
        )

    def _frame(self, level: Level, reasoning: int) -> list[Message]:
        """All that is always there, without history and question."""
        empty = self._fill("history", self._table([])) if not self._chat_mode else ""
        return [
            {"role": "system", "content": self._system(reasoning)},
            _user(self._task(level), empty, ""),
        ]

    def _ask(self, rejected: tuple[str, ...]) -> str:
        context, names, left = self._context, self._names, self._context.trials_left
        scored = [t for t in self._trials if succeeded(t)]
        best = max(scored, key=lambda t: (float(t.value or 0.0), -t.number), default=None)
        since = sum(t.number > best.number for t in scored) if best else 0
        hints = "; ".join(untrusted(h, 300) for h in context.hints[-_HINTS:])
        return self._fill(
            "ask",
            {
                "incumbent": names.config(best.config) if best else "",
                "incumbent_number": best.number if best else "",
                "incumbent_score": score_text(best.value) if best else "",
                "left": left or "",
                "few_left": left if left and 1 < left <= _FEW_LEFT else "",
                "row": bool(self.lead),
                "last": left == 1,
                "flat": since if since >= FLAT else "",
                "hints": hints,
                "rejected": " ".join(rejected[-2:]),
                "number": context.number,
            },
        )

    def _reply_tokens(self, at_once: int) -> int:
        """Tokens kept for the longest reply, with the room that the engine wants for numbers."""
        most = 0
        for config in shapes(self._space):
            longest = ", ".join(
                self._longest(n) if self.lead else f"{self._names.key(n)}: {self._longest(n)}"
                for n in config
            )
            numbers = sum(
                not isinstance(p.domain, Categorical) for p in self._space.free if p.name in config
            )
            spare = (NUMBER_TOKENS - _USUAL_NUMBER) * min(numbers, at_once)
            most = max(most, self._count(f"{ANSWER}{{{longest}}}") + spare)
        return most + 16

    def _longest(self, name: str) -> str:
        if isinstance(self._space[name].domain, Categorical):
            return max(self._names.choices(name), key=len)
        return "-0.00012345"

    def _table(self, trials: Sequence[Observed]) -> dict[str, object]:
        made = self._rows
        rows = "".join(f"{CUT}\n{made.configured(t)}{CUT}{made.resulted(t)}" for t in trials)
        spread = made.spread(self._trials)
        return {"columns": made.columns, "rows": rows, "spread": spread}

    def _sizes(self, enough_tokens: int) -> list[int]:
        """Tokens of the trials' lines or turns, newest first, until they exceed `enough_tokens`."""
        sizes: list[int] = []
        total = 0
        for trial in reversed(self._trials):
            sizes.append(self._size(trial))
            total += sizes[-1]
            if total > enough_tokens:
                break
        return sizes

    def _size(self, trial: Observed) -> int:
        if not self._chat_mode:
            return self._count("\n" + self._rows.line(trial))
        asked = self._fill("turn", {"number": trial.number})
        return self._count(f"{asked}\n{self._reply(trial)}\n{self._result(trial)}") + 16

    def _usual_size(self) -> int:
        """Tokens of a line as the space suggests it; the same for the whole study."""
        usual = Observed(
            100, self._space.default(), 0.12345, "", _name(self._b._setting), (0.1, 0.2),
            0.12345, 12.3, {"best_iteration": 43, "iterations": 100},
        )
        extra = self._options.reasoning_tokens // 2 if self._chat_mode and self._analysis else 0
        return int(1.2 * self._size(usual)) + extra

    def _digest(self, plan: Plan, at: int) -> tuple[str, Plan]:
        """Trials before position `at` in short, the others as rows (in chat mode as turns)."""
        early = self._trials[:at]
        room = int(DIGEST_SHARE * plan.history) - _HEADINGS
        if stride(plan.history, self._usual_size()) == 1:
            room = plan.history - _HEADINGS
        key = (self._space, room, self._names.neutral)
        cached = self._b._summed_up
        if cached is None or cached[0] != key or cached[1] != early:
            cached = (key, list(early), self._summed_up(early, room))
            self._b._summed_up = cached
        facts, skipped, selected = cached[2]
        later = [] if self._chat_mode else self._trials[at:]
        text = self._fill(
            "digest",
            {
                "last": early[-1].number,
                "facts": "\n".join(f"- {fact}" for fact in facts),
                "selected": "\n".join(self._rows.line(t) for t in selected),
                "listed": len(selected),
                "told": len(early),
                "omitted": len(early) - len(selected),
                "since": not self._chat_mode,
                **self._table(later),
            },
        )
        return text, replace(
            plan,
            form="digest",
            checkpoint=at,
            listed=tuple(t.number for t in selected),
            facts=len(facts),
            facts_left_out=skipped,
        )

    def _summed_up(
        self, trials: Sequence[Observed], room: int
    ) -> tuple[list[str], int, list[Observed]]:
        """Facts, how many found no room, and the most telling trials, worst first."""
        facts: list[str] = []
        used = skipped = 0
        for fact in facts_of(self._space, trials, self._names):
            size = self._count(f"- {fact.text}\n")
            if used + size > FACTS_SHARE * room:
                skipped += 1
                continue
            facts.append(fact.text)
            used += size
        selected: list[Observed] = []
        for trial in by_worth(self._space, trials, self._options.recent):
            used += self._count("\n" + self._rows.line(trial))
            if used > room:
                break
            selected.append(trial)
        selected.sort(key=lambda t: (succeeded(t), float(t.value or 0.0), -t.number))
        return facts, skipped, selected

    # Full chat: each trial is a turn.

    def _turns(self, lead: str, trials: Sequence[Observed], ask: str) -> list[Message]:
        own = _name(self._b._setting)
        turns: list[Message] = []
        pending, between = lead, f"{CUT}\n\n"
        for t in trials:
            result = f"{CUT}{self._result(t)}{CUT}"
            if t.proposer == own:
                asked = self._fill("turn", {"number": t.number})
                turns.append(_user(f"{pending}{between}{asked}"))
                turns.append({"role": "assistant", "content": self._reply(t)})
                pending = result
            else:
                given = f"Trial {t.number} was not yours: {self._names.config(t.config)}"
                pending = f"{pending}{between}{given}\n{result}"
            between = "\n\n"
        return [*turns, _user(f"{pending}{between}{ask}")]

    def _reply(self, trial: Observed) -> str:
        config = self._names.config(trial.config)
        if not self._analysis:
            return config
        return f"{untrusted(trial.reasoning, 4000)}\n{ANSWER}{config}".strip()

    def _result(self, trial: Observed) -> str:
        if not succeeded(trial):
            why = "" if self._names.neutral else f": {failure_text(trial)}"
            return f"Trial {trial.number} failed{why}."
        parts = [f"{k} {v}" for k, v in self._rows.measured(trial).items() if v]
        note = self._rows.note(trial)
        extra = f" ({', '.join([*parts, *([note] if note else [])])})" if parts or note else ""
        return f"Trial {trial.number}: score {self._rows.score(trial)}{extra}."


def _user(*parts: str) -> Message:
    return {"role": "user", "content": _joined(*parts)}


def _joined(*parts: str) -> str:
    """Paragraphs with a cut between them."""
    return f"{CUT}\n\n".join(p for p in parts if p)


def _name(setting: ProposerSetting) -> str:
    return str(setting.options.get("name", "llama"))
