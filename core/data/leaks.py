"""Columns that give the target away: equal to it, another name for it, or in step with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.table import Column
from hyperllama.core.text import shown

_ROWS = 100_000
_CORRELATION = 0.999
_MANY = 100
"""With more different values than this a feature is judged by its order, not value by value."""


def find_leaks(
    x: NDArray[np.float64], y: NDArray[Any], columns: Sequence[Column], kind: str, target: str
) -> list[str]:
    """A warning for each column that gives the target away; at most 100,000 rows are looked at."""
    if len(y) > _ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:_ROWS])
        x, y = x[rows], y[rows]
    found = []
    for j, column in enumerate(columns):
        known = ~np.isnan(x[:, j])
        if known.mean() < 0.5 or known.sum() < 20:
            continue
        how = _how(x[known, j], y[known], column, kind)
        if how:
            found.append(f"column {shown(column.source or column.name)} {how} the target "
                        f"{shown(target)}: if it is not known beforehand, add it to `drop`")
    return list(dict.fromkeys(found))


def _how(x: NDArray[np.float64], y: NDArray[Any], column: Column, kind: str) -> str:
    if column.kind != "category" and np.array_equal(x, y):
        return "is equal to"
    if kind == "regression":
        if column.kind == "category" or x.std() == 0 or y.std() == 0:
            return ""
        r = float(np.corrcoef(x, y)[0, 1])
        return f"is in step (correlation {r:.4f}) with" if abs(r) > _CORRELATION else ""
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
