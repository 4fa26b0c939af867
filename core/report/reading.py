"""Reading a CSV with the standard library alone, the way `core.data` read it.

The exported script carries these functions word for word. What a column is was decided when the
study ran; here it is only followed. Needs NumPy.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.table import spread

Floats = NDArray[np.float64]


def read_table(
    path: str, layout: Mapping[str, Any], seed: int
) -> tuple[Floats, NDArray[Any], NDArray[Any] | None, Floats | None]:
    """x, y, groups, times of the rows that the study used. seed: of a subsample."""
    cells = read_cells(path, layout["encoding"], layout["separator"], layout["missing"])
    labels = cells[layout["target"]]
    classes = layout["classes"]
    if not classes or layout["numeric_target"]:
        target = numbers(labels, layout["target_style"])
    if classes and layout["numeric_target"]:  # whole numbers are labels without a fraction
        labels = [
            None if math.isnan(v) else str(int(v)) if v.is_integer() else str(v)
            for v in target.tolist()
        ]
    if classes:
        target = codes(labels, classes)
    rows = np.flatnonzero(~np.isnan(target))
    y = target[rows].astype(np.int64) if classes else target[rows]
    wanted = layout["subsample_rows"]
    if wanted is not None and wanted < len(rows):
        chosen = spread(y, wanted, seed, bool(classes))
        rows, y = rows[chosen], y[chosen]
    groups = times = None
    if layout["time"] is not None:
        position, kind, detail = layout["time"]
        times = made(cells[position], kind, detail)[rows]
        rows, y, times = rows[~np.isnan(times)], y[~np.isnan(times)], times[~np.isnan(times)]
    if layout["group"] is not None:
        names = [cells[layout["group"]][i] for i in rows]
        place = {n: i for i, n in enumerate(sorted({n for n in names if n is not None}))}
        groups = np.array([len(place) + i if n is None else place[n] for i, n in enumerate(names)])
    columns = [
        made([cells[position][i] for i in rows], kind, detail)
        for position, kind, detail in layout["columns"]
    ]
    return np.column_stack(columns), y, groups, times


def read_cells(
    path: str, encoding: str, separator: str, missing: Sequence[str]
) -> list[list[str | None]]:
    """The columns of the file, each a list of cells; None where a cell is empty."""
    csv.field_size_limit(1 << 30)
    with Path(path).open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    opener: Any = gzip.open if packed else open
    with opener(path, "rt", encoding=encoding, errors="replace", newline="") as file:
        rows = csv.reader(file, delimiter=separator)
        width = len(next(rows))
        columns: list[list[str | None]] = [[] for _ in range(width)]
        for row in rows:
            if not row and width > 1:
                continue
            for j in range(width):
                cell = row[j].strip() if j < len(row) else ""
                columns[j].append(None if cell in missing else cell)
    return columns


def numbers(cells: Sequence[str | None], style: str = "") -> Floats:
    """Cells as numbers; NaN where there is none. style: "decimal comma", "thousands", or a unit."""
    found = np.full(len(cells), math.nan)
    for i, cell in enumerate(cells):
        if cell is None or "_" in cell:
            continue
        if style == "decimal comma":
            cell = cell.replace(".", "").replace(" ", "").replace(",", ".")
        elif style:
            cell = cell.replace("" if style == "thousands" else style, "").replace(",", "").strip()
        try:
            value = float(cell)
        except ValueError:
            continue
        if abs(value) <= 3e38:
            found[i] = value
    return found


def codes(cells: Sequence[str | None], labels: Sequence[str]) -> Floats:
    """The position of each cell among the labels; NaN for empty and unknown ones."""
    position = {label: float(i) for i, label in enumerate(labels)}
    return np.array([math.nan if c is None else position.get(c, math.nan) for c in cells])


def made(cells: Sequence[str | None], kind: str, detail: Any) -> Floats:
    """The numbers a column becomes: "number", "codes", "epoch", or a part of a date."""
    if kind == "number":
        return numbers(cells, detail)
    if kind == "codes":
        return codes(cells, detail)
    found = moments(cells, detail)
    if kind == "epoch":
        return np.array([microseconds(m) for m in found])
    return np.array([math.nan if m is None else date_part(m, kind) for m in found])


def moments(cells: Sequence[str | None], patterns: Sequence[str]) -> list[datetime | None]:
    """Cells as moments in UTC; None where there is none. The second pattern ends a bare month."""
    pattern, end = patterns
    found: list[datetime | None] = []
    for cell in cells:
        try:
            moment = None if cell is None else datetime.strptime(cell + end, pattern)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
        found.append(moment)
    return found


def microseconds(moment: datetime | None) -> float:
    """Since 1970-01-01; NaN for None."""
    if moment is None:
        return math.nan
    gone = moment - datetime(1970, 1, 1)
    return float((gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds)


def date_part(moment: datetime, part: str) -> float:
    """ "day" (days since 1970-01-01), "month", "weekday" (Monday is 1) or "hour"."""
    if part == "day":
        return microseconds(moment) / 86_400e6
    return float({"month": moment.month, "weekday": moment.isoweekday(), "hour": moment.hour}[part])
