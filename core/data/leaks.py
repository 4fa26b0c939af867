"""Columns that give the target away: equal to it, another name for it, or in step with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.table import Column
from hyperllama.core.text import one_line, shown

_ROWS = 100_000
_CORRELATION = 0.999
_MANY = 100
"""With more different values than this a feature is judged by its order, not value by value."""


@dataclass(frozen=True)
class Leak:
    """A column of the file that gives the target away.

    Attributes:
        name: of the column, as in the file.
        how: in words: "is equal to".
        exact: whether it is the target itself in other words, whatever the table is about.
    """

    name: str
    how: str
    exact: bool

    def told(self, target: str) -> str:
        """One sentence, with the line of the task file that acts on it."""
        return (f"column {shown(self.name)} {self.how} the target {shown(target)}: if it is not "
                f"known beforehand, leave it out: drop = [{json.dumps(one_line(self.name, 60))}]")


def find_leaks(
    x: NDArray[np.float64], y: NDArray[Any], columns: Sequence[Column], kind: str
) -> list[Leak]:
    """The columns that give the target away; at most 100,000 rows are looked at."""
    if len(y) > _ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:_ROWS])
        x, y = x[rows], y[rows]
    found: dict[str, Leak] = {}
    for j, column in enumerate(columns):
        known = ~np.isnan(x[:, j])
        if kind == "classification" and y.max() == 1 and known.min() < known.max() and (
            np.array_equal(known, y == 1) or np.array_equal(known, y == 0)
        ):
            name = column.source or column.name
            found.setdefault(name, Leak(name, "is filled exactly for one class of", True))
        if known.mean() < 0.5 or known.sum() < 20:
            continue
        how = _how(x[known, j], y[known], column, kind)
        if how:
            name = column.source or column.name
            found.setdefault(name, Leak(name, how, how.startswith("is ")))
    return list(found.values())


def _how(x: NDArray[np.float64], y: NDArray[Any], column: Column, kind: str) -> str:
    if column.kind != "category" and np.array_equal(x, y):
        return "is equal to"
    if kind == "regression":
        if column.kind == "category" or x.std() == 0 or y.std() == 0:
            return ""
        r = float(np.corrcoef(x, y)[0, 1])
        if abs(r) > _CORRELATION:
            return f"is in step (correlation {r:.4f}) with"
        same = len(np.unique(y)) > 2 and _same_order(x, y)
        return "is in the same order as" if same else ""
    values, codes = np.unique(x, return_inverse=True)
    classes = len(np.unique(y))
    if classes < 2:
        return ""
    if len(values) <= _MANY:
        pairs = len(np.unique(codes * (int(y.max()) + 1) + y))
        if pairs == len(values) == classes:
            return "is one-to-one with"
        # A value seen a handful of times is pure by chance; each has to be seen often enough.
        if pairs == len(values) and np.bincount(codes).min() >= 20:
            return "alone decides"
        return ""
    if column.kind == "category":
        return ""
    order = y[np.argsort(x, kind="stable")]
    changes = int(np.count_nonzero(np.diff(order)))
    return "alone separates" if changes == classes - 1 else ""


def _same_order(x: NDArray[np.float64], y: NDArray[Any]) -> bool:
    """Whether the numbers rise together, or fall while the others rise, ties included."""
    a, b = (np.unique(v, return_inverse=True)[1] for v in (x, y))
    return bool(np.array_equal(a, b) or np.array_equal(a, b.max() - b))
