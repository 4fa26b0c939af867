"""What a task says of the cells of its columns: which mark a missing value, which are one label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyperllama.core.data.cells import one_spelling, without_marks
from hyperllama.core.data.source import DataSpec

if TYPE_CHECKING:
    import polars as pl


def prepared(cells: pl.Series, data: DataSpec) -> pl.Series:
    """The cells of one column, named as in the file, before they are recognised.

    Args:
        cells: as the file gave them: text, or a type of its own.
        data: [data] of the task; `missing` and `ignore_case` are used.
    """
    cells = without_marks(cells, data.missing.get(cells.name, ()))
    if cells.name in data.ignore_case:
        return one_spelling(cells, _by_frequency(cells))
    return cells


def read_as(name: str, data: DataSpec) -> dict[str, Any]:
    """What `Column` keeps of this, so that new rows are read alike; empty for most columns."""
    told: dict[str, Any] = {}
    if data.missing.get(name):
        told["marks"] = data.missing[name]
    if name in data.ignore_case:
        told["any_case"] = True
    return told


def _by_frequency(cells: pl.Series) -> list[str]:
    """The spellings of a column without blanks around them, the most frequent first."""
    import polars as pl

    text = cells.cast(pl.String).str.strip_chars().drop_nulls()
    counted = text.value_counts().sort(["count", text.name], descending=[True, False])
    return [str(v) for v in counted[text.name].to_list()]


def spellings(labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of labels that differ in capitals or blanks only, sorted."""
    same: dict[str, list[str]] = {}
    for label in labels:
        same.setdefault(label.strip().casefold(), []).append(label)
    return sorted(tuple(sorted(group)) for group in same.values() if len(group) > 1)
