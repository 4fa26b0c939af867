"""A turn of a chat model in `hybrid`: it proposes, and the GP says whether that is worth a trial.

The model reads what the optimiser knows and proposes up to `CANDIDATES` configurations. The one of
which the GP expects most is tried if the GP expects it among the better third of the trials and
either no better score of its own proposal or little more improvement: how much more depends on how
well the model's beliefs fit the good trials. Else the GP's is tried, found with these beliefs as a
prior, with a weight that depends on the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.propose.gp.acquisition import LogPrior, Suggestion, expectations
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.knowledge import promise
from hyperllama.core.propose.gp.surrogate import Floats
from hyperllama.core.space import SearchSpace, Value
from hyperllama.core.trials import AskContext, Proposal
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory
from hyperllama.core.trials.knowledge import Knowledge, known_of

Beliefs = Mapping[str, Sequence[tuple[Value, float]]]

CANDIDATES = 4
TOLERANCE = math.log(2.0)
"""How much less the logarithm of the expected improvement, with that of the embedded model's prior,
may be than at the GP's own proposal, where the model's beliefs have their full weight."""
_FEWEST = 6  # scored trials before beliefs are weighted
_GOOD = 1 / 3  # of the trials, that are good
_UNIFORM_SHARE = 0.15
_STRUCTURE_WEIGHT = 3.0
"""How much more the prior of a pipeline's choice counts than a belief: many choices, few trials."""


@dataclass(frozen=True)
class ChatTurn:
    """What a chat model said in its turn.

    Attributes:
        made: its proposals, likeliest first; the first may be a fallback.
        weight: of its beliefs, 0 to 1, see `learnt_weight`.
        prior: log density of its beliefs.
    """

    made: Sequence[Proposal]
    weight: float
    prior: LogPrior

    def decided(
        self, space: SearchSpace, history: TrialHistory, found: Suggestion, earlier: EarlierTrials,
        prior: LogPrior | None, weight: float, goals: Goals,
    ) -> Proposal:  # fmt: skip
        """The model's proposal, or the GP's with the reason for it as `fallback`.

        Args:
            found: the GP's own proposal.
            prior: the embedded model's beliefs, and `weight`: theirs, as for the GP's proposal.
            goals: what is to be improved.
        """
        first = self.made[0]
        own = [p for p in self.made if not p.fallback]
        if not own:
            return self._instead(found, first.fallback)
        expected = expectations(space, history, [p.config for p in own], earlier, goals)
        scores = [v for _, v in history.scored(space)]
        beliefs = np.zeros(len(own) + 1)
        if prior is not None:
            configs = [*(p.config for p in own), found.config]
            at = np.array([space.to_unit(c) for c in configs])
            beliefs = weight / len(scores) * prior(at)
        worth = [e.log_ei + b for e, b in zip((*expected, found.expected), beliefs, strict=True)]
        best = max(range(len(own)), key=worth.__getitem__)
        e, g = expected[best], found.expected
        better = float(np.quantile(scores, 1 - _GOOD))
        as_good = goals.plain and e.mean >= g.mean
        near = worth[best] >= worth[-1] - self.weight * TOLERANCE
        if not (as_good or near) or (goals.plain and e.mean < better):
            return self._instead(
                found, f"the GP expects {e.mean:.4g} ± {e.std:.2g} of the model's proposal, "
                f"{g.mean:.4g} ± {g.std:.2g} of its own"
            )  # fmt: skip
        words = f"The GP expects {e.mean:.4g} ± {e.std:.2g} here."
        reasoning = "\n\n".join(filter(None, (own[best].reasoning, words)))
        return replace(own[best], reasoning=reasoning)

    def _instead(self, found: Suggestion, why: str) -> Proposal:
        weighted = f" The model's beliefs have a weight of {self.weight:.2g} in it."
        words = "Proposed by the Gaussian process in the model's turn." + (
            weighted if self.weight > 0 else ""
        )
        first = self.made[0]
        reasoning = "\n\n".join(filter(None, (first.reasoning, words)))
        return replace(
            first, config=found.config, proposer="gp", reasoning=reasoning,
            fallback=f"the turn went to the GP: {why}",
        )  # fmt: skip


def ask_chat(
    model: ChatProposer, space: SearchSpace, history: TrialHistory, context: AskContext,
    known: Knowledge,
) -> ChatTurn:  # fmt: skip
    """Ask for proposals, one where hyperparameters are conditional: each would cost as much."""
    started = time.perf_counter()
    plain = all(p.when is None for p in space)
    made = model.several(space, replace(context, known=known), CANDIDATES if plain else 1)
    record: dict[str, Any] = {**made[0].record, "seconds": time.perf_counter() - started}
    first = replace(made[0], record=record)
    prior = log_prior(space, first.beliefs)
    return ChatTurn([first, *made[1:]], learnt_weight(space, history, prior), prior)


def known_to_hybrid(
    space: SearchSpace, history: TrialHistory, chance: Sequence[float], own: Sequence[int],
    rng: np.random.Generator, earlier: EarlierTrials, goals: Goals,
) -> Knowledge:  # fmt: skip
    """What the trials and the GP tell; `own`: numbers of the model's turns."""
    turns = [t for t in history.trials if t.number in own]
    found = promise(space, history, rng, earlier)
    known = known_of(space, history, turns, chance, goals)
    return replace(known, regions=found.regions, important=found.important)


def learnt_weight(space: SearchSpace, history: TrialHistory, prior: LogPrior) -> float:
    """What a model's beliefs weigh: how much likelier the good trials are under them.

    The mean log density of the best third of the trials, against uniform density and against the
    other trials, in nats a hyperparameter, cut to 0 to 1. 0 while there are few trials.
    """
    scored = sorted(history.scored(space), key=lambda pair: -pair[1])
    if len(scored) < _FEWEST:
        return 0.0
    density = prior(np.array([space.to_unit(c) for c, _ in scored])) / len(space.free)
    good = math.ceil(_GOOD * len(scored))
    gain = float(density[:good].mean()) - max(float(density[good:].mean()), 0.0)
    return min(max(gain, 0.0), 1.0)


def log_prior(space: SearchSpace, beliefs: Beliefs) -> LogPrior:
    """Log density of the model's beliefs, taken as independent, over the unit cube.

    Each belief is smoothed over 5 % of the range and mixed with a uniform share.
    """
    grid = np.linspace(0.005, 0.995, 100)
    tables: list[Floats] = []
    for p in space.free:
        pairs = beliefs.get(p.name, ())
        density = np.zeros(100)
        for value, share in pairs:
            at = p.domain.to_unit(value)
            width = 0.05 if len(pairs) > 5 else 0.5 / max(len(pairs), 1)
            kernel = np.exp(-0.5 * np.square((grid - at) / width))
            density += share * kernel / max(kernel.sum(), 1e-12) * 100
        mixed = (1 - _UNIFORM_SHARE) * density + _UNIFORM_SHARE if len(pairs) else np.ones(100)
        tables.append(np.log(mixed) * (_STRUCTURE_WEIGHT if p.prior else 1.0))

    def log_density(u: Floats) -> Floats:
        index = np.clip((u * 100).astype(int), 0, 99)
        return np.asarray(sum(t[index[:, j]] for j, t in enumerate(tables)))

    return log_density
