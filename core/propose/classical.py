"""The proposers `random`, `tpe` and `cmaes`: random search, and two samplers of Optuna's.

Each proposal is a function of (seed, number, history): samplers are made anew for every proposal
and seeded from the first two, and see the history through the space as it is now. They learn from
scored trials alone, and are not asked for frozen hyperparameters.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.trials import AskContext, Cancelled, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory, project, rng_for, seed_for

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

_ATTEMPTS = 8  # draws from a sampler, each with another seed, before an untried one is forced


class SamplerProposer:
    """Draws from a sampler until a configuration was not tried yet."""

    name = ""

    def __init__(self, setting: ProposerSetting) -> None:
        self._seed, self._goals = setting.seed, setting.goals
        self._history = TrialHistory()

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        started = time.perf_counter()
        record: dict[str, Any] = {}
        first = context.attempt * (_ATTEMPTS + 1)
        for attempt in range(first, first + _ATTEMPTS):
            if context.should_stop():
                raise Cancelled
            config = space.validate(self._draw(space, context.number, attempt))
            if self._history.is_new(space, config):
                break
        else:
            rng = rng_for(self._seed, context.number, first + _ATTEMPTS)
            config = space.validate(self._history.unseen(space, rng))
            record["note"] = "the sampler repeated itself; an untried configuration was drawn"
        record["seconds"] = time.perf_counter() - started
        return Proposal(config, self.name, record=record)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)

    def close(self) -> None:
        pass

    def _draw(self, space: SearchSpace, number: int, attempt: int) -> Config:
        """A configuration, by the sampler seeded with `number` and `attempt`."""
        raise NotImplementedError


class RandomProposer(SamplerProposer):
    """Uniform on each hyperparameter's own scale, as Optuna's RandomSampler; choices of a pipeline
    by their priors."""

    name = "random"

    def _draw(self, space: SearchSpace, number: int, attempt: int) -> Config:
        return space.sample(rng_for(self._seed, number, attempt))


class TPEProposer(SamplerProposer):
    """Optuna's TPESampler: multivariate, grouped where hyperparameters are conditional.

    It draws at random until `options["n_startup_trials"]` trials have finished; 3 by default,
    because with Optuna's 10 it would be random search at the budgets that matter here.
    """

    name = "tpe"

    def __init__(self, setting: ProposerSetting) -> None:
        super().__init__(setting)
        self._startup = int(setting.options.get("n_startup_trials", 3))
        self._mirror = _Mirror(setting.goals)

    def _draw(self, space: SearchSpace, number: int, attempt: int) -> Config:
        import optuna

        starting = len(self._history.scored(space)) < self._startup
        if starting and any(p.prior for p in space.free):  # Optuna knows no priors
            return space.sample(rng_for(self._seed, number, attempt))
        study = self._mirror.of(space, self._history)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "group" is marked experimental
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=self._startup,
                multivariate=True,
                group=any(p.when is not None for p in space),
                constant_liar=False,
                seed=seed_for(self._seed, number, attempt),
            )
            return _sample(sampler, study, space, number)


class CMAESProposer(SamplerProposer):
    """CMA-ES over the numeric hyperparameters; categories are drawn at random, as Optuna does.

    The library is the one below Optuna's CmaEsSampler (`cmaes`), with that sampler's start: the
    centre of the unit cube, sigma 1/6. It is driven directly because Optuna keeps the optimiser's
    state in trials, where only those it proposed itself count. Here every finished trial counts, in
    groups of the population's size, replayed from the first for each proposal. Hyperparameters that
    are inactive in a trial are set to the distribution's mean, so that they change nothing.
    """

    name = "cmaes"

    def _draw(self, space: SearchSpace, number: int, attempt: int) -> Config:
        u = rng_for(self._seed, number, attempt).random(len(space.free))
        axes = [i for i, p in enumerate(space.free) if not isinstance(p.domain, Categorical)]
        scored = self._history.scored(space)
        if axes and scored:
            optimizer = _replayed(space, axes, scored)
            optimizer.reseed_rng(seed_for(self._seed, number, attempt))
            u[axes] = optimizer.ask()
        return space.from_unit(u)


def _replayed(space: SearchSpace, axes: list[int], scored: list[tuple[Config, float]]) -> Any:
    """CMA-ES over the given coordinates of the unit cube after all whole generations of `scored`.

    It starts over where it converged or broke down.
    """
    import cmaes

    def start() -> Any:
        bounds = np.tile([0.0, 1.0], (len(axes), 1))
        return cmaes.CMA(np.full(len(axes), 0.5), 1 / 6, bounds=bounds)

    optimizer = start()
    size = optimizer.population_size
    points = [space.to_unit(config)[axes] for config, _ in scored]
    active = np.array([[space.free[i].name in config for i in axes] for config, _ in scored])
    with np.errstate(all="ignore"):
        for first in range(0, len(scored) // size * size, size):
            group = range(first, first + size)
            mean = optimizer.mean
            optimizer.tell(
                [(np.where(active[t], points[t], mean), -scored[t][1]) for t in group]
            )
            if not np.isfinite(optimizer.mean).all() or optimizer.should_stop():
                optimizer = start()
    return optimizer


class _Mirror:
    """An Optuna study in memory with those trials of a history that lie in a space."""

    def __init__(self, goals: Goals) -> None:
        self._goals = goals
        self._space: SearchSpace | None = None
        self._mirrored: list[Observed] = []
        self._storage: optuna.storages.InMemoryStorage | None = None

    def of(self, space: SearchSpace, history: TrialHistory) -> optuna.Study:
        """The study for `history` in `space`; trials that are new since the last call are added."""
        import optuna

        trials, known = history.trials, len(self._mirrored)
        if self._storage is None or self._space != space or trials[:known] != self._mirrored:
            self._storage, self._space, known = optuna.storages.InMemoryStorage(), space, 0
            verbosity = optuna.logging.get_verbosity()
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            optuna.create_study(
                study_name="mirror", storage=self._storage,
                directions=[optuna.study.StudyDirection.MAXIMIZE] * max(
                    1, len(self._goals.objectives)),
            )  # fmt: skip
            optuna.logging.set_verbosity(verbosity)
        # A study object caches the trials it saw first, hence a new one for each proposal.
        study = optuna.Study("mirror", self._storage)
        distributions = _distributions(space)
        for trial in trials[known:]:
            values = self._goals.gains(trial)
            config = project(space, trial.config) if values is not None else None
            if config is not None:
                free = {n: d for n, d in distributions.items() if n in config}
                params = {
                    n: d.index(config[n]) if isinstance(d := space[n].domain, Categorical)
                    else config[n]
                    for n in free
                }  # fmt: skip
                study.add_trial(
                    optuna.trial.create_trial(
                        params=params, distributions=free, values=values,
                        constraints=self._goals.excess(trial),
                    )
                )
        self._mirrored = list(trials)
        return study


def _sample(
    sampler: optuna.samplers.BaseSampler, study: optuna.Study, space: SearchSpace, number: int
) -> Config:
    """One configuration from an Optuna sampler, parents first; frozen ones are not asked for."""
    from optuna.trial import TrialState, create_trial

    trial = create_trial(state=TrialState.RUNNING)
    trial.number = number
    distributions = _distributions(space)
    joint = sampler.sample_relative(
        study, trial, sampler.infer_relative_search_space(study, trial)
    )
    config: Config = {}
    for p in space.params:
        if not space.is_active(p.name, config):
            continue
        if p.name not in distributions:
            config[p.name] = p.start
            continue
        value = joint.get(p.name)
        if value is None:
            value = sampler.sample_independent(study, trial, p.name, distributions[p.name])
        d = p.domain
        config[p.name] = d.choices[value] if isinstance(d, Categorical) else d.cast(value)
    return config


def _distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the hyperparameters that can vary.

    A category is its position among the choices: Optuna takes True and 1 for the same choice.
    """
    from optuna.distributions import CategoricalDistribution

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna lowers an upper bound that no step reaches
        every = space.to_distributions()
    found: dict[str, BaseDistribution] = {
        p.name: CategoricalDistribution(range(len(p.domain.choices)))
        if isinstance(p.domain, Categorical) else every[p.name]
        for p in space.free
    }  # fmt: skip
    return {name: d for name, d in found.items() if not d.single()}
