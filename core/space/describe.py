"""A search space as plain values, for events and forms, which hold no space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperllama.core.space.domains import Categorical
from hyperllama.core.space.search_space import SearchSpace


def describe_space(
    space: SearchSpace, task: SearchSpace | None = None
) -> tuple[Mapping[str, Any], ...]:
    """The space as `StudyOpened` carries it: plain values that a watcher can draw and check.

    Each has name, text (the domain in words), description, default, type ("float", "integer",
    "categorical"), low, high and log or choices, and "when" (parent, values) if it is conditional.

    Args:
        task: the space as the task has it, where people changed it since. Where a domain differs,
            "task" holds the task's in words and "task_choices" all choices; "frozen" is set where
            one value is left, and "off" where a hyperparameter cannot count any more.
    """
    rows = []
    for original in (task or space).params:
        counts = original.name in space
        param = space[original.name] if counts else original
        domain = param.domain
        row: dict[str, Any] = {
            "name": param.name,
            "text": domain.describe(),
            "description": param.description,
            "default": param.start,
            "type": type(domain).__name__.lower(),
        }
        if isinstance(domain, Categorical):
            row["choices"] = list(domain.choices)
        else:
            row |= {"low": domain.low, "high": domain.high, "log": domain.log}
        if param.frozen:
            row["frozen"] = True
        if domain != original.domain:
            row["task"] = original.domain.describe()
            if isinstance(original.domain, Categorical):
                row["task_choices"] = list(original.domain.choices)
        if not counts:
            row["off"] = True
        if param.when is not None:
            row["when"] = {"parent": param.when.parent, "values": list(param.when.values)}
        rows.append(row)
    return tuple(rows)
