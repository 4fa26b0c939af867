"""How a prompt's tokens are shared out before it is built, and what was left out.

    context = instructions, task, space | history | question | reasoning | reply | slack

History gets what the others leave. Where that is too little, the others are cut in the order of
`LEVELS`. A history that does not fit whole is split at a checkpoint: trials before it are summed up
(facts, and the trials that tell most), trials after it are listed in full. The checkpoint moves
every few trials only: between two moves the prompt's front stays byte-identical, and the tokens
evaluated for a proposal are those of the newest trials. It moves late, some trials after all that
it sums up is known, so that the new front can be read in shares before it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hyperllama.models.engine import MAX_SAMPLES

_DIGEST_SHARE = 0.25  # of the history's tokens, for the trials before the checkpoint
_LEAST_DIGEST, _LEAST_DIGEST_SHARE = 200, 0.45  # tokens for them in a short context
FACTS_SHARE = 0.4  # of those, for facts
_A_TURN = 48
"""Tokens of a new digest that are read a turn. With a line's, that takes as long as one proposal
and a half; more turns would raise the median of all."""
_FILLED = 0.9  # of the tokens for lines after the checkpoint; some lines are longer than usual
_LONGEST_STRIDE = 64


@dataclass(frozen=True)
class Level:
    """What is still in the prompt at one step of making room.

    Attributes:
        reasoning_share: of the reasoning tokens asked for.
        dataset, descriptions: whether those facts are in.
        notes_characters: how much of the user's notes.
    """

    reasoning_share: float = 1.0
    dataset: bool = True
    descriptions: bool = True
    notes_characters: int = 1000

    def dropped(
        self, *, reasoning: bool, dataset: bool, descriptions: bool, notes_characters: int
    ) -> tuple[str, ...]:
        """What was cut, in words, of what there was."""
        found = []
        if reasoning and self.reasoning_share < 1:
            found.append(f"reasoning cut to {self.reasoning_share:.0%} of its tokens")
        if dataset and not self.dataset:
            found.append("dataset facts")
        if descriptions and not self.descriptions:
            found.append("descriptions of hyperparameters")
        if notes_characters > self.notes_characters:
            kept = self.notes_characters
            found.append(f"notes beyond {kept} characters" if kept else "the user's notes")
        return tuple(found)


LEVELS = (
    Level(),
    Level(0.5),
    Level(0.5, dataset=False, notes_characters=300),
    Level(0.5, dataset=False, descriptions=False, notes_characters=300),
    Level(0.25, dataset=False, descriptions=False, notes_characters=0),
    Level(0.0, dataset=False, descriptions=False, notes_characters=0),
)


@dataclass(frozen=True)
class TokenPlan:
    """Where the tokens of one prompt go.

    Attributes:
        context_length: of the model as it was loaded.
        fixed: tokens of instructions, task and space, with the chat template's own.
        task: those of them that are task and space.
        question: tokens kept for what is asked now; of a finished prompt, its tokens.
        reasoning, reply: tokens kept for the analysis and for the configuration.
        history: tokens left for the history.
        form: "none" (no trial yet), "whole", or "digest".
        checkpoint: how many of the trials are summed up; 0 unless a digest.
        listed: numbers of the trials in the prompt with their configuration.
        left_out: how many do not; they count in the facts.
        facts: sentences of facts in the prompt.
        facts_left_out: sentences for which there was no room.
        dropped: what else was cut, in words.
        prompt: tokens of the finished prompt.
        numbers_at_once: how many numbers of the reply are decoded in one run of the engine, which
            keeps room for the longest form of each.
    """

    context_length: int
    fixed: int
    question: int
    reasoning: int
    reply: int
    history: int
    form: str = "none"
    checkpoint: int = 0
    listed: tuple[int, ...] = ()
    left_out: int = 0
    facts: int = 0
    facts_left_out: int = 0
    dropped: tuple[str, ...] = ()
    prompt: int = 0
    numbers_at_once: int = 64
    task: int = 0

    def side_by_side(self, wanted: int) -> int:
        """How many replies can be decoded at once in the context: 1 to `wanted`."""
        room = self.context_length - self.prompt
        return max(1, min(wanted, room // max(self.reasoning + self.reply, 1), MAX_SAMPLES))

    def parts(self, used: int, replied: int, reasoned: int) -> dict[str, int]:
        """Where the tokens in the context went, by part.

        Args:
            used: tokens in the context after the reply.
            replied: tokens of the reply; reasoned: those of them that were reasoning.
        """
        history = max(self.prompt - self.fixed - self.question, 0)
        return {
            "instructions": max(used - replied - self.task - history, 0),
            "task": self.task,
            "history": history,
            "reasoning": reasoned,
            "reply": replied - reasoned,
        }

    def record(self) -> dict[str, Any]:
        """JSON-able, for the log of proposals."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def least_history(context_length: int) -> int:
    """Tokens that the history should have, whatever else is in the prompt."""
    return max(200, context_length // 5)


def digest_size(history: int) -> int:
    """Tokens for the trials before the checkpoint, out of those for the history."""
    least = min(_LEAST_DIGEST, int(_LEAST_DIGEST_SHARE * history))
    return max(int(_DIGEST_SHARE * history), least)


def stride(history: int, line: int) -> tuple[int, int]:
    """Every how many trials the checkpoint moves, and how many trials late it does, with lines of
    about `line` tokens."""
    digest = digest_size(history)
    lines = int(_FILLED * (history - digest) / max(line, 1))
    late = min(math.ceil(digest / _A_TURN), lines // 3, _LONGEST_STRIDE // 2)
    return min(max(lines - late, 1), _LONGEST_STRIDE), late


def checkpoint(sizes_after: Sequence[int], trials: int, history: int, line: int) -> int:
    """How many trials are summed up.

    Args:
        sizes_after: tokens of the newest trials' lines, newest first, as many as fit.
        trials: how many there are.
        history: tokens for the history.
        line: tokens of a usual line.
    """
    step, late = stride(history, line)
    for found in (max(trials - late, 0) // step * step, trials // step * step):
        if sum(sizes_after[: trials - found]) <= history - digest_size(history):
            return found
    return trials


def rounded(tokens: int, step: int) -> int:
    """Rounded up to a whole number of steps, so that a few tokens more change no plan."""
    return -(-tokens // max(step, 1)) * step
