"""Tables: read a file, find out what each column is, make numbers of it.

It gives `load_table`, the `Table` that trains, and a look at a table for people. polars is imported
when a table is read, not before.
"""

from __future__ import annotations

from hyperllama.core.data.advice import toml
from hyperllama.core.data.inspect import inspect
from hyperllama.core.data.load import load_table
from hyperllama.core.data.reader import FEWEST_ROWS, too_few_rows
from hyperllama.core.data.source import DataSpec, Kind, TableSource
from hyperllama.core.data.table import Column, Table

__all__ = [
    "FEWEST_ROWS",
    "Column",
    "DataSpec",
    "Kind",
    "Table",
    "TableSource",
    "inspect",
    "load_table",
    "too_few_rows",
    "toml",
]
