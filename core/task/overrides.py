"""What a task's [space] does to the default search space: freeze, change, add, condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hyperllama.core.errors import SpaceError, TaskError
from hyperllama.core.estimators import (
    CHOICE,
    Facts,
    Family,
    canonical_name,
    families,
    family,
    joint_space,
    rounds_names,
)
from hyperllama.core.space import (
    Categorical,
    Condition,
    Domain,
    Float,
    Integer,
    Param,
    SearchSpace,
    Value,
    reachable,
)
from hyperllama.core.task.pipeline_space import PREFIX, PipelineFacts, pipeline_params
from hyperllama.core.task.spec import Override, Task
from hyperllama.core.text import allowed, nearest, shown

_OURS = {"random_state", "random_seed", "n_jobs", "thread_count", "verbose", "verbosity",
         "early_stopping_rounds"}
"""Arguments of the library's classes that are set for every trial."""
_ANY_TABLE = Facts(rows=1000, features=20, classes=2, minority_share=0.5, categorical_share=0.5,
                   missing_share=0.1)


def default_space(task: Task, kind: str, facts: Facts, metric: str, dates: bool) -> SearchSpace:
    """The space of a task's families, and of its pipelines where it asks for them.

    Args:
        metric: name of the scorer; empty where it is not known yet.
        dates: whether columns hold parts of dates.
    """
    space = joint_space(task.estimators, kind, facts)
    if task.programs.kind is None:
        return space
    about = PipelineFacts(kind, facts, metric, tuple(task.estimators), dates)
    return SearchSpace([*space, *pipeline_params(about)])


def make_space(
    task: Task, kind: str, facts: Facts, metric: str = "", dates: bool = False
) -> SearchSpace:
    """The search space of a task: the default one with the changes of its [space].

    Args:
        metric, dates: see `default_space`.

    Raises:
        TaskError: a change contradicts itself or what the parameter is, or leaves nothing to tune.
    """
    params = {p.name: p for p in default_space(task, kind, facts, metric, dates)}
    for name, change in task.space.items():
        params[name] = _changed(task, name, params.get(name), change)
    if task.early_stopping_rounds:
        _give_default_all_rounds(task, params)
    ordered = _parents_first(task, params)
    try:
        space = SearchSpace(_possible(task, ordered))
    except SpaceError as error:
        raise task.wrong("space", error.message, error.hint) from error
    if not space.free:
        raise task.wrong("space", "every hyperparameter is frozen, so there is nothing to tune",
                         "leave at least one of them free")
    return space


def _give_default_all_rounds(task: Task, params: dict[str, Param]) -> None:
    """Early stopping finds the number of rounds: the default may have as many as any trial."""
    for name in rounds_names(task.estimators).values():
        p, said = params.get(name), task.space.get(name)
        if p is None or not isinstance(p.domain, Integer):
            continue
        if said is None or (said.default is None and said.value is None):
            params[name] = replace(p, default=p.domain.high)


def check_without_table(task: Task) -> None:
    """Find what is wrong with [space] before a table is there.

    Where the kind is not known yet, a change has to fit classification or regression.

    Raises:
        TaskError: see `make_space`; or an estimator cannot do this kind.
    """
    kinds = (task.kind,) if task.kind else ("classification", "regression")
    failure: TaskError | None = None
    for kind in kinds:
        try:
            check_kind(task, kind)
            make_space(task, kind, _ANY_TABLE, task.metric or "neg_log_loss", dates=True)
            return
        except TaskError as error:
            failure = failure or error
    assert failure is not None
    raise failure


def check_kind(task: Task, kind: str) -> None:
    """Raises TaskError where an estimator of the task cannot do `kind`."""
    for name in task.estimators:
        if kind not in family(name).kinds:
            raise task.wrong("estimators", f"{name} cannot do {kind}", allowed(families(kind)))


def check_installed(task: Task) -> None:
    """Raises TaskError where the library of an estimator of the task is not installed."""
    for name in task.estimators:
        f = family(name)
        if hint := f.install_hint:
            raise task.wrong("estimators", f"{f.label} is not installed", hint)


