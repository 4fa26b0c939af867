"""The proposer `default`: the space's default configuration, once; every study starts with it."""

from __future__ import annotations

from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Exhausted, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import TrialHistory


class DefaultProposer:
    """Proposes `space.default()` unless that was tried before; then it is exhausted."""

    name = "default"

    def __init__(self, setting: ProposerSetting) -> None:
        self._history = TrialHistory()

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        config = space.validate(space.default())
        if not self._history.is_new(space, config):
            raise Exhausted("the default configuration was tried")
        return Proposal(config, self.name)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)

    def close(self) -> None:
        pass
