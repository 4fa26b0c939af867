"""What the trials so far have left alone: the widest parts of ranges without a trial."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hyperllama.core.prompt.wording import Names, number_text
from hyperllama.core.space import Categorical, Param, SearchSpace
from hyperllama.core.trials import Observed

_FEWEST = 3  # trials below which nothing is said
_WIDE = 0.4  # share of a range without a trial that is worth a word
_MOST = 4  # hyperparameters that are named
_MOST_CHOICES = 3


def unexplored(
    space: SearchSpace, trials: Sequence[Observed], names: Names, most: int = _MOST
) -> str:
    """The widest parts of ranges without a trial, and choices without one; "" for none.

    A part counts from 40 % of its range (of its logarithm, where the range is logarithmic).
    """
    if len(trials) < _FEWEST:
        return ""
    found: list[tuple[float, str]] = []
    for p in space.free:
        values = _values(p, trials)
        if not values:
            continue
        if isinstance(p.domain, Categorical):
            tried = {p.domain.index(v) for v in values}
            left = [names.bare(p.name, c) for i, c in enumerate(p.domain.choices) if i not in tried]
            if left:
                found.append((0.5, f"{names.name(p.name)} {' or '.join(left[:_MOST_CHOICES])}"))
            continue
        marks = sorted({0.0, 1.0, *(p.domain.to_unit(v) for v in values)})
        width, low, high = max((b - a, a, b) for a, b in pairwise(marks))
        if width >= _WIDE:
            at = [p.domain.from_unit(u) for u in (low, high)]
            ends = (names.bare(p.name, v) if names.levels else number_text(float(v), 2) for v in at)
            found.append((width, f"{names.name(p.name)} {' to '.join(ends)}"))
    found.sort(key=lambda pair: -pair[0])
    return "; ".join(text for _, text in found[:most])


def _values(p: Param, trials: Sequence[Observed]) -> list[object]:
    return [t.config[p.name] for t in trials
            if p.name in t.config and p.domain.contains(t.config[p.name])]
