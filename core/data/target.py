"""The target: which kind of task it makes, its classes and codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import LARGEST, PLAIN, TEXT, clean_text
from hyperllama.core.data.columns import as_numbers, leading_zeros
from hyperllama.core.data.marks import spellings
from hyperllama.core.text import shown

if TYPE_CHECKING:
    import polars as pl

MOST_CODED_CLASSES = 10
"""Whole numbers from 0 or 1 on, with one gap at most, are classes up to so many."""
FEWEST_TO_MEASURE = 50
"""Rows of a class from which its scores say something: ten among a fifth as test rows."""
_POSITIVE = ("yes", "true", "1", "positive", "pos", "t", "y", "bad", "sick", "ill", "dead", "died",
             "fraud", "spam", "churn", "churned", "default", "malignant", "anomaly", "abnormal",
             "fail", "failed", "failure")


def typed(cells: pl.Series, semicolon: bool) -> tuple[pl.Series, str]:
    """Target cells as Float64 where all are numbers, else as cleaned text; null where empty.

    The second value is the way they were read, see `cells`.
    """
    import polars as pl

    if cells.dtype in (pl.Categorical, pl.Enum, pl.Boolean):
        cells = cells.cast(pl.String)
    if cells.dtype == pl.String:
        cells = clean_text(cells)
        if leading_zeros(cells):
            return cells, TEXT
        numbers, way, _, _ = as_numbers(cells, semicolon)
        return (cells if numbers is None else _finite(numbers)), way
    if cells.dtype.is_numeric():
        return _finite(cells.cast(pl.Float64)), PLAIN
    return cells.cast(pl.String), TEXT


def _finite(numbers: pl.Series) -> pl.Series:
    fits = numbers.is_finite() & (numbers.abs() <= LARGEST)  # XGBoost's targets have 32 bits
    return numbers.set(~fits.fill_null(True), None)


def infer_kind(target: pl.Series) -> tuple[str, str]:
    """Kind of task for a typed target without empty cells, and a warning where it is a guess."""
    import polars as pl

    if target.dtype != pl.Float64:
        return "classification", ""
    values, rows = np.unique(target.to_numpy(), return_counts=True)
    k = len(values)
    if k == 2:
        return "classification", ""
    falling = k >= 6 and rows[0] == rows.max() and np.all(np.diff(rows[:3]) < 0)
    if values[0] == 0 and falling and rows.min() < 0.02 * rows.sum() and np.all(values % 1 == 0):
        note = (f"the target's {k} whole numbers fall off like counts and are taken as amounts; "
                'set kind = "classification" if they are classes')
        return "regression", note
    whole = bool(np.all(values == np.round(values)))
    coded = whole and values[0] in (0, 1) and values[-1] - values[0] <= k  # one gap at most
    if coded and k <= MOST_CODED_CLASSES:
        note = (f"the target's {k} whole numbers are taken as classes; "
                'set kind = "regression" if they are amounts or grades')
        return "classification", note
    if whole and k <= 20:
        return "regression", (f"the target's {k} different whole numbers are taken as amounts; "
                              'set kind = "classification" if they are classes')
    return "regression", ""


def label(value: Any) -> str:
    """A class as text: whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def class_codes(
    target: pl.Series, positive: Any = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Codes, shape (n_rows,), and labels in the order of the codes.

    Numbers in rising order, strings sorted. Of two classes the positive one is second: the one
    asked for; of numbers the higher; of strings one that says so ("yes", "positive"), else the
    rarer.

    Raises:
        LookupError: no class is called `positive`.
    """
    values = target.unique().sort().to_list()
    labels = [label(v) for v in values]
    codes = (target.rank("dense").to_numpy() - 1).astype(np.int64)
    if positive is not None:
        wanted = str(positive).lower() if isinstance(positive, bool) else label(
            float(positive) if isinstance(positive, int) else positive)
        folded = [x.lower() for x in labels] if isinstance(positive, bool) else labels
        if wanted not in folded or len(labels) != 2:
            raise LookupError(wanted)
        second = folded.index(wanted)
    elif len(labels) != 2 or target.dtype.is_float():
        return codes, tuple(labels)
    else:
        named = [i for i, x in enumerate(labels) if x.lower() in _POSITIVE]
        counts = np.bincount(codes, minlength=2)
        second = named[0] if len(named) == 1 else int(np.argmin(counts[::-1]) == 0)
    if second == 0:
        return 1 - codes, (labels[1], labels[0])
    return codes, tuple(labels)


def too_few_to_measure(classes: Sequence[str], counts: Sequence[int]) -> str:
    """What to say of classes with too few rows to measure; empty where there are enough.

    Small tables whose classes are nearly balanced are left to the remark on their size.
    """
    few = [(c, n) for c, n in zip(classes, counts, strict=True) if n < FEWEST_TO_MEASURE]
    if not few or spellings(classes) or (min(counts) >= 20 and max(counts) < 3 * min(counts)):
        return ""
    listed = ", ".join(f"{shown(c, 20)} has {n}" for c, n in few[:4])
    return (f"too few rows to measure how well these classes are found: {listed}"
            f"{' ...' if len(few) > 4 else ''}; about {FEWEST_TO_MEASURE} of a class are needed, "
            "or classes put together")
