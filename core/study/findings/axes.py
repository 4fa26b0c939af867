"""The hyperparameters of a study as axes of plots: which varied, and where a value lies.

Light enough for the interface's process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperllama.core.study.state import StudyState, TrialState

_LOG_RATIO = 300.0  # of the values seen, where the search space does not say what scale it has


@dataclass(frozen=True)
class ParameterAxis:
    """One hyperparameter as an axis: where a value lies in [0, 1].

    Attributes:
        ends: the lowest and the highest value of the range, and seen; or the choices in order.
        log: positions are those of the logarithms.
        choices: the values are choices, each in the middle of its part of the axis.
    """

    name: str
    ends: tuple[Any, ...]
    log: bool = False
    choices: bool = False

    def at(self, value: Any) -> float | None:
        """Its place from 0 to 1; None for a value that has none."""
        if self.choices:
            known = [str(c) for c in self.ends]
            return (known.index(str(value)) + 0.5) / len(known) if str(value) in known else None
        if not _is_number(value):
            return None
        low, high = self.ends
        if self.log:
            if value <= 0:
                return None
            value, low, high = math.log(value), math.log(low), math.log(high)
        return 0.5 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))

    def value(self, share: float) -> float:
        """The number at a place; among choices the position, 0 the first."""
        if self.choices:
            return share * len(self.ends) - 0.5
        low, high = self.ends
        if self.log:
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        return float(low + share * (high - low))


def axes_of(state: StudyState) -> list[ParameterAxis]:
    """The hyperparameters that took more than one value, the most important first."""
    shares: Mapping[str, float] = state.importance.shares if state.importance else {}
    scored = [t for t in state.trials if t.value is not None]
    opened = state.opened
    known = {str(p.get("name")): p for p in opened.space} if opened is not None else {}
    found = []
    for name in dict.fromkeys([*known, *(n for t in scored[:1] for n in t.config)]):
        values = [t.config[name] for t in scored if name in t.config]
        axis = _axis(name, known.get(name, {}), values)
        if axis is not None:
            found.append(axis)
    return sorted(found, key=lambda a: -shares.get(a.name, 0.0))


def _axis(name: str, param: Mapping[str, Any], values: Sequence[Any]) -> ParameterAxis | None:
    """The axis of one hyperparameter; None where all values read the same."""
    if len({_reads(v) for v in values}) < 2:
        return None
    if all(_is_number(v) for v in values) and not param.get("choices"):
        ends = [v for v in (param.get("low"), param.get("high")) if _is_number(v)]
        low, high = min(*values, *ends), max(*values, *ends)
        unknown = not ends and low > 0 and high / low > _LOG_RATIO
        return ParameterAxis(name, (low, high), low > 0 and (bool(param.get("log")) or unknown))
    choices = [*(param.get("choices") or ()), *sorted(values, key=str)]
    return ParameterAxis(name, tuple({str(c): c for c in choices}.values()), choices=True)


def coordinates(
    axes: Sequence[ParameterAxis], trials: Iterable[TrialState]
) -> list[tuple[list[float], float]]:
    """(places on the axes, score) of the scored trials that have a place on each of them."""
    found = []
    for trial in trials:
        places = [axis.at(trial.config.get(axis.name)) for axis in axes]
        if trial.value is not None and None not in places:
            found.append(([p for p in places if p is not None], trial.value))
    return found


def shared_axes(axes: Sequence[ParameterAxis], best: TrialState | None) -> list[ParameterAxis]:
    """The axes that the best trial has: those of its estimator, but not the choice of one."""
    config = best.config if best is not None else {}
    prefixes = {name.partition(".")[0] for name in config if "." in name}
    return [a for a in axes if a.name in config and str(config[a.name]) not in prefixes]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _reads(value: Any) -> str:
    """A value to four digits: what differs less is the same in a plot."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
