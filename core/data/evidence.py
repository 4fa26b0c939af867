"""Which column is probably the target: every column's evidence, in points, each with its reason.

The points are judgement, not estimates; what matters is that no single piece decides. A column
that others give away, one of a family of like columns, or one that follows the order of the rows
is rarely asked for, whatever it is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hyperllama.core.data import names
from hyperllama.core.data.columns import Values, is_row_weight
from hyperllama.core.data.relations import relations
from hyperllama.core.data.table import Column, Floats

CLOSE = 12
"""Candidates within so many points of the best are close: people are asked."""
_YEARS = range(1900, 2101)
_FEWEST_ROWS = 20
_ESTIMATE = {"predicted", "pred", "estimate", "fitted", "prob", "probability", "error", "se",
             "sigma", "stderr", "upper", "lower", "hi", "lo", "p10", "p90"}


@dataclass
class Candidate:
    """A column that may be the target, and what speaks for and against it.

    Attributes:
        values: the column as it was read.
        x: its numbers or codes, shape (n_rows,), NaN where empty.
        evidence: (points, reason); an empty reason is not told to people.
    """

    values: Values
    x: Floats
    evidence: list[tuple[float, str]] = field(default_factory=list)

    @property
    def column(self) -> Column:
        return self.values.column

    @property
    def name(self) -> str:
        return self.values.column.name

    @property
    def points(self) -> float:
        return sum(p for p, _ in self.evidence)

    def add(self, points: float, reason: str = "") -> None:
        self.evidence.append((points, reason))

    def reasons(self, against: bool = False) -> list[str]:
        """What speaks for it (or against it), the strongest first."""
        sign = -1 if against else 1
        told = sorted((-sign * p, r) for p, r in self.evidence if r and sign * p > 0)
        return list(dict.fromkeys(r for _, r in told))


def rank_targets(columns: Sequence[Values], stem: str = "") -> list[Candidate]:
    """The columns that can be predicted, the most probable first; empty where there is none.

    Args:
        columns: of the file, in its order, read from the same rows.
        stem: the file's name without its ending.
    """
    found = [Candidate(v, v.features[0][1]) for v in columns
             if v.column.kind in ("number", "category", "boolean") and v.features]
    found = [c for c in found if _possible(c)]
    if not found:
        return []
    everything = [v.column.name for v in columns]
    for c in found:
        _name(c, stem, everything)
        _distribution(c)
    _place(found)
    _families(found, everything)
    for position, points, reason in relations([c.column for c in found], [c.x for c in found]):
        c = found[position]
        outcome = names.folded(c.name) in names.OUTCOME and c.column.distinct == 2
        # An outcome of two values is often recorded in finer words, or turned around, as well.
        c.add(max(points, -8) if outcome else points, reason)
    return sorted(found, key=lambda c: -c.points)


def close_to_best(ranked: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, three at most, that are nearly as probable as the best; the best left out."""
    return [c for c in ranked[1:4] if ranked[0].points - c.points < CLOSE]


def _possible(c: Candidate) -> bool:
    """Two different values at least, and rows enough of two classes, or of numbers."""
    known = c.x[~np.isnan(c.x)]
    if len(known) < min(_FEWEST_ROWS, len(c.x)):
        return False
    if c.column.kind == "number":
        return c.column.distinct >= 2
    counts = np.unique(known, return_counts=True)[1]
    return int((counts >= 3).sum()) >= 2 and len(counts) <= 200


def _name(c: Candidate, stem: str, everything: Sequence[str]) -> None:
    """What it is called, alone and beside the file's and the other columns' names."""
    words = names.words(c.name)
    joined, file = names.folded(c.name), names.folded(stem)
    last = next((w for w in reversed(words) if not w.isdigit()), "")
    coordinates = joined == "y" and len(everything) > 3 and "x" in map(names.folded, everything)
    if coordinates:
        c.add(20, "its name says that it is to be predicted")
    elif joined in names.TARGET:
        c.add(100 - 4 * names.TARGET.index(joined), "its name says that it is to be predicted")
    elif (last in names.TARGET and len(last) > 1) or words[:1] in (["target"], ["outcome"]):
        c.add(60, "its name says that it is to be predicted")
    elif joined in names.OUTCOME or last in names.OUTCOME:
        c.add(40 if joined in names.OUTCOME else 30, "it is called like an outcome")
    elif joined in names.RESULT or last in names.RESULT or names.is_clinical_result(c.name):
        c.add(22 if joined in names.RESULT else 16, "it is called like a result")
    if len(joined) >= 3 and joined in file and joined not in names.GIVEN:
        c.add(36, "the file is called after it")
    elif len(last) >= 4 and last in file:
        c.add(24, "the file is called after it")
    if joined in names.GIVEN or last in names.GIVEN or words[:1] == ["is"]:
        c.add(-24, "such things are usually known beforehand")
    if any(w in names.DESIGN for w in words):
        c.add(-30, "it says how the rows were laid out")
    if any(w in names.TIME for w in words) and last not in names.OUTCOME:
        c.add(-15 if last in ("time", "hour") else -45, "it says when")
    if names.is_clinical_time(c.name):
        c.add(-45, "it says when")
    if names.is_id(c.name):
        c.add(-45, "it is called like an identifier")
    if names.is_frequency(c.name):
        c.add(-8)
    elif names.is_entity(c.name) and joined not in names.GIVEN:
        c.add(-25, "it is called like what a row is about")
    if is_row_weight(c.name, c.x):
        c.add(-80, "it looks like a weight of the rows")
    if names.is_lag(c.name):
        c.add(-15, "it is called like an earlier value")
    if _ESTIMATE & set(words):
        c.add(-10, "it is called like an estimate")


