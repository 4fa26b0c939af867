"""Task files: what is tuned on which table; read, checked, resolved against the table, written.

It gives `load_task`, `resolve` and the values that they make. Neither polars nor scikit-learn is
loaded before a table is read.
"""

from __future__ import annotations

from hyperllama.core.data import DataSpec
from hyperllama.core.task.load import (
    find_task,
    load_task,
    parse_task,
    sample_tasks,
    standalone_text,
    task_text,
    with_programs,
    with_table,
)
from hyperllama.core.task.resolve import Problem, resolve
from hyperllama.core.task.spec import Budget, Limits, Override, Task, Validation

__all__ = [
    "Budget",
    "DataSpec",
    "Limits",
    "Override",
    "Problem",
    "Task",
    "Validation",
    "find_task",
    "load_task",
    "parse_task",
    "resolve",
    "sample_tasks",
    "standalone_text",
    "task_text",
    "with_programs",
    "with_table",
]
