"""One hyperparameter: its domain, its default, what it does, and when it counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hyperllama.core.space.domains import Categorical, Domain, Value


@dataclass(frozen=True)
class Condition:
    """A parameter is active only while `parent` is active and has one of `values`."""

    parent: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Param:
    """One hyperparameter: its domain, the library's default, what it does, when it is active.

    `prior` says how often which values were best elsewhere, as (value, share) pairs; mostly empty.
    """

    name: str
    domain: Domain
    default: Value = None
    description: str = ""
    when: Condition | None = None
    prior: tuple[tuple[Value, float], ...] = ()

    @property
    def frozen(self) -> bool:
        """True when only one value is possible."""
        if isinstance(self.domain, Categorical):
            return len(self.domain.choices) == 1
        return self.domain.low == self.domain.high

    def drawn(self, u: float) -> Value:
        """The value at a uniform number of [0, 1): a choice with a prior by that, else evenly."""
        shares = [(v, s) for v, s in self.prior if self.domain.contains(v)]
        if not shares or not isinstance(self.domain, Categorical):
            return self.domain.from_unit(u)
        left = u * sum(share for _, share in shares)
        for value, share in shares:
            left -= share
            if left < 0:
                return value
        return shares[-1][0]

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


def reachable(params: Iterable[Param]) -> list[Param]:
    """The parameters, in their order, without those whose condition can no longer be met.

    Conditions are cut down to what their parent can still be.
    """
    kept: dict[str, Param] = {}
    for p in params:
        if p.when is not None:
            parent = kept.get(p.when.parent)
            values = tuple(v for v in p.when.values if parent and parent.domain.contains(v))
            if not values:
                continue
            p = replace(p, when=replace(p.when, values=values))
        kept[p.name] = p
    return list(kept.values())
