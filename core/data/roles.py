"""Columns that are no features: those that name the group, order the rows, or weigh them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import clean_text, group_codes, in_order, month_numbers, parse_dates
from hyperllama.core.data.columns import as_numbers
from hyperllama.core.data.dates import date_format
from hyperllama.core.data.marks import prepared, read_as
from hyperllama.core.data.reader import File
from hyperllama.core.data.source import TableSource
from hyperllama.core.data.table import Column, Floats
from hyperllama.core.text import shown

if TYPE_CHECKING:
    import polars as pl

def groups_of(source: TableSource, file: File, rows: NDArray[np.intp]) -> NDArray[np.int64] | None:
    """Codes of the group column, shape (n_rows,); each empty cell is a group of its own."""
    name = source.group
    if name is None:
        return None
    return group_codes(prepared(file.read([name])[name], source.data)[rows])


def weights_of(
    source: TableSource, file: File, rows: NDArray[np.intp]
) -> tuple[Floats | None, Column | None]:
    """How much each row counts, shape (n_rows,), NaN where empty, and how that was read.

    Raises:
        TaskError: the column holds no numbers, or a negative one.
    """
    name = source.data.weights
    if name is None:
        return None, None
    cells = prepared(file.read([name])[name], source.data)[rows]
    numbers, way = _numbers(cells, file.separator == ";")
    if numbers is None:
        raise source.wrong("data.weights", f"{shown(name)} holds no numbers",
                           "name a column of numbers above 0")
    x = numbers.cast(float).to_numpy().astype(np.float64, copy=True)
    if np.nanmin(x, initial=0.0) < 0:
        raise source.wrong("data.weights", f"{shown(name)} holds negative numbers",
                           "weights are 0 or more; rows of weight 0 are left out")
    column = Column(name, "number", role="weight", source=name, way=way,
                    **read_as(name, source.data))
    return x, column


def times_of(
    source: TableSource, file: File, rows: NDArray[np.intp]
) -> tuple[Floats | None, tuple[Column, ...]]:
    """The time as numbers in rising order, shape (n_rows,), and how each part of it was read.

    NaN where a part is empty. Several columns (year, month, day) count in their order: rows are
    compared by the first, then by the second.
    """
    if not source.time:
        return None, ()
    parts = [_moments(source, file, name, rows) for name in source.time]
    return in_order([x for x, _ in parts]), tuple(column for _, column in parts)


def _moments(
    source: TableSource, file: File, name: str, rows: NDArray[np.intp]
) -> tuple[Floats, Column]:
    """One time column as numbers (dates, numbers, or names of months), and how it was read."""
    import polars as pl

    cells = prepared(file.read([name])[name], source.data)[rows]
    column = Column(name, "date", role="time", source=name, **read_as(name, source.data))
    if cells.dtype in (pl.Date, pl.Datetime):
        numbers: pl.Series | None = cells.cast(pl.Datetime("us")).dt.epoch("us")
    else:
        numbers, way = _numbers(cells, file.separator == ";")
        column = replace(column, kind="number", way=way)
    if numbers is None and cells.dtype == pl.String:
        cells = clean_text(cells)
        filled = cells.drop_nulls()
        style = date_format(filled) if len(filled) else None
        if style is not None:
            numbers = parse_dates(cells, style.pattern).dt.epoch("us")
            column = replace(column, kind="date", way="", date_format=style.pattern)
        elif len(filled):
            months = month_numbers(cells)
            if months.null_count() == cells.null_count():
                numbers, column = months, replace(column, kind="month", way="")
    if numbers is None:
        raise source.wrong("validation.time", f"{shown(name)} holds neither dates nor numbers",
                           f"it begins with {shown(str(cells.drop_nulls().head(1).to_list()))}")
    return numbers.cast(pl.Float64).to_numpy().astype(np.float64, copy=True), column


def _numbers(cells: pl.Series, semicolon: bool) -> tuple[pl.Series | None, str]:
    """Cells as numbers and the way they were read; None where they are none."""
    import polars as pl

    if cells.dtype.is_numeric():
        return cells, ""
    if cells.dtype != pl.String:
        return None, ""
    return as_numbers(clean_text(cells), semicolon)[:2]
