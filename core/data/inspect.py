"""A look at a table for the interface, as JSON: types, empty cells, the target, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperllama.core.data.advice import advice_texts, advise
from hyperllama.core.data.columns import read_column
from hyperllama.core.data.evidence import Candidate, close_to_best, rank_targets
from hyperllama.core.data.load import opened, read_features, table_of
from hyperllama.core.data.marks import prepared
from hyperllama.core.data.reader import FEWEST_ROWS, File, too_few_rows
from hyperllama.core.data.source import DataSpec, Kind, TableSource
from hyperllama.core.data.table import Column, Floats, Table
from hyperllama.core.errors import TaskError
from hyperllama.core.text import allowed, shown

if TYPE_CHECKING:
    import polars as pl

_HEAD_ROWS = 5000
_TOP = 10


def inspect(
    path: Path,
    target: str | None = None,
    *,
    kind: Kind | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool = True,
) -> dict[str, Any]:
    """What a table holds, without changing or writing anything.

    Returns:
        Plain values for JSON: "path", "format", "separator", "encoding", "header", "rows" (with a
        known target), "file_rows", "features", "target" (None where no column can be one),
        "columns" (every column of the file: name, kind, role, missing_share, distinct, note, and
        "range" [low, median, high] (of a date [first, last]) or "top" [[label, rows], ...]),
        "leaks" (names of columns that are the target in other words), "advice" (what the table
        may mean otherwise: text, line, path, value), "warnings" (for people; the advice too) and
        "summary" (lines for people). Names and labels are foreign text.

    Raises:
        DataError: the file cannot be read as a table.
        TaskError: `target` is no column, or cannot be predicted.
    """
    data = DataSpec(path=path, target=target or "", separator=separator, encoding=encoding,
                    header=header)
    file = opened(data)
    if target is not None and target not in file.names:
        raise TaskError(f"{shown(path.name)} has no column {shown(target)}",
                        allowed(file.names, target))
    result: dict[str, Any] = {
        "path": str(path),
        "format": file.format,
        "separator": file.separator,
        "encoding": file.encoding,
        "header": header,
        "file_rows": file.rows,
    }
    head = file.head(_HEAD_ROWS)
    table, ranked, failed = _first_usable(data, file, head, target, kind)
    if table is None:
        source = TableSource(data.model_copy(update={"target": file.names[-1]}), kind)
        return {**result, **_without_target(source, file, failed)}
    advice = advise(table, file, head, file.tail(5))
    arrays = {c.name: table.x[:, j] for j, c in enumerate(table.columns)}
    return {
        **result,
        "rows": table.n_rows,
        "features": table.n_features,
        "target": {"guessed": target is None, **_why(ranked), **_target(table)},
        "columns": [_column(c, arrays) for c in table.source_columns],
        "leaks": [leak.name for leak in table.leaks if leak.exact],
        "advice": advice_texts(advice),
        "warnings": [*table.warnings, *(a.told for a in advice)],
        "summary": table.summary(),
    }


def _first_usable(
    data: DataSpec, file: File, head: pl.DataFrame, target: str | None, kind: Kind | None
) -> tuple[Table | None, list[Candidate], TaskError | None]:
    """The table with the target asked for, or with the most probable one that can be predicted.

    Returns:
        The table; the candidates from its target on, empty where one was asked for; why the most
        probable candidate cannot be predicted, where it cannot.
    """
    ranked = _ranked(data, file, head, kind) if target is None else []
    failed = None
    for at, name in enumerate([target] if target is not None else [c.name for c in ranked[:5]]):
        try:
            source = TableSource(data.model_copy(update={"target": name}), kind)
            return table_of(source, file), ranked[at:], failed
        except TaskError as error:
            if target is not None and file.rows < FEWEST_ROWS:
                raise too_few_rows(file.path, file.rows) from error
            if target is not None:
                raise
            failed = failed or error
    return None, [], failed


def _ranked(
    data: DataSpec, file: File, head: pl.DataFrame, kind: Kind | None
) -> list[Candidate]:
    """The columns that can be predicted, by their evidence in the first rows."""
    found = [read_column(prepared(head[n], data), semicolon=file.separator == ";")
             for n in file.names]
    ranked = rank_targets(found, file.path.name.split(".")[0])
    if kind == "regression":
        return [c for c in ranked if c.column.kind == "number"]
    most = 30 if kind == "classification" else len(head)
    return [c for c in ranked if c.column.kind != "number" or c.column.distinct <= most]


def _why(ranked: Sequence[Candidate]) -> dict[str, Any]:
    """Why the first candidate, and which ones are close to it."""
    if not ranked:
        return {"certain": True, "reason": "", "close": []}
    close = close_to_best(ranked)
    return {
        "certain": not close,
        "reason": "; ".join(ranked[0].reasons()[:3]) or "nothing speaks for another column",
        "close": [{"name": c.name, "reason": "; ".join(c.reasons()[:3])} for c in close],
    }


def _without_target(source: TableSource, file: File, error: TaskError | None) -> dict[str, Any]:
    """The columns alone, where no column can be predicted."""
    warnings = [error.message if error else "no column has values that can be predicted: each is "
                "empty, always the same, an identifier, a date or free text"]
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
        "leaks": [],
        "advice": [],
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