def _place(found: Sequence[Candidate]) -> None:
    """The last or the first place; the first counts for more where it has two values only."""
    first, last = found[0], found[-1]
    if first is last:
        return
    labels = last.column.kind in ("category", "boolean")
    points = (28 if last.column.distinct == 2 else 20) if labels else 14
    last.add(points, "it is the last column that can be a target")
    alone = first.column.distinct == 2 and last.column.distinct != 2
    first.add(24 if alone else 9, "it is the first column"
              + (", and the last has more than two values" if alone else ""))


def _distribution(c: Candidate) -> None:
    """How its values are spread: enough of them, none too rare, few empty."""
    known = c.x[~np.isnan(c.x)]
    values, counts = np.unique(known, return_counts=True)
    classes = c.column.kind != "number" or len(values) == 2
    if classes:
        rare = counts.min() / len(known)
        if len(values) == 2:
            c.add(8 if rare >= 0.05 else -5, "it has two values" if rare >= 0.05 else "")
        elif len(values) > 10:
            c.add(-8 if len(values) <= 20 else -30, f"it has {len(values)} categories")
        if rare < 0.01 or counts.min() < 5:
            c.add(-8, "a value of it is very rare")
    elif len(values) > 20:
        c.add(6, "it has many different values")
    if counts.max() / len(known) > 0.95:
        c.add(-20, "it is nearly always the same")
    empty = 1 - len(known) / max(len(c.x), 1)
    if empty > 0.3:
        c.add(-45 * empty, f"{empty:.0%} of its cells are empty")
    steps = np.diff(known)
    if len(values) > 2 and len(known) > 20 and (np.all(steps >= 0) or np.all(steps <= 0)):
        c.add(-35, "the rows are in its order")


def _families(found: Sequence[Candidate], everything: Sequence[str]) -> None:
    """Columns that differ in a number only, or in nothing but their name."""
    numbered: dict[str, list[int]] = {}
    for name in everything:
        split = names.stem_and_number(name)
        if split:
            numbered.setdefault(split[0], []).append(split[1])
    sorts = Counter(_sort(c) for c in found)
    starts = Counter(_start(c.name) for c in found)
    for c in found:
        split = names.stem_and_number(c.name)
        family = numbered.get(split[0], []) if split else []
        if split and len(set(family)) >= 2 and _are_years(family):
            latest = split[1] == max(family)
            c.add(12 if latest else -20, f"it is {'the latest' if latest else 'an earlier one'} "
                                         f"of {len(family)} columns of different years")
        elif len(family) >= 3:
            c.add(-32, f"it is one of {len(family)} columns that differ in a number only")
        same = sorts[_sort(c)]
        if same >= 5 and 2 * same > len(found):
            c.add(-14, f"it is one of {same} columns of the same sort")
        elif (same == 1 and len(family) < 3 and len(found) > 5
              and max(sorts.values()) >= 0.75 * len(found)):
            c.add(14, "it is unlike the other columns")
        start = _start(c.name)
        if start and starts[start] >= 4 and starts[start] < len(found):
            c.add(-10, f"it is one of {starts[start]} columns called {start}...")


def _are_years(found: Sequence[int]) -> bool:
    """Numbers of two or four digits that are years: 1998, 2002; 74, 75, 78."""
    long = all(n in _YEARS for n in found)
    return long or (all(40 <= n <= 99 for n in found) and max(found) - min(found) < 40)


def _start(name: str) -> str:
    """What stands before the first separator of a name; empty where there is none."""
    head, found, _ = name.replace(".", "_").partition("_")
    return head if found and len(head) > 1 else ""


def _sort(c: Candidate) -> tuple[object, ...]:
    """What columns of one sort have in common: kind, whole numbers, sign, size."""
    known = c.x[~np.isnan(c.x)]
    if c.column.kind != "number":
        return c.column.kind, tuple(sorted(map(str.lower, c.column.categories)))
    whole = bool(np.all(known == np.round(known)))
    few = len(np.unique(known)) <= 10
    size = float(np.quantile(np.abs(known), 0.9))
    return ("number", whole, few and float(known.max()), float(known.min()) < 0,
            round(np.log10(size)) if size > 0 and not few else 0)
