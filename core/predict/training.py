"""A whole table with its target, read as the training table was: to score a configuration on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import Floats, group_codes, in_order
from hyperllama.core.errors import DataError
from hyperllama.core.predict.known import KnownColumn, read_known
from hyperllama.core.predict.rows import NewRows, open_rows
from hyperllama.core.text import allowed, plain, shown

if TYPE_CHECKING:
    import polars as pl


def read_table(
    facts: Mapping[str, Any], path: Path
) -> tuple[
    Floats, NDArray[Any], NDArray[np.int64] | None, Floats | None, Floats | None, list[str]
]:
    """X, y, groups, times, weights of another table, and lines about what differs in it.

    Rows without a known target, time or weight are left out.

    Args:
        facts: of the training table, as `table.json` holds them.

    Raises:
        DataError: the file cannot be read, or lacks the target, group, time or weights column.
    """
    file = open_rows(path, facts, skip_last=True)
    target = KnownColumn.of(facts["target_column"])
    times = [KnownColumn.of(c) for c in facts["time_columns"]]
    weigher = facts["weights_column"] and KnownColumn.of(facts["weights_column"])
    group = facts["group_column"]
    named = [target.source, group, weigher and weigher.source, *(c.source for c in times)]
    for name in filter(None, named):
        if name not in file.names:
            raise DataError(f"{plain(path.name)} has no column {shown(name)}",
                            allowed(file.names, name))
    others = [target.source, *facts["other_columns"]]
    rows = NewRows([KnownColumn.of(c) for c in facts["columns"]], file.names, others)
    truth = read_known(_cells(file.read([target.source])), [target])[0]
    known = ~np.isnan(truth)
    moments = None
    if times:
        moments = in_order([read_known(_cells(file.read([c.source])), [c])[0] for c in times])
        known &= ~np.isnan(moments)
    weights = None
    if weigher:
        weights = read_known(_cells(file.read([weigher.source])), [weigher])[0]
        known &= weights > 0
    x = rows.read(file.read([s for s in rows.sources if s in file.names]))[known]
    about = rows.report()
    if not known.all():
        out = int((~known).sum())
        about.append(f"{out:,} rows without a known target, time or weight left out")
    y = truth[known].astype(np.int64) if facts["classes"] else truth[known]
    groups = group_codes(_cells(file.read([group]))[np.flatnonzero(known)]) if group else None
    return (x, y, groups, None if moments is None else moments[known],
            None if weights is None else weights[known] / weights[known].mean(), about)


def _cells(frame: pl.DataFrame) -> pl.Series:
    return frame.to_series(0)
