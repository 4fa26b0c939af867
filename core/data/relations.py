"""Which columns follow from others: the same in another unit, a sum, a threshold, a coarser name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.table import Column, Floats
from hyperllama.core.text import shown

_ROWS = 2000
_MOST_COLUMNS = 150
_EXACT = 0.99999
"""A share of the variance that rounding leaves of an exact sum."""

Evidence = tuple[int, float, str]


def relations(columns: Sequence[Column], xs: Sequence[Floats]) -> Iterator[Evidence]:
    """(position, points, reason) of each column that others give away, or that hangs together.

    Args:
        columns: numbers, categories and booleans.
        xs: their numbers or codes, each shape (n_rows,), NaN where empty.
    """
    columns, xs = columns[:_MOST_COLUMNS], [x[:_ROWS] for x in xs[:_MOST_COLUMNS]]
    twins = dict(_twins(columns, xs))
    for j, other in twins.items():
        derived = len(columns[j].name) > len(columns[other].name) and _contains(
            columns[j].name, columns[other].name)
        yield j, -36 if derived else -14, f"{shown(columns[other].name, 30)} says the same"
    yield from _sums(columns, xs, twins)
    yield from _coarser(columns, xs)


def _contains(longer: str, shorter: str) -> bool:
    return len(shorter) >= 2 and shorter.lower() in longer.lower()


def ranks(x: Floats) -> NDArray[np.int64]:
    """Dense ranks, shape (n_rows,), -1 where empty."""
    out = np.full(len(x), -1, dtype=np.int64)
    known = ~np.isnan(x)
    out[known] = np.unique(x[known], return_inverse=True)[1]
    return out


def _twins(columns: Sequence[Column], xs: Sequence[Floats]) -> Iterator[tuple[int, int]]:
    """(column, another one that is in the same or the opposite order, or has other labels)."""
    seen: dict[bytes, list[int]] = {}
    for j, (c, x) in enumerate(zip(columns, xs, strict=True)):
        order = ranks(x)
        if (order >= 0).sum() < 20:
            continue
        if c.kind == "category" or order.max() <= 10:
            order = _as_they_come(order)
            keys = [order.tobytes()]
        else:
            turned = np.where(order >= 0, order.max() - order, -1)
            keys = sorted((order.tobytes(), turned.tobytes()))[:1]
        for key in keys:
            seen.setdefault(key, []).append(j)
    for group in seen.values():
        for j in group:
            if len(group) > 1:
                others = [i for i in group if i != j]
                yield j, min(others, key=lambda i: len(columns[i].name))


def _as_they_come(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes numbered by their first appearance: equal for two columns that are one-to-one."""
    known = codes >= 0
    _, first, inverse = np.unique(codes[known], return_index=True, return_inverse=True)
    out = codes.copy()
    out[known] = np.argsort(np.argsort(first))[inverse]
    return out


def _sums(
    columns: Sequence[Column], xs: Sequence[Floats], twins: Mapping[int, int]
) -> Iterator[Evidence]:
    """Numbers that are a sum of others, exactly, and those that hang together with them.

    The share of the variance that the others explain is 1 - 1 / (C^-1)_jj with the correlations C
    (the variance inflation factor; Belsley, Kuh and Welsch 1980).
    """
    used = [j for j, c in enumerate(columns)
            if c.kind != "category" and np.isnan(xs[j]).mean() < 0.3 and np.nanstd(xs[j]) > 0]
    ordered = [j for j in used if j not in twins or j < twins[j]]
    rows = len(xs[0]) if xs else 0
    if len(ordered) < 2 or rows < 3 * len(ordered) or rows < 30:
        return
    x = np.stack([np.nan_to_num(xs[j], nan=float(np.nanmean(xs[j]))) for j in ordered], axis=1)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    c = x.T @ x / rows
    inverse = np.linalg.inv(c + 1e-9 * np.eye(len(ordered)))
    for j, diagonal in zip(ordered, np.diag(inverse), strict=True):
        share = 1 - 1 / max(float(diagonal), 1.0)
        if share > _EXACT:
            dummy = columns[j].distinct == 2
            yield j, -45 if dummy else -25, "it follows from other columns, exactly"
        elif share > 0.1:
            yield j, 5, ""
        elif share < 0.01:
            yield j, -4, ""


def _coarser(columns: Sequence[Column], xs: Sequence[Floats]) -> Iterator[Evidence]:
    """Columns of few values that another column of more values decides."""
    codes = [ranks(x) for x in xs]
    sizes = [int(c.max()) + 1 for c in codes]
    rows = len(xs[0]) if xs else 0
    for j, size in enumerate(sizes):
        if not 2 <= size <= 20:
            continue
        for i, other in enumerate(sizes):
            both = (codes[i] >= 0) & (codes[j] >= 0)
            if i == j or other <= size or both.sum() < max(20, rows // 2):
                continue
            decided = (columns[i].kind == "number" and other > 30
                       and _threshold(codes[i][both], codes[j][both]))
            if not decided and other <= rows // 8:
                decided = len(np.unique(codes[i][both] * size + codes[j][both])) == len(
                    np.unique(codes[i][both]))
            if decided:
                yield j, -22, f"{shown(columns[i].name, 30)} alone decides it"
                break


def _threshold(order: NDArray[np.int64], codes: NDArray[np.int64]) -> bool:
    """Whether the classes are stretches of the other column, without a tie at a border."""
    sequence = codes[np.argsort(order, kind="stable")]
    if np.count_nonzero(np.diff(sequence)) != len(np.unique(codes)) - 1:
        return False
    pairs = np.unique(order * (int(codes.max()) + 1) + codes)
    return len(pairs) == len(np.unique(order))
