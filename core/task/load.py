"""From a TOML file to a `Task`, with errors a person can act on."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hyperllama.core.data.source import DataSpec, wrong
from hyperllama.core.errors import SpaceError, TaskError
from hyperllama.core.objectives import COSTS, constraints_of
from hyperllama.core.task import metrics
from hyperllama.core.task.overrides import check_without_table
from hyperllama.core.task.pipeline_space import PREFIX
from hyperllama.core.task.spec import Budget, Limits, Override, Programs, Task, Validation
from hyperllama.core.text import allowed, nearest, one_line, plain, shown
from hyperllama.models.files import read_small

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 1_000_000
_TABLE_SUFFIXES = {".csv", ".tsv", ".gz", ".zst", ".parquet", ".feather", ".arrow", ".txt"}
_MODELS: Mapping[str, type[BaseModel]] = {
    "": Task,
    "data": DataSpec,
    "validation": Validation,
    "budget": Budget,
    "limits": Limits,
    "programs": Programs,
    "space": Override,
}


def load_task(path: str | Path) -> Task:
    """Read and check a task file; the table is not opened, and its path becomes absolute.

    Raises:
        TaskError: names the file, the key, what is wrong and what is allowed.
    """
    file = Path(path).expanduser()
    return parse_task(_text(file), file)


def parse_task(text: str, file: Path) -> Task:
    """Check the text of a task file that is, or will be, at `file`. Raises as `load_task`."""
    raw = _toml(text, file)
    raw.setdefault("name", file.stem)
    _estimators(file, raw)
    _space(file, raw)
    try:
        task = Task.model_validate(raw)
    except ValidationError as error:
        raise _as_task_error(file, raw, error) from error
    folder = file.resolve().parent
    task = task.model_copy(
        update={"data": task.data.model_copy(update={"path": folder / task.data.path})}
    )
    task._file = file.resolve()
    _prompt(task)
    _metrics(task)
    check_without_table(task)
    return task


def _prompt(task: Task) -> None:
    """[prompt] checked, its folder relative to the task file, in place."""
    from hyperllama.core.task.prompt_options import PromptOptions, templates_in

    try:
        PromptOptions.of(task.prompt)
    except SpaceError as error:
        raise task.wrong("prompt", error.message, error.hint) from error
    if task.prompt.get("templates") and task.file is not None:
        named = str(task.prompt["templates"])
        task.prompt["templates"] = templates_in(task.file.parent, named)


def sample_tasks() -> tuple[Path, ...]:
    """The task files that ship with HyperLlama, sorted; empty where they are not installed."""
    folder = Path(__file__).resolve().parents[2] / "sample_tasks"
    return tuple(sorted(folder.glob("*.toml")))


def find_task(given: str | Path) -> Path:
    """A task file by its path, or a sample task by its name.

    Raises:
        TaskError: neither is there.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return path
    kept = path.suffix.lower() not in _TABLE_SUFFIXES and "\0" not in str(path)
    if kept and path.exists() and not path.is_dir():
        return path  # opening it says that it is a pipe, a device, ...
    samples = {p.stem: p for p in sample_tasks()}
    if str(given) in samples:
        return samples[str(given)]
    if path.is_dir():
        raise TaskError(f"{given} is a folder", "name a task file in it")
    if path.suffix.lower() in _TABLE_SUFFIXES:
        hint = f"write a task file first: `hyperllama new {shlex.quote(str(given))}`"
    else:
        written = Path(f"{path}.toml")
        guess = str(written) if written.is_file() else nearest(str(given), samples)
        hint = f"did you mean {shown(guess, 200)}? " if guess else ""
        hint += f"sample tasks: {', '.join(samples)}"
    raise TaskError(f"{given}: there is no such task file", hint)


def standalone_text(path: str | Path) -> str:
    """The text of a task file with the data path made absolute, fit to stand in another folder."""
    import tomlkit

    task = load_task(path)
    document = tomlkit.parse(Path(path).expanduser().read_text(encoding="utf-8-sig"))
    document["data"]["path"] = str(task.data.path)
    if task.prompt.get("templates"):
        document["prompt"]["templates"] = task.prompt["templates"]
    document.setdefault("name", task.name)
    return tomlkit.dumps(document)


def task_text(task: Task) -> str:
    """A task as the text of a task file."""
    import tomlkit

    return tomlkit.dumps(task.model_dump(mode="json", exclude_unset=True, exclude_none=True))


def with_programs(text: str, task: Task, **changes: Any) -> tuple[str, Task]:
    """A task with other [programs]: its text and the task itself."""
    import tomlkit

    document = tomlkit.parse(text)
    document.setdefault("programs", tomlkit.table()).update(changes)
    programs = Programs.model_validate({**task.programs.model_dump(), **changes})
    return tomlkit.dumps(document), task.model_copy(update={"programs": programs})


def with_table(text: str, table: Path) -> str:
    """The text of a task file with another data path."""
    import tomlkit

    document = tomlkit.parse(text)
    document["data"]["path"] = str(table)
    return tomlkit.dumps(document)


