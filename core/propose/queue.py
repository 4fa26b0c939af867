"""The proposer `queue`: a person's own configurations, in the order given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperllama.core.errors import SpaceError
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.trials import AskContext, Exhausted, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import TrialHistory


class QueueProposer:
    """Proposes what was queued; configurations that were tried already are skipped.

    So a resumed study may be given the whole queue again. A configuration may name a part of the
    hyperparameters: the rest is at its default. What no longer fits the space is skipped, and named
    in `skipped` and in the next proposal's record.
    """

    name = "queue"

    def __init__(self, setting: ProposerSetting) -> None:
        self._history = TrialHistory()
        self._waiting: list[Config] = [dict(c) for c in setting.queue]
        self.skipped: list[str] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, space: SearchSpace, config: Mapping[str, Any]) -> Config:
        """Append a configuration, completed from the defaults; returns it as it will be proposed.

        Raises:
            SpaceError: it lies outside `space`; nothing is appended.
        """
        whole = _completed(space, config)
        self._waiting.append(whole)
        return whole

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        first = len(self.skipped)
        while self._waiting:
            try:
                config = _completed(space, self._waiting.pop(0))
            except SpaceError as error:
                self.skipped.append(f"{error.message} ({error.hint})" if error.hint
                                    else error.message)
                continue
            if self._history.is_new(space, config):
                return Proposal(config, self.name, record={"skipped": self.skipped[first:]})
        raise Exhausted("the queue of configurations is empty", "; ".join(self.skipped[first:]))

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)

    def close(self) -> None:
        pass


def _completed(space: SearchSpace, config: Mapping[str, Any]) -> Config:
    """`config` with defaults for what it does not name.

    Raises:
        SpaceError: a name is unknown or inactive, or a value lies outside its domain.
    """
    for name, value in config.items():
        if name in space and not space[name].domain.contains(value):
            raise SpaceError(
                f"{name} = {value!r} is outside the search space",
                f"allowed: {space[name].domain.describe()}",
            )
    whole = space.complete({k: v for k, v in config.items() if k in space})
    return space.validate({**whole, **config})