def check_additions(task: Task, kind: str, facts: Facts) -> None:
    """Check added hyperparameters against the library's own classes.

    Imports a learning library, but only for a task that leaves the default space.

    Raises:
        TaskError: the class knows no such argument.
    """
    default = joint_space(task.estimators, kind, facts)
    for name in task.space:
        if name in default or name.startswith(PREFIX):
            continue
        chosen, own = _owner(task, name)
        known = _arguments(chosen, kind)
        if own not in known:
            own_names = [p.name for p in chosen.params(kind, facts)]
            guess = nearest(own, own_names) or nearest(own, known)
            hint = f"did you mean {shown(guess)}? " if guess else ""
            problem = f"{chosen.name} has no such hyperparameter for {kind}"
            raise task.wrong(f"space.{name}", problem,
                             f"{hint}{allowed(own_names)}; or any argument of the library's class")


def _arguments(chosen: Family, kind: str) -> list[str]:
    """The names of the arguments of the family's class that a task may set."""
    import inspect

    made: Any = chosen.build(kind, {}, 0, 1)
    named = {p.name for p in inspect.signature(type(made)).parameters.values()
             if p.kind is not p.VAR_KEYWORD}
    return sorted((named | set(made.get_params()) | chosen.more_arguments) - _OURS)


def _owner(task: Task, name: str) -> tuple[Family, str]:
    """The family a name of the joint space belongs to, and its own name there."""
    if len(task.estimators) == 1:
        return family(task.estimators[0]), name
    prefix, _, own = name.partition(".")
    return family(prefix), own


def _none(value: Value) -> Value:
    return None if value == "none" else value


def _changed(task: Task, name: str, old: Param | None, change: Override) -> Param:
    key = f"space.{name}"
    if old is None and name.startswith(PREFIX):
        raise task.wrong(key, "is no choice of the pipeline here",
                         'it needs [programs] kind = "pipeline", and a table where it has an '
                         "effect")
    when = old.when if old is not None else None
    if change.when is not None:
        when = _condition(task, name, change)
    elif old is None and len(task.estimators) > 1:
        when = Condition(CHOICE, (name.partition(".")[0],))
    try:
        domain = _domain(task, key, old.domain if old is not None else None, change)
    except SpaceError as error:
        raise task.wrong(key, error.message, error.hint) from error
    default = old.default if old is not None else None
    if change.default is not None:
        default = _none(change.default)
        if not domain.contains(default):
            raise task.wrong(f"{key}.default", f"{shown(change.default)} is outside",
                             f"allowed: {domain.describe()}")
    if "value" in change.model_fields_set:
        default = _none(change.value)
    description = change.description or (old.description if old is not None else "")
    kept = tuple(pair for pair in old.prior if domain.contains(pair[0])) if old else ()
    return Param(name, domain, default, description, when, kept)


