"""From a task's data to a `Table`: the target first, then the features a few at a time.

The numbers are held once: columns are gathered one by one and moved into X, whose pages (column
order) are touched as they are filled. 1,000,000 x 50 cells take 400 MB and one batch of text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import EPOCHS
from hyperllama.core.data.columns import Values, read_column
from hyperllama.core.data.leaks import find_leaks, told
from hyperllama.core.data.marks import prepared, read_as
from hyperllama.core.data.reader import File, open_file
from hyperllama.core.data.roles import groups_of, times_of, weights_of
from hyperllama.core.data.source import DataSpec, HasSource, TableSource
from hyperllama.core.data.table import Column, Floats, Table, spread
from hyperllama.core.data.target import class_codes, infer_kind, label, too_few_to_measure, typed
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
    return table_of(task.source, opened(task.source.data), subsample=subsample)


def opened(data: DataSpec) -> File:
    """The file of a task's table. Raises DataError where it is none."""
    return open_file(data.path, data.separator, data.encoding, header=data.header,
                     skip_last_rows=data.skip_last_rows)


def table_of(source: TableSource, file: File, *, subsample: bool = True) -> Table:
    """The table of an opened file; see `load_table`."""
    data = source.data
    _check_names(source, file)
    warnings = [f"{plain(data.path.name)}: {note}" for note in file.notes]
    cells = prepared(file.read([data.target])[data.target], data)
    target, way = typed(cells, file.separator == ";")
    rows, y, kind, classes = _target(source, target, subsample, warnings)
    missing = target.null_count() / max(len(target), 1)
    target_column = Column(data.target, "number" if kind == "regression" else "category", missing,
                           classes, role="target", source=data.target,
                           distinct=target.drop_nulls().n_unique(), way=way,
                           **read_as(data.target, data))
    times, time_columns = times_of(source, file, rows)
    weights, weight_column = weights_of(source, file, rows)
    usable = np.ones(len(rows), dtype=bool)
    if times is not None and np.isnan(times).any():
        usable &= ~np.isnan(times)
        named = ", ".join(map(shown, source.time))
        warnings.append(f"{int((~usable).sum())} rows without a value of {named} left out")
    if weights is not None and not np.all(weights > 0):
        out = int((usable & ~(weights > 0)).sum())
        usable &= weights > 0
        warnings.append(f"{out} rows without a weight above 0 left out")
    rows, y = rows[usable], y[usable]
    groups = groups_of(source, file, rows)
    features, dropped, sources = read_features(source, file, rows, warnings)
    columns, x = _stacked(features, len(rows))
    if few := too_few_to_measure(classes, np.bincount(y).tolist() if classes else ()):
        warnings.append(few)
    leaks = find_leaks(x, y, columns, kind)
    warnings.extend(told(leaks, data.target))
    by_name = {**sources, data.target: target_column}
    return Table(
        x=x, y=y, columns=columns, target=target_column, kind=kind, classes=classes, groups=groups,
        times=None if times is None else times[usable],
        weights=None if weights is None else weights[usable] / weights[usable].mean(),
        weight_column=weight_column,
        dropped=tuple(dropped), leaks=tuple(leaks), warnings=tuple(warnings),
        source_columns=tuple(by_name[n] for n in file.names), time_columns=time_columns,
    )


def _check_names(source: TableSource, file: File) -> None:
    """Raises TaskError for a column the task names that the file has not."""
    d = source.data
    named: list[tuple[str, str]] = [("data.target", d.target)]
    named += [("data.drop", n) for n in d.drop] + [("data.keep", n) for n in d.keep]
    named += [("data.categorical", n) for n in d.categorical]
    named += [("data.numeric", n) for n in d.numeric] + [("data.epoch", n) for n in d.epoch]
    if d.weights is not None:
        named.append(("data.weights", d.weights))
    if source.group is not None:
        named.append(("validation.group", source.group))
    named += [("validation.time", n) for n in source.time]
    any_column = [("data.missing", n) for n in d.missing]
    any_column += [("data.ignore_case", n) for n in d.ignore_case]
    for key, name in (*named, *any_column):
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
            cells = prepared(frame[name] if every_row else frame[name][rows], d)
            found = read_column(cells, semicolon=file.separator == ";",
                                keep=name in d.keep or name in source.time,
                                categorical=name in d.categorical, numeric=name in d.numeric,
                                epoch=name in d.epoch)
            if name in d.epoch and found.column.kind not in ("date", "constant"):
                raise source.wrong("data.epoch", f"{shown(name)} counts no moments: fewer than "
                                   "99 % of its numbers lie from 1980 to 2039 in any unit",
                                   f"allowed: {', '.join(EPOCHS)}")
            if told := read_as(name, d):
                found = found.with_column(**told)
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
    if name == source.data.weights:
        return replace(column, role="weight", note="says how much each row counts"), []
    if name in source.time[:1]:
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
