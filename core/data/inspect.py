"""A look at a table for the interface, as JSON: types, empty cells, the target, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.data.columns import is_id_name, read_column
from hyperllama.core.data.load import load_table, read_features
from hyperllama.core.data.reader import File, open_file
from hyperllama.core.data.source import DataSpec, Kind, TableSource
from hyperllama.core.data.table import Column, Floats, Table
from hyperllama.core.data.target import guess_target
from hyperllama.core.errors import TaskError
from hyperllama.core.text import allowed, shown

_HEAD_ROWS = 5000
_TOP = 10


def inspect(
    path: Path,
    target: str | None = None,
    *,
    kind: Kind | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> dict[str, Any]:
    """What a table holds, without changing or writing anything.

    Returns:
        Plain values for JSON: "path", "format", "separator", "encoding", "rows" (with a known
        target), "features", "target" (None where no column can be one), "columns" (every column of
        the file: name, kind, role, missing_share, distinct, note, and "range" [low, median, high]
        (of a date [first, last]) or "top" [[label, rows], ...]), "warnings" and "summary" (lines
        for people). Names and labels are foreign text.

    Raises:
        DataError: the file cannot be read as a table.
        TaskError: `target` is no column, or cannot be predicted.
    """
    file = open_file(path, separator, encoding)
    if target is not None and target not in file.names:
        raise TaskError(f"{shown(path.name)} has no column {shown(target)}",
                        allowed(file.names, target))
    guessed = target is None
    name, certain = (target, True) if target is not None else _pick_target(file)
    data = DataSpec(path=path, target=str(name), separator=separator, encoding=encoding)
    source = TableSource(data, kind)
    result: dict[str, Any] = {
        "path": str(path),
        "format": file.format,
        "separator": file.separator,
        "encoding": file.encoding,
    }
    try:
        table = load_table(source)
    except TaskError as error:
        if not guessed:
            raise
        return {**result, **_without_target(source, file, error)}
    warnings = [*table.warnings, *_suggestions(table)]
    arrays = {c.name: table.x[:, j] for j, c in enumerate(table.columns)}
    return {
        **result,
        "rows": table.n_rows,
        "features": table.n_features,
        "target": {"guessed": guessed, "certain": certain, **_target(table)},
        "columns": [_column(c, arrays) for c in table.source_columns],
        "warnings": warnings,
        "summary": table.summary(),
    }


def _pick_target(file: File) -> tuple[str, bool]:
    """The column that is probably the target, judged by names and the first rows."""
    head = file.head(_HEAD_ROWS)
    found = [read_column(head[n], semicolon=file.separator == ";").column for n in file.names]
    return guess_target(found, file.path.name.split(".")[0])


def _without_target(source: TableSource, file: File, error: TaskError) -> dict[str, Any]:
    """The columns alone, where no column can be predicted."""
    warnings = [error.message]
    features, _, sources = read_features(source, file, np.arange(file.rows), warnings)
    arrays = {c.name: values for c, values in features}
    name = source.data.target
    sources[name] = read_column(file.read([name])[name], semicolon=file.separator == ";").column
    columns = [sources[n] for n in file.names]
    return {
        "rows": file.rows,
        "features": len(features),
        "target": None,
        "columns": [_column(c, arrays) for c in columns],
        "warnings": [*file.notes, *warnings],
        "summary": [f"{file.rows:,} rows, {len(file.names)} columns"],
    }


def _target(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {"name": table.target.name, "kind": table.kind}
    if table.kind == "regression":
        return {**found, "range": _range(table.y)}
    counts = table.class_counts
    rows = zip(table.classes, counts, strict=True)
    return {
        **found,
        "classes": [{"label": c, "rows": n, "share": n / table.n_rows} for c, n in rows],
        "minority_share": min(counts) / table.n_rows,
    }


def _column(column: Column, arrays: dict[str, Floats]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "kind": column.kind,
        "role": column.role,
        "missing_share": round(column.missing_share, 6),
        "distinct": column.distinct,
        "note": column.note,
    }
    if column.kind == "date" and (days := arrays.get(f"{column.name} (day)")) is not None:
        ends = np.nanmin(days), np.nanmax(days)
        found["range"] = [str(np.datetime64(int(e), "D")) for e in ends]
        return found
    values = arrays.get(column.name)
    if values is None:
        return found
    known = values[~np.isnan(values)]
    if column.categories:
        counts = np.bincount(known.astype(np.int64), minlength=len(column.categories))
        order = np.argsort(-counts, kind="stable")[:_TOP]
        found["top"] = [[column.categories[i], int(counts[i])] for i in order]
    elif len(known):
        found["range"] = _range(known)
    return found


def _range(values: Floats) -> list[float]:
    return [float(v) for v in np.quantile(values, [0.0, 0.5, 1.0])]


def _suggestions(table: Table) -> list[str]:
    """What the names and types of columns suggest about validation."""
    found = []
    for c in _repeated_ids(table.columns, table.n_rows):
        found.append(f"column {shown(c.name)} repeats: if rows with the same value belong "
                     f"together, set `group = {shown(c.name)}` in [validation]")
    for j, c in enumerate(table.columns):
        named = c.part == "day" or c.name.lower() in ("year", "date", "time", "timestamp", "t")
        if named and _rises(table.x[:, j]):
            found.append(f"the rows are in the order of {shown(c.source)}: if later rows are to be "
                         f"predicted from earlier ones, set `time` in [validation]")
    if table.n_rows < 200:
        found.append(f"{table.n_rows} rows make noisy scores: consider `repeats` in [validation]")
    return found


def _rises(values: Floats) -> bool:
    known = values[~np.isnan(values)]
    return bool(len(known) > 20 and np.all(np.diff(known) >= 0))


def _repeated_ids(columns: Sequence[Column], rows: int) -> list[Column]:
    return [c for c in columns
            if is_id_name(c.name) and c.distinct > 10 and 1.2 * c.distinct < rows < 50 * c.distinct]
