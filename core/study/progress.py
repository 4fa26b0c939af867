"""What a study knows so far: the finished trials, the incumbent, the default's score."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.trials import Observed
from hyperllama.core.trials.history import TrialHistory

_DRAWS = 64  # of untried configurations, for one that nobody turned down


class Progress:
    """The finished trials of a study, in the order they ended.

    Attributes:
        ranges: the search space, and what people changed in it.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.ranges = Ranges(space)
        self.trials: list[Observed] = []
        self.best: Observed | None = None
        self.default: Observed | None = None
        self._history = TrialHistory()
        self._declined: set[object] = set()

    @property
    def space(self) -> SearchSpace:
        """What may be varied now."""
        return self.ranges.space

    def learn(self, trial: Observed) -> bool:
        """Add a finished trial; True if it is the new incumbent (a tie is not)."""
        improved = self.improves(trial.value)
        self.trials.append(trial)
        self._history.tell(trial)
        if trial.proposer == "default":
            self.default = trial
        if improved:
            self.best = trial
        return improved

    def improves(self, value: float | None) -> bool:
        """Whether a score beats the incumbent's."""
        if value is None:
            return False
        return self.best is None or self.best.value is None or value > self.best.value

    def tried(self, config: Config) -> bool:
        """Whether the configuration was evaluated, to six digits."""
        return not self._history.is_new(self.space, config)

    def decline(self, config: Config) -> None:
        """Remember that a person did not want it; nobody is to propose it again."""
        self._declined.add(self.space.key(config))

    def declined(self, config: Config) -> bool:
        """Whether a person turned it down in this session."""
        return self.space.key(config) in self._declined

    def untried(self, rng: np.random.Generator) -> Config:
        """A random configuration that was not evaluated.

        Raises:
            Exhausted: every configuration of the space was.
        """
        for _ in range(_DRAWS):
            config = self._history.unseen(self.space, rng)
            if not self.declined(config):
                break
        return config

    def understands(self, config: Config) -> bool:
        """Whether a stored configuration names this study's hyperparameters and no others.

        Other programs may have written trials of their own.
        """
        return bool(config) and all(name in self.ranges.base for name in config)

    def changes(self, config: Config) -> dict[str, Any]:
        """What differs from the incumbent: name -> [its value, the new one]."""
        if self.best is None:
            return {}
        old = self.best.config
        names = [n for n in self.ranges.base.names if n in old or n in config]
        return {n: [old.get(n), config.get(n)] for n in names if old.get(n) != config.get(n)}

    def trial(self, number: int) -> Observed | None:
        """The finished trial of that number."""
        return next((t for t in self.trials if t.number == number), None)

    @property
    def failed(self) -> int:
        return sum(trial.value is None for trial in self.trials)
