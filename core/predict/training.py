"""A whole table with its target, read as the training table was: to score a configuration on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import Floats, group_codes
from hyperllama.core.data.reader import open_file
from hyperllama.core.errors import DataError
from hyperllama.core.predict.known import KnownColumn, read_known
from hyperllama.core.predict.rows import NewRows
from hyperllama.core.text import allowed, plain, shown

if TYPE_CHECKING:
    import polars as pl


def read_table(
    facts: Mapping[str, Any], path: Path
) -> tuple[Floats, NDArray[Any], NDArray[np.int64] | None, Floats | None, list[str]]:
    """X, y, groups, times of another table, and lines about what differs in it.

    Rows without a known target or time are left out.

    Args:
        facts: of the training table, as `table.json` holds them.

    Raises:
        DataError: the file cannot be read, or lacks the target, group or time column.
    """
    file = open_file(path)
    target = KnownColumn.of(facts["target_column"])
    time = facts["time_column"] and KnownColumn.of(facts["time_column"])
    group = facts["group_column"]
    for name in filter(None, (target.source, group, time and time.source)):
        if name not in file.names:
            raise DataError(f"{plain(path.name)} has no column {shown(name)}",
                            allowed(file.names, name))
    others = [target.source, *facts["other_columns"]]
    rows = NewRows([KnownColumn.of(c) for c in facts["columns"]], file.names, others)
    truth = read_known(_cells(file.read([target.source])), [target])[0]
    known = ~np.isnan(truth)
    moments = None
    if time:
        moments = read_known(_cells(file.read([time.source])), [time])[0]
        known &= ~np.isnan(moments)
    x = rows.read(file.read([s for s in rows.sources if s in file.names]))[known]
    about = rows.report()
    if not known.all():
        about.append(f"{int((~known).sum()):,} rows without a known target or time left out")
    y = truth[known].astype(np.int64) if facts["classes"] else truth[known]
    groups = group_codes(_cells(file.read([group]))[np.flatnonzero(known)]) if group else None
    return x, y, groups, None if moments is None else moments[known], about


def _cells(frame: pl.DataFrame) -> pl.Series:
    return frame.to_series(0)
