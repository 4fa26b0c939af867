"""The proposer `hybrid`: the model opens, a Gaussian process goes on, the model keeps a turn.

The model makes the first `OPENING` proposals. Then the process maximises expected improvement, with
the model's beliefs as its prior (piBO) and the model's sample among its candidates. Every few
trials the model has a turn of its own, as long as its turns pay: the interval doubles after a turn
that brought no new incumbent and starts again after one that did. After `LATE` trials TPE takes
every other turn. Where the model knows neither the estimator nor any hyperparameter, it opens once
and the process takes over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.estimators import CHOICE, canonical_name
from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.embedded.proposer import EmbeddedProposer
from hyperllama.core.propose.gp.acquisition import Chosen, LogPrior, choose
from hyperllama.core.space import Config, SearchSpace, Value
from hyperllama.core.trials import (
    Answer,
    AskContext,
    Cancelled,
    Observed,
    Proposal,
    ProposerSetting,
    Speaks,
)
from hyperllama.core.trials.history import History, rng_for
from hyperllama.models.embedded.dialect import KNOWN

OPENING = 3
INTERVAL = 6
PRIOR_WEIGHT = 1.0
"""How many proposals the model opens with, how many turns of the process lie between its own, and
what its beliefs weigh. On held-out surfaces of the corpus, smooth or roughened, that left a tenth
less regret after ten trials than 4, 4 and 2, and no more after fifteen."""
LATE = 30
"""Trials after which every other turn of the process is TPE's: by then the process trusts its
picture too much where scores are rough. On roughened held-out surfaces that was better after 60 and
100 trials than either alone."""
_FLOOR = 0.15


class HybridProposer:
    """Model, then process, each proposal by whoever's turn it is."""

    name = "hybrid"

    def __init__(self, setting: ProposerSetting) -> None:
        self._setting = setting
        self._model = make_proposer("llama", setting=setting)
        self._tpe = make_proposer("tpe", setting=setting)
        self._history = History()
        self._opening = int(setting.options.get("opening", OPENING))
        self._interval = int(setting.options.get("interval", INTERVAL))
        self._weight = float(setting.options.get("prior_weight", PRIOR_WEIGHT))

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        if context.should_stop():
            raise Cancelled
        scored = len(self._history.scored(space))
        knows = self._knows(space)
        opens = context.number <= (self._opening if knows else 1)
        if opens or not space.free or scored < 2 or (knows and self._model_turn()):
            return self._model.ask(space, context)
        if context.number > LATE and context.number % 2:
            return self._tpe.ask(space, context)
        return self._process(space, context, knows)

    def _knows(self, space: SearchSpace) -> bool:
        """Whether the model can say anything about this space: a chat model always can, an embedded
        one learned some families and names."""
        if not isinstance(self._model, EmbeddedProposer):
            return True
        known = any(canonical_name(e) for e in self._setting.estimators)
        return known or any(p.name in KNOWN for p in space.free)

    def _model_turn(self) -> bool:
        """Whether the model earned the next turn, from who proposed what in the history."""
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

    def _process(self, space: SearchSpace, context: AskContext, knows: bool) -> Proposal:
        started = time.perf_counter()
        seed = self._setting.seed
        candidates: list[Config] = []
        prior: LogPrior | None = None
        beliefs: Mapping[str, Sequence[tuple[Value, float]]] = {}
        record: dict[str, Any] = {}
        # a chat model is not asked each time: that would be dear
        if knows and isinstance(self._model, EmbeddedProposer):
            spoke, fixed = self._model.speak(space, context.number, context.attempt)
            candidates = [space.complete({**fixed, **c}) for c in spoke.configs]
            prior, beliefs = _prior(space, spoke.beliefs), spoke.beliefs
            record = {**spoke.record, "prior_weight": self._weight}
        chosen = choose(
            space, self._history, rng_for(seed, context.number, context.attempt), candidates, prior,
            self._weight,
        )  # fmt: skip
        words = _words(chosen, self._history, space, prior is not None)
        if not knows:
            words += "\nThe model knows neither the estimator nor any of these hyperparameters."
        context.on_text(words)
        record["seconds"] = time.perf_counter() - started
        return Proposal(chosen.config, "gp", words, beliefs=beliefs, record=record)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)
        self._model.tell(trial)
        self._tpe.tell(trial)

    def close(self) -> None:
        self._model.close()

    @property
    def speaks(self) -> bool:
        """Whether its model does."""
        return isinstance(self._model, Speaks) and self._model.speaks

    def talk(
        self,
        question: str,
        facts: Sequence[str],
        earlier: Sequence[tuple[str, str]],
        on_text: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> Answer:
        """Its model's answer; only where it `speaks`."""
        assert isinstance(self._model, Speaks)
        return self._model.talk(question, facts, earlier, on_text, should_stop)


def _prior(space: SearchSpace, beliefs: Mapping[str, Sequence[tuple[Value, float]]]) -> LogPrior:
    """Log density of the model's beliefs, taken as independent, over the unit cube.

    Each belief is smoothed over 5 % of the range and mixed with a uniform share of `_FLOOR`.
    """
    grid = np.linspace(0.005, 0.995, 100)
    tables: list[NDArray[np.float64]] = []
    for p in space.free:
        pairs = beliefs.get(p.name, ())
        density = np.zeros(100)
        for value, share in pairs:
            at = p.domain.to_unit(value)
            width = 0.05 if len(pairs) > 5 else 0.5 / max(len(pairs), 1)
            kernel = np.exp(-0.5 * np.square((grid - at) / width))
            density += share * kernel / max(kernel.sum(), 1e-12) * 100
        mixed = (1 - _FLOOR) * density + _FLOOR if len(pairs) else np.ones(100)
        tables.append(np.log(mixed))

    def log_prior(u: NDArray[np.float64]) -> NDArray[np.float64]:
        index = np.clip((u * 100).astype(int), 0, 99)
        return np.asarray(sum(t[index[:, j]] for j, t in enumerate(tables)))

    return log_prior


def _words(chosen: Chosen, history: History, space: SearchSpace, prior: bool) -> str:
    """Why the process chose it, in plain words."""
    best = max(v for _, v in history.scored(space))
    lines = [
        "The Gaussian process takes this turn"
        + (", with the model's beliefs as its prior." if prior else "."),
        f"It expects {chosen.mean:.4g} ± {chosen.std:.2g} here; the incumbent has {best:.4g}.",
    ]
    by_length = sorted(
        ((s, n) for n, s in chosen.lengths.items() if n != CHOICE), key=lambda pair: pair[0]
    )
    if by_length and by_length[0][0] < 1.0:
        lines.append(f"So far the score depends most on {', '.join(n for _, n in by_length[:2])}.")
    return "\n".join(lines)
