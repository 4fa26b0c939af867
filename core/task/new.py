"""Writes a task file for a table: everything that was decided, each with its reason."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.data import inspect
from hyperllama.core.errors import TaskError
from hyperllama.core.estimators import Facts, canonical_name, families, family, joint_space, unknown
from hyperllama.core.space import Categorical, Domain, Float, Param, Value
from hyperllama.core.task.metrics import default_metric, known
from hyperllama.core.text import allowed, shown

if TYPE_CHECKING:
    from hyperllama.core.data import Kind

_MANY_ROWS = 200_000
_SUBSAMPLE_ROWS = 50_000
_SLOW_ROWS = 20_000
_DOTTED = re.compile(r"[A-Za-z0-9_-]+")


def new_task_file(
    table: Path,
    *,
    target: str | None = None,
    kind: Kind | None = None,
    estimators: Sequence[str] = ("xgboost",),
    task_file: Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> str:
    """The text of a task file that runs as it is.

    Args:
        table: CSV, Parquet or Feather.
        target: column to predict; guessed when absent, and the file says that it was.
        kind: "classification" or "regression"; inferred when absent.
        estimators: families to tune.
        task_file: where the text will be written, so that the path in it counts from there.
        separator, encoding: of a CSV; found out when absent.

    Raises:
        DataError: the file cannot be read as a table.
        TaskError: the target is no column or cannot be predicted, or an estimator is unknown.
    """
    names = [_estimator(e) for e in estimators]
    found = inspect(table, target, kind=kind, separator=separator, encoding=encoding)
    if found["target"] is None:
        raise TaskError(f"{shown(table.name)}: no column was recognised as the target: "
                        f"{found['warnings'][-1]}",
                        "name it with --target; " + allowed([c["name"] for c in found["columns"]]))
    aim = found["target"]
    classes = [c["label"] for c in aim.get("classes", [])]
    lines = _head(table, found, aim, classes, names)
    lines += _data(table, task_file, found, aim, classes, separator, encoding)
    lines += _space(aim["kind"], found, len(classes), names)
    lines += _rest(found, aim["kind"])
    return "\n".join(lines) + "\n"


def _estimator(name: str) -> str:
    found = canonical_name(name)
    if found is None:
        raise TaskError(*unknown(name))
    return found


def _head(
    table: Path, found: dict[str, Any], aim: dict[str, Any], classes: list[str], names: list[str]
) -> list[str]:
    metric = default_metric(aim["kind"], len(classes), "kfold")
    others = [m for m in _usual(aim["kind"], len(classes)) if m != metric]
    rest = [f for f in families(aim["kind"]) if f not in names]
    lines = [f"# {line}" for line in found["summary"]]
    lines += [f"# Note: {' '.join(w.split())}" for w in found["warnings"]]
    return [
        *lines,
        "",
        f"name = {_toml(re.sub(r'[^A-Za-z0-9_.-]+', '_', _stem(table))[:60] or 'table')}",
        f"kind = {_toml(aim['kind'])}",
        f"metric = {_toml(metric)}  # greater is better; also: {', '.join(others)}, ...",
        f"estimators = {_toml(names)}",
        f"# also: {', '.join(rest)}; with several the choice among them is tuned too",
        "seed = 0",
        "# early_stopping_rounds = 20  # boosters stop on a part of the training rows",
        "# What the model should know of the rows and of what matters:",
        'notes = ""',
        "",
    ]


def _usual(kind: str, classes: int) -> list[str]:
    listed = ("roc_auc", "neg_log_loss", "average_precision", "balanced_accuracy", "accuracy",
              "f1", "f1_macro", "r2", "neg_root_mean_squared_error", "neg_mean_absolute_error")
    fitting = known(kind, classes)
    return [m for m in listed if m in fitting]


def _data(
    table: Path, task_file: Path | None, found: dict[str, Any], aim: dict[str, Any],
    classes: list[str], separator: str | None, encoding: str | None,
) -> list[str]:
    lines = ["[data]", f"path = {_toml(_relative(table, task_file))}"]
    remark = "" if not aim["guessed"] else "  # guessed by its name"
    if aim["guessed"] and not aim["certain"]:
        remark = "  # a guess: the last column that can be one"
    lines.append(f"target = {_toml(aim['name'])}{remark}")
    if len(classes) == 2 and not _number_like(classes):
        lines.append(f"positive = {_toml(classes[1])}  # what f1, recall, ... look for")
    if separator or found["separator"] not in ("", ","):
        lines.append(f"separator = {_toml(found['separator'])}")
    if encoding or found["encoding"] not in ("", "utf8"):
        lines.append(f"encoding = {_toml(found['encoding'])}")
    automatic = [c for c in found["columns"] if c["role"] == "dropped"]
    lines += [f"# not used: {shown(c['name'])}: {c['note']}" for c in automatic[:20]]
    if any(c["kind"] in ("id", "text") for c in automatic):
        lines.append("# keep = []  # columns to use all the same")
    lines.append("drop = []  # columns that are not known when a prediction is needed")
    if found["rows"] > _SLOW_ROWS:
        sign, rows = ("", _SUBSAMPLE_ROWS) if found["rows"] > _MANY_ROWS else ("# ", 10_000)
        lines.append(f"{sign}subsample_rows = {rows}  # of {found['rows']}; fewer are faster")
    return [*lines, ""]


def _space(kind: str, found: dict[str, Any], classes: int, names: list[str]) -> list[str]:
    facts = Facts(rows=found["rows"], features=found["features"], classes=classes)
    lines = ["# What is varied by default. A line without its # changes it; a bare value holds it."]
    for name in names:
        if kind not in family(name).kinds:
            raise TaskError(f"{name} cannot do {kind}", allowed(families(kind)))
        lines.append("[space]" if len(names) == 1 else f"[space.{name}]")
        lines += [f"# {space_line(p.name, p)}" for p in joint_space([name], kind, facts)]
    return [*lines, ""]


def space_line(name: str, param: Param) -> str:
    """The line of a task file that says a hyperparameter's default range."""
    return f"{name} = {_domain(param.domain)}  # {param.description}"


