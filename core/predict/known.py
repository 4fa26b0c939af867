"""One column of new rows, read as the column of that name was read in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperllama.core.data.cells import (
    EPOCHS,
    SOFT_MISSING,
    TEXT,
    Floats,
    clean_text,
    date_parts,
    label_codes,
    month_numbers,
    one_spelling,
    parse_dates,
    text_numbers,
    typed_numbers,
    usable,
    without_marks,
)

if TYPE_CHECKING:
    import polars as pl

ISO_PATTERNS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%#z",
)
"""Tried on text where the dates of the training file had a type and no spelling."""


@dataclass(frozen=True)
class KnownColumn:
    """A column of X: the column of the file that it is made of, how, and what training rows held.

    Attributes:
        name: of the column of X; a part of a date is called "signed (month)".
        kind: "number", "category" or "boolean"; "date" or "month" for the time that orders rows.
        source: the file's column.
        categories: labels; the position is the code.
        part: "day", "month", "weekday" or "hour" of a date; else empty.
        date_format: strptime pattern; empty where dates came typed.
        way: how text is read as numbers, see `cells`.
        marks: values that count as empty cells.
        any_case: whether labels that differ in capitals are one.
        low, high: of the training rows; None where they held nothing.
        missing_share: share of empty cells in the training rows, in [0, 1].
    """

    name: str
    kind: str
    source: str
    categories: tuple[str, ...] = ()
    part: str = ""
    date_format: str = ""
    way: str = ""
    marks: tuple[int | float | str, ...] = ()
    any_case: bool = False
    low: float | None = None
    high: float | None = None
    missing_share: float = 0.0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> KnownColumn:
        """From what `pipeline.json` says of a column; entries that it does not know are left."""
        known = {k: v for k, v in facts.items() if k in cls.__dataclass_fields__}
        lists = {k: tuple(facts.get(k) or ()) for k in ("categories", "marks")}
        return cls(**{**known, **lists})


def read_known(cells: pl.Series, columns: Sequence[KnownColumn]) -> list[Floats]:
    """Numbers for each column of X that comes from one column of the file, shape (n_rows,).

    Cells that are empty, or that training rows could not have held, are NaN.

    Args:
        cells: as the file gave them.
        columns: with the same `source`; several for the parts of a date.
    """
    import polars as pl

    if cells.dtype in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    first = columns[0]
    cells = without_marks(cells, first.marks)
    if first.any_case:
        cells = one_spelling(cells, first.categories)
    if first.kind == "month":
        return [usable(month_numbers(cells))]
    if first.part or first.kind == "date":
        parts = date_parts(_moments(cells, first.date_format))
        return [parts[c.part or "day"] for c in columns]
    if first.kind == "boolean":
        return [_truth(cells, first.categories)]
    if first.kind == "category":
        return [_codes(cells, first)]
    return [usable(_numbers(cells, first.way))]


def filled(cells: pl.Series) -> pl.Series:
    """Whether each cell holds something, whatever the column is."""
    import polars as pl

    if cells.dtype in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    if cells.dtype == pl.String:
        return clean_text(cells).is_not_null()
    if cells.dtype.is_float():
        return cells.is_not_nan().fill_null(False)
    return cells.is_not_null()


def not_soft(cells: pl.Series) -> pl.Series:
    """Whether each cell is no word that counts as empty among numbers ("unknown", "-")."""
    import polars as pl

    if cells.dtype != pl.String:
        return cells.is_not_null()
    lower = cells.str.strip_chars().str.to_lowercase()
    return ~lower.is_in(list(SOFT_MISSING)).fill_null(True)


def _numbers(cells: pl.Series, way: str) -> pl.Series:
    """Float64; null where a cell is no number."""
    import polars as pl

    if cells.dtype == pl.String:
        return text_numbers(clean_text(cells), way)
    typed = (pl.Boolean, pl.Duration, pl.Time, pl.Null)
    if cells.dtype.is_numeric() or cells.dtype in typed:
        return typed_numbers(cells)
    return pl.Series(cells.name, [None] * len(cells), dtype=pl.Float64)


def _as_text(cells: pl.Series) -> pl.Series:
    """Labels; whole numbers without a fraction, as a CSV of them would have it."""
    import polars as pl

    if cells.dtype.is_float():
        whole = (cells == cells.round(0)).fill_null(False) & cells.is_finite().fill_null(False)
        return cells.cast(pl.String).set(whole, None).fill_null(
            cells.set(~whole, None).cast(pl.Int64, strict=False).cast(pl.String)
        )
    return clean_text(cells if cells.dtype == pl.String else cells.cast(pl.String, strict=False))


def _codes(cells: pl.Series, column: KnownColumn) -> Floats:
    """Positions among the categories, NaN for others; numbers that stand for categories match by
    their value."""
    import polars as pl

    if column.way == TEXT:
        return label_codes(_as_text(cells), pl.Series(list(column.categories), dtype=pl.String))
    labels = pl.Series(list(column.categories), dtype=pl.String).cast(pl.Float64)
    return label_codes(_numbers(cells, column.way), labels)


def _truth(cells: pl.Series, labels: Sequence[str]) -> Floats:
    """0 and 1 for the two labels, in any capitals; truth values of a typed file as they are."""
    import polars as pl

    if cells.dtype == pl.Boolean:
        return usable(cells.cast(pl.Float64))
    lower = pl.Series([label.lower() for label in labels], dtype=pl.String)
    return label_codes(_as_text(cells).str.to_lowercase(), lower)


def _moments(cells: pl.Series, pattern: str) -> pl.Series:
    """Moments without a time zone; null where a cell is no date in this pattern."""
    import polars as pl

    if cells.dtype in (pl.Date, pl.Datetime):
        return cells.cast(pl.Datetime("us"))
    if pattern in EPOCHS and cells.dtype.is_numeric():
        return parse_dates(cells, pattern)
    if cells.dtype != pl.String:
        return pl.Series(cells.name, [None] * len(cells), dtype=pl.Datetime("us"))
    text = clean_text(cells)
    found = [parse_dates(text, p) for p in ((pattern,) if pattern else ISO_PATTERNS)]
    return min(found, key=lambda moments: moments.null_count())


def outside(x: Floats, column: KnownColumn) -> tuple[int, int]:
    """How many values lie below and above all training rows'."""
    if column.low is None or column.high is None:
        return 0, 0
    return int(np.sum(x < column.low)), int(np.sum(x > column.high))
