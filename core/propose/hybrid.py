"""The proposer `hybrid`: the model opens, a Gaussian process goes on, the model keeps a share.

The model makes the first `OPENING` proposals. Then the GP maximises expected improvement, with the
model's beliefs as its prior (piBO) and the model's sample among its candidates. Every few trials
the model proposes again, as long as that pays: the interval doubles after a proposal of its own
that brought no new incumbent, and is reset after one that did. After `LATE` trials TPE makes every
other proposal. Where the model knows neither the family nor any hyperparameter, it opens once and
the GP goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hyperllama.core.estimators import CHOICE
from hyperllama.core.propose.classical import TPEProposer
from hyperllama.core.propose.embedded import EmbeddedProposer
from hyperllama.core.propose.gp.acquisition import LogPrior, Suggestion, suggest
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.surrogate import Floats
from hyperllama.core.propose.llama import open_model
from hyperllama.core.space import Config, SearchSpace, Value
from hyperllama.core.trials import (
    Answer,
    AskContext,
    Cancelled,
    Observed,
    Proposal,
    ProposerSetting,
    Question,
)
from hyperllama.core.trials.history import TrialHistory, rng_for

Beliefs = Mapping[str, Sequence[tuple[Value, float]]]

OPENING = 3
INTERVAL = 6
PRIOR_WEIGHT = 1.0
"""How many proposals the model opens with, how many of the GP's lie between its own, and what its
beliefs weigh. On held-out surfaces of the corpus, smooth or roughened, that left a tenth less
regret after ten trials than 4, 4 and 2, and no more after fifteen."""
LATE = 30
"""Trials after which every other proposal of the GP is TPE's: by then the GP trusts its picture too
much where scores are rough. On roughened held-out surfaces that was better after 60 and 100 trials
than either alone."""
_UNIFORM_SHARE = 0.15
_STRUCTURE_WEIGHT = 3.0
"""How much more the prior of a pipeline's choice counts than a belief: many choices, few trials."""


class HybridProposer:
    """The model first, then the Gaussian process, with a share of proposals for the model."""

    name = "hybrid"

    def __init__(self, setting: ProposerSetting) -> None:
        self._seed = setting.seed
        self._model = open_model(setting)
        self._tpe = TPEProposer(setting)
        self._history = TrialHistory()
        self._earlier = EarlierTrials(setting.earlier)
        self._opening = int(setting.options.get("opening", OPENING))
        self._interval = int(setting.options.get("interval", INTERVAL))
        self._weight = float(setting.options.get("prior_weight", PRIOR_WEIGHT))

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        if context.should_stop():
            raise Cancelled
        scored = len(self._history.scored(space))
        knows = self._model.knows(space)
        opens = context.number <= (self._opening if knows else 1)
        if opens or not space.free or scored < 2 or (knows and self._model_is_due()):
            return self._model.ask(space, context)
        if context.number > LATE and context.number % 2:
            return self._tpe.ask(space, context)
        return self._by_gp(space, context, knows)

    def _model_is_due(self) -> bool:
        """Whether the next proposal is the model's, from who proposed what in the history."""
        best, wait, since = -np.inf, self._interval, 0
        for t in self._history.trials:
            improved = t.value is not None and t.value > best
            if t.value is not None:
                best = max(best, t.value)
            if t.number > self._opening:
                if t.proposer == "llama":
                    wait, since = (self._interval if improved else 2 * wait), 0
                else:
                    since += 1
        return since >= wait

    def _by_gp(self, space: SearchSpace, context: AskContext, knows: bool) -> Proposal:
        started = time.perf_counter()
        candidates: list[Config] = []
        prior: LogPrior | None = None
        beliefs: Beliefs = {}
        record: dict[str, Any] = {}
        # a chat model takes seconds, so it is asked for its own proposals only
        if knows and isinstance(self._model, EmbeddedProposer):
            draws = self._model.draw(space, context.number, context.attempt)
            candidates = list(draws.configs)
            prior, beliefs = _log_prior(space, draws.beliefs), draws.beliefs
            record = {**draws.record, "prior_weight": self._weight}
        rng = rng_for(self._seed, context.number, context.attempt)
        found = suggest(
            space, self._history, rng, candidates, prior, self._weight, self._earlier
        )
        words = _explained(found, self._history, space, prior is not None)
        if not knows:
            words += "\nThe model knows neither the estimator nor any of these hyperparameters."
        context.on_text(words)
        record["seconds"] = time.perf_counter() - started
        return Proposal(found.config, "gp", words, beliefs=beliefs, record=record)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)
        self._model.tell(trial)
        self._tpe.tell(trial)

    def close(self) -> None:
        self._model.close()

    @property
    def can_answer(self) -> bool:
        """Whether its model answers questions."""
        return self._model.can_answer

    def answer(self, question: Question) -> Answer:
        """Its model's answer; only where it `can_answer`."""
        assert not isinstance(self._model, EmbeddedProposer)
        return self._model.answer(question)


def _log_prior(space: SearchSpace, beliefs: Beliefs) -> LogPrior:
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

    def log_prior(u: Floats) -> Floats:
        index = np.clip((u * 100).astype(int), 0, 99)
        return np.asarray(sum(t[index[:, j]] for j, t in enumerate(tables)))

    return log_prior


def _explained(found: Suggestion, history: TrialHistory, space: SearchSpace, prior: bool) -> str:
    """Why the GP proposes it, in plain words."""
    best = max(v for _, v in history.scored(space))
    expected = found.expected
    lines = [
        "Proposed by the Gaussian process"
        + (", with the model's beliefs as its prior." if prior else "."),
        f"It expects {expected.mean:.4g} ± {expected.std:.2g} here; the incumbent has {best:.4g}.",
    ]
    lengths = {n: s for n, s in found.lengths.items() if n != CHOICE}
    shortest = sorted(lengths, key=lambda n: lengths[n])[:2]
    if shortest and lengths[shortest[0]] < 1.0:
        lines.append(f"So far the score depends most on {', '.join(shortest)}.")
    return "\n".join(lines)
