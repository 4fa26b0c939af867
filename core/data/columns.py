"""What a column is, and the numbers it becomes. The target is not used here.

Everything is computed from the column's own cells; what has to be learned from training rows only
(medians, scales, rare categories) is left to the pipeline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import (
    DECIMAL_COMMA,
    LARGEST,
    PLAIN,
    SOFT_MISSING,
    TEXT,
    THOUSANDS,
    THOUSANDS_PATTERN,
    UNIT,
    clean_text,
    date_parts,
    label_codes,
    parse_dates,
    text_numbers,
    typed_numbers,
    usable,
)
from hyperllama.core.data.dates import DateFormat, almost_dates, date_format, epoch_unit
from hyperllama.core.data.names import is_id, is_time, is_weight, may_be_weight
from hyperllama.core.data.table import Column
from hyperllama.core.text import shown

if TYPE_CHECKING:
    import polars as pl

TEXT_DISTINCT = 50
"""More different strings than this are text where they cover half the rows."""
_LONG_TEXT = 60
"""Mean length of a cell, in characters, from which a column with many values is text."""
_TRUE = {"true": "false", "yes": "no", "t": "f", "y": "n", "ja": "nein", "oui": "non"}
LEADING_ZEROS = "digits with leading zeros, kept as text"
"""The note of a column whose digits are a code, like a postal code."""
_UNIT = re.compile(r"^([$€£¥])?\s*[+-]?[\d.,]+\s*([%$€£¥])?$")


@dataclass(frozen=True)
class Values:
    """One column read: what it is, and one array, shape (n_rows,), for each feature it gives."""

    column: Column
    features: tuple[tuple[Column, NDArray[np.float64]], ...] = ()
    warning: str = ""

    def with_column(self, **changes: Any) -> Values:
        """The same numbers, with something more known about the column."""
        features = tuple((replace(c, **changes), x) for c, x in self.features)
        return replace(self, column=replace(self.column, **changes), features=features)


def read_column(
    series: pl.Series, *, semicolon: bool = False, keep: bool = False, categorical: bool = False,
    numeric: bool = False, epoch: bool = False,
) -> Values:
    """Recognise a column and make numbers of it.

    Args:
        series: the cells as the file gave them: text, or a type of its own.
        semicolon: whether the cells of the file are separated by semicolons (decimal commas).
        keep: use it although it looks like an identifier or text.
        categorical: numbers stand for categories.
        numeric: digits with leading zeros are amounts.
        epoch: numbers count moments since 1970; left as numbers where none of `EPOCHS` fits.
    """
    import polars as pl

    name = series.name
    dtype = series.dtype
    if dtype in (pl.Categorical, pl.Enum):
        series, dtype = series.cast(pl.String), pl.String()
    if epoch and (dtype.is_numeric() or dtype == pl.String):
        counted = typed_numbers(series if dtype != pl.String else text_numbers(
            clean_text(series), PLAIN))
        if unit := epoch_unit(counted):
            return _date(parse_dates(counted, unit), DateFormat(unit), f"dates as {unit}")
    if dtype == pl.Boolean:
        return _two_valued(series.cast(pl.String), ("false", "true"))
    if dtype in (pl.Date, pl.Datetime):
        return _date(series.cast(pl.Datetime("us")), DateFormat(""), "")
    if dtype.is_numeric() or dtype in (pl.Duration, pl.Time):
        return _number(typed_numbers(series).rename(name), keep, categorical)
    if dtype == pl.Null:
        return _dropped(name, "constant", series, "empty")
    if dtype != pl.String:
        return _dropped(name, "text", series, f"holds {str(dtype).lower()[:40]}, no plain values")
    padded = not numeric and bool(series.str.contains(r"^\s*0\d\d").any())
    numbers = series.cast(pl.Float64, strict=False)
    if not padded and numbers.null_count() == series.null_count() < len(series):
        return _number(numbers, keep, categorical)
    cells = clean_text(series)
    if padded and leading_zeros(cells):
        found = _strings(cells, cells.drop_nulls(), keep, categorical)
        note = "; ".join(n for n in (found.column.note, LEADING_ZEROS) if n)
        return found.with_column(note=note)
    return _text(cells, semicolon, keep, categorical)


def leading_zeros(cells: pl.Series) -> bool:
    """Whether cleaned text is digits only, some of three or more beginning with a zero."""
    return bool(cells.str.contains(r"^0\d\d").any() and cells.str.contains(r"^\d+$").all())


def _text(cells: pl.Series, semicolon: bool, keep: bool, categorical: bool) -> Values:
    filled = cells.drop_nulls()
    if len(filled) == 0:
        return _dropped(cells.name, "constant", cells, "empty")
    numbers, way, note, warning = as_numbers(cells, semicolon)
    if numbers is not None:
        if categorical and not note:
            return _category(cells)
        found = _number(numbers, keep, categorical, note, way)
        return replace(found, warning=warning or found.warning)
    distinct = filled.n_unique()
    if distinct == 2:
        low = {str(v).lower(): str(v) for v in filled.unique().to_list()}
        for true, false in _TRUE.items():
            if set(low) == {true, false}:
                return _two_valued(cells, (low[false], low[true]))
    if not categorical:
        style = date_format(filled)
        if style is not None:
            return _date(parse_dates(cells, style.pattern), style, style.note)
    return _strings(cells, filled, keep, categorical)


def _strings(cells: pl.Series, filled: pl.Series, keep: bool, categorical: bool) -> Values:
    """Strings that are no numbers and no dates: categories, or not used."""
    rows, name, distinct = len(cells), cells.name, filled.n_unique()
    if distinct == 1 and len(filled) > 0.99 * rows:
        return _dropped(name, "constant", cells, f"always {shown(filled[0], 30)}", distinct)
    if not (keep or categorical) and distinct > TEXT_DISTINCT:
        dates = almost_dates(filled)
        if distinct == len(filled):
            return _dropped(name, "id", cells, dates or "every value is different", distinct)
        if distinct > 0.5 * len(filled):
            note = dates or f"{distinct} different values in {len(filled)} rows"
            return _dropped(name, "text", cells, note, distinct)
        length = float(filled.str.len_chars().mean() or 0)  # type: ignore[arg-type]
        if length > _LONG_TEXT:
            note = f"free text, {length:.0f} characters a cell"
            return _dropped(name, "text", cells, note, distinct)
        if dates:
            return _category(cells).with_column(note=dates)
    return _category(cells)


def as_numbers(
    cells: pl.Series, semicolon: bool = False
) -> tuple[pl.Series | None, str, str, str]:
    """Cleaned text as Float64, the way it was read (see `cells`), a note about it, a warning.

    A column in which at least 95 % of the cells are numbers, more than 20 of them different, is a
    number column; the other cells count as empty. None and `TEXT` where it is no number column.
    """
    readings = ((text_numbers(cells, way), way) for way in _ways(cells, semicolon))
    best, way = max(readings, key=lambda r: r[0].len() - r[0].null_count())
    parsed = best.len() - best.null_count()
    filled = cells.len() - cells.null_count()
    if parsed == filled:
        return best, way, way, ""
    others = cells.filter(best.is_null() & cells.is_not_null()).unique().to_list()
    listed = ", ".join(sorted(shown(v, 20) for v in others)[:3])
    soft = all(str(v).lower() in SOFT_MISSING for v in others)
    if parsed and soft and (parsed >= 0.5 * filled or best.n_unique() > 20):
        return best, way, "; ".join(n for n in (way, f"{listed} read as empty") if n), ""
    if parsed >= 0.95 * filled and best.n_unique() > 20:
        warning = (f"column {shown(cells.name)}: {filled - parsed} cells are no numbers ({listed}) "
                   "and count as empty")
        return best, way, way, warning
    return None, TEXT, "", ""


def _ways(cells: pl.Series, semicolon: bool) -> Iterator[str]:
    """The ways to read text as numbers that its first cells suggest."""
    yield PLAIN
    if text_numbers(cells, PLAIN).null_count() == cells.null_count():
        return
    probe = cells.drop_nulls().head(1000)
    if probe.str.contains(",", literal=True).any():
        if semicolon or not probe.str.contains(THOUSANDS_PATTERN).any():
            yield DECIMAL_COMMA
        yield THOUSANDS
    found = (_UNIT.match(str(v)) for v in probe.unique().to_list())
    units = {m[1] or m[2] for m in found if m} - {None}
    if len(units) == 1:
        yield f"{UNIT}{units.pop()}"


def _number(
    series: pl.Series, keep: bool, categorical: bool, note: str = "", way: str = PLAIN
) -> Values:
    import polars as pl

    name, rows = series.name, len(series)
    if categorical:
        text = series.cast(pl.Float64)
        whole = text.drop_nulls().drop_nans()
        is_whole = bool((whole == whole.round(0)).all())
        whole = text.cast(pl.Int64, strict=False) if is_whole else text
        return _category(whole.cast(pl.String), way)
    values = np.unique(series.cast(pl.Float64).drop_nulls().drop_nans().to_numpy())
    if len(values) <= 1:
        what = f"always {values[0]:g}" if len(values) else "empty"
        return _dropped(name, "constant", series, what, len(values))
    x = usable(series)
    too_large = int(np.sum(np.abs(series.cast(pl.Float64).to_numpy()) > LARGEST))
    missing = float(np.isnan(x).mean()) if rows else 0.0
    filled = x[~np.isnan(x)]
    distinct = len(np.unique(filled))
    warning = (f"column {shown(name)}: {too_large} infinite or huge cells count as empty"
               if too_large else "")
    if distinct <= 1:
        what = f"always {filled[0]:g}" if distinct else "empty"
        return replace(_dropped(name, "constant", series, what, distinct), warning=warning)
    column = Column(name, "number", missing, note=note, source=name, distinct=distinct, way=way)
    if not keep and _is_id(name, x, distinct):
        note = "a different number in every row"
        return Values(replace(column, kind="id", role="dropped", note=note))
    return Values(column, ((column, x),), warning)


def _is_id(name: str, x: NDArray[np.float64], distinct: int) -> bool:
    """All different whole numbers, none missing: without a gap, in equal steps, or called an id.

    Years and other times are no identifiers, although each may have a row of its own.
    """
    if distinct != len(x) or distinct <= 20 or np.any(x != np.round(x)) or is_time(name):
        return False
    steps = np.diff(x)
    gapless = float(x.max() - x.min()) == len(x) - 1
    return gapless or bool(np.all(steps == steps[0])) or is_id(name)


def is_row_weight(name: str, x: NDArray[np.float64]) -> bool:
    """Whether a column says how much each row counts, by its name and its values.

    What is only called "weight" may be a body's: weights of a sample have the mean 1, or are the
    thousands of people that a row stands for.
    """
    known = x[~np.isnan(x)]
    if len(known) == 0 or known.min() < 0 or len(np.unique(known)) <= 2:
        return False
    mean = float(known.mean())
    return is_weight(name) or (
        may_be_weight(name) and (0.8 < mean < 1.25 or mean > 20_000) and len(known) == len(x))


def _two_valued(cells: pl.Series, labels: tuple[str, str]) -> Values:
    """A boolean column, labels (false, true)."""
    name = cells.name
    x = np.full(len(cells), np.nan)
    for code, label in enumerate(labels):
        x[(cells == label).fill_null(False).to_numpy()] = code
    present = {v for v in np.unique(x) if not np.isnan(v)}
    if len(present) < 2:
        what = f"always {labels[int(min(present))]}" if present else "empty"
        return _dropped(name, "constant", cells, what, len(present))
    column = Column(name, "boolean", float(np.isnan(x).mean()), labels, source=name, distinct=2)
    return Values(column, ((column, x),))


def _category(cells: pl.Series, way: str = TEXT) -> Values:
    """Codes by sorted label, over the whole table: no order and no target goes into them."""
    found = cells.drop_nulls().unique().sort()
    labels = found.to_list()
    x = label_codes(cells, found)
    if len(labels) == 0:
        return _dropped(cells.name, "constant", cells, "empty")
    if len(labels) == 1 and not np.isnan(x).any():
        return _dropped(cells.name, "constant", cells, f"always {shown(labels[0], 30)}", 1)
    note = f"{len(labels)} categories" if len(labels) > TEXT_DISTINCT else ""
    column = Column(cells.name, "category", float(np.isnan(x).mean()), tuple(labels), note=note,
                    source=cells.name, distinct=len(labels), way=way)
    return Values(column, ((column, x),))


def _date(moments: pl.Series, style: DateFormat, note: str) -> Values:
    name = moments.name
    missing = moments.null_count() / max(len(moments), 1)
    distinct = moments.drop_nulls().n_unique()
    if distinct <= 1:
        return _dropped(name, "constant", moments, "always the same date" if distinct else "empty")
    column = Column(name, "date", missing, note=note, source=name, date_format=style.pattern,
                    distinct=distinct)
    features = []
    for part, x in date_parts(moments).items():
        known = x[~np.isnan(x)]
        if part == "weekday" and style.monthly:
            continue
        if known.min() < known.max():
            features.append((
                Column(f"{name} ({part})", "number", missing, note="from the date", source=name,
                       part=part, date_format=style.pattern, distinct=len(np.unique(known))), x))
    return Values(column, tuple(features))


def _dropped(name: str, kind: str, cells: pl.Series, note: str, distinct: int = 0) -> Values:
    missing = cells.null_count() / max(len(cells), 1)
    return Values(Column(name, kind, missing, role="dropped", note=note, source=name,
                         distinct=distinct))
