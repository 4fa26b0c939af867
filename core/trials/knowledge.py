"""What is known of a study's trials before a model's turn, for the model to read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hyperllama.core.space import SearchSpace, Value
from hyperllama.core.trials.chance import all_at_chance
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory, succeeded
from hyperllama.core.trials.movement import unmoved
from hyperllama.core.trials.protocol import Observed

_BEST = 5
_OWN = 3


@dataclass(frozen=True)
class Knowledge:
    """Facts in the study's own values; each part may be empty.

    Attributes:
        best: (number, score) of the best five trials, best first.
        regions: hyperparameter -> where the GP expects the best scores: (low, high) of a number,
            the choices of a category.
        important: hyperparameters, those that the score depends on most first, by the GP.
        unmoved: hyperparameter -> the value that it had in each of the latest trials.
        own: (number, score minus the best before it) of the model's latest turns; None for one
            that failed or that was handed over.
        chance: the score of a model that looks at no column; None where that is unknown.
        at_chance: whether no trial beats chance.
        left: families that are no longer proposed, because their trials score at chance.
    """

    best: tuple[tuple[int, float], ...] = ()
    regions: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    important: tuple[str, ...] = ()
    unmoved: Mapping[str, Value] = field(default_factory=dict)
    own: tuple[tuple[int, float | None], ...] = ()
    chance: float | None = None
    at_chance: bool = False
    left: tuple[str, ...] = ()


def known_of(
    space: SearchSpace,
    history: TrialHistory,
    own: Sequence[Observed],
    chance: Sequence[float] = (),
    goals: Goals | None = None,
) -> Knowledge:
    """What the trials alone tell; `regions`, `important` and `left` are for others to add.

    Args:
        own: the model's own turns.
        chance: fold scores of a model that looks at no column.
        goals: trials that break its constraints are not among the best.
    """
    trials = history.trials
    scored = [(t.number, float(t.value or 0.0)) for t in trials
              if succeeded(t) and not (goals and goals.broken(t))]  # fmt: skip
    return Knowledge(
        best=tuple(sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:_BEST]),
        unmoved=unmoved(space, trials),
        own=_gains(trials, own),
        chance=sum(chance) / len(chance) if chance else None,
        at_chance=all_at_chance(trials, chance),
    )


def _gains(
    trials: Sequence[Observed], own: Sequence[Observed]
) -> tuple[tuple[int, float | None], ...]:
    numbers, best = {t.number for t in own[-_OWN:]}, -math.inf
    found: list[tuple[int, float | None]] = []
    for t in trials:
        value = float(t.value or 0.0) if succeeded(t) else None
        if t.number in numbers:
            missed = value is None or t.fallback or not math.isfinite(best)
            found.append((t.number, None if missed or value is None else value - best))
        best = max(best, -math.inf if value is None else value)
    return tuple(found)
