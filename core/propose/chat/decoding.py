"""Decodes a chat model's reply: its analysis freely, each value under its own bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hyperllama.core.prompt.build import ProposalPrompt
from hyperllama.core.prompt.sections import ANSWER
from hyperllama.core.prompt.thinking import Marks, closed, opened
from hyperllama.core.propose.chat.reply import VALUE, Piece, Slot, stage
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.text import plain
from hyperllama.core.trials import AskContext, Cancelled
from hyperllama.models.engine import Completion, Fixed, Free, Generated, Generation, Segment

TOP_P = 0.95
_REASONING = "reasoning"


@dataclass
class Reply:
    """A reply that is being decoded.

    Attributes:
        seed: of the first stage; each further one takes the next.
        config: the hyperparameters decided so far.
        text: all that was written so far.
        looped: whether its analysis was ended because it repeated itself.
        made: the engine's runs.
        drawn: hyperparameters that were drawn for the model afterwards.
        moved: those that keep the model's values, where the others are held near the best trial.
    """

    prompt: ProposalPrompt
    seed: int
    temperature: float

    config: Config = field(default_factory=dict)
    text: str = ""
    reasoning: str = ""
    looped: bool = False
    beliefs: dict[str, list[tuple[Any, float]]] = field(default_factory=dict)
    made: list[Generated] = field(default_factory=list)
    drawn: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    @property
    def likelihood(self) -> float:
        """Log of the configuration's probability, by the distribution over each of its values."""
        return sum(
            math.log(max(_share(pairs, self.config[name]), 1e-9))
            for name, pairs in self.beliefs.items() if name not in self.drawn
        )  # fmt: skip

    def extend(
        self, pieces: Sequence[Piece], fixed: Config, made: Completion, sample: int = 0
    ) -> None:
        """Add what a run of the engine generated as its sample of that number."""
        rng = np.random.default_rng([abs(self.seed), sample, len(self.made)])
        self.text += made.text
        self.reasoning = plain(str(made.values.get(_REASONING, self.reasoning))).strip()
        self.looped = self.looped or made.stop_reason == "loop"
        self.config = {**self.config, **fixed}
        for slot in pieces:
            if isinstance(slot, Slot):
                name = slot.param.name
                self.config[name] = slot.value(made.values[VALUE + name], rng.random())
                self.beliefs = {**self.beliefs, name: slot.belief(made.beliefs[VALUE + name])}


def decoded(
    session: EngineSession,
    space: SearchSpace,
    reply: Reply,
    lead: Sequence[Segment],
    context: AskContext,
    samples: int = 1,
) -> list[Reply]:
    """The reply decoded: `lead` and the first stage in one run, the other stages after it.

    One reply, or up to `samples` if the first stage is all and the context has room.

    Raises:
        Cancelled: `context.should_stop` became true.
    """
    replies, prompt, at = [reply], reply.prompt, 0
    while at < len(space.params):
        pieces, fixed, at = stage(
            space, prompt.names, reply.config, at, prompt.plan.numbers_at_once, prompt.reply
        )
        segments = _merged([*lead, *(p if isinstance(p, Fixed) else p.segment for p in pieces)])
        if all(isinstance(s, Fixed) for s in segments):
            reply.text += "".join(s.text for s in segments if isinstance(s, Fixed))
            reply.config.update(fixed)
            continue
        if at == len(space.params) and not reply.made:
            count = prompt.plan.side_by_side(samples)
            replies = [reply, *(copy(reply) for _ in range(1, count))]
        made = session.generate(
            Generation(
                [*prompt.parts, reply.text] if reply.text else list(prompt.parts),
                segments,
                temperature=reply.temperature,
                top_p=TOP_P,
                seed=reply.seed + len(reply.made),
                samples=len(replies),
            ),
            context.on_text,
            context.should_stop,
        )
        if made.stop_reason == "cancelled":
            raise Cancelled
        for i, (one, completion) in enumerate(zip(replies, made.completions, strict=True)):
            one.made = [*one.made, made]
            one.extend(pieces, fixed, completion, i)
        lead = ()
    return replies


def lead_segments(marks: Marks | None, tokens: int, prompt: str) -> list[Segment]:
    """What comes before the configuration: reasoning or an analysis of so many tokens, if any.

    Args:
        marks: of a reasoning model, which is always brought to its answer.
    """
    if marks is None:
        stop = (ANSWER.strip(), "```", "{")
        return [Free(_REASONING, tokens, stop), Fixed(f"\n{ANSWER}")] if tokens else []
    if not tokens and closed(prompt, marks):
        return []
    before = [] if opened(prompt, marks) else [Fixed(marks.opening, special=True)]
    thinking = [Free(_REASONING, tokens, (marks.stop,))] if tokens else []
    return [*before, *thinking, Fixed(marks.closing, special=True)]


def _share(pairs: Sequence[tuple[Any, float]], value: Any) -> float:
    """The probability of a value, or of the part of its range that it lies in."""
    exact = [p for known, p in pairs if known == value]
    if exact or isinstance(value, (bool, str)) or value is None:
        return sum(exact)
    return min(pairs, key=lambda pair: abs(pair[0] - value))[1]


def _merged(segments: Sequence[Segment]) -> list[Segment]:
    """Neighbouring fixed texts as one, but for those with control tokens."""
    merged: list[Segment] = []
    for s in segments:
        last = merged[-1] if merged else None
        if isinstance(s, Fixed) and isinstance(last, Fixed) and not (s.special or last.special):
            merged[-1] = Fixed(last.text + s.text)
        else:
            merged.append(s)
    return merged
