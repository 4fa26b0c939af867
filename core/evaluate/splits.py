"""Which rows train, which are scored, which are kept for the end.

Needs NumPy and scikit-learn only: the exported script carries these functions word for word.

Rows are positions in the table. Every split is a pure function of the arguments. A class with a
single row is always trained on and never scored, so that no fold lacks it in training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def evenly(y: NDArray[Any], count: int, rng: np.random.Generator) -> Rows:
    """Positions of `count` rows, evenly over the classes or range of `y`, shape (count,)."""
    shuffled = rng.permutation(len(y))
    ordered = shuffled[np.argsort(y[shuffled], kind="stable")]
    picked = (np.arange(count) + rng.random()) * (len(y) / max(count, 1))
    return np.sort(ordered[np.minimum(picked.astype(np.intp), len(y) - 1)])


def alone(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a row is the only one of its class, shape (n_rows,)."""
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] < 2)


def hold_out(
    method: str,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    times: NDArray[Any] | None,
    share: float,
    seed: int,
    classification: bool,
) -> tuple[Rows, Rows]:
    """The rows that stay, and the `share` of them set apart: the last by time, whole groups, a
    part with the same classes, or any. Both sorted; "time" keeps the order of time."""
    n = len(y)
    count = round(n * share)
    if method == "time" and times is not None:
        order = np.argsort(times, kind="stable")
        return order[: n - count], order[n - count :]
    rng = np.random.default_rng(seed)
    if method == "group" and groups is not None:
        names, members = np.unique(groups, return_inverse=True)
        sizes = np.bincount(members)
        apart = np.zeros(len(names), dtype=bool)
        taken = 0
        for g in rng.permutation(len(names)):
            if taken + sizes[g] / 2 <= count and not taken + sizes[g] >= n:
                apart[g] = True
                taken += sizes[g]
        chosen = apart[members]
    elif classification:
        chosen = np.zeros(n, dtype=bool)
        usable = np.flatnonzero(~alone(y))
        chosen[usable[evenly(y[usable], min(count, len(usable)), rng)]] = True
    else:
        chosen = np.zeros(n, dtype=bool)
        chosen[rng.permutation(n)[:count]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def make_folds(
    method: str,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    times: NDArray[Any] | None,
    folds: int,
    repeats: int,
    share: float,
    seed: int,
    classification: bool,
) -> list[tuple[Rows, Rows]]:
    """(rows to train on, rows to score) per fold.

    method: "kfold", "stratified", "group", "time" (each fold is scored on what comes after it was
    trained on), or "split" (`repeats` times, `share` of the rows are scored).

    Raises:
        ValueError: too few rows, classes or groups for so many folds.
    """
    from sklearn.model_selection import (
        GroupKFold,
        KFold,
        StratifiedGroupKFold,
        StratifiedKFold,
        TimeSeriesSplit,
    )

    if method == "time" and times is not None:
        order = np.argsort(times, kind="stable")
        return [(order[a], order[b]) for a, b in TimeSeriesSplit(folds).split(order)]
    every = np.arange(len(y))
    pairs: list[tuple[Rows, Rows]] = []
    for repeat in range(max(repeats, 1)):
        again = seed + 1000 * repeat
        if method == "split":
            pairs.append(hold_out(method, y, None, None, share, again, classification))
        elif method == "group" and groups is not None:
            kind = StratifiedGroupKFold if classification else GroupKFold
            splitter = kind(folds, shuffle=True, random_state=again)
            pairs.extend(splitter.split(every, y, groups))
        elif method == "stratified" and classification:
            single = alone(y)
            usable, always = np.flatnonzero(~single), np.flatnonzero(single)
            splitter = StratifiedKFold(folds, shuffle=True, random_state=again)
            for a, b in splitter.split(usable, y[usable]):
                pairs.append((np.sort(np.concatenate([usable[a], always])), usable[b]))
        else:
            splitter = KFold(folds, shuffle=True, random_state=again)
            pairs.extend(splitter.split(every))
    return pairs
