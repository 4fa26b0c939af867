"""Columns that give the target away: equal to it, another name for it, or in step with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.names import is_time
from hyperllama.core.data.table import Column
from hyperllama.core.text import one_line, shown

_ROWS = 100_000
_CORRELATION = 0.999
_SAMPLE, _FEWEST = 4000, 30
_FUNCTION = 0.995
"""A column that says so much of the target says it all but for noise."""
_OF_TWO = 0.9998
"""Of two columns more is asked: a pair among many may fit well by luck."""
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


def told(leaks: Sequence[Leak], target: str) -> list[str]:
    """One sentence for columns that give the target away in the same way, with the line of the task
    file that acts on it."""
    lines = []
    for how in dict.fromkeys(leak.how for leak in leaks):
        names = [leak.name for leak in leaks if leak.how == how]
        drop = ", ".join(json.dumps(one_line(name, 60)) for name in names)
        what = f"column {shown(names[0])}" if len(names) == 1 else "each of the columns "
        if len(names) > 1:
            what += ", ".join(shown(name, 30) for name in names[:5])
            what += f" and {len(names) - 5} more" if len(names) > 5 else ""
        known = "if it is not known" if len(names) == 1 else "if they are not known"
        out = "it" if len(names) == 1 else "them"
        lines.append(f"{what} {how} the target {shown(target)}: {known} beforehand, leave {out} "
                     f"out: drop = [{drop}]")
    return lines


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
    for j, how in _functions(x, y, columns, kind):
        name = columns[j].source or columns[j].name
        found.setdefault(name, Leak(name, how, False))
    return list(found.values())


def _functions(
    x: NDArray[np.float64], y: NDArray[Any], columns: Sequence[Column], kind: str
) -> Iterator[tuple[int, str]]:
    """(position, in words) of the columns of which the target is nearly a function, alone or, for
    numbers, as a sum, a product or a ratio of two; judged on half of at most 4,000 rows."""
    rows = np.random.default_rng(0).permutation(len(y))[:_SAMPLE]
    x, y = x[rows], y[rows].astype(np.float64)
    if len(y) < 2 * _FEWEST or np.ptp(y) == 0:
        return
    alone = [j for j, c in enumerate(columns) if _given(x[:, j], y, c, kind) > _FUNCTION]
    for j in alone:
        yield j, f"alone gives more than {_FUNCTION:.1%} of"
    if kind == "regression" and not alone:
        numbers = [j for j, c in enumerate(columns)
                   if c.kind != "category" and not np.isnan(x[:, j]).any() and np.ptp(x[:, j]) > 0]
        for logs in (False, True):
            used = [j for j in numbers if not logs or x[:, j].min() > 0]
            if len(used) < 2 or (logs and y.min() <= 0):
                continue
            some, told = (np.log(x[:, used]), np.log(y)) if logs else (x[:, used], y)
            i, j, share = _best_pair(some, told)
            if share > _OF_TWO:
                other = shown(columns[used[j]].name, 30)
                yield used[i], f"together with {other} gives {min(share, 0.9999):.2%} of"
                return


def _given(x: NDArray[np.float64], y: NDArray[Any], column: Column, kind: str) -> float:
    """How much of the target one column gives: the share of its variance, or of its classes, that
    half of the rows say of the other half, read off between the nearest values."""
    known = ~np.isnan(x)
    if known.mean() < 0.9 or known.sum() < 2 * _FEWEST:
        return 0.0
    x, y = x[known], y[known]
    learn, judge = np.arange(len(x)) % 2 == 0, np.arange(len(x)) % 2 == 1
    values, codes = np.unique(x[learn], return_inverse=True)
    seldom = 3 * len(values) > 2 * learn.sum()  # read off between other values
    if seldom and (column.kind == "category" or column.part or is_time(column.name)):
        return 0.0
    if kind == "regression":
        means = np.bincount(codes, weights=y[learn]) / np.bincount(codes)
        rest = y[judge] - np.interp(x[judge], values, means)
        return float(1 - rest.var() / max(y[judge].var(), 1e-300))
    classes = y.astype(np.int64)
    counts = np.zeros((len(values), classes.max() + 1))
    np.add.at(counts, (codes, classes[learn]), 1)
    right = np.searchsorted(values, x[judge]).clip(0, len(values) - 1)
    left = (right - 1).clip(0)
    nearer = np.where(np.abs(values[left] - x[judge]) < np.abs(values[right] - x[judge]), left,
                      right)
    hit = counts.argmax(axis=1)[nearer] == classes[judge]
    seen = np.unique(classes[judge])
    return float(np.mean([hit[classes[judge] == c].mean() for c in seen])) if len(seen) > 1 else 0.0


def _best_pair(x: NDArray[np.float64], y: NDArray[Any]) -> tuple[int, int, float]:
    """Two columns and the share of the target's variance that they explain, linearly, together:
    R^2 = (a^2 + b^2 - 2abc) / (1 - c^2) with the correlations a, b to the target and c."""
    c = np.corrcoef(np.column_stack([x, y]), rowvar=False)
    a, c = c[:-1, -1], c[:-1, :-1]
    free = 1 - c**2
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (a[:, None] ** 2 + a[None] ** 2 - 2 * np.outer(a, a) * c) / free
    shares = np.where(free > 1e-6, shares, 0.0)
    best = divmod(int(np.argmax(shares)), len(a))
    first, second = sorted(best, key=lambda k: -abs(a[k]))
    return first, second, float(shares[first, second])


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
