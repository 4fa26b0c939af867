"""The proposer `llama` with the embedded model: the model alone, in its own dialect.

With several families it deals with one at a time: each is opened in turn, the cheap ones first, and
later proposals go to those whose best score is best, give or take their spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hyperllama.core.estimators import CHOICE, family
from hyperllama.core.events import Noted
from hyperllama.core.propose.embedded.coverage import most_covering
from hyperllama.core.propose.embedded.encoding import knows
from hyperllama.core.propose.embedded.explanation import explained
from hyperllama.core.propose.embedded.model import Draws, EmbeddedModel
from hyperllama.core.space import Config, Param, SearchSpace
from hyperllama.core.trials import AskContext, Cancelled, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import TrialHistory, rng_for, seed_for, succeeded
from hyperllama.models.embedded.dialect import KNOWN

_SAMPLES = (1, 8)
"""One completion; where that was tried before, several at once."""
OPENING = 4
"""Proposals for which no trial is shown: what does well elsewhere. Shown the default alone, the
model would stay near it."""
DRAWS = 45
"""Samples that the opening is chosen from, see `coverage`. On held-out surfaces of the corpus the
best of the default and four had a tenth less regret than with samples as they came."""


class EmbeddedProposer:
    """Proposes a sample of the embedded model that was not tried yet."""

    name = "llama"
    candidates = 8
    """Usual number of candidates to choose among: they are made side by side in milliseconds."""
    can_answer = False

    def __init__(self, setting: ProposerSetting) -> None:
        self._setting = setting
        self._model = EmbeddedModel(setting)
        self._opening_draws: tuple[SearchSpace, str, Draws, Config] | None = None
        self._history = TrialHistory()
        unknown = [e for e in setting.estimators if not knows(e)]
        if unknown:
            setting.report(Noted(
                "info", f"the embedded model was not trained on {', '.join(unknown)}",
                "it goes by the names and ranges of the hyperparameters alone",
            ))  # fmt: skip

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        opens = context.number <= OPENING
        if context.should_stop():
            raise Cancelled
        if opens and space.free and not context.attempt:
            opening = self._opening(space)
            if opening is not None:
                context.on_text(opening.reasoning)
                return opening
        first = context.attempt * len(_SAMPLES)
        for attempt, samples in enumerate(_SAMPLES, first):
            draws, fixed = self.draw(space, context.number, attempt, samples, blind=opens)
            for proposal in self._untried(space, draws, fixed):
                context.on_text(proposal.reasoning)
                return proposal
        rng = rng_for(self._setting.seed, context.number, first + 9)
        why = "the model only repeats what was tried; an untried configuration was drawn"
        return Proposal(self._history.unseen(space, rng), "random", fallback=why,
                        record=draws.record)  # fmt: skip

    def several(self, space: SearchSpace, context: AskContext, count: int) -> list[Proposal]:
        """Different untried configurations out of `count` samples; one by `ask` if all repeat."""
        draws, fixed = self.draw(space, context.number, context.attempt, count)
        return self._untried(space, draws, fixed) or [self.ask(space, context)]

    def knows(self, space: SearchSpace) -> bool:
        """Whether the model was trained on one of the families or hyperparameters."""
        return any(map(knows, self._setting.estimators)) or any(p.name in KNOWN for p in space.free)

    def draw(
        self, space: SearchSpace, number: int, attempt: int = 0, samples: int = 1,
        blind: bool = False,
    ) -> tuple[Draws, Config]:  # fmt: skip
        """What the model generates for trial `number`, and what is fixed beside it (the family).

        Args:
            blind: show it no trial.
        """
        if not space.free and len(self._history):
            self._history.unseen(space, rng_for(self._setting.seed, number))  # raises Exhausted
        estimator = self._estimator(space)
        part, prefix, fixed = space, "", {}
        if estimator and CHOICE in space:
            prefix, fixed = f"{estimator}.", {CHOICE: estimator}
            part = family_space(space, estimator)
        shown = []
        for t in () if blind else self._history.trials:
            if fixed and t.config.get(CHOICE) != estimator:
                continue
            config = {k.removeprefix(prefix): v for k, v in t.config.items() if k != CHOICE}
            if part.contains(config):
                shown.append((config, -(t.value or 0.0) if succeeded(t) else None))
        only = self._setting.estimators[0] if self._setting.estimators else ""
        seed = seed_for(self._setting.seed, number, attempt)
        draws = self._model.draw(part, estimator or only, shown, seed, samples)
        return draws.prefixed(prefix) if prefix else draws, fixed

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)

    def close(self) -> None:
        self._model.close()

    def _opening(self, space: SearchSpace) -> Proposal | None:
        """The sample that covers most of what the model believes in and no trial covers.

        All openings of a study choose from the same samples. None where all of them were tried.
        """
        estimator = self._estimator(space)
        if self._opening_draws is None or self._opening_draws[:2] != (space, estimator):
            drawn = self.draw(space, 0, samples=DRAWS, blind=True)
            self._opening_draws = space, estimator, *drawn
        draws, fixed = self._opening_draws[2:]
        configs = [space.validate({**fixed, **c}) for c in draws.configs]
        allowed = np.array([self._history.is_new(space, c) for c in configs])
        if not allowed.any():
            return None
        tried = [
            t.config
            for t in self._history.trials
            if space.contains(t.config) and t.config.items() >= fixed.items()
        ]
        drawn_params = [any(p.name in c for c in draws.configs) for p in space.free]
        points = np.array([space.to_unit(c) for c in (*configs, *tried)])[:, drawn_params]
        best = most_covering(points[: len(configs)], allowed, points[len(configs) :])
        return self._proposal(draws, best, fixed, configs[best])

    def _untried(self, space: SearchSpace, draws: Draws, fixed: Config) -> list[Proposal]:
        """The different configurations among the draws that were not tried yet."""
        found: dict[object, Proposal] = {}
        for i, config in enumerate(draws.configs):
            whole = space.validate({**fixed, **config})
            if self._history.is_new(space, whole):
                found.setdefault(space.key(whole), self._proposal(draws, i, fixed, whole))
        return list(found.values())

    def _proposal(self, draws: Draws, i: int, fixed: Config, config: Config) -> Proposal:
        words = explained(draws, i, str(fixed.get(CHOICE, "")))
        return Proposal(config, self.name, words, beliefs=draws.beliefs, record=draws.record)

    def _estimator(self, space: SearchSpace) -> str:
        """The family to propose for, where there is a choice."""
        if CHOICE not in space or len(self._setting.estimators) < 2:
            return ""
        names = [str(c) for c in space[CHOICE].domain.choices]  # type: ignore[union-attr]
        values: dict[str, list[float]] = {n: [] for n in names}
        failed = dict.fromkeys(names, 0)
        for t in self._history.trials:
            name = str(t.config.get(CHOICE))
            if name in values and succeeded(t):
                values[name].append(t.value or 0.0)
            elif name in values:
                failed[name] += 1
        untried = [n for n in names if not values[n] and not failed[n]]
        if untried:
            return min(untried, key=lambda n: (family(n).cost, names.index(n)))
        if not any(values.values()):
            return min(names, key=lambda n: failed[n])
        return _most_promising(values, failed, len(self._history))


def _most_promising(
    values: Mapping[str, Sequence[float]], failed: Mapping[str, int], trials: int
) -> str:
    """The family with the largest best score plus a bonus for few trials (UCB1)."""
    everything = sorted(v for vs in values.values() for v in vs)
    spread = everything[-1] - everything[len(everything) // 2]

    def promise(name: str) -> float:
        best = max(values[name], default=everything[0] - spread)
        tried = len(values[name]) + failed[name]
        return best + 0.5 * spread * math.sqrt(math.log(trials + 1) / tried)

    return max(values, key=promise)


def family_space(space: SearchSpace, estimator: str) -> SearchSpace:
    """One family's part of a space that chooses among families, under the family's own names."""
    prefix = f"{estimator}."
    params: list[Param] = []
    for p in space.params:
        if p.name.startswith(prefix):
            when = p.when
            if when is not None:
                inner = when.parent.removeprefix(prefix)
                when = None if when.parent == CHOICE else replace(when, parent=inner)
            params.append(replace(p, name=p.name.removeprefix(prefix), when=when))
    return SearchSpace(params)
