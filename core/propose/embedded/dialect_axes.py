"""A search space in the terms of the embedded models' dialect, and configurations to and fro.

Names are looked up among those the models learned, through the family's aliases; a choice among
rising numbers is spoken of as the number it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hyperllama.core.estimators import Facts, canonical_name, family
from hyperllama.core.space import (
    Categorical,
    Config,
    Domain,
    Float,
    Integer,
    Param,
    SearchSpace,
    Value,
)
from hyperllama.models.embedded import dialect


@dataclass(frozen=True)
class Spoken:
    """One free hyperparameter: its axis in the dialect, and what each value index stands for."""

    param: Param
    axis: dialect.DialectParam
    values: Mapping[int, Value] | None  # index -> value where only few values are possible

    def index(self, value: Value) -> int:
        """The value index nearest to a value of the domain."""
        d = self.param.domain
        if isinstance(d, Categorical):
            assert self.values is not None
            same = [i for i, v in self.values.items() if Categorical((v,)).contains(value)]
            return same[0]
        return _bin(d.to_unit(value))

    def value(self, index: int, fraction: float) -> Value:
        """A value that the index stands for; `fraction` in [0, 1) chooses within its bin."""
        if self.values is not None:
            return self.values[index]
        d = self.param.domain
        assert not isinstance(d, Categorical)
        return d.from_unit((index + fraction) / dialect.BINS)


def speak(space: SearchSpace, estimator: str) -> list[Spoken]:
    """The free hyperparameters of a space, in its order.

    Args:
        estimator: the family's name; "" if unknown.
    """
    known = canonical_name(estimator) if estimator else None
    aliases = {**family(known).aliases, **family(known).embedded_names} if known else {}
    taken: set[int] = set()
    return [_spoken(p, aliases, taken) for p in space.free]


def header(estimator: str, kind: str, facts: Facts | None, spoken: list[Spoken]) -> list[int]:
    """The stable part of the prompt, as tokens."""
    name = canonical_name(estimator) if estimator else None
    told = dialect.TableFacts()
    if facts is not None:
        told = dialect.TableFacts(
            _kind(kind, facts.classes), facts.rows, facts.features, facts.minority_share,
            facts.categorical_share, facts.missing_share,
        )  # fmt: skip
    elif kind:
        told = dialect.TableFacts(_kind(kind, 0))
    return dialect.header(name or "?", told, [s.axis for s in spoken])


def point(spoken: list[Spoken], config: Config) -> dict[int, int]:
    """A configuration as axis number -> value index, active ones only."""
    named = ((i, s) for i, s in enumerate(spoken) if s.param.name in config)
    return {i: s.index(config[s.param.name]) for i, s in named}


def _kind(kind: str, classes: int) -> str:
    if kind == "classification":
        return "multiclass" if classes > 2 else "binary" if classes == 2 else "?"
    return "regression" if kind == "regression" else "?"


def _spoken(p: Param, aliases: Mapping[str, str], taken: set[int]) -> Spoken:
    token = dialect.identity(aliases.get(p.name, p.name), taken)
    d = p.domain
    if isinstance(d, Categorical):
        numbers = _rising(d)
        if numbers is None:
            choices = tuple(str(c) for c in d.choices[: dialect.MAX_CHOICES])
            values = dict(enumerate(d.choices[: dialect.MAX_CHOICES]))
            axis = dialect.DialectParam(token, "choice", choices=choices, bins=tuple(values))
            return Spoken(p, axis, values)
        return _ladder(p, numbers, token)
    kind = ("int" if isinstance(d, Integer) else "float") + (":log" if d.log else "")
    few = _few(d)
    bins = tuple(few) if few else tuple(range(dialect.BINS))
    return Spoken(p, dialect.DialectParam(token, kind, d.low, d.high, bins=bins), few)


def _few(d: Domain) -> dict[int, Value] | None:
    """Index -> value for a domain with fewer values than there are bins."""
    assert not isinstance(d, Categorical)
    if d.step is None:
        return None
    steps = math.floor((d.high - d.low) / d.step + 1e-9)
    if steps >= dialect.BINS:
        return None
    values = [d.cast(d.low + i * d.step) for i in range(steps + 1)]
    return {_bin(d.to_unit(v)): v for v in values}


def _ladder(p: Param, numbers: list[float], token: int) -> Spoken:
    """Rising numbers to choose from: a numeric axis of which a few values are allowed."""
    low, high = numbers[0], numbers[-1]
    log = low > 0 and high / low > 20
    whole = all(float(n).is_integer() for n in numbers)
    domain = Float(low, high, log)
    bins: dict[int, Value] = {}
    for i, n in enumerate(numbers):
        at = _bin(domain.to_unit(n))
        while at in bins and at < dialect.BINS - 1:
            at += 1
        assert isinstance(p.domain, Categorical)
        bins[at] = p.domain.choices[i]
    kind = ("int" if whole else "float") + (":log" if log else "")
    return Spoken(p, dialect.DialectParam(token, kind, low, high, bins=tuple(bins)), bins)


def _rising(d: Categorical) -> list[float] | None:
    """The choices as numbers if they are three or more that rise."""
    if len(d.choices) < 3 or len(d.choices) > dialect.BINS // 2:
        return None
    if not all(isinstance(c, (int, float)) and not isinstance(c, bool) for c in d.choices):
        return None
    numbers = [float(c) for c in d.choices]  # type: ignore[arg-type]
    return numbers if numbers == sorted(set(numbers)) else None


def _bin(u: float) -> int:
    return min(int(u * dialect.BINS), dialect.BINS - 1)
