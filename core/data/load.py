"""From a task's data to a `Table`: the target first, then the features a few at a time.

The numbers are held once: columns are gathered one by one and moved into X, whose pages (column
order) are touched as they are filled. 1,000,000 x 50 cells take 400 MB and one batch of text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import clean_text, group_codes, parse_dates
from hyperllama.core.data.columns import Values, as_numbers, read_column
from hyperllama.core.data.dates import date_format
from hyperllama.core.data.leaks import find_leaks
from hyperllama.core.data.reader import File, open_file
from hyperllama.core.data.source import HasSource, TableSource
from hyperllama.core.data.table import Column, Floats, Table, spread
from hyperllama.core.data.target import class_codes, infer_kind, label, typed
from hyperllama.core.text import allowed, plain, shown

if TYPE_CHECKING:
    import polars as pl

FEWEST_IN_CLASS = 3
"""Rows of rarer classes are left out: one to train on, one to score, one for the test part."""


def load_table(task: HasSource, *, subsample: bool = True) -> Table:
    """Read the table of a task.

    Args:
        task: says where the table is and what its columns are for.
        subsample: False for all rows although the task asks for fewer (for a final fit).

    Raises:
        DataError: the file cannot be read as a table.
        TaskError: a column the task names is not there, or the target cannot be used.
    """
    source = task.source
    data = source.data
    file = open_file(data.path, data.separator, data.encoding)
    _check_names(source, file)
    warnings = [f"{plain(data.path.name)}: {note}" for note in file.notes]
    target, way = typed(file.read([data.target])[data.target], file.separator == ";")
    rows, y, kind, classes = _target(source, target, subsample, warnings)
    missing = target.null_count() / max(len(target), 1)
    target_column = Column(data.target, "number" if kind == "regression" else "category", missing,
                           classes, role="target", source=data.target,
                           distinct=target.drop_nulls().n_unique(), way=way)
    groups = _groups(source, file, rows)
    times, time_column = _times(source, file, rows)
    if times is not None and np.isnan(times).any():
        known = ~np.isnan(times)
        out = int((~known).sum())
        warnings.append(f"{out} rows without a value of {shown(source.time)} left out")
        rows, y, times = rows[known], y[known], times[known]
    features, dropped, sources = read_features(source, file, rows, warnings)
    columns, x = _stacked(features, len(rows))
    warnings.extend(find_leaks(x, y, columns, kind, data.target))
    by_name = {**sources, data.target: target_column}
    return Table(
        x=x, y=y, columns=columns, target=target_column, kind=kind, classes=classes, groups=groups,
        times=times, dropped=tuple(dropped), warnings=tuple(warnings),
        source_columns=tuple(by_name[n] for n in file.names), time_column=time_column,
    )


def _check_names(source: TableSource, file: File) -> None:
    """Raises TaskError for a column the task names that the file has not."""
    d = source.data
    named: list[tuple[str, str]] = [("data.target", d.target)]
    named += [("data.drop", n) for n in d.drop] + [("data.keep", n) for n in d.keep]
    named += [("data.categorical", n) for n in d.categorical]
    validation = {"group": source.group, "time": source.time}
    named += [(f"validation.{k}", n) for k, n in validation.items() if n]
    for key, name in named:
        if name not in file.names:
            raise source.wrong(key, f"{plain(d.path.name)} has no column {shown(name)}",
                             allowed(file.names, name))
    for key, name in named[1:]:
        if name == d.target:
            raise source.wrong(key, f"{shown(name)} is the target")
    if len(file.names) < 2:
        raise source.wrong("data.path",
                         f"{plain(d.path.name)} has a single column, {shown(d.target)}",
                         "is the separator right? set data.separator")


def _target(
    source: TableSource, target: pl.Series, subsample: bool, warnings: list[str]
) -> tuple[NDArray[np.intp], NDArray[Any], str, tuple[str, ...]]:
    """Positions of the rows used, their target, the kind, the classes."""
    import polars as pl

    name, key = shown(source.data.target), "data.target"
    rows = np.flatnonzero(target.is_not_null().to_numpy())
    if len(rows) < len(target):
        warnings.append(f"{len(target) - len(rows)} rows without a value of {name} left out")
    filled = target.drop_nulls()
    if len(filled) == 0:
        raise source.wrong(key, f"{name} has no values at all", "name another column")
    kind, guessed = infer_kind(filled)
    if source.kind is None and guessed:
        warnings.append(guessed)
    kind = source.kind or kind
    if kind == "regression":
        if filled.dtype != pl.Float64:
            raise source.wrong("kind", f"regression needs numbers, {name} holds "
                             f"{shown(filled[0], 30)}", 'allowed: kind = "classification"')
        y: NDArray[Any] = filled.to_numpy().astype(np.float64, copy=True)
        if y.min() == y.max():
            raise source.wrong(key, f"{name} is always {y[0]:g}: there is nothing to learn")
        classes: tuple[str, ...] = ()
    else:
        rows, y, classes = _classes(source, filled, rows, warnings)
    wanted = source.data.subsample_rows
    if subsample and wanted is not None and wanted < len(rows):
        chosen = spread(y, wanted, source.seed, kind == "classification")
        warnings.append(f"{len(chosen):,} of {len(rows):,} rows are used (subsample_rows)")
        rows, y = rows[chosen], y[chosen]
    return rows, y, kind, classes


def _classes(
    source: TableSource, filled: pl.Series, rows: NDArray[np.intp], warnings: list[str]
) -> tuple[NDArray[np.intp], NDArray[Any], tuple[str, ...]]:
    name, key = shown(source.data.target), "data.target"
    counts = filled.value_counts()
    rare = counts.filter(counts["count"] < FEWEST_IN_CLASS)[filled.name].sort().to_list()
    distinct = len(counts)
    if distinct - len(rare) < 2:
        if distinct == 1:
            problem = f"{name} is always {shown(label(filled[0]), 30)}: there is nothing to learn"
            raise source.wrong(key, problem, "a classification needs two classes")
        problem = (f"{name} has {distinct} different values, of which {len(rare)} stand "
                   f"in fewer than {FEWEST_IN_CLASS} rows")
        hint = 'name another column, or set kind = "regression" for a column of numbers'
        raise source.wrong(key, problem, hint)
    if distinct - len(rare) > 200:
        raise source.wrong(key, f"{name} has {distinct} classes", "allowed: at most 200; "
                         'set kind = "regression" for a column of numbers')
    if rare:
        out = filled.is_in(rare).to_numpy()
        listed = ", ".join(shown(label(v), 30) for v in rare[:5])
        warnings.append(f"{int(out.sum())} rows of classes with fewer than {FEWEST_IN_CLASS} rows "
                        f"left out: {listed}{' ...' if len(rare) > 5 else ''}")
        rows, filled = rows[~out], filled.filter(~out)
    try:
        codes, classes = class_codes(filled, source.data.positive)
    except LookupError as error:
        labels = [label(v) for v in filled.unique().sort().to_list()]
        problem = (f"{name} has no class {shown(str(error.args[0]))}" if len(labels) == 2
                   else f"{name} has {len(labels)} classes; a positive one is for two")
        raise source.wrong("data.positive", problem, allowed(labels)) from error
    return rows, codes, classes


def _groups(source: TableSource, file: File, rows: NDArray[np.intp]) -> NDArray[np.int64] | None:
    """Codes of the group column, shape (n_rows,)."""
    name = source.group
    return None if name is None else group_codes(file.read([name])[name][rows])


def _times(
    source: TableSource, file: File, rows: NDArray[np.intp]
) -> tuple[Floats | None, Column | None]:
    """The time column as numbers, shape (n_rows,), NaN where empty, and how it was read."""
    import polars as pl

    name = source.time
    if name is None:
        return None, None
    cells = file.read([name])[name][rows]
    numbers: pl.Series | None = None
    column = Column(name, "date", role="time", source=name)
    if cells.dtype in (pl.Date, pl.Datetime):
        numbers = cells.cast(pl.Datetime("us")).dt.epoch("us")
    elif cells.dtype.is_numeric():
        numbers, column = cells, replace(column, kind="number")
    elif cells.dtype == pl.String:
        cells = clean_text(cells)
        numbers, way, _, _ = as_numbers(cells, file.separator == ";")
        column = replace(column, kind="number", way=way)
        filled = cells.drop_nulls()
        style = date_format(filled) if numbers is None and len(filled) else None
        if style is not None:
            numbers = parse_dates(cells, style.pattern).dt.epoch("us")
            column = replace(column, kind="date", way="", date_format=style.pattern)
    if numbers is None:
        raise source.wrong("validation.time", f"{shown(name)} holds neither dates nor numbers",
                         f"it begins with {shown(str(cells.drop_nulls().head(1).to_list()))}")
    return numbers.cast(pl.Float64).to_numpy().astype(np.float64, copy=True), column


def read_features(
    source: TableSource, file: File, rows: NDArray[np.intp], warnings: list[str]
) -> tuple[list[tuple[Column, Floats]], list[Column], dict[str, Column]]:
    """Features with their arrays, columns that are not used, every column of the file by name."""
    d = source.data
    features: list[tuple[Column, Floats]] = []
    dropped: list[Column] = []
    sources: dict[str, Column] = {}
    every_row = len(rows) == file.rows
    for frame in file.batches([n for n in file.names if n != d.target]):
        for name in frame.columns:
            cells = frame[name] if every_row else frame[name][rows]
            found = read_column(cells, semicolon=file.separator == ";",
                                keep=name in d.keep or name == source.time,
                                categorical=name in d.categorical)
            column, made = _role(source, name, found)
            sources[name] = column
            if column.role == "feature":
                features.extend(made)
                if found.warning:
                    warnings.append(found.warning)
                if not made:
                    column = replace(column, role="dropped", note="a date that tells nothing")
            if column.role != "feature":
                dropped.append(column)
    return features, dropped, sources


def _role(
    source: TableSource, name: str, found: Values
) -> tuple[Column, list[tuple[Column, Floats]]]:
    """What the task makes of a column beside what it is."""
    column, made = found.column, list(found.features)
    if name in source.data.drop:
        return replace(column, role="dropped", note="dropped by the task"), []
    if name == source.group:
        return replace(column, role="group", note="names the group"), []
    if name == source.time:
        # Later rows lie beyond every value seen in training, so the moment itself tells nothing.
        made = [(c, a) for c, a in made if c.part in ("month", "weekday", "hour")]
        column = replace(column, role="feature" if made else "time", note="orders the rows")
    return column, made


def _stacked(
    features: list[tuple[Column, Floats]], n_rows: int
) -> tuple[tuple[Column, ...], Floats]:
    """The columns of X side by side, shape (n_rows, n_features); empties `features` as it goes."""
    x = np.empty((n_rows, len(features)), dtype=np.float64, order="F")
    columns = tuple(c for c, _ in features)
    for j in reversed(range(len(features))):
        x[:, j] = features.pop()[1]
    return columns, x
