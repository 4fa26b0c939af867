"""The child process behind a form over a task file: looks at tables, writes and checks texts.

What is wrong with a task is part of an answer, not an error of the request. Tables are kept, so
that a second check costs milliseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, Field, TypeAdapter

from hyperllama.core.errors import DataError, HyperLlamaError, TaskError
from hyperllama.core.task.draft.edit import changes, line_of, set_key, values

if TYPE_CHECKING:
    from hyperllama.core.data import Kind, Table
    from hyperllama.core.task import Problem, Task

_SHOWN_COLUMNS = 400
_DECIDED = {("kind",), ("estimators",), ("estimator",), ("data", "path"), ("data", "target"),
            ("data", "positive"), ("data", "header")}
"""Keys that a new text gets from what was asked for, not from the earlier text."""


class Look(BaseModel):
    """What is in a table, see `core.data.inspect`."""

    do: Literal["look"]
    table: Path
    target: str | None = None
    header: bool = True


class Write(BaseModel):
    """A new text, with what a person changed in an earlier one carried over.

    `base` is the earlier text as it was written then, `text` as it is now.
    """

    do: Literal["write"]
    table: Path
    file: Path
    target: str | None = None
    kind: Literal["classification", "regression", ""] | None = None
    estimators: list[str] = Field(default_factory=list)
    header: bool = True
    base: str = ""
    text: str = ""


class Check(BaseModel):
    """What a text comes to with its table."""

    do: Literal["check"]
    file: Path
    text: str


_REQUEST: TypeAdapter[Look | Write | Check] = TypeAdapter(
    Annotated[Union[Look, Write, Check], Field(discriminator="do")]
)


class DraftServer:
    """Answers requests; keeps the tables that were read last, by what was asked of them."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

    def handle(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer one request with one message."""
        asked = _REQUEST.validate_python(dict(request))
        try:
            if isinstance(asked, Look):
                answer = _look(asked)
            elif isinstance(asked, Write):
                answer = _write(asked)
            else:
                answer = self._check(asked)
            yield {"done": True, **answer}
        except HyperLlamaError as error:
            yield {"done": True, "faults": faults(error)}

    def _check(self, asked: Check) -> dict[str, Any]:
        """What the text comes to with its table, or "faults", each with its line."""
        from hyperllama.core.task import parse_task, resolve

        try:
            task = parse_task(asked.text, asked.file)
            table = self._table(task)
            return {"faults": [], "task": summary(task, resolve(task, table), table)}
        except HyperLlamaError as error:
            return {"faults": faults(error, asked.text)}

    def _table(self, task: Task) -> Table:
        from hyperllama.core.data import load_table

        path = task.data.path
        key = repr((task.source, path.stat().st_mtime_ns if path.is_file() else 0))
        if key not in self._tables:
            if len(self._tables) > 2:
                self._tables.clear()
            self._tables[key] = load_table(task)
        return self._tables[key]


def _look(asked: Look) -> dict[str, Any]:
    from hyperllama.core.data import inspect

    found = inspect(asked.table, asked.target, header=asked.header)
    return {"look": {**found, "columns": found["columns"][:_SHOWN_COLUMNS]}}


def _write(asked: Write) -> dict[str, Any]:
    """The texts "base" and "text", and "lost": changes that no longer fit."""
    from hyperllama.core.task import parse_task
    from hyperllama.core.task.new import new_task_file

    estimators = asked.estimators or ["xgboost"]
    kind: Kind | None = asked.kind or None
    base = new_task_file(asked.table, target=asked.target, kind=kind, estimators=estimators,
                         task_file=asked.file, header=asked.header)
    text, lost = base, []
    before, now = values(asked.base), values(asked.text)
    for path, value in changes(before, now) if before and now else ():
        if path in _DECIDED:
            continue
        if path[0] == "space":
            path = _space_path(path, (before or {}).get("estimators", []), estimators)
        try:
            changed = set_key(text, path, value)
            parse_task(changed, asked.file)
            text = changed
        except (HyperLlamaError, ValueError):
            lost.append(".".join(path))
    return {"base": base, "text": text, "lost": lost}


def _space_path(
    path: tuple[str, ...], before: Sequence[str], now: Sequence[str]
) -> tuple[str, ...]:
    """The path of a hyperparameter when there are one, or several, estimators instead."""
    if len(path) == 2 and len(now) > 1 and len(before) == 1:
        return ("space", before[0], path[1])
    if len(path) == 3 and len(now) == 1 and path[1] == now[0]:
        return ("space", path[2])
    return path


def faults(error: HyperLlamaError, text: str = "") -> list[dict[str, Any]]:
    """What an error says, for a form: key, problem, hint, and the line in the text (-1: none)."""
    if isinstance(error, TaskError) and error.faults:
        return [
            {"key": key, "problem": problem, "hint": hint, "line": line_of(text, key)}
            for key, problem, hint in error.faults
        ]
    key = "data.path" if isinstance(error, DataError) else ""
    at = re.search(r", line (\d+): ", error.message)
    line = int(at[1]) - 1 if at else line_of(text, key) if key else -1
    problem = error.message.partition(": ")[2] if at else error.message
    return [{"key": key, "problem": problem, "hint": error.hint, "line": line}]


def summary(task: Task, problem: Problem, table: Table) -> dict[str, Any]:
    """A checked task as plain values: what is decided, the space beside its defaults, the table."""
    from hyperllama.core.estimators import families, family
    from hyperllama.core.task.metrics import about, advice, known

    v = problem.validation
    plain = {
        "name": task.name,
        "kind": problem.kind,
        "metric": problem.metric,
        "metrics": [[m, about(m)] for m in known(problem.kind, len(problem.classes))],
        "advice": advice(problem.kind, table.class_counts, _ends(table)),
        "estimators": list(problem.estimators),
        "families": families(problem.kind),
        "labels": {f: family(f).label for f in families()},
        "space": _space_rows(task, problem),
        "free": len(problem.space.free),
        "method": v.method,
        "folds": v.folds,
        "rows": table.n_rows,
        "test_rows": round(table.n_rows * v.test_share),
        "features": table.n_features,
        "classes": [str(c) for c in problem.classes],
        "warnings": list(problem.warnings),
    }
    found: dict[str, Any] = json.loads(json.dumps(plain, default=lambda number: number.item()))
    return found


def _ends(table: Table) -> list[float]:
    """Lowest, median and highest target; empty for classes."""
    import numpy as np

    return [] if table.classes else [float(v) for v in np.quantile(table.y, (0.0, 0.5, 1.0))]


def _space_rows(task: Task, problem: Problem) -> list[dict[str, Any]]:
    """Each hyperparameter as it is now and by default, and its line in a task file."""
    from hyperllama.core.estimators import CHOICE, joint_space
    from hyperllama.core.space import describe_space
    from hyperllama.core.task.new import space_line

    defaults = joint_space(task.estimators, problem.kind, problem.facts)
    usual = {row["name"]: row for row in describe_space(defaults)}
    now = {row["name"]: row for row in describe_space(problem.space)}
    rows = []
    for name in [n for n in {**usual, **now} if n != CHOICE]:
        path = [name] if len(task.estimators) == 1 else name.split(".", 1)
        rows.append({
            "name": name,
            "path": ["space", *path],
            "now": now.get(name),
            "usual": usual.get(name),
            "changed": name in task.space,
            "comment": f"# {space_line(path[-1], defaults[name])}" if name in usual else "",
        })
    return rows


if __name__ == "__main__":
    from hyperllama.models.process.serve import serve

    serve(DraftServer().handle)
