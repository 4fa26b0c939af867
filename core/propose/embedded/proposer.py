"""The proposer `llama` with the embedded model: the model alone, in its own dialect.

With several families it deals with one at a time: each is opened in turn, the cheap ones first, and
later proposals go to those whose best score is best, give or take their spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hyperllama.core.estimators import CHOICE, family
from hyperllama.core.events import Noted
from hyperllama.core.propose import portfolio
from hyperllama.core.propose.embedded.coverage import most_covering
from hyperllama.core.propose.embedded.encoding import knows, score_noise
from hyperllama.core.propose.embedded.explanation import explained
from hyperllama.core.propose.embedded.model import Draws, EmbeddedModel, ShownTrials
from hyperllama.core.propose.families import next_family
from hyperllama.core.propose.findings import findings
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.task.pipeline_space import PREFIX, openings
from hyperllama.core.trials import AskContext, Cancelled, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import TrialHistory, rng_for, seed_for, succeeded
from hyperllama.models.embedded.dialect import known_name

_SAMPLES = (1, 8)
"""One completion; where that was tried before, several at once."""
OPENING = 4
"""Proposals for which no trial is shown: what does well elsewhere. Shown the default alone, the
model would stay near it."""
DRAWS = 30
"""Samples that the opening is chosen from, see `coverage`. On held-out surfaces of the corpus the
best of the default and four had a tenth less regret than with samples as they came; with 45 or 60
to choose from it is not told apart from that, and each 15 take a third of the time."""


class EmbeddedProposer:
    """Proposes a sample of the embedded model that was not tried yet."""

    name = "llama"
    candidates = 8
    """Usual number of candidates to choose among: they are made side by side in milliseconds."""
    can_answer = False

    def __init__(self, setting: ProposerSetting) -> None:
        self._setting = setting
        self._model = EmbeddedModel(setting)
        self._opening_draws: tuple[tuple[SearchSpace, str], Draws] | None = None
        self._history = TrialHistory()
        unknown = [e for e in setting.estimators if not knows(e, self._model.version)]
        if unknown:
            setting.report(Noted(
                "info", f"the embedded model was not trained on {', '.join(unknown)}",
                "it goes by the names and ranges of the hyperparameters alone",
            ))  # fmt: skip

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        opens = context.number <= OPENING
        if context.should_stop():
            raise Cancelled
        proposal = self._opening(space) if opens and space.free and not context.attempt else None
        first = context.attempt * len(_SAMPLES)
        for attempt, samples in enumerate(_SAMPLES, first):
            if proposal is None:
                draws = self.draw(space, context.number, attempt, samples, blind=opens)
                proposal = next(iter(self._untried(space, draws)), None)
        if proposal is not None:
            context.on_text(proposal.reasoning)
            return proposal
        rng = rng_for(self._setting.seed, context.number, first + 9)
        why = "the model only repeats what was tried; an untried configuration was drawn"
        return Proposal(self._history.unseen(space, rng), "random", fallback=why,
                        record=draws.record)  # fmt: skip

    def several(self, space: SearchSpace, context: AskContext, count: int) -> list[Proposal]:
        """Different untried configurations out of `count` samples; one by `ask` if all repeat."""
        draws = self.draw(space, context.number, context.attempt, count)
        return self._untried(space, draws) or [self.ask(space, context)]

    def knows(self, space: SearchSpace) -> bool:
        """Whether the model was trained on one of the families or hyperparameters."""
        version = self._model.version
        return any(knows(e, version) for e in self._setting.estimators) or any(
            known_name(p.name, version) is not None for p in space.free
        )

    def draw(
        self, space: SearchSpace, number: int, attempt: int = 0, samples: int = 1,
        blind: bool = False,
    ) -> Draws:  # fmt: skip
        """What the model generates for trial `number`; `blind`: without any trial shown."""
        if not space.free and len(self._history):
            self._history.unseen(space, rng_for(self._setting.seed, number))  # raises Exhausted
        chosen = self._family(space)
        shown = _shown([
            t for t in (() if blind else self._history.trials)
            if space.contains(t.config) and chosen in ("", t.config.get(CHOICE))
        ])  # fmt: skip
        estimator = chosen or next(iter(self._setting.estimators), "")
        seed = seed_for(self._setting.seed, number, attempt)
        return self._model.draw(space, estimator, shown, seed, samples, bool(chosen))

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)

    def close(self) -> None:
        self._model.close()

    def _opening(self, space: SearchSpace) -> Proposal | None:
        """The sample that covers most of what the model believes in and no trial covers.

        All openings of a study choose from the same samples. None where all of them were tried.
        """
        proposal = self._from_list(space)
        if proposal is not None:
            return proposal
        key = space, self._family(space)
        if self._opening_draws is None or self._opening_draws[0] != key:
            self._opening_draws = key, self.draw(space, 0, samples=DRAWS, blind=True)
        draws = self._with_pipeline(space, self._opening_draws[1])
        allowed = np.array([self._history.is_new(space, c) for c in draws.configs])
        if not allowed.any():
            return None
        tried = [
            t.config
            for t in self._history.trials
            if space.contains(t.config) and draws.family in ("", t.config.get(CHOICE))
        ]
        drawn = [p.name in draws.beliefs and not p.name.startswith(PREFIX)
                 and any(p.name in c for c in draws.configs) for p in space.free]  # fmt: skip
        points = np.array([space.to_unit(c) for c in (*draws.configs, *tried)])[:, drawn]
        count = len(draws.configs)
        return self._proposal(draws, most_covering(points[:count], allowed, points[count:]))

    def listed(self, space: SearchSpace) -> list[Config]:
        """What did well on other tables, best first, where the model does not know the family."""
        estimators = self._setting.estimators
        if len(estimators) != 1 or knows(estimators[0], self._model.version):
            return []
        return portfolio.openings(space, estimators[0])

    def _from_list(self, space: SearchSpace) -> Proposal | None:
        """The next of the list that is untried, if there is any."""
        config = next((c for c in self.listed(space) if self._history.is_new(space, c)), None)
        if config is None:
            return None
        label = family(self._setting.estimators[0]).label
        words = f"Opens with what did well for {label} on other tables."
        return Proposal(config, "portfolio", words)

    def _with_pipeline(self, space: SearchSpace, draws: Draws) -> Draws:
        """The draws, each with the pipeline that is due, where the space has pipelines.

        Those that open come first, then the best of them again.
        """
        opened = openings(space)
        if not opened:
            return draws
        own = [t for t in self._history.trials if any(_has(t, c) for c in opened)]
        due = next((c for c in opened if not any(_has(t, c) for t in own)), None)
        if due is None:
            scored = [t for t in own if succeeded(t)] or own
            best = max(scored, key=lambda t: t.value or 0.0).config
            due = {n: v for n, v in best.items() if n.startswith(PREFIX)}
        made = ({n: v for n, v in c.items() if not n.startswith(PREFIX)} for c in draws.configs)
        return replace(draws, configs=tuple(space.complete({**c, **due}) for c in made))

    def _untried(self, space: SearchSpace, draws: Draws) -> list[Proposal]:
        """The different configurations among the draws that were not tried yet."""
        new = {space.key(c): i for i, c in reversed(list(enumerate(draws.configs)))
               if self._history.is_new(space, c)}  # fmt: skip
        return [self._proposal(draws, i) for i in sorted(new.values())]

    def _proposal(self, draws: Draws, i: int) -> Proposal:
        seen = findings(self._history.trials, draws.configs[i]) if draws.incumbent else []
        words = "\n".join([*seen, explained(draws, i)])
        return Proposal(draws.configs[i], self.name, words, beliefs=draws.beliefs,
                        record=draws.record)  # fmt: skip

    def _family(self, space: SearchSpace) -> str:
        """The family to propose for, where the space chooses among several; else ""."""
        if CHOICE not in space or len(self._setting.estimators) < 2:
            return ""
        return next_family(space, self._history)


def _shown(trials: Sequence[Observed]) -> ShownTrials:
    """What a question shows of trials."""
    ended = [t for t in trials if not t.running]
    losses = [-(t.value or 0.0) if succeeded(t) else None for t in ended]
    ahead = [t.train_value + loss if loss is not None and t.train_value is not None else None
             for t, loss in zip(ended, losses, strict=True)]  # fmt: skip
    default = next((t.value for t in ended if t.number == 0 and succeeded(t)), None)
    running = [t.config for t in trials if t.running]
    return ShownTrials([t.config for t in ended], losses, ahead, running, default,
                       score_noise(ended))  # fmt: skip


def _has(trial: Observed, choices: Config) -> bool:
    return all(trial.config.get(name) == value for name, value in choices.items())