def _text(file: Path) -> str:
    """The file's text."""
    hint = "a task file is a small TOML text; `hyperllama new TABLE` writes one from a table"
    try:
        if file.is_file() and (
            file.suffix.lower() in _TABLE_SUFFIXES or file.stat().st_size > _LARGEST_BYTES
        ):
            if file.suffix.lower() in _TABLE_SUFFIXES:
                hint = hint.replace("TABLE", shlex.quote(plain(str(file))))
            raise TaskError(f"{plain(str(file))} is not a task file", hint)
        return read_small(file, _LARGEST_BYTES, TaskError).decode("utf-8-sig")
    except FileNotFoundError as error:
        near = sorted(p.name for p in file.parent.glob("*.toml")) if file.parent.is_dir() else []
        known = f"there: {', '.join(plain(n) for n in near[:10])}" if near else hint
        raise TaskError(f"{plain(str(file))}: there is no such task file", known) from error
    except UnicodeDecodeError as error:
        raise TaskError(f"{plain(file.name)}: not UTF-8 at byte {error.start}", hint) from error
    except OSError as error:
        raise TaskError(f"{plain(str(file))}: {error.strerror or error}", hint) from error


def _toml(text: str, file: Path) -> dict[str, Any]:
    """The text as plain dicts and lists.

    Raises:
        TaskError: it is no TOML; the message names the line, the hint shows it.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        lines = text.splitlines()
        number = int(found[1]) if found else len(lines)
        what = plain(re.sub(r"\s*\(at .*\)$", "", str(error))) or "nested too deeply"
        line = one_line(lines[number - 1] if 0 < number <= len(lines) else "", 100)
        at = "the file ends too soon"
        if line:
            at = f"the line reads: {line}" if found else ""
        raise TaskError(
            f"{plain(file.name)}, line {number}: not valid TOML: {what}",
            at + '; text goes in quotes: path = "data.csv"',
        ) from error


def _estimators(file: Path, raw: dict[str, Any]) -> None:
    """`estimator` or `estimators`, by the families' own names, in place."""
    from hyperllama.core.estimators import canonical_name, families, unknown

    if "estimator" in raw and "estimators" in raw:
        raise wrong(file, "estimator", "excludes `estimators`", "keep one of the two")
    key = "estimator" if "estimator" in raw else "estimators"
    given = raw.pop(key, ["xgboost"])
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed or not all(isinstance(x, str) for x in listed):
        raise wrong(file, key, f"{shown(given)} is no list of names", allowed(families()))
    names = []
    for name in listed:
        known = canonical_name(name)
        if known is None:
            error = unknown(name)
            raise wrong(file, key, error.message, error.hint)
        if known in names:
            raise wrong(file, key, f"{shown(known)} is listed twice", "name each family once")
        names.append(known)
    raw["estimators"] = names


def _space(file: Path, raw: dict[str, Any]) -> None:
    """[space] flattened to the names of the joint space, bare values as {value = ...}, in place."""
    from hyperllama.core.estimators import canonical_name, family

    space = raw.get("space", {})
    if not isinstance(space, dict):
        raise wrong(file, "space", f"{shown(space)} is no table", "allowed: a table [space]")
    names: list[str] = raw["estimators"]
    flat: dict[str, tuple[str, Any]] = {}

    def put(chosen: str, name: str, value: Any, key: str) -> None:
        name = family(chosen).aliases.get(name, name)
        joint = name if len(names) == 1 else f"{chosen}.{name}"
        if joint in flat:
            other = flat[joint][0]
            raise wrong(file, key, f"is the same as {plain(other)}", "keep one of the two")
        flat[joint] = (key, value if isinstance(value, dict) else {"value": value})

    for key, value in space.items():
        path = f"space.{key}"
        if key.startswith(PREFIX) or f"{key}." == PREFIX:
            inner = {key: value} if key.startswith(PREFIX) else {
                f"{PREFIX}{n}": v for n, v in dict(value).items()
            }  # fmt: skip
            flat |= {n: (path, v if isinstance(v, dict) else {"value": v})
                     for n, v in inner.items()}  # fmt: skip
            continue
        prefix, dot, rest = key.partition(".")
        chosen = canonical_name(prefix)
        if chosen is not None and (dot or isinstance(value, dict)):
            if chosen not in names:
                raise wrong(file, path, f"this task does not train {chosen}",
                            f"allowed: {', '.join(names)}; or add it to `estimators`")
            for name, inner in ({rest: value} if dot else value).items():
                put(chosen, name, inner, path if dot else f"{path}.{name}")
        elif len(names) == 1:
            put(names[0], key, value, path)
        elif key == "estimator":
            raise wrong(file, path, "the choice of models is no key of [space]",
                        'set the key estimators = ["..."] above the tables')
        else:
            raise wrong(file, path, "with several estimators it has to name one of them",
                        f"allowed: {', '.join(f'[space.{name}]' for name in names)}")
    raw["space"] = {joint: value for joint, (_, value) in flat.items()}


