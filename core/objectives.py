"""Several objectives and constraints: what is measured beside the metric, and which trials no
other is better than.

Plain Python: the interface reads it, too. What a trial measured stands in its facts, under
`MEASURES`; how far it is from each constraint under `EXCESS`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperllama.core.errors import TaskError
from hyperllama.core.text import allowed, shown

MEASURES, EXCESS = "measures", "excess"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}


@dataclass(frozen=True)
class Cost:
    """What a model costs: less is better.

    Attributes:
        unit: in which it is measured.
        units: those that a bound may have, as multiples of it.
        about: what it is, in a line.
    """

    unit: str
    units: Mapping[str, float]
    about: str


COSTS = {
    "predict_seconds": Cost("s", _SECONDS, "processor time to predict the scored rows of a fold"),
    "predict_ms_per_row": Cost(
        "ms", {unit: size * 1e3 for unit, size in _SECONDS.items()},
        "processor time to predict a row, of many at once",
    ),
    "fit_seconds": Cost("s", _SECONDS, "time by the clock to fit on the training rows of a fold"),
    "model_bytes": Cost("B", _BYTES, "size of the fitted pipeline as a pickle"),
}  # fmt: skip
"""What can be measured beside scikit-learn's scorers; each is the mean over the folds."""
_COMPARISON = re.compile(r"\s*(<=?|>=?)\s*([-+]?[\d._]+(?:[eE][-+]?\d+)?)\s*([A-Za-zµ%]*)\s*")


@dataclass(frozen=True)
class Objective:
    """A quantity to optimise.

    Attributes:
        name: of a scorer, or of one of `COSTS`.
        minimize: less is better.
        unit: empty for scorers.
    """

    name: str
    minimize: bool = False
    unit: str = ""

    @classmethod
    def of(cls, name: str) -> Objective:
        """The objective of that name."""
        cost = COSTS.get(name)
        return cls(name) if cost is None else cls(name, True, cost.unit)

    @property
    def direction(self) -> str:
        """Which values are better, in words."""
        return "less is better" if self.minimize else "greater is better"

    @property
    def label(self) -> str:
        """Name, unit and direction."""
        return f"{self.name} ({f'{self.unit}, ' if self.unit else ''}{self.direction})"

    def gain(self, value: float) -> float:
        """The value, or its negative: greater is better."""
        return -value if self.minimize else value


@dataclass(frozen=True)
class Constraint:
    """A bound that a trial has to keep; at the bound it is kept.

    Attributes:
        name: of what is bounded, as of objectives.
        below: values have to be below the bound, else above it.
        bound: in the unit of the quantity.
        text: as a person wrote it, with the name.
    """

    name: str
    below: bool
    bound: float
    text: str

    def excess(self, value: float | None) -> float:
        """How far a value is on the wrong side, as a share of the bound; at most 0: it is kept.

        1 for what could not be measured.
        """
        if value is None or not math.isfinite(value):
            return 1.0
        gap = value - self.bound if self.below else self.bound - value
        return gap / (abs(self.bound) or 1.0)


def constraints_of(name: str, given: str | Sequence[str]) -> list[Constraint]:
    """The constraints on one quantity, from texts like "< 1 MB" or "> 0.9".

    Raises:
        TaskError: a text is no comparison, has another unit, or no value can keep all of them.
    """
    found = [_constraint(name, text) for text in ([given] if isinstance(given, str) else given)]
    if not found:
        raise TaskError("there is no bound", 'for example "< 1"')
    highest = min((c for c in found if c.below), key=lambda c: c.bound, default=None)
    lowest = max((c for c in found if not c.below), key=lambda c: c.bound, default=None)
    if highest and lowest and highest.bound < lowest.bound:
        raise TaskError(f"{lowest.text} and {highest.text} contradict each other",
                        "no value is on the right side of both")
    least, most = _ends(name)
    if highest and (highest.bound < least or (least == 0.0 == highest.bound)):
        raise TaskError(f"{highest.text} cannot be kept", f"{name} is at least {least:g}")
    if lowest and lowest.bound > most:
        raise TaskError(f"{lowest.text} cannot be kept", f"{name} is at most {most:g}")
    return found


