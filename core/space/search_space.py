"""Search spaces: what may be varied, between which bounds, on which scale, under which condition.

A configuration is a plain dict from parameter name to value and holds the *active* parameters only:
those whose condition is met. The unit cube used by surrogates has one axis for every parameter that
is not frozen, in the order of the space, after its own log scale; inactive parameters sit at 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.errors import SpaceError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = Union[float, int, str, bool, None]
Config = dict[str, Any]


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; `log` searches it on a logarithmic scale (low > 0).

    `step` restricts it to low, low + step, ...; it excludes `log` (as in Optuna).
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)
        if self.step is not None and (self.log or not self.step > 0):
            raise SpaceError(f"step {self.step!r} needs to be positive and excludes log")

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            return False
        slack = 1e-9 * max(1.0, abs(self.low), abs(self.high)) if not self.log else 0.0
        low, high = self.low - slack, self.high + slack
        if self.log:
            low, high = self.low * (1 - 1e-9), self.high * (1 + 1e-9)
        return bool(low <= float(value) <= high)

    def cast(self, value: object) -> float:
        number = min(max(float(value), self.low), self.high)  # type: ignore[arg-type]
        if self.step is not None:
            number = self.low + round((number - self.low) / self.step) * self.step
            number = min(number, self.high)
        return number

    def to_unit(self, value: object) -> float:
        return _to_unit(float(value), self.low, self.high, self.log)  # type: ignore[arg-type]

    def from_unit(self, u: float) -> float:
        return self.cast(_from_unit(u, self.low, self.high, self.log))

    def describe(self) -> str:
        scale = ", log" if self.log else ""
        return f"float {number(self.low)} to {number(self.high)}{scale}"


@dataclass(frozen=True)
class Integer:
    """A whole number in [low, high]; `log` searches it on a logarithmic scale (low >= 1)."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)
        if self.step < 1 or (self.log and self.step != 1):
            raise SpaceError(f"step {self.step!r} needs to be at least 1 and excludes log")

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            return False
        return float(value).is_integer() and self.low <= int(value) <= self.high

    def cast(self, value: object) -> int:
        whole = min(max(round(float(value)), self.low), self.high)  # type: ignore[arg-type]
        return self.low + (whole - self.low) // self.step * self.step

    def to_unit(self, value: object) -> float:
        number = float(value)  # type: ignore[arg-type]
        return _to_unit(number, self.low - 0.5, self.high + 0.5, self.log)

    def from_unit(self, u: float) -> int:
        return self.cast(_from_unit(u, self.low - 0.5, self.high + 0.5, self.log))

    def describe(self) -> str:
        return f"integer {self.low} to {self.high}{', log' if self.log else ''}"


@dataclass(frozen=True)
class Categorical:
    """One of a few values: strings, numbers, booleans or None. The order carries no meaning."""

    choices: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise SpaceError("a categorical parameter needs at least one choice")
        if len({(type(c), c) for c in self.choices}) != len(self.choices):
            raise SpaceError(f"choices repeat: {list(self.choices)!r}")

    def contains(self, value: object) -> bool:
        return self.index(value) is not None

    def index(self, value: object) -> int | None:
        """Position of `value` among the choices; True is not 1 here, but 1.0 is 1."""
        for i, choice in enumerate(self.choices):
            if isinstance(choice, bool) is isinstance(value, bool) and choice == value:
                return i
        return None

    def cast(self, value: object) -> Value:
        i = self.index(value)
        if i is None:
            raise SpaceError(f"{value!r} is none of {list(self.choices)!r}")
        return self.choices[i]

    def to_unit(self, value: object) -> float:
        i = self.index(value)
        return 0.5 if i is None else (i + 0.5) / len(self.choices)

    def from_unit(self, u: float) -> Value:
        return self.choices[min(int(max(u, 0.0) * len(self.choices)), len(self.choices) - 1)]

    def describe(self) -> str:
        return "one of " + ", ".join(_show(c) for c in self.choices)


Domain = Union[Float, Integer, Categorical]