def _domain(task: Task, key: str, was: Domain | None, change: Override) -> Domain:
    """The new domain of one parameter; `was` is None for one that is added."""
    if "value" in change.model_fields_set:
        return _frozen(task, key, was, _none(change.value))
    if change.choices is not None:
        return Categorical(tuple(_none(c) for c in change.choices))
    if change.low is None and change.high is None and isinstance(was, Categorical):
        if change.log is not None or change.step is not None or change.type is not None:
            raise task.wrong(key, "is a choice, so it has no scale", f"allowed: {was.describe()}")
        return was
    if was is None or isinstance(was, Categorical):
        if change.low is None or change.high is None:
            missing = "low" if change.low is None else "high"
            what = "is new here" if was is None else "is a choice"
            raise task.wrong(key, f"{what}, so it needs `{missing}` too",
                             "write { low = ..., high = ... }, { choices = [...] } or a bare value")
        whole = isinstance(change.low, int) and isinstance(change.high, int)
        integer = change.type == "integer" or (change.type is None and whole)
        low, high, log, step = change.low, change.high, bool(change.log), change.step
    else:
        integer = isinstance(was, Integer) if change.type is None else change.type == "integer"
        low = was.low if change.low is None else change.low
        high = was.high if change.high is None else change.high
        log = was.log if change.log is None else change.log
        step = change.step
        if change.low is not None and change.low > high:
            raise task.wrong(f"{key}.low", f"{change.low!r} is above high = {high!r}",
                             f"the default space says {was.describe()}; set `high` too")
        if change.high is not None and change.high < low:
            raise task.wrong(f"{key}.high", f"{change.high!r} is below low = {low!r}",
                             f"the default space says {was.describe()}; set `low` too")
        if change.log is None and change.low is not None and change.low <= 0:
            log = False
    if not integer:
        return Float(float(low), float(high), log, None if step is None else float(step))
    for end, value in (("low", low), ("high", high), ("step", step)):
        if value is not None and not float(value).is_integer():
            raise task.wrong(f"{key}.{end}", f"{value!r} is not allowed", "allowed: a whole number")
    return Integer(int(low), int(high), log, 1 if step is None else int(step))


def _frozen(task: Task, key: str, was: Domain | None, value: Value) -> Domain:
    """The domain with one value only; a number may lie outside the default bounds."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(was, (Float, Integer)) and isinstance(value, str):
        raise task.wrong(key, f"{shown(value)} is not allowed", f"allowed: {was.describe()}")
    if isinstance(was, Float) and number:
        return Float(float(value), float(value))  # type: ignore[arg-type]
    if isinstance(was, Integer) and number:
        if not float(value).is_integer():  # type: ignore[arg-type]
            raise task.wrong(key, f"{value!r} is not allowed", f"allowed: {was.describe()}")
        return Integer(int(value), int(value))  # type: ignore[arg-type]
    if isinstance(was, Categorical) and not was.contains(value):
        raise task.wrong(key, f"{shown(value)} is not allowed",
                         f"{allowed([str(c) for c in was.choices], str(value))}; "
                         "any other value of the library goes in { choices = [...] }")
    return Categorical((value,))


def _condition(task: Task, name: str, change: Override) -> Condition:
    assert change.when is not None
    parent, values = next(iter(change.when.items()))
    if len(task.estimators) > 1:
        prefix, dot, _ = parent.partition(".")
        if not (dot and canonical_name(prefix)) and parent != CHOICE:
            parent = f"{name.partition('.')[0]}.{parent}"
    return Condition(parent, tuple(_none(v) for v in values))


def _parents_first(task: Task, params: dict[str, Param]) -> list[Param]:
    """The parameters with parents before children, otherwise in their order."""
    done: dict[str, Param] = {}
    open_: list[str] = []

    def visit(p: Param) -> None:
        if p.name in done:
            return
        if p.name in open_:
            raise task.wrong(f"space.{p.name}.when", "the conditions form a circle")
        if p.when is not None:
            if p.when.parent not in params:
                raise task.wrong(f"space.{p.name}.when",
                                 f"unknown hyperparameter {shown(p.when.parent)}",
                                 allowed([n for n in params if n != p.name], p.when.parent))
            open_.append(p.name)
            visit(params[p.when.parent])
            open_.remove(p.name)
        done[p.name] = p

    for p in params.values():
        visit(p)
    return list(done.values())


def _possible(task: Task, params: Sequence[Param]) -> list[Param]:
    """The parameters that can count; those whose parent never has such a value are left out."""
    kept = {p.name: p for p in reachable(params)}
    for p in params:
        if p.when is not None and p.name in task.space and p.name not in kept:
            parent = kept.get(p.when.parent)
            can = parent.domain.describe() if parent else "nothing"
            raise task.wrong(f"space.{p.name}", "has no effect: it counts only while "
                             f"{p.when.parent} is one of {list(p.when.values)!r}",
                             f"{p.when.parent} can be {can}")
    return list(kept.values())
