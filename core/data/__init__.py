"""Tables: read a file, find out what each column is, make numbers of it.

polars is imported when a table is read, not before.
"""

from __future__ import annotations

from hyperllama.core.data.inspect import inspect
from hyperllama.core.data.load import load_table
from hyperllama.core.data.table import Column, Table

__all__ = ["Column", "Table", "inspect", "load_table"]
