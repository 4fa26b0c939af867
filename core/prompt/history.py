"""The history in a prompt: every trial, or early ones in short; as a table, or as turns of a chat.

Texts that were in an earlier prompt stay as they are, so that they need not be evaluated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperllama.core.prompt.counting import Message
from hyperllama.core.prompt.facts import facts_of
from hyperllama.core.prompt.plan import FACTS_SHARE, checkpoint, digest_size, stride
from hyperllama.core.prompt.rows import by_worth
from hyperllama.core.prompt.sections import ANSWER, PromptDraft, table_values, user_message
from hyperllama.core.prompt.wording import CUT, failure_text, untrusted
from hyperllama.core.trials import Observed
from hyperllama.core.trials.history import succeeded

_HEADINGS = 72  # tokens kept for the headings of a digest
_PROPOSER = "llama"  # whose trials are turns of the model's own


@dataclass(frozen=True)
class Summary:
    """Early trials in short.

    Attributes:
        facts: sentences on all of them.
        left_out: sentences for which there was no room.
        selected: the trials that tell most, worst first.
    """

    facts: tuple[str, ...]
    left_out: int
    selected: tuple[Observed, ...]


def sizes(draft: PromptDraft, most_tokens: int) -> list[int]:
    """Tokens of the trials' lines or turns, newest first, until they exceed `most_tokens`."""
    found: list[int] = []
    total = 0
    for trial in reversed(draft.shown):
        found.append(_size(draft, trial))
        total += found[-1]
        if total > most_tokens:
            break
    return found


def early_trials(draft: PromptDraft, most_tokens: int) -> int:
    """How many trials are summed up; 0 where all fit as they are."""
    found, trials = sizes(draft, most_tokens), len(draft.shown)
    if len(found) == trials and sum(found) <= most_tokens:
        return 0
    return checkpoint(found, trials, most_tokens, usual_size(draft))


def next_early(draft: PromptDraft, most_tokens: int) -> tuple[int, int]:
    """How many trials will be summed up when the checkpoint moves, and in how many trials it does;
    (0, 0) as long as not all of them are known. For a history that fits, by its mean line."""
    found, trials = sizes(draft, most_tokens), len(draft.shown)
    step, late = stride(most_tokens, usual_size(draft))
    now = early_trials(draft, most_tokens)
    if now:
        moves_at = now + step + late
    else:
        mean = sum(found) / max(len(found), 1)
        moves_at = trials + int((most_tokens - sum(found)) // max(mean, 1)) + 1
    early = (moves_at - late) // step * step
    known = now < early <= trials < moves_at
    return (early, moves_at - trials) if known else (0, 0)


def usual_size(draft: PromptDraft) -> int:
    """Tokens of a line as the space suggests it; the same for the whole study."""
    usual = Observed(
        100, draft.space.default(), 0.12345, fold_scores=(0.1, 0.2), train_value=0.12345,
        seconds=12.3, facts={"best_iteration": 43, "iterations": 100},
    )  # fmt: skip
    analysis = draft.whole_chat and draft.analysis
    extra = draft.options.reasoning_tokens // 2 if analysis else 0
    return int(1.2 * _size(draft, usual)) + extra


def digest_tokens(draft: PromptDraft, history_tokens: int) -> int:
    """Tokens for early trials in short, out of those for the history."""
    whole = stride(history_tokens, usual_size(draft))[0] == 1
    return (history_tokens if whole else digest_size(history_tokens)) - _HEADINGS


def summed_up(draft: PromptDraft, trials: Sequence[Observed], tokens: int) -> Summary:
    """Trials in short, in so many tokens at most."""
    facts: list[str] = []
    used = left_out = 0
    for fact in facts_of(draft.space, trials, draft.names):
        size = draft.counter.text(f"- {fact.text}\n")
        if used + size > FACTS_SHARE * tokens:
            left_out += 1
            continue
        facts.append(fact.text)
        used += size
    selected: list[Observed] = []
    for trial in by_worth(draft.space, trials, draft.options.recent):
        used += draft.counter.text("\n" + draft.table.line(trial))
        if used > tokens:
            break
        selected.append(trial)
    selected.sort(key=lambda t: (succeeded(t), float(t.value or 0.0), -t.number))
    return Summary(tuple(facts), left_out, tuple(selected))


def digest_text(draft: PromptDraft, summary: Summary, early: int) -> str:
    """The first `early` trials in short, and where each trial is a row, the others in full.

    A new part begins with every line, so that it can be read in shares.
    """
    values = table_values(draft, [] if draft.whole_chat else draft.shown[early:])
    values["rows"] = f"{CUT}{values['rows']}"
    return draft.fill(
        "digest",
        last=draft.shown[early - 1].number,
        facts=f"\n{CUT}".join(f"- {fact}" for fact in summary.facts),
        selected=f"{CUT}\n" * (not draft.opened)
        + f"\n{CUT}".join(map(draft.table.line, summary.selected)),
        listed=len(summary.selected),
        told=early,
        omitted=early - len(summary.selected),
        since=not draft.whole_chat,
        **values,
    )


def turns(
    draft: PromptDraft, lead: str, trials: Sequence[Observed], question: str
) -> list[Message]:
    """The conversation with each trial as a turn, between `lead` and the question."""
    messages: list[Message] = []
    pending, between = lead, f"{CUT}\n\n"
    for t in trials:
        result = f"{CUT}{_result(draft, t)}{CUT}"
        if t.proposer == _PROPOSER:
            asked = draft.fill("turn", number=t.number)
            messages.append(user_message(f"{pending}{between}{asked}"))
            messages.append({"role": "assistant", "content": _reply(draft, t)})
            pending = result
        else:
            given = f"Trial {t.number} was not yours: {draft.names.config(t.config)}"
            pending = f"{pending}{between}{given}\n{result}"
        between = "\n\n"
    return [*messages, user_message(f"{pending}{between}{question}")]


def _size(draft: PromptDraft, trial: Observed) -> int:
    if not draft.whole_chat:
        return draft.counter.text("\n" + draft.table.line(trial))
    asked = draft.fill("turn", number=trial.number)
    return draft.counter.text(f"{asked}\n{_reply(draft, trial)}\n{_result(draft, trial)}") + 16


def _reply(draft: PromptDraft, trial: Observed) -> str:
    config = draft.names.config(trial.config)
    if not draft.analysis:
        return config
    return f"{untrusted(trial.reasoning, 4000)}\n{ANSWER}{config}".strip()


def _result(draft: PromptDraft, trial: Observed) -> str:
    table = draft.table
    if not succeeded(trial):
        why = "" if draft.names.neutral else f": {failure_text(trial)}"
        return f"Trial {trial.number} failed{why}."
    parts = [f"{k} {v}" for k, v in table.measured(trial).items() if v]
    parts += filter(None, [table.note(trial)])
    extra = f" ({', '.join(parts)})" if parts else ""
    return f"Trial {trial.number}: score {table.score(trial)}{extra}."