def _domain(domain: Domain) -> str:
    if isinstance(domain, Categorical):
        return "{ choices = " + _toml(["none" if c is None else c for c in domain.choices]) + " }"
    low, high = domain.low, domain.high
    if isinstance(domain, Float):
        low, high = float(f"{low:.6g}"), float(f"{high:.6g}")
    return f"{{ low = {low}, high = {high}{', log = true' if domain.log else ''} }}"


def _rest(found: dict[str, Any], kind: str) -> list[str]:
    method = "stratified" if kind == "classification" else "kfold"
    folds = 5 if found["rows"] <= _SLOW_ROWS else 3
    dates = [c["name"] for c in found["columns"] if c["kind"] == "date"]
    return [
        "[validation]",
        f'method = "{method}"  # also: split, group (with group = "column"), time',
        *(f'# time = {_toml(d)}  # with method "time": learn from the past' for d in dates[:1]),
        f"folds = {folds}",
        "test_share = 0.2  # test rows, set aside until the end",
        "",
        "[budget]",
        "trials = 20",
        "# minutes = 30",
        "",
        "[limits]",
        "trial_seconds = 300",
        "# trial_memory_mb = 4000",
        "# threads = 2",
    ]


def _stem(table: Path) -> str:
    return re.sub(r"\.(csv|tsv|txt|parquet|feather|arrow|gz|zst)", "", table.name, flags=re.I)


def _relative(table: Path, task_file: Path | None) -> str:
    """The table's path from the task file's folder where both are near, else absolute."""
    folder = (task_file.parent if task_file is not None else Path.cwd()).resolve()
    full = table.resolve()
    relative = Path(os.path.relpath(full, folder))
    near = relative.parts.count("..") <= 2
    return relative.as_posix() if near else str(full)


def _number_like(labels: Sequence[str]) -> bool:
    return all(re.fullmatch(r"-?\d+(\.\d+)?", x) for x in labels)


def _toml(value: Value | Sequence[Value]) -> str:
    """A TOML value; control characters and what hides text on a screen are escaped."""
    if isinstance(value, str):
        return re.sub(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]",
                      lambda m: f"\\u{ord(m[0]):04x}", json.dumps(value, ensure_ascii=False))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value)
