"""Writes a task file for a table: everything that was decided, each with its reason."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.data import FEWEST_ROWS, inspect, toml, too_few_rows
from hyperllama.core.errors import TaskError
from hyperllama.core.estimators import Facts, canonical_name, families, family, joint_space, unknown
from hyperllama.core.space import Categorical, Domain, Float, Param
from hyperllama.core.task.metrics import default_metric, known
from hyperllama.core.text import allowed, shown, table_stem

if TYPE_CHECKING:
    from jinja2 import Template

    from hyperllama.core.data import Kind

Choose = Callable[[list[dict[str, str]]], str]
_METRICS = (
    "roc_auc", "neg_log_loss", "average_precision", "balanced_accuracy", "accuracy", "f1",
    "f1_macro", "r2", "neg_root_mean_squared_error", "neg_mean_absolute_error",
)
"""What is named beside the default metric, where it fits."""


def new_task_file(
    table: Path,
    *,
    target: str | None = None,
    kind: Kind | None = None,
    estimators: Sequence[str] = ("xgboost",),
    task_file: Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool = True,
    choose: Choose | None = None,
) -> str:
    """The text of a task file that runs as it is.

    Args:
        table: CSV, Parquet or Feather.
        target: column to predict; guessed when absent, and the file says that it was.
        kind: "classification" or "regression"; inferred when absent.
        estimators: families to tune.
        task_file: where the text will be written, so that the path in it counts from there.
        separator, encoding: of a CSV; found out when absent.
        header: whether the first row of a CSV names the columns.
        choose: asked where other columns are nearly as probable as the guess: is given them, each
            with "name" and "reason", the guess first, and returns the name of one.

    Raises:
        DataError: the file cannot be read as a table, or has too few rows.
        TaskError: the target is no column or cannot be predicted, or an estimator is unknown.
    """
    names = [_estimator(e) for e in estimators]
    found = _looked(table, target, choose, kind=kind, separator=separator, encoding=encoding,
                    header=header)
    found_kind = found["target"]["kind"]
    for f in map(family, names):
        if found_kind not in f.kinds:
            raise TaskError(f"{f.name} cannot do {found_kind}", allowed(families(found_kind)))
        if f.install_hint:
            raise TaskError(f"{f.label} is not installed", f.install_hint)
    classes = [c["label"] for c in found["target"].get("classes", [])]
    facts = Facts(rows=found["rows"], features=found["features"], classes=len(classes))
    spaces = {n: [space_line(p.name, p) for p in joint_space([n], found_kind, facts)]
              for n in names}
    metric = default_metric(found_kind, len(classes), "kfold")
    fitting = known(found_kind, len(classes))
    return _template().render(
        found=found,
        name=re.sub(r"[^A-Za-z0-9_.-]+", "_", table_stem(table.name))[:60] or "table",
        kind=found_kind,
        metrics=[metric, *(m for m in _METRICS if m in fitting and m != metric)],
        estimators=names,
        others=[f for f in families(found_kind) if f not in names and not family(f).install_hint],
        path=_relative(table, task_file),
        positive=classes[1] if len(classes) == 2 and not _number_like(classes) else "",
        leaks=found["leaks"] if len(found["leaks"]) < found["features"] else [],
        separator=found["separator"] if separator or found["separator"] != "," else "",
        encoding=found["encoding"] if encoding or found["encoding"] != "utf8" else "",
        dropped=[c for c in found["columns"] if c["role"] == "dropped"],
        spaces=spaces,
    )


def _looked(
    table: Path, target: str | None, choose: Choose | None, **options: Any
) -> dict[str, Any]:
    """`inspect` with a target that can be used; a person chooses where candidates are close."""
    found = inspect(table, target, **options)
    if found["file_rows"] < FEWEST_ROWS:
        raise too_few_rows(table, found["file_rows"])
    if found["target"] is None:
        raise TaskError(f"{shown(table.name)}: no column was recognised as the target: "
                        f"{found['warnings'][-1]}",
                        "name it with --target; " + allowed([c["name"] for c in found["columns"]]))
    close = found["target"]["close"]
    if choose is None or not close:
        return found
    guess = {"name": found["target"]["name"], "reason": found["target"]["reason"]}
    chosen = choose([guess, *close])
    if chosen == guess["name"]:
        found["target"]["guessed"] = False
        return found
    return inspect(table, chosen, **options)


def _template() -> Template:
    """The text of a task file, with what depends on its table left open."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )
    made.filters |= {"toml": toml, "shown": shown}
    return made.get_template("new.toml.j2")


def _estimator(name: str) -> str:
    found = canonical_name(name)
    if found is None:
        error = unknown(name)
        raise TaskError(error.message, error.hint)
    return found


def space_line(name: str, param: Param) -> str:
    """The line of a task file that says a hyperparameter's default range."""
    return f"{name} = {_domain(param.domain)}  # {param.description}"


def _domain(domain: Domain) -> str:
    if isinstance(domain, Categorical):
        return "{ choices = " + toml(["none" if c is None else c for c in domain.choices]) + " }"
    low, high = domain.low, domain.high
    if isinstance(domain, Float):
        low, high = float(f"{low:.6g}"), float(f"{high:.6g}")
    return f"{{ low = {low}, high = {high}{', log = true' if domain.log else ''} }}"


def _relative(table: Path, task_file: Path | None) -> str:
    """The table's path from the task file's folder where both are near, else absolute."""
    folder = (task_file.parent if task_file is not None else Path.cwd()).resolve()
    full = table.resolve()
    relative = Path(os.path.relpath(full, folder))
    near = relative.parts.count("..") <= 2
    return relative.as_posix() if near else str(full)


def _number_like(labels: Sequence[str]) -> bool:
    return all(re.fullmatch(r"-?\d+(\.\d+)?", x) for x in labels)
