"""The proposer `llama`: the model's file decides whether its dialect is used, or chat.

A chat model says, value by value, what it holds likely. From the fourth scored trial on its own
reply is one of `DRAWN` configurations drawn from these beliefs, and a Gaussian process over the
trials takes the one with the largest expected improvement (after LLAMBO, arXiv 2402.03921, where
the model scores its candidates itself). `[prompt] surrogate = false` leaves the reply as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Union

import numpy as np

from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.propose.chat.programs import ProgramProposer
from hyperllama.core.propose.embedded import EmbeddedProposer
from hyperllama.core.propose.gp.acquisition import expectations
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.trials import AskContext, Proposal, ProposerSetting
from hyperllama.core.trials.history import rng_for
from hyperllama.models.gguf import read_metadata, resolve_model

ModelProposer = Union[EmbeddedProposer, ChatProposer]

DRAWN = 64
"""Configurations that are drawn from a chat model's beliefs."""
_FEWEST = 4  # scored trials from which on the Gaussian process takes one
_EVEN = 0.25  # share of the values that are drawn evenly from their range
_SPREAD = 0.1  # of a range, over which a belief in a number is spread


class LlamaProposer(ChatProposer):
    """A chat model whose beliefs are proposed from, see above."""

    def taken(self, space: SearchSpace, context: AskContext, made: Proposal) -> Proposal:
        """The best of the configurations that the model holds likely; its reply among few trials,
        where hyperparameters are conditional, and where nothing drawn is better and new."""
        few = len(self.history.scored(space)) < _FEWEST
        conditional = any(p.when is not None for p in space)
        if few or conditional or made.fallback or not made.beliefs or not self.surrogate:
            return made
        rng = rng_for(self.seed, context.number, context.attempt)
        configs = [made.config, *drawn(space, made.beliefs, rng, DRAWN - 1)]
        expected = expectations(space, self.history, configs)
        order = sorted(range(DRAWN), key=lambda i: -expected[i].log_ei)
        best = next((i for i in order if not i or not self.problem(space, configs[i])), 0)
        e = expected[best]
        words = f"Of {DRAWN} configurations drawn from what the model holds likely, a Gaussian "
        words += f"process took this one; it expects {e.mean:.4g} ± {e.std:.2g}"
        words += ", and it is the model's own reply." if best == 0 else (
            f", and {expected[0].mean:.4g} ± {expected[0].std:.2g} of the model's own reply."
        )
        context.on_text(f"\n{words}")
        reasoning = "\n\n".join(filter(None, (made.reasoning, words)))
        record = {**made.record, "drawn": DRAWN, "reply": made.config}
        return replace(made, config=configs[best], reasoning=reasoning, record=record)


def drawn(
    space: SearchSpace, beliefs: Mapping[str, Sequence[tuple[Any, float]]],
    rng: np.random.Generator, count: int,
) -> list[Config]:  # fmt: skip
    """Configurations drawn from beliefs, value by value; some values evenly from their range.

    Args:
        beliefs: pairs (value, probability) by hyperparameter.
    """
    u = rng.random((count, len(space.free)))
    for j, p in enumerate(space.free):
        pairs = beliefs.get(p.name, ())
        if not pairs:
            continue
        shares = np.array([max(share, 0.0) for _, share in pairs])
        at = np.array([p.domain.to_unit(value) for value, _ in pairs])
        held = at[rng.choice(len(at), count, p=shares / shares.sum())]
        if not isinstance(p.domain, Categorical):
            held = np.clip(held + _SPREAD * (rng.random(count) - 0.5), 0.0, 1.0)
        u[:, j] = np.where(rng.random(count) < _EVEN, u[:, j], held)
    return [space.from_unit(row) for row in u]


def open_model(setting: ProposerSetting) -> ModelProposer:
    """The proposer for the setting's model.

    Raises:
        ModelFileError: the file is missing or no language model.
        PromptError: a prompt template of the user's own is malformed.
    """
    if read_metadata(resolve_model(setting.model)).is_embedded_dialect:
        return EmbeddedProposer(setting)
    return LlamaProposer(setting) if setting.programs is None else ProgramProposer(setting)