@dataclass(frozen=True)
class Condition:
    """A parameter is active only while `parent` is active and has one of `values`."""

    parent: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Param:
    """One hyperparameter: its domain, the library's default, what it does, when it is active."""

    name: str
    domain: Domain
    default: Value = None
    description: str = ""
    when: Condition | None = None

    @property
    def frozen(self) -> bool:
        """True when only one value is possible."""
        if isinstance(self.domain, Categorical):
            return len(self.domain.choices) == 1
        return self.domain.low == self.domain.high

    @property
    def start(self) -> Value:
        """The default where it lies in the domain, else the nearest value (the middle if none)."""
        if self.default is not None and self.domain.contains(self.default):
            return self.domain.cast(self.default)
        if isinstance(self.domain, Categorical):
            return self.domain.choices[0]
        if isinstance(self.default, (int, float)) and not isinstance(self.default, bool):
            return self.domain.cast(self.default)
        return self.domain.from_unit(0.5)


class SearchSpace:
    """An ordered, immutable set of parameters. Parents come before the parameters they condition.

    Raises:
        SpaceError: names repeat, a condition names an unknown or later parameter, or its values
            are not among the parent's.
    """

    def __init__(self, params: Iterable[Param]) -> None:
        self.params: tuple[Param, ...] = tuple(params)
        self._by_name = {p.name: p for p in self.params}
        if len(self._by_name) != len(self.params):
            raise SpaceError("a search space names a parameter twice")
        seen: set[str] = set()
        for p in self.params:
            if p.when is not None:
                if p.when.parent not in seen:
                    raise SpaceError(
                        f"{p.name}: its condition names {p.when.parent!r}, "
                        "which is not a parameter listed before it"
                    )
                parent = self._by_name[p.when.parent].domain
                for v in p.when.values:
                    if not parent.contains(v):
                        raise SpaceError(f"{p.name}: {p.when.parent} can never be {v!r}")
            seen.add(p.name)

    def __len__(self) -> int:
        return len(self.params)

    def __iter__(self) -> Any:
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
        return f"SearchSpace({', '.join(p.name for p in self.params)})"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.params)

    @property
    def free(self) -> tuple[Param, ...]:
        """The parameters that can take more than one value: the axes of the unit cube."""
        return tuple(p for p in self.params if not p.frozen)

    def is_active(self, name: str, config: Mapping[str, Any]) -> bool:
        """Whether the condition of `name` is met, given the values of its ancestors in `config`."""
        when = self._by_name[name].when
        if when is None:
            return True
        if not self.is_active(when.parent, config) or when.parent not in config:
            return False
        value = config[when.parent]
        return Categorical(when.values).contains(value)

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
            if name not in self._by_name:
                raise SpaceError(
                    f"unknown hyperparameter {name!r}", f"allowed: {', '.join(self.names)}"
                )
        result: Config = {}
        for p in self.params:
            active = self.is_active(p.name, result)
            if active and p.name not in config:
                raise SpaceError(f"{p.name} is missing", f"allowed: {p.domain.describe()}")
            if not active and p.name in config:
                assert p.when is not None
                raise SpaceError(
                    f"{p.name} has no effect here",
                    f"it counts only when {p.when.parent} is one of {list(p.when.values)!r}",
                )
            if active:
                if not p.domain.contains(config[p.name]):
                    raise SpaceError(
                        f"{p.name} = {config[p.name]!r} is outside the search space",
                        f"allowed: {p.domain.describe()}",
                    )
                result[p.name] = p.domain.cast(config[p.name])
        return result

    def contains(self, config: Mapping[str, Any]) -> bool:
        try:
            self.validate(config)
        except SpaceError:
            return False
        return True

    def sample(self, rng: np.random.Generator) -> Config:
        """A configuration drawn uniformly (after each parameter's own scale)."""
        return self.from_unit(rng.random(len(self.free)))

    def key(self, config: Mapping[str, Any]) -> tuple[tuple[str, object], ...]:
        """What makes two configurations the same: six significant digits of every value."""
        return tuple(
            (n, float(f"{v:.6g}") if isinstance(v, float) else v)
            for n, v in sorted(config.items())
        )

    def to_unit(self, config: Mapping[str, Any]) -> NDArray[np.float64]:
        """Coordinates of a configuration, shape (n_free,), each in [0, 1]; 0.5 where inactive."""
        return np.array(
            [p.domain.to_unit(config[p.name]) if p.name in config else 0.5 for p in self.free]
        )

    def from_unit(self, u: NDArray[np.float64]) -> Config:
        """The configuration at coordinates `u`, shape (n_free,), each in [0, 1]."""
        values = {p.name: p.domain.from_unit(float(x)) for p, x in zip(self.free, u, strict=True)}
        return self.complete(values)

    def replace(self, param: Param) -> SearchSpace:
        """The space with one parameter exchanged (same name, same place) or, if new, added."""
        if param.name in self._by_name:
            return SearchSpace(param if p.name == param.name else p for p in self.params)
        return SearchSpace((*self.params, param))

    def freeze(self, name: str, value: Value) -> SearchSpace:
        """The space with `name` held at `value`, which has to lie in its domain."""
        p = self._by_name[name]
        if not p.domain.contains(value):
            raise SpaceError(f"{name} = {value!r} is outside {p.domain.describe()}")
        fixed = p.domain.cast(value)
        domain: Domain
        if isinstance(p.domain, Float):
            domain = Float(float(fixed), float(fixed), p.domain.log)  # type: ignore[arg-type]
        elif isinstance(p.domain, Integer):
            domain = Integer(int(fixed), int(fixed), p.domain.log)  # type: ignore[arg-type]
        else:
            domain = Categorical((fixed,))
        frozen = self.replace(replace(p, domain=domain, default=fixed))
        return frozen

    def to_distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions, in the order of the space."""
        from optuna import distributions as d

        result: dict[str, BaseDistribution] = {}
        for p in self.params:
            if isinstance(p.domain, Float):
                result[p.name] = d.FloatDistribution(
                    p.domain.low, p.domain.high, log=p.domain.log, step=p.domain.step
                )
            elif isinstance(p.domain, Integer):
                result[p.name] = d.IntDistribution(
                    p.domain.low, p.domain.high, log=p.domain.log, step=p.domain.step
                )
            else:
                result[p.name] = d.CategoricalDistribution(p.domain.choices)
        return result

    def with_domains(self, domains: Mapping[str, Domain]) -> SearchSpace:
        """The space with these domains for the parameters named, and the others as they are.

        Conditions are cut down to what their parent can still be; parameters whose condition can
        no longer be met are left out.
        """
        kept: dict[str, Param] = {}
        for p in self.params:
            changed = replace(p, domain=domains.get(p.name, p.domain))
            if p.when is not None:
                parent = kept.get(p.when.parent)
                values = tuple(v for v in p.when.values if parent and parent.domain.contains(v))
                if not values:
                    continue
                changed = replace(changed, when=replace(p.when, values=values))
            kept[p.name] = changed
        return SearchSpace(kept.values())

    @classmethod
    def from_distributions(cls, distributions: Mapping[str, BaseDistribution]) -> SearchSpace:
        """A space without conditions from Optuna's distributions.

        Raises:
            SpaceError: a distribution of a kind that is not float, int or categorical.
        """
        from optuna import distributions as d

        params = []
        for name, dist in distributions.items():
            domain: Domain
            if isinstance(dist, d.FloatDistribution):
                domain = Float(dist.low, dist.high, dist.log, dist.step)
            elif isinstance(dist, d.IntDistribution):
                domain = Integer(dist.low, dist.high, dist.log, dist.step)
            elif isinstance(dist, d.CategoricalDistribution):
                domain = Categorical(tuple(dist.choices))
            else:
                raise SpaceError(f"{name}: {type(dist).__name__} is not supported")
            params.append(Param(name, domain))
        return cls(params)



def number(value: float) -> str:
    """A number as people write it: six significant digits, no trailing zeros."""
    return f"{value:.6g}"


def _show(value: Value) -> str:
    return value if isinstance(value, str) else repr(value)


def _check_range(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SpaceError(f"bounds {low!r} to {high!r} are not finite")
    if low > high:
        raise SpaceError(f"low {low!r} is above high {high!r}")
    if log and low <= 0:
        raise SpaceError(f"a log scale needs low > 0, not {low!r}")


def _to_unit(value: float, low: float, high: float, log: bool) -> float:
    if low == high:
        return 0.5
    if log:
        value, low, high = math.log(max(value, 1e-300)), math.log(low), math.log(high)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _from_unit(u: float, low: float, high: float, log: bool) -> float:
    u = min(max(u, 0.0), 1.0)
    if log:
        return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return low + u * (high - low)
