"""The trials that a proposer knows, within the space it is asked for; untried configurations."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from hyperllama.core.space import Categorical, Config, Domain, SearchSpace, Value
from hyperllama.core.trials.protocol import Exhausted, Observed

_DRAWS = 64  # random draws before the space is searched systematically for an untried configuration


class TrialHistory:
    """Every known trial, by rising number; a number that is told again replaces the first."""

    def __init__(self) -> None:
        self._told: dict[int, Observed] = {}
        self._sorted: list[Observed] | None = []
        self._space: SearchSpace | None = None
        self._keys: set[object] | None = None

    def tell(self, trial: Observed) -> None:
        if self._sorted and self._sorted[-1].number < trial.number:
            self._sorted.append(trial)
        else:
            self._sorted = None
        self._told[trial.number] = trial
        self._keys = None

    def __len__(self) -> int:
        return len(self._told)

    @property
    def trials(self) -> list[Observed]:
        """All trials, by rising number. Not to be changed."""
        if self._sorted is None:
            self._sorted = [self._told[n] for n in sorted(self._told)]
        return self._sorted

    def scored(self, space: SearchSpace) -> list[tuple[Config, float]]:
        """Configurations of `space` with a finite value, greater is better, by rising number.

        Trials outside the space (it was narrowed) are left out; hyperparameters that are new in the
        space are at their default.
        """
        return [(c, t.value) for c, t in self.inside(space) if t.value is not None]

    def inside(self, space: SearchSpace) -> list[tuple[Config, Observed]]:
        """The trials that `scored` counts, with their configurations in `space`."""
        pairs = ((project(space, t.config), t) for t in self.trials if succeeded(t))
        return [(config, trial) for config, trial in pairs if config is not None]

    def failed(self, space: SearchSpace) -> list[Config]:
        """Configurations of `space` whose trials ended without a finite value, by rising number."""
        ended = (t for t in self.trials if not succeeded(t) and not t.running)
        configs = (project(space, t.config) for t in ended)
        return [config for config in configs if config is not None]

    def running(self, space: SearchSpace) -> list[Config]:
        """Configurations of `space` that are trained just now."""
        configs = (project(space, t.config) for t in self._told.values() if t.running)
        return [config for config in configs if config is not None]

    def taken(self, space: SearchSpace) -> set[object]:
        """Keys (`space.key`) of every configuration tried, failed ones included."""
        if self._keys is None or self._space != space:
            configs = (project(space, t.config) for t in self._told.values())
            self._keys = {space.key(c) for c in configs if c is not None}
            self._space = space
        return self._keys

    def is_new(self, space: SearchSpace, config: Config) -> bool:
        """Whether `config` was not tried yet."""
        return space.key(config) not in self.taken(space)

    def unseen(self, space: SearchSpace, rng: np.random.Generator) -> Config:
        """A configuration that was not tried yet: a random one if that succeeds, else any.

        Raises:
            Exhausted: every configuration was tried.
        """
        taken = self.taken(space)
        for _ in range(_DRAWS):
            config = space.sample(rng)
            if space.key(config) not in taken:
                return config
        for config in _leaves(space, {}, 0, len(taken) + 2, rng):
            if space.key(config) not in taken:
                return config
        raise Exhausted(
            f"all {len(taken)} configurations of the search space were tried",
            "widen a range, or end the study here",
        )


def succeeded(trial: Observed) -> bool:
    """Whether the trial has a finite value."""
    return trial.value is not None and math.isfinite(trial.value)


def project(space: SearchSpace, config: Config) -> Config | None:
    """A configuration as one of `space`, what is new there at its default; None outside."""
    result: Config = {}
    for p in space.params:
        if space.is_active(p.name, result):
            value = config.get(p.name, p.start)
            if not p.domain.contains(value):
                return None
            result[p.name] = p.domain.cast(value)
    return result if config.keys() <= result.keys() else None


def rng_for(seed: int, number: int, attempt: int = 0) -> np.random.Generator:
    """The random numbers of one attempt at one trial: the same after a resume."""
    return np.random.default_rng([abs(seed), number, attempt])


def seed_for(seed: int, number: int, attempt: int = 0) -> int:
    """A 31-bit seed for libraries that want one, from the same three numbers."""
    return int(rng_for(seed, number, attempt).integers(2**31 - 1))


def _leaves(
    space: SearchSpace, config: Config, depth: int, enough: int, rng: np.random.Generator
) -> Iterator[Config]:
    """Distinct configurations, depth first, up to `enough` values of each hyperparameter."""
    if depth == len(space.params):
        yield config
        return
    p = space.params[depth]
    if not space.is_active(p.name, config):
        yield from _leaves(space, config, depth + 1, enough, rng)
        return
    for value in _values(p.domain, enough, rng):
        yield from _leaves(space, {**config, p.name: value}, depth + 1, enough, rng)


def _values(domain: Domain, enough: int, rng: np.random.Generator) -> list[Value]:
    """Up to `enough` values of a domain that differ in six digits, in random order."""
    values: list[Value]
    if isinstance(domain, Categorical):
        values = list(domain.choices)
    elif domain.step is not None:
        steps = math.floor((domain.high - domain.low) / domain.step + 1e-9)
        chosen = np.unique(np.linspace(0, steps, min(steps + 1, 2 * enough)).round())
        values = [domain.cast(domain.low + int(k) * domain.step) for k in chosen]
    else:
        reals = (domain.from_unit(float(u)) for u in np.linspace(0.0, 1.0, 2 * enough))
        values = list({f"{v:.6g}": v for v in reals}.values())
    return [values[i] for i in rng.permutation(len(values))[:enough]]
