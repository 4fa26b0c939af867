"""A task meets its table: what the file left open is filled in, what does not fit is an error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperllama.core.data import FEWEST_ROWS, Column
from hyperllama.core.estimators import Facts, family
from hyperllama.core.objectives import COSTS, Constraint, Objective, constraints_of
from hyperllama.core.space import SearchSpace
from hyperllama.core.task import metrics
from hyperllama.core.task.overrides import (
    check_additions,
    check_installed,
    check_kind,
    make_space,
)
from hyperllama.core.task.pipeline_space import has_dates
from hyperllama.core.task.spec import Task, Validation
from hyperllama.core.text import allowed, shown

if TYPE_CHECKING:
    from hyperllama.core.data import Table


@dataclass(frozen=True)
class Decided:
    """What a task leaves open, decided with its table; small, holds no table.

    Attributes:
        kind: "classification" or "regression".
        metric: name of a scikit-learn scorer; greater is better.
        facts: of the rows used for tuning, the test part left out.
        columns: the features, in the order of the table's X.
        classes: class labels, the code is the position; empty for regression.
        validation: `method` is set, `folds` is possible with this table.
        fingerprint: of the table.
        warnings: for people, plain text.
    """

    kind: str
    metric: str
    facts: Facts
    columns: tuple[Column, ...]
    classes: tuple[str, ...]
    validation: Validation
    fingerprint: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Problem(Decided):
    """A task with everything decided: the task as it was read, and the space that is tuned."""

    task: Task
    space: SearchSpace

    @property
    def estimators(self) -> tuple[str, ...]:
        """Names of the families."""
        return self.task.estimators

    @property
    def measured(self) -> tuple[str, ...]:
        """What each trial measures beside the metric."""
        return tuple(name for name in self.task.measured if name != self.metric)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The metric and the further objectives; empty where the metric is the only one."""
        also = self.task.also
        return tuple(Objective.of(n) for n in (self.metric, *also)) if also else ()

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The bounds that a trial has to keep."""
        return tuple(c for n, t in self.task.constraints.items() for c in constraints_of(n, t))

    @property
    def target(self) -> str:
        """Name of the target column."""
        return self.task.data.target


def resolve(task: Task, table: Table) -> Problem:
    """Fill in what the task leaves open, from the table that `load_table(task)` made.

    Raises:
        TaskError: the task does not fit the table.
    """
    kind = table.kind
    check_kind(task, kind)
    check_installed(task)
    warnings = list(table.warnings)
    if table.n_rows < FEWEST_ROWS:
        raise task.wrong("data.path", f"{table.n_rows} usable rows are too few to tune on",
                         f"needed: at least {FEWEST_ROWS}")
    if table.n_features == 0:
        reasons = "; ".join(f"{shown(c.name)}: {c.note}" for c in table.dropped[:5])
        raise task.wrong("data", "no column is left to learn from", reasons)
    validation = _validation(task, table, warnings)
    metric = _metric(task, table, str(validation.method))
    if metric in task.also:
        raise task.wrong("also", f"{shown(metric)} is the metric of this table already",
                         "leave it out, or name another `metric`")
    for key, name in (*(("also", n) for n in task.also),
                      *((f"constraints.{n}", n) for n in task.constraints)):  # fmt: skip
        if name not in COSTS:
            _check_scorer(task, table, key, name)
    facts = table.facts(rows=table.n_rows - round(table.n_rows * validation.test_share))
    check_additions(task, kind, facts)
    space = make_space(task, kind, facts, metric, has_dates(table.columns))
    if task.programs.unsandboxed:
        warnings.append("programs are run without a sandbox: they can read files and use the "
                        "network")
    if task.data.weights is not None and task.programs.kind is not None:
        raise task.wrong("data.weights", "has no effect on whole pipelines",
                         "leave it out, or [programs]")
    if task.early_stopping_rounds is not None and task.programs.kind is not None:
        raise task.wrong("early_stopping_rounds", "has no effect on whole pipelines",
                         "leave it out, or [programs]")
    if task.early_stopping_rounds is not None and not any(
        family(n).fit_watched for n in task.estimators
    ):
        warnings.append("early_stopping_rounds has no effect: no estimator here can stop early")
    return Problem(
        task=task,
        kind=kind,
        metric=metric,
        space=space,
        facts=facts,
        columns=table.columns,
        classes=table.classes,
        validation=validation,
        fingerprint=table.fingerprint,
        warnings=tuple(warnings),
    )


def _metric(task: Task, table: Table, method: str) -> str:
    """The task's scorer, checked against the target, or the default one."""
    k = len(table.classes)
    if task.metric is None:
        return metrics.default_metric(table.kind, k, method)
    _check_scorer(task, table, "metric", task.metric)
    return task.metric


def _check_scorer(task: Task, table: Table, key: str, name: str) -> None:
    """Raises TaskError where a scorer does not fit the target."""
    k = len(table.classes)
    fit = metrics.known(table.kind, k)
    guess = metrics.suggestion(name, k)
    hint = (f"did you mean {shown(guess)}? " if guess in fit else "") + allowed(fit)
    if name not in fit and metrics.kind_of(name) is not None:
        what = f"{k} classes" if table.kind == "classification" else "regression"
        raise task.wrong(key, f"{shown(name)} does not fit {what}", hint)
    if table.kind == "regression":
        low = float(table.y.min())
        if (name in metrics.NOT_NEGATIVE and low < 0) or (name in metrics.POSITIVE and low <= 0):
            problem = f"{shown(name)} is undefined for targets like {low:.6g}"
            raise task.wrong(key, problem, hint)
        zeros = int((table.y == 0).sum())
        if name in metrics.NOT_ZERO and zeros:
            problem = (f"{shown(name)} divides by the target, which is 0 in {zeros} of "
                       f"{table.n_rows} rows")
            raise task.wrong(key, problem, hint)


def _validation(task: Task, table: Table, warnings: list[str]) -> Validation:
    """Method decided; fewer folds where classes, groups or rows do not suffice."""
    v = task.validation
    method = v.method
    if method is None:
        method = "stratified" if table.kind == "classification" else "kfold"
        method = "group" if v.group is not None else "time" if v.time is not None else method
    if method == "stratified" and table.kind == "regression":
        raise task.wrong("validation.method", "'stratified' needs classes",
                         "allowed for regression: kfold, group, time, split")
    most, why = table.n_rows // 4, "rows"
    if method == "group":
        if table.groups is None:
            raise task.wrong("validation.group", "the table was read without its groups")
        groups = len(set(table.groups.tolist()))
        if groups < 4:
            raise task.wrong("validation.group", f"{shown(v.group)} names {groups} group(s)",
                             "needed: at least 4 groups; or another method")
        most, why = groups - math.ceil(groups * v.test_share), "groups"
    if method == "time" and table.times is None:
        raise task.wrong("validation.time", "the table was read without its times")
    if method == "stratified":
        fewest = min(table.class_counts)
        most, why = fewest - math.ceil(fewest * v.test_share), "rows in the rarest class"
    folds = max(2, min(v.folds, most))
    if folds < v.folds and method != "split":
        warnings.append(f"{folds} folds instead of {v.folds}: only {most} {why} to share out")
    return v.model_copy(update={"method": method, "folds": folds})
