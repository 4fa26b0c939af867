"""What is known before the first trial: the prior mean of the Gaussian process.

Each study's trials get a GP of their own; its posterior mean says how much better or worse than
that study's average a configuration was there. The new study takes a share of it, between 0 and 1,
that its own trials earn: ridge regression of its scores on what was expected of them. So a study
of unlike rows fades out after a few trials. Shapes: n trials, d coordinates, m candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperllama.core.propose.gp.family_prior import FamilyPrior
from hyperllama.core.propose.gp.surrogate import (
    Floats,
    GaussianProcess,
    Trend,
    compress_tail,
)
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.trials.history import project

_SHARE, _SHARE_SD = 0.5, 0.5  # what is believed of the share before the first trial
_FAMILY, _FAMILY_SD = 0.85, 0.35  # the same of the family prior
_LEFT = 0.8  # what that leaves over, in standard deviations
_TRIALS = 12  # scored trials up to which the family prior counts
_LEAST = 0.3  # a standard deviation of the family prior, where trials are much alike
_FEWEST = 4  # trials inside the space that a study must have to say anything


class EarlierTrials:
    """What earlier studies expect of configurations, and the family prior.

    Args:
        studies: the trials of each, as configurations and scores; greater is better.
        family_prior: what is known of the families that are tuned.
    """

    def __init__(
        self, studies: Sequence[Sequence[tuple[Config, float]]],
        family_prior: FamilyPrior | None = None,
    ) -> None:  # fmt: skip
        self._studies, self._family_prior = studies, family_prior
        self._space: SearchSpace | None = None
        self._processes: list[GaussianProcess] = []

    def family_prior(self, trials: int) -> FamilyPrior | None:
        """What is known of the families, nothing after more than a dozen scored trials.

        On reserved targets it helped up to ten trials and cost a little from fifteen on.
        """
        return self._family_prior if trials <= _TRIALS else None

    def mean(self, space: SearchSpace, x: Floats, y: Floats) -> tuple[Trend | None, float]:
        """The prior mean, and how much the targets are believed to deviate from it, 0 if unknown.

        What earlier studies say counts alone, as they had this table; else the family prior, as
        much as the trials confirm it.
        """
        trend = self.trend(space, x, y)
        prior = self.family_prior(len(y)) if trend is None else None
        believed = prior.trend(space) if prior is not None else None
        if believed is None:
            return trend, 0.0
        loss = believed(x)
        scale = float(y.std()) / max(float(loss.std()), _LEAST)
        share = learnt_share(-scale * loss, y, _FAMILY, _FAMILY_SD)
        return (lambda at: -share * scale * believed(at)), _LEFT * scale

    def trend(self, space: SearchSpace, x: Floats, y: Floats) -> Trend | None:
        """The prior mean for a study with targets `y`, shape (n,), at `x`, shape (n, d).

        None where no earlier study has trials in `space`, or none of it is believed.
        """
        if self._space != space:
            self._space, self._processes = space, _processes(space, self._studies)
        processes = self._processes
        if not processes:
            return None

        def expected(at: Floats) -> Floats:
            return np.asarray(np.mean([p.predict_mean(at) - p.mean for p in processes], axis=0))

        share = learnt_share(expected(x), y)
        return (lambda at: share * expected(at)) if share > 0 else None


def learnt_share(
    expected: Floats, y: Floats, believed: float = _SHARE, sd: float = _SHARE_SD
) -> float:
    """How much of what was expected to believe, in [0, 1], after scores `y`, shape (n,).

    The posterior mean of the slope of `y` on `expected`, with a normal prior and the variance of
    `y` as that of the noise: two trials that contradict it take most of it away.
    """
    spread = float(y.var())
    if spread <= 0:
        return believed
    e, z = expected - expected.mean(), y - y.mean()
    precision = float(e @ e) / spread + 1 / sd**2
    return float(np.clip((float(e @ z) / spread + believed / sd**2) / precision, 0.0, 1.0))


def _processes(
    space: SearchSpace, studies: Sequence[Sequence[tuple[Config, float]]]
) -> list[GaussianProcess]:
    """A GP for each study that has trials enough inside the space."""
    found = []
    categorical = np.array([isinstance(p.domain, Categorical) for p in space.free])
    for study in studies:
        inside = [(c, v) for config, v in study if (c := project(space, config)) is not None]
        if len(inside) >= _FEWEST and space.free:
            x = np.array([space.to_unit(c) for c, _ in inside])
            y = -compress_tail(-np.array([v for _, v in inside]))
            found.append(GaussianProcess.fit(x, y, categorical))
    return found
