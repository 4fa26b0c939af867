"""Cells of a known column become numbers: the same way when a table is learned and when new rows
are predicted.

`core.data.columns` finds out what a column is and which way fits; here nothing is guessed. Exported
scripts carry this file word for word, so it needs NumPy and polars only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
MISSING = (
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NAN", "null", "NULL", "Null",
    "?", "NaT", "nil", "#NA", "\\N",
)
"""Cells that are empty, whatever the column holds."""
SOFT_MISSING = frozenset({
    "-", "--", "---", ".", "..", "none", "unknown", "missing", "n.a.", "na", "#value!", "#div/0!",
    "not available", "nd", "n.d.",
})
"""Words that count as empty cells in a column of numbers, lower case."""
PLAIN, TEXT, DECIMAL_COMMA = "", "text", "decimal comma"
THOUSANDS, UNIT = "thousands separated by commas", "in "
"""Ways to read text: as it stands, not as a number, ...; "in €" for a unit."""
COMMA_PATTERN = r"^[+-]?(?:\d{1,3}(?:[. ]\d{3})+|\d*)(?:,\d+)?(?:[eE][+-]?\d+)?$"
THOUSANDS_PATTERN = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$"
EPOCHS = {
    "seconds since 1970": 1e6, "milliseconds since 1970": 1e3, "microseconds since 1970": 1.0,
    "nanoseconds since 1970": 1e-3,
}
"""What stands for a strptime pattern where numbers count moments, and how many microseconds one is.
"""
LARGEST = 3e38
"""Above this scikit-learn's and XGBoost's 32-bit floats overflow."""


def clean_text(series: pl.Series) -> pl.Series:
    """Text cells without blanks around them; null for those in `MISSING`."""
    stripped = series.str.strip_chars()
    missing = stripped.is_in(list(MISSING))
    return stripped.set(missing.fill_null(True), None)


def without_marks(cells: pl.Series, marks: Sequence[int | float | str]) -> pl.Series:
    """Empty where a cell is one of the marks of a missing value, as text or as a number."""
    import polars as pl

    if not marks:
        return cells
    numbers = pl.Series([str(m) for m in marks]).cast(pl.Float64, strict=False).drop_nulls()
    if cells.dtype.is_numeric():
        return cells.set(cells.cast(pl.Float64).is_in(numbers.to_list()).fill_null(False), None)
    text = cells.cast(pl.String).str.strip_chars()
    out = text.is_in([str(m) for m in marks])
    out = out | text.cast(pl.Float64, strict=False).is_in(numbers.to_list()).fill_null(False)
    return (cells if cells.dtype == pl.String else text).set(out.fill_null(False), None)


def one_spelling(cells: pl.Series, labels: Sequence[str]) -> pl.Series:
    """Text in which what differs from a label in capitals or blanks only is that label.

    Of labels that differ so themselves the first counts.
    """
    import polars as pl

    text = cells.cast(pl.String).str.strip_chars()
    usual = {label.casefold(): label for label in reversed(labels)}
    found = text.drop_nulls().unique().to_list()
    return text.replace({cell: usual.get(cell.casefold(), cell) for cell in found})


def month_numbers(cells: pl.Series) -> pl.Series:
    """Names of months, whole or their first three letters, as 1.0 to 12.0; null for others."""
    import polars as pl

    names = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    known = {name: float(number) for number, name in enumerate(names, 1)}
    short = cells.cast(pl.String).str.strip_chars().str.slice(0, 3).str.to_lowercase()
    return short.replace_strict(known, default=None, return_dtype=pl.Float64)


def in_order(parts: Sequence[Floats]) -> Floats:
    """Moments that are spread over several numbers (year, month, day) as one that rises with them.

    Compared by the first part, then by the second; shape (n_rows,), NaN where a part is empty.
    """
    if len(parts) == 1:
        return parts[0]
    every = np.stack(parts, axis=1)
    known = ~np.isnan(every).any(axis=1)
    out = np.full(len(every), np.nan)
    out[known] = np.unique(every[known], axis=0, return_inverse=True)[1].ravel()
    return out


def text_numbers(cells: pl.Series, way: str) -> pl.Series:
    """Cleaned text as Float64, read in one way; null where it is no such number."""
    import polars as pl

    if way == DECIMAL_COMMA:
        matched = cells.set(~cells.str.contains(COMMA_PATTERN).fill_null(True), None)
        cells = matched.str.replace_all(r"[. ]", "").str.replace(",", ".", literal=True)
    elif way == THOUSANDS:
        comma = cells.str.contains(",", literal=True)
        grouped = cells.str.contains(THOUSANDS_PATTERN) | ~comma
        cells = cells.str.replace_all(",", "", literal=True)
        cells = cells.set(~grouped.fill_null(True), None)
    elif way.startswith(UNIT):
        bare = cells.str.replace_all(",", "", literal=True)
        cells = bare.str.replace_all(way[len(UNIT) :], "", literal=True).str.strip_chars()
    return cells.cast(pl.Float64, strict=False)


def typed_numbers(series: pl.Series) -> pl.Series:
    """Numbers, truth values, durations and times of day of a typed file, as Float64 (seconds)."""
    import polars as pl

    if series.dtype in (pl.Duration, pl.Time):
        return series.cast(pl.Int64).cast(pl.Float64) / (1e9 if series.dtype == pl.Time else 1e6)
    return series.cast(pl.Float64)


def usable(numbers: pl.Series) -> Floats:
    """Numbers as an array, shape (n_rows,); NaN where empty, infinite or too large."""
    import polars as pl

    x = numbers.cast(pl.Float64).to_numpy().astype(np.float64, copy=True)
    x[~(np.abs(x) <= LARGEST)] = np.nan
    return x


def label_codes(cells: pl.Series, labels: pl.Series) -> Floats:
    """The position of each cell among the labels, shape (n_rows,); NaN where it is none of them."""
    import polars as pl

    codes = pl.Series("code", np.arange(len(labels), dtype=np.float64))
    table = pl.DataFrame([labels.rename("label"), codes])
    frame = cells.rename("label").to_frame()
    found = frame.join(table, on="label", how="left", maintain_order="left")["code"]
    return found.to_numpy().astype(np.float64, copy=True)


def has_time(pattern: str) -> bool:
    """Whether a strptime pattern has a time of day."""
    return "%H" in pattern or "%I" in pattern


def monthly(pattern: str) -> bool:
    """Whether a strptime pattern names a month and no day."""
    return "%" in pattern and "%d" not in pattern


def parse_dates(cells: pl.Series, pattern: str) -> pl.Series:
    """Text as moments without a time zone (UTC where one was given); null where it does not fit.

    Moments with an offset are moved to UTC, so that two of them compare. With a pattern of `EPOCHS`
    numbers, too; null outside the years 1900 to 2100.
    """
    import polars as pl

    if pattern in EPOCHS:
        counted = cells.cast(pl.Float64, strict=False) * EPOCHS[pattern]
        near = counted.is_between(-2_208_988_800e6, 4_133_980_800e6).fill_null(False)
        return counted.round(0).set(~near, None).cast(pl.Int64).cast(pl.Datetime("us"))
    if monthly(pattern):
        cells = cells + " 01"
        pattern += " %d"
    if not has_time(pattern):
        return cells.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    if "%#z" in pattern:
        zoned = cells.str.to_datetime(pattern, strict=False, time_unit="us", time_zone="UTC")
        return zoned.dt.replace_time_zone(None)
    return cells.str.to_datetime(pattern, strict=False, time_unit="us")


def date_parts(moments: pl.Series) -> dict[str, Floats]:
    """What a moment becomes, each shape (n_rows,), NaN where empty, row by row.

    day: days since 1970-01-01, with the fraction of the day; month: 1 to 12; weekday: 1 (Monday)
    to 7; hour: 0 to 23.
    """
    import polars as pl

    def floats(s: pl.Series) -> Floats:
        return s.cast(pl.Float64).to_numpy().astype(np.float64, copy=True)

    return {
        "day": floats(moments.dt.epoch("us")) / 86_400e6,
        "month": floats(moments.dt.month()),
        "weekday": floats(moments.dt.weekday()),
        "hour": floats(moments.dt.hour()),
    }


def group_codes(cells: pl.Series) -> NDArray[np.int64]:
    """Codes of the groups that cells name, shape (n_rows,); each empty cell is a group of its own.
    """
    import polars as pl

    cells = cells.cast(pl.String)
    codes = cells.rank("dense").cast(pl.Int64).to_numpy()
    out = np.asarray(np.nan_to_num(codes, nan=0), dtype=np.int64)
    empty = np.flatnonzero(cells.is_null().to_numpy())
    out[empty] = out.max(initial=0) + 1 + np.arange(len(empty))
    return out
