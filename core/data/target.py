"""The target: which kind of task it makes, its classes and codes, and which column it may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import PLAIN, TEXT, clean_text
from hyperllama.core.data.columns import as_numbers
from hyperllama.core.data.table import Column

if TYPE_CHECKING:
    import polars as pl

MOST_CODED_CLASSES = 10
"""Whole numbers from 0 or 1 on, with one gap at most, are classes up to so many."""
_FIRST = ("target", "class", "label", "y", "outcome", "response", "output", "truth", "dependent")
_STRONG = (
    "attrition", "churn", "churned", "exited", "default", "defaulted", "diagnosis", "species",
    "status", "survived", "survival", "fraud", "is_fraud", "readmitted", "recurrence", "result",
    "subscribed", "approved", "loan_status", "converted", "clicked", "saleprice", "sale_price",
    "medv",
)
_WEAK = (
    "grade", "quality", "rating", "price", "salary", "income", "deposit", "click", "sales",
    "demand", "cnt", "count", "strength", "consumption", "mpg", "score", "type", "category",
)
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
        numbers, way, _, _ = as_numbers(cells, semicolon)
        return (cells if numbers is None else _finite(numbers)), way
    if cells.dtype.is_numeric():
        return _finite(cells.cast(pl.Float64)), PLAIN
    return cells.cast(pl.String), TEXT


def _finite(numbers: pl.Series) -> pl.Series:
    return numbers.set(~numbers.is_finite().fill_null(True), None)


def infer_kind(target: pl.Series) -> tuple[str, str]:
    """Kind of task for a typed target without empty cells, and a warning where it is a guess."""
    import polars as pl

    if target.dtype != pl.Float64:
        return "classification", ""
    values = np.unique(target.to_numpy())
    k = len(values)
    if k == 2:
        return "classification", ""
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


def guess_target(columns: Sequence[Column], stem: str = "") -> tuple[str, bool]:
    """The column that is probably the target, and whether its name says so.

    Names count most ("target", "class", "churn"), also when the file is called after the column;
    then the last or first place, the first before the last where it has two values only. No
    identifiers, texts, dates and constants.

    Args:
        columns: of the file, in order; at least one.
        stem: the file's name without its ending.
    """
    usable = [c for c in columns if c.kind in ("number", "category", "boolean")] or list(columns)
    last, first = usable[-1], usable[0]
    two_first = first.distinct == 2 and last.distinct != 2
    best, best_score, best_named = last, -1, False
    for c in usable:
        named = _name_score(c.name, stem)
        place = 12 if c is last else (25 if two_first else 10) if c is first else 0
        if named + place >= best_score:
            best, best_score, best_named = c, named + place, named > 0
    return best.name, best_named


def _name_score(name: str, stem: str) -> int:
    words = re.sub(r"[^a-z0-9]+", " ", name.lower()).split()
    folded, file = "_".join(words), re.sub(r"[^a-z0-9]+", "", stem.lower())
    joined = "".join(words)
    score = 0
    if folded in _FIRST:
        score = 100 - _FIRST.index(folded)
    elif words and words[-1] in _FIRST[:5]:
        score = 60
    elif folded in _STRONG:
        score = 40
    elif folded in _WEAK or (words and words[-1] in _WEAK[:9]):
        score = 25
    if len(joined) >= 3 and joined in file:
        score += 45
    elif words and len(words[-1]) >= 4 and words[-1] in file:
        score += 42
    return score
