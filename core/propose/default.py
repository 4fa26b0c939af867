"""The space's default configuration, once: where every study starts."""

from __future__ import annotations

from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Exhausted, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import History


class DefaultProposer:
    """Proposes `space.default()` unless it was told before; then it is exhausted."""

    name = "default"

    def __init__(self, setting: ProposerSetting) -> None:
        self._history = History()

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        config = space.validate(space.default())
        if not self._history.is_new(space, config):
            raise Exhausted("the default configuration was tried")
        return Proposal(config, self.name)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)

    def close(self) -> None:
        pass