def _constraint(name: str, text: str) -> Constraint:
    match = _COMPARISON.fullmatch(text)
    try:
        bound = float(match[2]) if match else math.nan
    except ValueError:
        match, bound = None, math.nan
    if match is None or not math.isfinite(bound):
        example = "< 1 MB" if name == "model_bytes" else "< 1" if name in COSTS else "> 0.9"
        raise TaskError(f"{shown(text)} is no comparison with a number",
                        f'allowed: <, <=, > or >= and a number, for example "{example}"')
    sign, _, unit = match.groups()
    cost = COSTS.get(name)
    if unit and cost is None:
        raise TaskError(f"{shown(text)}: a score has no unit", f'write "{sign} {match[2]}"')
    if unit and cost is not None and unit not in cost.units:
        raise TaskError(f"{shown(text)}: {name} is not measured in {unit}",
                        f"without a unit it is {cost.unit}; {allowed(list(cost.units))}")
    size = cost.units[unit] if cost is not None and unit else 1.0
    shown_unit = unit or (cost.unit if cost is not None else "")
    return Constraint(name, sign[0] == "<", bound * size,
                      f"{name} {sign} {match[2]} {shown_unit}".rstrip())


def _ends(name: str) -> tuple[float, float]:
    """The least and the greatest value that a quantity can have, as far as that is known."""
    if name in COSTS:
        return 0.0, math.inf
    if name.endswith("likelihood_ratio"):
        return -math.inf, math.inf
    return -math.inf, 0.0 if name.startswith("neg_") else 1.0


def measures_of(facts: Mapping[str, Any]) -> dict[str, float]:
    """What a trial measured beside its score, by name; what is damaged is left out."""
    return _numbers(facts.get(MEASURES))


def excess_of(facts: Mapping[str, Any]) -> dict[str, float]:
    """How far a trial is on the wrong side of each constraint, by the constraint's text."""
    return _numbers(facts.get(EXCESS))


def broken(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The constraints that a trial does not keep."""
    return tuple(text for text, excess in excess_of(facts).items() if excess > 0)


def _numbers(found: object) -> dict[str, float]:
    pairs = found.items() if isinstance(found, Mapping) else ()
    return {str(k): float(v) for k, v in pairs
            if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)}


def judged(
    facts: Mapping[str, Any], metric: str, value: float | None, constraints: Iterable[Constraint]
) -> dict[str, Any]:
    """The facts of a trial with its distance from each constraint; unchanged without any."""
    measured = {**measures_of(facts), **({} if value is None else {metric: value})}
    excess = {c.text: c.excess(measured.get(c.name)) for c in constraints}
    return {**facts, EXCESS: excess} if excess else dict(facts)


def front_of(points: Sequence[Sequence[float]]) -> list[int]:
    """The positions of the points that no other dominates, in their order; greater is better.

    A point dominates another where it is at least as good in everything and better in something,
    so of equal points all stay. For n points of which f stay that takes n times f comparisons.
    """
    kept: list[int] = []
    for at in sorted(range(len(points)), key=lambda i: tuple(-v for v in points[i])):
        if not any(_dominates(points[k], points[at]) for k in kept):
            kept.append(at)
    return sorted(kept)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def amount(value: float, unit: str) -> str:
    """A measured value as people read it: "1.2 MB", "3.4 ms", "0.913"."""
    scales = {"B": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
              "s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)),
              "ms": (("ms", 1.0), ("us", 1e-3))}.get(unit, ())  # fmt: skip
    for name, size in scales:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    last = scales[-1][0] if scales and unit != "B" else unit
    size = scales[-1][1] if scales and unit != "B" else 1.0
    return f"{value / size:.4g} {last}".rstrip()
