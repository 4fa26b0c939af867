"""Where a table is and what its columns are for, as a task says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hyperllama.core.errors import TaskError
from hyperllama.core.text import plain

Kind = Literal["classification", "regression"]


def _names(value: object) -> object:
    value = [value] if isinstance(value, str) else value
    return tuple(value) if isinstance(value, list) else value


def _by_column(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {k: tuple(v) if isinstance(v, list) else v if isinstance(v, tuple) else (v,)
            for k, v in value.items()}


def _path(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str) and value.strip() else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""Texts; one text counts as a list of one."""


Missing = Annotated[dict[str, tuple[Union[int, float, str], ...]], BeforeValidator(_by_column)]
"""Column -> values; one value counts as a list of one."""


class TomlTable(BaseModel):
    """A table of a task file: frozen, nothing unknown in it, every value of its own type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataSpec(TomlTable):
    """Where the table is and what its columns are for."""

    path: Annotated[Path, BeforeValidator(_path)]
    """CSV (also .gz, .zst), Parquet, Feather or Arrow; relative to the task file."""
    target: str
    """The column to predict."""
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    """Between the cells of a CSV; found out when absent."""
    encoding: str | None = None
    """Of a CSV, e.g. "utf8", "latin-1", "utf-16"; found out when absent."""
    header: bool = True
    """Whether the first row of a CSV names the columns; else they are column_1, column_2, ..."""
    skip_last_rows: int = Field(default=0, ge=0)
    """So many rows at the bottom are left out, e.g. totals."""
    drop: Names = ()
    """Columns that are not used."""
    keep: Names = ()
    """Columns that are used although they look like identifiers or free text."""
    categorical: Names = ()
    """Columns of numbers that stand for categories, e.g. postal codes."""
    numeric: Names = ()
    """Columns of digits with leading zeros that are amounts all the same."""
    epoch: Names = ()
    """Columns of numbers that are moments: seconds, milli-, micro- or nanoseconds since 1970."""
    ignore_case: Names = ()
    """Columns whose labels are the same where they differ in capitals only."""
    missing: Missing = Field(default_factory=dict)
    """Values that mark a missing one, by column: { age = [99], income = [-1] }."""
    weights: str | None = None
    """The column that says how much each row counts, in fitting and in scoring."""
    positive: Union[str, int, float, bool, None] = None
    """The class that metrics like f1 and average_precision look for (two classes only)."""
    subsample_rows: int | None = Field(default=None, ge=20)
    """Use at most so many rows, drawn with the task's seed and the same shares of the classes."""


@dataclass(frozen=True)
class TableSource:
    """What has to be known to read the table of a task.

    Attributes:
        data: [data] of the task.
        kind: "classification" or "regression"; None to infer it from the target.
        group: the column whose equal values stay together, or None.
        time: the columns that order the rows, the coarsest first; empty for none.
        seed: of the rows that are drawn with `subsample_rows`.
        file: the task file; None for a task made in Python.
    """

    data: DataSpec
    kind: str | None = None
    group: str | None = None
    time: tuple[str, ...] = ()
    seed: int = 0
    file: Path | None = None

    @property
    def source(self) -> TableSource:
        """Itself: `load_table` takes whatever has a source."""
        return self

    def wrong(self, key: str, problem: str, allowed: str = "") -> TaskError:
        """The error to raise about one key of the task."""
        return wrong(self.file, key, problem, allowed)


class HasSource(Protocol):
    """A task, or a source itself."""

    @property
    def source(self) -> TableSource: ...


def wrong(file: Path | None, key: str, problem: str, allowed: str = "") -> TaskError:
    """A TaskError naming file, key (a dotted path) and problem; the hint says what is allowed."""
    where = plain(file.name) if file is not None else "the task"
    at = f"{where}: {plain(key)}" if key else where
    error = TaskError(f"{at}: {problem}", allowed)
    error.faults = ((key, problem, allowed),)
    return error
