"""The proposer `gp`: three random trials of a family, then expected improvement by the GP."""

from __future__ import annotations

from hyperllama.core.propose.classical import SamplerProposer
from hyperllama.core.propose.families import one_family
from hyperllama.core.propose.gp.acquisition import suggest
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.family_prior import FamilyPrior
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.trials import Exhausted, ProposerSetting
from hyperllama.core.trials.history import rng_for


class GPProposer(SamplerProposer):
    """Random for its first `options["n_startup_trials"]` scored trials (3), then the GP."""

    name = "gp"

    def __init__(self, setting: ProposerSetting) -> None:
        super().__init__(setting)
        self._earlier = EarlierTrials(setting.earlier, FamilyPrior.of(setting))
        self._startup = max(2, int(setting.options.get("n_startup_trials", 3)))

    def _draw(self, space: SearchSpace, number: int, attempt: int) -> Config:
        rng = rng_for(self._seed, number, attempt)
        alone = one_family(space, self._history)
        if not alone.free or len(self._history.scored(alone)) < self._startup:
            return alone.sample(rng)
        try:
            found = suggest(alone, self._history, rng, earlier=self._earlier, goals=self._goals)
        except Exhausted:  # of that family, if there are others
            return self._history.unseen(space, rng)
        return found.config
