"""The proposer `llama` with an embedded model: the model alone, in its own dialect.

With several estimators it deals with one at a time: each is opened in turn, the cheap ones first,
and later turns go to those whose best score is best, give or take their spread.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hyperllama.core.estimators import CHOICE, family
from hyperllama.core.propose.chat.reasoning import in_words
from hyperllama.core.propose.chat.speaker import Speaker, Spoke, Told
from hyperllama.core.propose.embedded.coverage import most_covering
from hyperllama.core.space import Config, Param, SearchSpace
from hyperllama.core.trials import AskContext, Cancelled, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import History, rng_for, seed_for, succeeded

_SAMPLES = (1, 8)
"""One completion; where that was tried before, several at once."""
OPENING = 4
"""Proposals made with no trial shown: what does well elsewhere. Told of the default alone, the
model would stay near it."""
DRAWS = 45
"""Samples that the opening is chosen from, see `core.propose.coverage`. On held-out surfaces of the
corpus the best of the default and four had a tenth less regret than with samples as they came."""


class EmbeddedProposer:
    """The model's own words: a sample of it that nobody tried is proposed."""

    name = "llama"

    def __init__(self, setting: ProposerSetting, speaker: Speaker | None = None) -> None:
        self._setting = setting
        self._speaker = speaker or Speaker(setting)
        self._drawn: tuple[SearchSpace, str, tuple[Spoke, Config]] | None = None
        self.history = History()

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
            spoke, chosen = self.speak(space, context.number, attempt, samples, opens)
            for config, plan in zip(spoke.configs, spoke.plans, strict=True):
                whole = space.validate({**chosen, **config})
                if self.history.is_new(space, whole):
                    words = in_words(spoke, plan, config, str(chosen.get(CHOICE, "")))
                    context.on_text(words)
                    return Proposal(whole, self.name, words, beliefs=spoke.beliefs,
                                    record=spoke.record)
        rng = rng_for(self._setting.seed, context.number, first + 9)
        why = "the model only repeats what was tried; an untried configuration was drawn"
        return Proposal(self.history.unseen(space, rng), "random", fallback=why,
                        record=spoke.record)

    def _opening(self, space: SearchSpace) -> Proposal | None:
        """The sample that stands for most of what the model believes in and no trial is near to.

        All openings of a study choose from the same samples. None where all of them were tried.
        """
        estimator = self._estimator(space)
        if self._drawn is None or self._drawn[:2] != (space, estimator):
            self._drawn = space, estimator, self.speak(space, 0, samples=DRAWS, blind=True)
        spoke, chosen = self._drawn[2]
        configs = [space.validate({**chosen, **c}) for c in spoke.configs]
        allowed = np.array([self.history.is_new(space, c) for c in configs])
        if not allowed.any():
            return None
        tried = [
            t.config
            for t in self.history.trials
            if space.contains(t.config) and t.config.items() >= chosen.items()
        ]
        spoken_of = [any(p.name in c for c in spoke.configs) for p in space.free]
        points = np.array([space.to_unit(c) for c in (*configs, *tried)])[:, spoken_of]
        best = most_covering(points[: len(configs)], allowed, points[len(configs) :])
        words = in_words(spoke, spoke.plans[best], spoke.configs[best], str(chosen.get(CHOICE, "")))
        return Proposal(configs[best], self.name, words, beliefs=spoke.beliefs, record=spoke.record)

    def speak(
        self, space: SearchSpace, number: int, attempt: int = 0, samples: int = 1,
        blind: bool = False,
    ) -> tuple[Spoke, Config]:
        """The model's answer for trial `number`, and what is fixed beside it (the estimator).

        Names in the answer are the space's own.
        """
        if not space.free and len(self.history):
            self.history.unseen(space, rng_for(self._setting.seed, number))  # raises Exhausted
        estimator = self._estimator(space)
        part, prefix, fixed = space, "", {}
        if estimator and CHOICE in space:
            prefix, fixed = f"{estimator}.", {CHOICE: estimator}
            part = subspace(space, estimator)
        told = []
        for t in () if blind else self.history.trials:
            if fixed and t.config.get(CHOICE) != estimator:
                continue
            config = {k.removeprefix(prefix): v for k, v in t.config.items() if k != CHOICE}
            if part.contains(config):
                told.append(Told(config, -(t.value or 0.0) if succeeded(t) else None))
        only = self._setting.estimators[0] if self._setting.estimators else ""
        spoke = self._speaker.ask(
            part, estimator or only, self._setting.kind, self._setting.facts, told,
            seed_for(self._setting.seed, number, attempt), samples,
        )  # fmt: skip
        if prefix:
            spoke = replace(
                spoke,
                configs=tuple({prefix + k: v for k, v in c.items()} for c in spoke.configs),
                plans=tuple((s, prefix + p if p else p, m) for s, p, m in spoke.plans),
                beliefs={prefix + k: v for k, v in spoke.beliefs.items()},
                shares={prefix + k: v for k, v in spoke.shares.items()},
                incumbent=spoke.incumbent
                and {prefix + k: v for k, v in spoke.incumbent.items()},
            )
        return spoke, fixed

    def _estimator(self, space: SearchSpace) -> str:
        """The family whose turn it is, where there is a choice."""
        if CHOICE not in space or len(self._setting.estimators) < 2:
            return ""
        names = [str(c) for c in space[CHOICE].domain.choices]  # type: ignore[union-attr]
        values: dict[str, list[float]] = {n: [] for n in names}
        failed = dict.fromkeys(names, 0)
        for t in self.history.trials:
            name = str(t.config.get(CHOICE))
            if name in values and succeeded(t):
                values[name].append(t.value or 0.0)
            elif name in values:
                failed[name] += 1
        untried = [n for n in names if not values[n] and not failed[n]]
        if untried:
            return min(untried, key=lambda n: (family(n).cost, names.index(n)))
        everything = sorted(v for vs in values.values() for v in vs)
        if not everything:
            return min(names, key=lambda n: failed[n])
        spread = everything[-1] - everything[len(everything) // 2]
        total = len(self.history)

        def promise(n: str) -> float:
            tried = len(values[n]) + failed[n]
            best = max(values[n], default=everything[0] - spread)
            return best + 0.5 * spread * math.sqrt(math.log(total + 1) / tried)

        return max(names, key=promise)

    def tell(self, trial: Observed) -> None:
        self.history.tell(trial)

    def close(self) -> None:
        self._speaker.close()


def subspace(space: SearchSpace, estimator: str) -> SearchSpace:
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

