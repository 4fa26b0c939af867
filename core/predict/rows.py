"""New rows as a model wants them: columns matched by name, and what differs from training counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperllama.core.data.cells import Floats, without_marks
from hyperllama.core.data.reader import File, open_file
from hyperllama.core.errors import DataError
from hyperllama.core.predict.known import KnownColumn, filled, not_soft, outside, read_known
from hyperllama.core.text import nearest, percent, shown

if TYPE_CHECKING:
    import polars as pl

MOST_LABELS = 1000
"""Different unseen cells that are remembered for each column."""


@dataclass
class Shift:
    """What one column of the new rows holds that training rows did not, counted over blocks.

    Attributes:
        rows, empty: cells seen, and those among them that are empty.
        unseen: cells that could not have stood in training rows, and how often each does.
        below, above: values outside the range of the training rows.
        low, high: of the new rows.
    """

    rows: int = 0
    empty: int = 0
    unseen_rows: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    below: int = 0
    above: int = 0
    low: float = np.inf
    high: float = -np.inf


def open_rows(path: Path, facts: Mapping[str, Any], skip_last: bool = False) -> File:
    """A file of rows, with or without a header as the training file.

    A separator or an encoding that the task gave count where columns of the model are then found;
    else they are found out.

    Args:
        facts: of the training table; "file" says how it was opened.
        skip_last: leave out so many rows at the bottom as there.

    Raises:
        DataError: as `open_file`.
    """
    said = facts.get("file") or {}
    header = bool(said.get("header", True))
    last = int(said.get("skip_last_rows") or 0) if skip_last else 0
    separator, encoding = said.get("separator"), said.get("encoding")
    if separator or encoding:
        try:
            file = open_file(path, separator, encoding, header=header, skip_last_rows=last)
            if {str(c["source"]) for c in facts["columns"]} & set(file.names):
                return file
        except DataError:
            pass
    return open_file(path, header=header, skip_last_rows=last)


class NewRows:
    """Makes X of blocks of a table, and counts what differs from the training rows.

    Args:
        columns: of the model.
        names: the columns that the table has.
        others: columns of the training table that are not used, the target among them.

    Attributes:
        absent: columns of the model that the table lacks; their cells count as empty.
        extra: columns of the table that the training table had not.
        shifts: by column of the file.

    Raises:
        DataError: the table has none of the model's columns.
    """

    def __init__(
        self, columns: Sequence[KnownColumn], names: Sequence[str], others: Sequence[str] = ()
    ) -> None:
        self.columns = tuple(columns)
        self._places: dict[str, list[int]] = {}
        for place, column in enumerate(self.columns):
            self._places.setdefault(column.source, []).append(place)
        self.sources = tuple(self._places)
        self.absent = [s for s in self.sources if s not in names]
        self.extra = [n for n in names if n not in self._places and n not in others]
        self.shifts = {s: Shift() for s in self.sources if s not in self.absent}
        if not self.shifts:
            wanted = ", ".join(shown(s, 30) for s in self.sources[:8])
            raise DataError("the table has none of the model's columns",
                            f"needed: {wanted}{' ...' if len(self.sources) > 8 else ''}")

    def read(self, frame: pl.DataFrame) -> Floats:
        """X of a block, shape (n_rows, n_columns); NaN where a cell is empty or unknown."""
        x = np.full((len(frame), len(self.columns)), np.nan)
        for source, shift in self.shifts.items():
            places = self._places[source]
            columns = [self.columns[i] for i in places]
            arrays = read_known(frame[source], columns)
            for place, values in zip(places, arrays, strict=True):
                x[:, place] = values
            _count(shift, frame[source], arrays[0], columns[0])
        return x

    def report(self) -> list[str]:
        """What is missing, new or different, in lines for people; the largest shares first."""
        lines = []
        for name in self.absent:
            guess = nearest(name, self.extra)
            like = f" (the table has {shown(guess)})" if guess else ""
            share = self.columns[self._places[name][0]].missing_share
            lines.append(f"column {shown(name)} is missing{like}: it counts as empty in every row; "
                         f"{percent(share)} of its cells were empty in training")
        if self.extra:
            listed = ", ".join(shown(n, 30) for n in self.extra[:6])
            more = f" and {len(self.extra) - 6} more" if len(self.extra) > 6 else ""
            lines.append(f"not in the training table, so not used: {listed}{more}")
        found = [
            line for source in self.shifts for line in
            _described(source, self.shifts[source], self.columns[self._places[source][0]])
        ]
        return lines + [line for _, line in sorted(found, key=lambda pair: -pair[0])]


def _count(shift: Shift, cells: pl.Series, x: Floats, column: KnownColumn) -> None:
    cells = without_marks(cells, column.marks)
    held = filled(cells)
    if column.kind == "number" and not column.part:
        held = held & not_soft(cells)
    shift.rows += len(cells)
    shift.empty += len(cells) - int(held.sum())
    strangers = cells[np.flatnonzero(held.to_numpy() & np.isnan(x))]
    shift.unseen_rows += len(strangers)
    if len(strangers) and len(shift.unseen) < MOST_LABELS:
        counts = strangers.alias("cell").value_counts(sort=True).head(MOST_LABELS)
        for cell, count in counts.iter_rows():
            shift.unseen[str(cell)] += count
    if column.kind != "number":
        return
    below, above = outside(x, column)
    shift.below, shift.above = shift.below + below, shift.above + above
    known = x[~np.isnan(x)]
    if len(known):
        shift.low = min(shift.low, float(known.min()))
        shift.high = max(shift.high, float(known.max()))


def _described(source: str, shift: Shift, column: KnownColumn) -> list[tuple[float, str]]:
    """Lines about one column, each with the share of rows that it concerns."""
    rows, name = shift.rows, shown(source, 40)
    found: list[tuple[float, str]] = []
    if not rows:
        return found
    if shift.unseen_rows:
        share = shift.unseen_rows / rows
        examples = ", ".join(shown(cell, 20) for cell, _ in shift.unseen.most_common(3))
        what = {"number": "numbers"}.get(column.kind, "known categories")
        what = f"dates as in training ({column.date_format or 'ISO 8601'})" if column.part else what
        what += f" ({column.way})" if column.kind == "number" and column.way else ""
        found.append((share, f"{name}: {shift.unseen_rows:,} cells ({percent(share)}) are no "
                             f"{what}: {examples}; they count as empty"))
    if shift.below or shift.above:
        share = (shift.below + shift.above) / rows
        sides = [f"{shift.below:,} below {_end(column.low, column)}, down to "
                 f"{_end(shift.low, column)}"] if shift.below else []
        sides += [f"{shift.above:,} above {_end(column.high, column)}, up to "
                  f"{_end(shift.high, column)}"] if shift.above else []
        found.append((share, f"{name}: {percent(share)} of the rows lie outside the training "
                             f"rows: {'; '.join(sides)}"))
    share, before = shift.empty / rows, column.missing_share
    noise = 3 * (max(before, 1 / rows) * (1 - before) / rows) ** 0.5
    if abs(share - before) > max(0.02, noise):
        found.append((abs(share - before),
                      f"{name}: {percent(share)} empty, in training {percent(before)}"))
    return found


def _end(value: float | None, column: KnownColumn) -> str:
    """An end of a range; days as a date."""
    if value is None or not np.isfinite(value):
        return "-"
    if column.part == "day":
        return str(np.datetime64(0, "D") + np.timedelta64(int(np.floor(value)), "D"))
    return f"{value:.6g}"
