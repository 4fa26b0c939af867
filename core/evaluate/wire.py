"""A resolved problem as JSON: the child holds the table, the parent needs everything else of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hyperllama.core.data.table import Column
from hyperllama.core.estimators import Facts
from hyperllama.core.space import (
    Categorical,
    Condition,
    Domain,
    Float,
    Integer,
    Param,
    SearchSpace,
)
from hyperllama.core.task import Problem, Task, Validation

_DOMAINS: Mapping[str, type[Any]] = {"float": Float, "integer": Integer, "categorical": Categorical}


def problem_to_wire(problem: Problem) -> dict[str, Any]:
    """Everything of a problem but its task, which both sides read from the same file."""
    return {
        "kind": problem.kind,
        "metric": problem.metric,
        "space": [_param_to_wire(p) for p in problem.space.params],
        "facts": asdict(problem.facts),
        "estimators": list(problem.estimators),
        "columns": [asdict(c) for c in problem.columns],
        "target": problem.target,
        "classes": list(problem.classes),
        "validation": problem.validation.model_dump(),
        "fingerprint": problem.fingerprint,
        "warnings": list(problem.warnings),
    }


def problem_from_wire(message: Mapping[str, Any], task: Task) -> Problem:
    """The problem that `problem_to_wire` described."""
    return Problem(
        task=task,
        kind=message["kind"],
        metric=message["metric"],
        space=SearchSpace(_param_from_wire(p) for p in message["space"]),
        facts=Facts(**message["facts"]),
        estimators=tuple(message["estimators"]),
        columns=tuple(
            Column(**{**c, "categories": tuple(c["categories"])}) for c in message["columns"]
        ),
        target=message["target"],
        classes=tuple(message["classes"]),
        validation=Validation.model_validate(message["validation"]),
        fingerprint=message["fingerprint"],
        warnings=tuple(message["warnings"]),
    )


def _param_to_wire(p: Param) -> dict[str, Any]:
    return {
        "name": p.name,
        "type": next(k for k, v in _DOMAINS.items() if isinstance(p.domain, v)),
        "domain": asdict(p.domain),
        "default": p.default,
        "description": p.description,
        "when": None if p.when is None else [p.when.parent, list(p.when.values)],
    }


def _param_from_wire(message: Mapping[str, Any]) -> Param:
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in message["domain"].items()}
    domain: Domain = _DOMAINS[message["type"]](**fields)
    when = message["when"]
    return Param(
        message["name"],
        domain,
        message["default"],
        message["description"],
        None if when is None else Condition(when[0], tuple(when[1])),
    )
