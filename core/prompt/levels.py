"""Values written as parts of their range, counted from 0 on its own scale: short, and all alike."""

from __future__ import annotations

from typing import Any

from hyperllama.core.prompt.wording import Names
from hyperllama.core.space import Categorical, SearchSpace, Value
from hyperllama.core.space.domains import Domain


class LevelNames(Names):
    """As `Names`, with a number as the part of its range, and a category as its place.

    Args:
        levels: parts of a range.
    """

    def __init__(self, space: SearchSpace, neutral: bool, levels: int) -> None:
        super().__init__(space, neutral)
        self.levels = levels

    def literal(self, param: str, value: Any) -> str:
        domain = self._space[param].domain if param in self._space else None
        if domain is None or not domain.contains(value):
            return super().literal(param, value)
        return str(level_of(domain, value, self.levels))

    def choices(self, param: str) -> list[str]:
        """The categories behind their places."""
        return [f"{i} is {shown}" for i, shown in enumerate(super().choices(param))]

    def cells(self, param: str) -> list[str]:
        return [str(i) for i in range(len(super().cells(param)))]

    def bare(self, param: str, value: Any) -> str:
        return self.literal(param, value)


def level_of(domain: Domain, value: object, levels: int) -> int:
    """The part of its range that a value lies in, or the place of a category."""
    if isinstance(domain, Categorical):
        return domain.index(value) or 0
    return min(int(domain.to_unit(value) * levels), levels - 1)


def value_at(domain: Domain, level: int, levels: int, within: float = 0.5) -> Value:
    """The value at a place within a part of the range, 0 to 1; the category of a place."""
    if isinstance(domain, Categorical):
        return domain.choices[level]
    return domain.from_unit((level + within) / levels)
