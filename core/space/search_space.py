"""Search spaces: an ordered set of hyperparameters, and the configurations in it.

A configuration is a plain dict from parameter name to value and holds the *active* parameters only:
those whose condition is met. The unit cube used by surrogates has one axis for every parameter that
is not frozen, in the order of the space, after its own log scale; inactive parameters sit at 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import SpaceError
from hyperllama.core.space.domains import Categorical, Domain, Float, Integer, Value
from hyperllama.core.space.params import Param, reachable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution

Config = dict[str, Any]


class SearchSpace:
    """An ordered, immutable set of parameters. Parents come before the parameters they condition.

    Raises:
        SpaceError: names repeat, a condition names an unknown or later parameter, or its values
            are not among the parent's.
    """

    def __init__(self, params: Iterable[Param]) -> None:
        self.params: tuple[Param, ...] = tuple(params)
        self._by_name: dict[str, Param] = {}
        for p in self.params:
            if p.name in self._by_name:
                raise SpaceError("a search space names a parameter twice")
            if p.when is not None:
                parent = self._by_name.get(p.when.parent)
                if parent is None:
                    raise SpaceError(
                        f"{p.name}: its condition names {p.when.parent!r}, "
                        "which is not a parameter listed before it"
                    )
                for v in p.when.values:
                    if not parent.domain.contains(v):
                        raise SpaceError(f"{p.name}: {p.when.parent} can never be {v!r}")
            self._by_name[p.name] = p

    def __len__(self) -> int:
        return len(self.params)

    def __iter__(self) -> Iterator[Param]:
        return iter(self.params)

    def __getitem__(self, name: str) -> Param:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.params == other.params

    def __hash__(self) -> int:
        return hash(self.params)

    def __repr__(self) -> str:
        return f"SearchSpace({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.params)

    @property
    def free(self) -> tuple[Param, ...]:
        """The parameters that can take more than one value: the axes of the unit cube."""
        return tuple(p for p in self.params if not p.frozen)

    def known(self, name: str) -> Param:
        """The parameter of this name.

        Raises:
            SpaceError: there is none.
        """
        if name not in self._by_name:
            allowed = f"allowed: {', '.join(self.names)}"
            raise SpaceError(f"unknown hyperparameter {name!r}", allowed)
        return self._by_name[name]

    def is_active(self, name: str, config: Mapping[str, Any]) -> bool:
        """Whether the condition of `name` is met, given the values of its ancestors in `config`."""
        when = self._by_name[name].when
        if when is None:
            return True
        if not self.is_active(when.parent, config) or when.parent not in config:
            return False
        return Categorical(when.values).contains(config[when.parent])

    def complete(self, values: Mapping[str, Any]) -> Config:
        """A configuration from `values`: missing active ones at their default, no inactive ones."""
        config: Config = {}
        for p in self.params:
            if self.is_active(p.name, config):
                config[p.name] = p.domain.cast(values[p.name]) if p.name in values else p.start
        return config

    def default(self) -> Config:
        """The library's default configuration, moved into the bounds where it lies outside."""
        return self.complete({})

    def validate(self, config: Mapping[str, Any]) -> Config:
        """The configuration with its values in the domain's own types.

        Raises:
            SpaceError: a name is unknown, missing, or inactive, or a value lies outside its domain.
        """
        for name in config:
            self.known(name)
        result: Config = {}
        for p in self.params:
            domain = p.domain
            if not self.is_active(p.name, result):
                if p.name in config and p.when is not None:
                    raise SpaceError(
                        f"{p.name} has no effect here",
                        f"it counts only when {p.when.parent} is one of {list(p.when.values)!r}",
                    )
                continue
            if p.name not in config:
                raise SpaceError(f"{p.name} is missing", f"allowed: {domain.describe()}")
            if not domain.contains(config[p.name]):
                raise SpaceError(
                    f"{p.name} = {config[p.name]!r} is outside the search space",
                    f"allowed: {domain.describe()}",
                )
            result[p.name] = domain.cast(config[p.name])
        return result

    def contains(self, config: Mapping[str, Any]) -> bool:
        """Whether `validate` accepts the configuration."""
        try:
            self.validate(config)
        except SpaceError:
            return False
        return True

    def sample(self, rng: np.random.Generator) -> Config:
        """A configuration drawn uniformly on each parameter's own scale, or by its prior."""
        u = rng.random(len(self.free))
        return self.complete({p.name: p.drawn(float(x)) for p, x in zip(self.free, u, strict=True)})

    def key(self, config: Mapping[str, Any]) -> tuple[tuple[str, object], ...]:
        """What makes two configurations the same: six significant digits of every value."""
        return tuple(
            (n, float(f"{v:.6g}") if isinstance(v, float) else v)
            for n, v in sorted(config.items())
        )

    def to_unit(self, config: Mapping[str, Any]) -> NDArray[np.float64]:
        """Coordinates of a configuration, shape (n_free,), each in [0, 1]; 0.5 where inactive."""
        import numpy as np

        return np.array(
            [p.domain.to_unit(config[p.name]) if p.name in config else 0.5 for p in self.free]
        )

    def from_unit(self, u: NDArray[np.float64]) -> Config:
        """The configuration at coordinates `u`, shape (n_free,), each in [0, 1]."""
        values = {p.name: p.domain.from_unit(float(x)) for p, x in zip(self.free, u, strict=True)}
        return self.complete(values)

    def replace(self, param: Param) -> SearchSpace:
        """The space with one parameter exchanged (same name, same place) or, if new, added."""
        return SearchSpace({**self._by_name, param.name: param}.values())

    def freeze(self, name: str, value: Value) -> SearchSpace:
        """The space with `name` frozen at `value`, which has to lie in its domain."""
        p = self._by_name[name]
        if not p.domain.contains(value):
            raise SpaceError(f"{name} = {value!r} is outside {p.domain.describe()}")
        fixed = p.domain.cast(value)
        return self.replace(replace(p, domain=p.domain.only(fixed), default=fixed))

    def with_domains(self, domains: Mapping[str, Domain]) -> SearchSpace:
        """The space with these domains for the parameters named, and the others as they are.

        Parameters whose condition can no longer be met are left out.
        """
        changed = (replace(p, domain=domains.get(p.name, p.domain)) for p in self.params)
        return SearchSpace(reachable(changed))

    def to_distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions, in the order of the space."""
        from optuna import distributions as d

        def distribution(domain: Domain) -> BaseDistribution:
            if isinstance(domain, Categorical):
                return d.CategoricalDistribution(domain.choices)
            if isinstance(domain, Float):
                return d.FloatDistribution(domain.low, domain.high, domain.log, domain.step)
            return d.IntDistribution(domain.low, domain.high, domain.log, domain.step)

        return {p.name: distribution(p.domain) for p in self.params}

    @classmethod
    def from_distributions(cls, distributions: Mapping[str, BaseDistribution]) -> SearchSpace:
        """A space without conditions from Optuna's distributions.

        Raises:
            SpaceError: a distribution of a kind that is not float, int or categorical.
        """
        from optuna import distributions as d

        def domain(name: str, found: BaseDistribution) -> Domain:
            if isinstance(found, d.CategoricalDistribution):
                return Categorical(tuple(found.choices))
            if isinstance(found, d.FloatDistribution):
                return Float(found.low, found.high, found.log, found.step)
            if isinstance(found, d.IntDistribution):
                return Integer(found.low, found.high, found.log, found.step)
            raise SpaceError(f"{name}: {type(found).__name__} is not supported")

        return cls(Param(name, domain(name, found)) for name, found in distributions.items())
