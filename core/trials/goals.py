"""What proposers are to reach: objectives and constraints, and how trials stand in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperllama.core.objectives import Constraint, Objective, measures_of
from hyperllama.core.trials.history import succeeded
from hyperllama.core.trials.protocol import Observed


@dataclass(frozen=True)
class Goals:
    """Objectives and constraints; by default the metric is all.

    Attributes:
        metric: name of the scorer that gives a trial's value.
        objectives: the metric first; empty where it is the only one.
        constraints: that a trial has to keep.
    """

    metric: str = ""
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the metric is all."""
        return not (self.objectives or self.constraints)

    @property
    def measured(self) -> tuple[str, ...]:
        """What is measured beside the metric."""
        names = [*(o.name for o in self.objectives), *(c.name for c in self.constraints)]
        return tuple(name for name in dict.fromkeys(names) if name != self.metric)

    def value(self, trial: Observed, name: str) -> float | None:
        """A trial's value of one quantity; None where it has none."""
        if name != self.metric:
            return measures_of(trial.facts).get(name)
        return trial.value if succeeded(trial) else None

    def gains(self, trial: Observed) -> tuple[float, ...] | None:
        """A trial's objectives, greater is better; None where one is missing."""
        if not self.objectives:
            return (trial.value,) if succeeded(trial) and trial.value is not None else None
        pairs = ((o, self.value(trial, o.name)) for o in self.objectives)
        found = [o.gain(v) for o, v in pairs if v is not None]
        return tuple(found) if len(found) == len(self.objectives) else None

    def excess(self, trial: Observed) -> dict[str, float]:
        """How far a trial is on the wrong side of each constraint, by its text; 0: it is kept."""
        return {c.text: c.excess(self.value(trial, c.name)) for c in self.constraints}

    def broken(self, trial: Observed) -> tuple[str, ...]:
        """The constraints that a trial with a score does not keep."""
        return tuple(text for text, excess in self.excess(trial).items() if excess > 0)

    def advances(self, trials: Sequence[Observed]) -> list[bool]:
        """Whether each trial was the best of its time, or one that no earlier one was as good as
        in everything."""
        front: list[tuple[float, ...]] = []
        found = []
        for trial in trials:
            gains = None if self.broken(trial) else self.gains(trial)
            new = gains is not None and not any(_as_good(p, gains) for p in front)
            if new and gains is not None:
                front = [*(p for p in front if not _as_good(gains, p)), gains]
            found.append(new)
        return found


def _as_good(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))
