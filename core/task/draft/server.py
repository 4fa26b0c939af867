"""The child process behind a form over a task file: looks at tables, writes and checks texts.

Requests (see `models.process`): look, write, check. What is wrong with a task is part of an answer,
not an error of the request. Tables are kept, so that a second check costs milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import HyperLlamaError, TaskError
from hyperllama.core.task.draft.edit import changes, line_of, set_key, values

if TYPE_CHECKING:
    from hyperllama.core.data import Table
    from hyperllama.core.task import Problem, Task
    from hyperllama.models.process.serve import ChildRequest

_SHOWN_COLUMNS = 400
_DECIDED = {("kind",), ("estimators",), ("estimator",), ("data", "path"), ("data", "target"),
            ("data", "positive")}
"""Keys that a new text gets from what was asked for, not from the earlier text."""


class Desk:
    """The tables that were read last, by what was asked of them."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

    def handle(self, request: ChildRequest) -> Iterator[dict[str, Any]]:
        """Answer one request with one message."""
        do = {"look": self._look, "write": self._write, "check": self._check}[str(request["do"])]
        try:
            yield {"done": True, **do(request)}
        except HyperLlamaError as error:
            yield {"done": True, "faults": faults(error)}

    def _look(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A table as `core.data.inspect` tells it."""
        from hyperllama.core.data import inspect

        found = inspect(Path(request["table"]), request.get("target"))
        found["columns"] = found["columns"][:_SHOWN_COLUMNS]
        return {"look": found}

    def _write(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A new text, with what somebody changed in an earlier one carried over.

        "base" is the text as it was written then, "text" as it is now.
        """
        from hyperllama.core.task.new import new_task_file

        file = Path(request["file"])
        target, estimators = request.get("target"), request.get("estimators") or ["xgboost"]
        base = new_task_file(
            Path(request["table"]),
            target=target,
            kind=request.get("kind") or None,
            estimators=estimators,
            task_file=file,
        )
        text, lost = base, []
        before, now = values(request.get("base", "")), values(request.get("text", ""))
        for path, value in changes(before, now) if before and now else ():
            if path in _DECIDED:
                continue
            if path[0] == "space":
                path = _space_path(path, (before or {}).get("estimators", []), estimators)
            try:
                changed = set_key(text, path, value)
                _parse(changed, file)
                text = changed
            except (HyperLlamaError, ValueError):
                lost.append(".".join(path))
        return {"base": base, "text": text, "lost": lost}

    def _check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the text comes to with its table, or "faults", each with its line."""
        text, file = str(request["text"]), Path(request["file"])
        try:
            task = _parse(text, file)
            table = self._table(task)
            from hyperllama.core.task import resolve

            return {"faults": [], "task": summary(task, resolve(task, table), table)}
        except HyperLlamaError as error:
            return {"faults": faults(error, text)}

    def _table(self, task: Task) -> Table:
        from hyperllama.core.data import load_table

        v = task.validation
        stamp = 0
        if task.data.path.is_file():
            stamp = task.data.path.stat().st_mtime_ns
        key = repr((task.data, task.kind, v.group, v.time, task.seed, stamp))
        if key not in self._tables:
            if len(self._tables) > 2:
                self._tables.clear()
            self._tables[key] = load_table(task)
        return self._tables[key]


def _space_path(
    path: tuple[str, ...], before: Sequence[str], now: Sequence[str]
) -> tuple[str, ...]:
    """Where a hyperparameter stands when there are one, or several, estimators instead."""
    if len(path) == 2 and len(now) > 1 and len(before) == 1:
        return ("space", before[0], path[1])
    if len(path) == 3 and len(now) == 1 and path[1] == now[0]:
        return ("space", path[2])
    return path


def _parse(text: str, file: Path) -> Task:
    from hyperllama.core.task import parse_task

    return parse_task(text, file)


def faults(error: HyperLlamaError, text: str = "") -> list[dict[str, Any]]:
    """What an error says, for a form: key, problem, hint, and the line in the text (-1: none)."""
    listed = error.faults if isinstance(error, TaskError) else ()
    if not listed:
        import re

        key = "data.path" if type(error).__name__ == "DataError" else ""
        at = re.search(r", line (\d+): ", error.message)
        line = int(at[1]) - 1 if at else line_of(text, key) if key else -1
        message = error.message.partition(": ")[2] if at else error.message
        return [{"key": key, "problem": message, "hint": error.hint, "line": line}]
    return [
        {"key": key, "problem": problem, "hint": hint, "line": line_of(text, key)}
        for key, problem, hint in listed
    ]


def summary(task: Task, problem: Problem, table: Table) -> dict[str, Any]:
    """A checked task as plain values: what is decided, the space beside its defaults, the table."""
    from hyperllama.core.estimators import families, family, joint_space
    from hyperllama.core.space.describe import describe_space
    from hyperllama.core.task.metrics import known
    from hyperllama.core.task.new import space_line

    defaults = joint_space(task.estimators, problem.kind, problem.facts)
    usual = {row["name"]: row for row in describe_space(defaults)}
    names = list(usual) + [p.name for p in problem.space if p.name not in usual]
    now = {row["name"]: row for row in describe_space(problem.space)}
    space = []
    for name in names:
        if name == "estimator":
            continue
        family_name, _, own = name.partition(".") if len(task.estimators) > 1 else ("", "", name)
        space.append(
            {
                "name": name,
                "path": ["space", family_name, own] if family_name else ["space", own],
                "now": now.get(name),
                "usual": usual.get(name),
                "changed": name in task.space,
                "comment": f"# {space_line(own, defaults[name])}" if name in usual else "",
            }
        )
    v = problem.validation
    n_test = round(table.n_rows * v.test_share)
    plain = {
        "name": task.name,
        "kind": problem.kind,
        "metric": problem.metric,
        "metrics": known(problem.kind, len(problem.classes)),
        "estimators": list(problem.estimators),
        "families": list(families(problem.kind)),
        "labels": {f: family(f).label for f in families()},
        "space": space,
        "free": len(problem.space.free),
        "method": v.method,
        "folds": v.folds,
        "rows": table.n_rows,
        "test_rows": n_test,
        "features": table.n_features,
        "classes": [str(c) for c in problem.classes],
        "warnings": list(problem.warnings),
    }
    found: dict[str, Any] = json.loads(json.dumps(plain, default=_number))
    return found


def _number(value: Any) -> Any:
    """numpy's numbers as Python's."""
    return value.item()


if __name__ == "__main__":
    from hyperllama.models.process.serve import serve

    serve(Desk().handle)
