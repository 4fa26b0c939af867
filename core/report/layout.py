"""How the study's CSV was read, as plain data that `reading.read_table` follows."""

from __future__ import annotations

from typing import Any

from hyperllama.core.data.columns import MISSING, as_numbers, clean_text
from hyperllama.core.data.dates import date_format
from hyperllama.core.data.reader import File, open_file
from hyperllama.core.data.table import Column
from hyperllama.core.report.record import StudyRecord


def layout(study: StudyRecord) -> dict[str, Any]:
    """Literals only. Columns are named by their position in the file.

    Raises:
        DataError: the file is no longer there, or no longer a table.
    """
    task, p = study.task, study.problem
    file = open_file(task.data.path, task.data.separator, task.data.encoding)
    place = {name: i for i, name in enumerate(file.names)}
    numeric, note = _numbers(file, task.data.target)
    group, time = task.validation.group, task.validation.time
    return {
        "encoding": "utf-8-sig" if file.encoding == "utf8" else file.encoding,
        "separator": file.separator,
        "missing": sorted(MISSING),
        "target": place[task.data.target],
        "numeric_target": numeric,
        "target_style": _style(note),
        "classes": list(p.classes),
        "subsample_rows": task.data.subsample_rows,
        "group": None if group is None else place[group],
        "time": None if time is None else (place[time], *_time(file, time)),
        "columns": [(place[c.source], *_how(c)) for c in p.columns],
    }


def _how(column: Column) -> tuple[str, Any]:
    """What is made of a column, and the detail that needs; see `reading.made`."""
    if column.part:
        return column.part, _patterns(column.date_format)
    if column.kind in ("category", "boolean"):
        return "codes", list(column.categories)
    return "number", _style(column.note)


def _time(file: File, name: str) -> tuple[str, Any]:
    """The same for the column that orders the rows."""
    numeric, note = _numbers(file, name)
    if numeric:
        return "number", _style(note)
    style = date_format(clean_text(file.read([name])[name]).drop_nulls())
    return "epoch", _patterns("%Y" if style is None else style.pattern)


def _numbers(file: File, name: str) -> tuple[bool, str]:
    """Whether a column is one of numbers, and the note how they are written."""
    found, note, _ = as_numbers(clean_text(file.read([name])[name]), file.separator == ";")
    return found is not None, note


def _style(note: str) -> str:
    """How numbers are written, from the note that their reader left; see `reading.numbers`."""
    first = note.split(";")[0]
    if first.startswith("decimal comma"):
        return "decimal comma"
    if first.startswith("thousands"):
        return "thousands"
    return first[3:] if first.startswith("in ") else ""


def _patterns(pattern: str) -> tuple[str, str]:
    """polars' pattern in Python's spelling, and what is appended to a bare month."""
    python = pattern.replace("%#z", "%z").replace("%.f", ".%f")
    return (python, "") if "%d" in pattern else (python + " %d", " 01")
