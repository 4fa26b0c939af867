"""A trial's pipeline as a program: a text that people read, change and export.

The text keeps the contract of `core.programs`; its numbers are the defaults of `build` and of
SPACE. HyperLlama trains the recipe that the text is made from, so no sandbox is needed for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hyperllama.core.estimators import Constructor, family, split
from hyperllama.core.evaluate.pipeline import NamedColumns, imports, source
from hyperllama.core.evaluate.steps import ColumnLayout, FitSetting, trial_recipe
from hyperllama.core.space import Categorical, Config, Float, Integer, SearchSpace
from hyperllama.core.task.pipeline_space import PREFIX

_PHRASES = {
    ("vote", "linear"): "averaged with a linear model",
    ("vote", "trees"): "averaged with extremely randomised trees",
    ("vote", "both"): "averaged with a linear model and extremely randomised trees",
    ("numbers", "ranks"): "numbers as ranks",
    ("numbers", "splines"): "numbers as smooth curves",
    ("categories", "columns"): "a column for each category",
    ("categories", "targets"): "mean targets of categories",
    ("missing", "marked"): "empty cells marked",
    ("dates", "circles"): "dates that begin anew",
    ("added", "products"): "with products of numbers",
    ("added", "aggregates"): "with mean and spread of each row",
    ("added", "components"): "with principal components",
    ("kept", "best"): "on the best columns",
    ("target", "ranks"): "of the target's ranks",
    ("target", "logs"): "of the target's logarithm",
    ("weights", "balanced"): "classes count alike",
    ("calibration", "sigmoid"): "probabilities corrected by a sigmoid",
    ("calibration", "isotonic"): "probabilities corrected step by step",
}


class _NamedFloat(float):
    """A number that a text calls by a name."""

    name: str

    def __repr__(self) -> str:
        return self.name


class _NamedInteger(int):
    """A whole number that a text calls by a name."""

    name: str

    def __repr__(self) -> str:
        return self.name


def summary(config: Config, estimators: Sequence[str]) -> str:
    """What a configuration of a pipeline tries, in one line."""
    name, _ = split(config, estimators)
    chosen = ((k.removeprefix(PREFIX), v) for k, v in config.items() if k.startswith(PREFIX))
    said = [_PHRASES[pair] for pair in chosen if pair in _PHRASES]
    return f"{family(name).label}{', ' if said else ' as it is'}{', '.join(said)}."


def program_text(
    config: Config, space: SearchSpace, setting: FitSetting, line: str = ""
) -> str:
    """The program of a configuration; `build` without values gives the trial's pipeline.

    Args:
        line: what its writer says that it tries; the docstring begins with it.
    """
    named, entries, arguments = _named(config, space)
    _, recipe, _ = trial_recipe(named, setting)
    columns = setting.columns
    body = source(_with_names(recipe, columns), "    ")
    used = [n for n in entries if re.search(rf"(?<![\w\"']){n}\b(?!=)", body)]
    said = summary(config, setting.estimators)
    lines = [f'"""{said}"""'] if line in ("", said) else [f'"""{line}', "", said, '"""']
    lines += ["", *imports(recipe), ""]
    if used:
        lines += ["SPACE = {", *(f'    "{n}": {entries[n]},' for n in used), "}", ""]
    taken = "".join(f",\n    {n}={arguments[n]}" for n in used)
    opened = "\n    columns, task" if used else "columns, task"
    lines += ["", f"def build({opened}{taken}{',' if used else ''}{chr(10) if used else ''}):"]
    for name, test in _tests(columns).items():
        if re.search(rf"(?<!['\"])\b{name}\b", body):
            lines.append(f"    {name} = [c.position for c in columns if {test}]")
    return "\n".join([*lines, f"    return {body}", ""])


def _named(config: Config, space: SearchSpace) -> tuple[Config, dict[str, str], dict[str, str]]:
    """The configuration with numbers that know their names; SPACE's entries; values by name."""
    named: Config = dict(config)
    entries: dict[str, str] = {}
    values: dict[str, str] = {}
    for full, value in config.items():
        domain, name = space[full].domain, full.rpartition(".")[2]
        if isinstance(domain, Categorical) or not name.isidentifier() or name in entries:
            continue
        made: _NamedFloat | _NamedInteger
        made = _NamedFloat(value) if isinstance(domain, Float) else _NamedInteger(value)
        made.name = name
        named[full], values[name] = made, repr(value)
        entries[name] = _entry(domain, value)
    return named, entries, values


def _entry(domain: Float | Integer, value: float) -> str:
    log = ', "log": True' if domain.log else ""
    return f'{{"low": {domain.low!r}, "high": {domain.high!r}{log}, "default": {value!r}}}'


def _tests(columns: ColumnLayout) -> dict[str, str]:
    """Names of lists of columns, and the test that makes each in a program."""
    parts = {f"{part}s": f'c.name.endswith("({part})")' for part in columns.periods}
    numbers = 'c.kind != "category"'
    circular = "".join(f" and not {test}" for test in parts.values())
    found = {"numbers": numbers, "categories": 'c.kind == "category"'}
    return {**found, **({"plain_numbers": numbers + circular} if parts else {}), **parts}


def _with_names(value: Any, columns: ColumnLayout) -> Any:
    """The recipe with lists of columns called by their names."""
    lists = {
        "categories": columns.categories, "numbers": columns.every_number,
        "plain_numbers": columns.numbers, **{f"{p}s": at for p, at in columns.periods.items()},
    }  # fmt: skip
    if isinstance(value, Constructor):
        changed = {k: _with_names(v, columns) for k, v in value.arguments.items()}
        return Constructor(value.module, value.name, changed)
    if isinstance(value, list) and value and all(type(v) is int for v in value):
        return next((NamedColumns(n, at) for n, at in lists.items() if at == value), value)
    if isinstance(value, (list, tuple)):
        return type(value)(_with_names(v, columns) for v in value)
    return value
