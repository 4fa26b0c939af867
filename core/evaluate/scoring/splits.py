"""Which rows train, which are scored, which are kept for the end.

Needs NumPy and scikit-learn only: the exported script carries these functions word for word.

Rows are positions in the table. Every split is a pure function of the arguments. A class with a
single row is always trained on and never scored, so that no fold lacks it in training.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    part with the same classes, or any. Both sorted; "time" keeps the order of time.

    Of several groups at least one is set apart. The rows that stay keep every class, unless no
    group can be spared without the loss of one.
    """
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
        order = rng.permutation(len(names))
        rows_of = np.split(np.argsort(members, kind="stable"), np.cumsum(sizes)[:-1])
        _, codes = np.unique(y if classification else np.zeros(n), return_inverse=True)
        left = np.bincount(codes)

        def can_go(g: int) -> bool:
            return bool((left > np.bincount(codes[rows_of[g]], minlength=len(left))).all())

        for g in order:
            if n - left.sum() + sizes[g] / 2 <= count and can_go(g):
                apart[g] = True
                left -= np.bincount(codes[rows_of[g]], minlength=len(left))
        if count and not apart.any() and len(names) > 1:
            smallest = order[np.argsort(sizes[order], kind="stable")]
            apart[next(filter(can_go, smallest), smallest[0])] = True
        chosen = apart[members]
    elif classification:
        chosen = np.zeros(n, dtype=bool)
        usable = np.flatnonzero(~alone(y))
        chosen[usable[evenly(y[usable], min(count, len(usable)), rng)]] = True
    else:
        chosen = np.zeros(n, dtype=bool)
        chosen[rng.permutation(n)[:count]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def group_folds(
    y: NDArray[Any], groups: NDArray[Any], folds: int, seed: int, classification: bool
) -> list[tuple[Rows, Rows]]:
    """(rows to train on, rows to score) per fold, whole groups, the classes evenly where possible.

    Raises:
        ValueError: there are fewer groups than folds.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    parts = list(GroupKFold(folds, shuffle=True, random_state=seed).split(y, y, groups))
    if not classification:
        return parts
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    even = list(splitter.split(y, y, groups))
    fewest = min(2, *(len(np.unique(groups[a])) for a, _ in parts))
    # with few groups it may leave a fold empty, or a single group to train on
    usable = all(len(b) and len(np.unique(groups[a])) >= fewest for a, b in even)
    return even if usable else parts


def folds_once(
    method: str,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    times: NDArray[Any] | None,
    folds: int,
    share: float,
    seed: int,
    classification: bool,
    shifted: bool,
) -> list[tuple[Rows, Rows]]:
    """One repeat of `make_folds`. Folds in time do not depend on the seed, unless they are
    `shifted`: then the latest rows are left out, fewer than a fold has."""
    from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

    every = np.arange(len(y))
    if method == "time" and times is not None:
        order = np.argsort(times, kind="stable")
        scored = len(y) // (folds + 1)
        if shifted and scored > 1:
            order = order[: -np.random.default_rng(seed).integers(1, scored)]
        return [(order[a], order[b]) for a, b in TimeSeriesSplit(folds).split(order)]
    if method == "split":
        return [hold_out(method, y, None, None, share, seed, classification)]
    if method == "group" and groups is not None:
        return group_folds(y, groups, folds, seed, classification)
    if method == "stratified" and classification:
        single = alone(y)
        usable, always = np.flatnonzero(~single), np.flatnonzero(single)
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        pairs = splitter.split(usable, y[usable])
        return [(np.sort(np.concatenate([usable[a], always])), usable[b]) for a, b in pairs]
    return list(KFold(folds, shuffle=True, random_state=seed).split(every))


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
    known: Sequence[tuple[Rows, Rows]] = (),
) -> list[tuple[Rows, Rows]]:
    """(rows to train on, rows to score) per fold.

    method: "kfold", "stratified", "group", "time" (each fold is scored on what comes after it was
    trained on), or "split" (`repeats` times, `share` of the rows are scored).
    known: folds that are not to come again; neither does a repeat, where there are other folds.

    Raises:
        ValueError: too few rows, classes or groups for so many folds.
    """
    seen = {scored.tobytes() for _, scored in known}
    pairs: list[tuple[Rows, Rows]] = []
    for repeat in range(max(repeats, 1)):
        for attempt in range(20):  # few groups can be shared out in few ways
            again = seed + 1000 * repeat + 10_007 * attempt
            found = folds_once(
                method, y, groups, times, folds, share, again, classification, bool(seen)
            )
            parts = {scored.tobytes() for _, scored in found}
            if not parts <= seen:
                break
        seen |= parts
        pairs.extend(found)
    return pairs