def _metrics(task: Task) -> None:
    """Check the names of metric, objectives and constraints, and what the constraints say.

    Raises:
        TaskError: see `_metric` and `constraints_of`; or an objective is named twice.
    """
    if task.metric is not None:
        _metric(task, "metric", task.metric)
    for name in task.also:
        if name == task.metric or task.also.count(name) > 1:
            raise task.wrong("also", f"{shown(name)} is named twice", "name each objective once")
    for key, name in [*(("also", n) for n in task.also),
                      *((f"constraints.{n}", n) for n in task.constraints)]:  # fmt: skip
        if name not in COSTS:
            _metric(task, key, name)
    for name, given in task.constraints.items():
        try:
            constraints_of(name, given)
        except TaskError as error:
            raise task.wrong(f"constraints.{name}", error.message, error.hint) from error
    costs = [name for name in task.measured if name in COSTS]
    if costs and task.programs.kind in ("auto", "free"):
        raise task.wrong("programs.kind", f"{costs[0]} of a program that a model wrote cannot be "
                         "measured where the program has no say in it", "allowed: pipeline, bound")
    if task.also and task.limits.racing:
        raise task.wrong("limits.racing", "has no effect with several objectives: a trial that "
                         "loses by the metric may win by another", "leave it out, or `also`")


def _metric(task: Task, key: str, name: str) -> None:
    """Raises TaskError where no scorer has this name, or it is for the other kind of task."""
    costs = [] if key == "metric" else list(COSTS)
    guess = metrics.suggestion(name)
    if not metrics.exists(name):
        near = f"did you mean {shown(guess, 200)}? " if guess else ""
        names = [*costs, *metrics.known(task.kind)]
        raise task.wrong(key, f"scikit-learn has no scorer {shown(name)}",
                         near + allowed(names, "" if guess else name, most=40))
    for_kind = metrics.kind_of(name)
    if task.kind is not None and for_kind not in (None, task.kind):
        raise task.wrong(key, f"{shown(name)} does not fit {task.kind}",
                         allowed([*costs, *metrics.known(task.kind)]))


def _as_task_error(file: Path, raw: Mapping[str, Any], error: ValidationError) -> TaskError:
    """Everything pydantic found, the first in the message, the others in the hint."""
    faults: dict[str, tuple[str, str]] = {}
    for e in error.errors(include_url=False):
        key, problem, hint = _fault(raw, e)
        faults.setdefault(key, (problem, hint))
    (key, (problem, hint)), *others = faults.items()
    more = [f"also {plain(k)}: {p}" + (f" ({h})" if h else "") for k, (p, h) in others[:5]]
    found = wrong(file, key, problem, "\n  ".join(part for part in (hint, *more) if part))
    found.faults = tuple((k, p, h) for k, (p, h) in faults.items())
    return found


def _fault(raw: Mapping[str, Any], e: Any) -> tuple[str, str, str]:
    """Dotted key, what is wrong, what is allowed."""
    kind, loc, context = e["type"], list(e["loc"]), e.get("ctx", {})
    path: list[str] = []
    at: Any = raw
    for part in loc:  # pydantic appends names of union members, which are no keys of the file
        inside = part in at if isinstance(at, Mapping) else (
            isinstance(at, list) and isinstance(part, int) and part < len(at))
        if inside:
            path.append(str(part))
            at = at[part]
        elif kind == "missing" and part == loc[-1]:
            path.append(str(part))
    key = ".".join(path)
    if kind == "extra_forbidden":
        model = _MODELS.get(path[0] if len(path) > 1 else "", Task)
        keys = list(model.model_fields) + (["estimator"] if model is Task else [])
        return key, "unknown key", allowed(keys, str(loc[-1]))
    if kind == "missing":
        wanted = {"data": "a table [data]", "path": "the file with the table",
                  "target": "the column to predict"}.get(str(loc[-1]), "")
        return key, "missing", f"needed: {wanted}" if wanted else ""
    if kind == "value_error":
        return key, plain(str(context.get("error", e["msg"]))), ""
    value = f"{shown(at)} " if not isinstance(at, (Mapping, list)) else ""
    if kind == "literal_error":
        listed = context["expected"].replace(" or ", ", ").split(",")
        options = [o.strip().strip("'") for o in listed]
        return key, f"{value}is not allowed", allowed(options, str(at))
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return key, f"{value}is no table", f"write [{key}] and its keys below"
    return key, f"{value}is not allowed", _wanted(kind, context, e["msg"])


def _wanted(kind: str, context: Mapping[str, Any], message: str) -> str:
    """What pydantic wants instead of a value, in plain words."""
    if kind.startswith("int"):
        return "allowed: a whole number"
    if kind.startswith("float") or kind == "finite_number":
        return "allowed: a number"
    if kind in ("string_type", "path_type", "is_instance_of"):
        return "allowed: text in quotes"
    if kind in ("bool_type", "bool_parsing"):
        return "allowed: true or false"
    for name, words in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
        if name in context:
            return f"allowed: {words} {context[name]}"
    return "allowed: " + plain(message).removeprefix("Input should be ")
