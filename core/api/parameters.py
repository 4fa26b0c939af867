"""What `LlamaSearchCV` searches: hyperparameters of an estimator, and how to set them on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

import numpy as np
from optuna.distributions import BaseDistribution

from hyperllama.core.errors import SpaceError
from hyperllama.core.estimators import Facts, Family, family_of, likely_family
from hyperllama.core.space import Categorical, Config, Domain, Float, Integer, Param, SearchSpace
from hyperllama.core.text import one_line

ALLOWED = "an Optuna distribution, scipy.stats' uniform, loguniform or randint, a list of choices"
_LEFT_ALONE = ("random_state", "random_seed", "n_jobs", "thread_count", "verbosity", "verbose")
_ANY_TABLE = Facts(rows=1000, features=10, classes=2)

Distributions = Union[Mapping[str, Any], SearchSpace]


@dataclass(frozen=True)
class Searched:
    """The search space of an estimator, in the names that the proposers know.

    Attributes:
        space: hyperparameters without the prefix of their pipeline step ("model__").
        family: name of the family that they belong to, or "".
        current: the estimator's own values, under the names of its parameters.
        first: the same as a configuration of the space, as far as it can be written as one; the
            values may lie outside of their domains.
        parameters: configuration -> values under the names of the estimator's parameters.
    """

    space: SearchSpace
    family: str
    current: Mapping[str, Any]
    first: Config | None
    parameters: Callable[[Config], dict[str, Any]]


def given_space(estimator: Any, distributions: Distributions) -> Searched:
    """What a person wants searched.

    Raises:
        SpaceError: a distribution of an unknown kind, or none at all.
        ValueError: the estimator has no such parameter.
    """
    from sklearn.base import clone, is_classifier

    if not isinstance(distributions, (Mapping, SearchSpace)) or not len(distributions):
        raise SpaceError("param_distributions is empty", f"allowed: names -> {ALLOWED}")
    named = _named(distributions)
    clone(estimator).set_params(**{p.name: None for p, _ in named})
    last = [p.name.rpartition("__")[2] for p, _ in named]
    short = {p.name: n if len({*last}) == len(last) else p.name
             for (p, _), n in zip(named, last, strict=True)}
    found = family_of(last_step(estimator)[1])
    usual: dict[str, Any] = {}
    if found is not None:
        kind = "classification" if is_classifier(estimator) else "regression"
        usual = {p.name: p.default for p in found.space(kind, _ANY_TABLE)}
    values = estimator.get_params()
    current = {p.name: values.get(p.name) for p, _ in named}
    first = {
        short[n]: usual.get(short[n]) if v is None else _plain(v) for n, v in current.items()
    }
    space = SearchSpace(
        replace(
            p,
            name=short[p.name],
            default=first[short[p.name]] if p.domain.contains(first[short[p.name]]) else p.default,
            when=p.when and replace(p.when, parent=short[p.when.parent]),
        )
        for p, _ in named
    )
    objects = {short[p.name]: chosen for p, chosen in named}
    long = {s: n for n, s in short.items()}

    def parameters(config: Config) -> dict[str, Any]:
        return {long[n]: objects[n].get(v, v) for n, v in config.items()}

    return Searched(
        space, found.name if found else likely_family(last) or "", current,
        {n: v for n, v in first.items() if space.is_active(n, first)}, parameters,
    )


def default_space(estimator: Any, facts: Facts | None = None) -> Searched:
    """The default search space of the family that an estimator, or a pipeline's last step, is of.

    Arguments that the family sets beside its hyperparameters (for example solver="saga") are set
    where the estimator has the default of its class.

    Raises:
        SpaceError: the estimator belongs to no known family.
    """
    from sklearn.base import is_classifier

    prefix, model = last_step(estimator)
    found = family_of(model)
    if found is None:
        raise SpaceError(
            f"there is no default search space for {type(model).__name__}",
            f"give param_distributions: names -> {ALLOWED}",
        )
    kind = "classification" if is_classifier(model) else "regression"
    space = found.space(kind, facts or _ANY_TABLE)
    own, usual = model.get_params(deep=False), type(model)().get_params(deep=False)
    changed = {k for k, v in own.items() if not _equal(v, usual.get(k))}
    fixed = _fixed(found, kind, space)

    def parameters(config: Config) -> dict[str, Any]:
        arguments = found.arguments(kind, config, 0, 1)
        wanted = {k: v for k, v in arguments.items() if k not in fixed or k not in changed}
        return {prefix + k: v for k, v in wanted.items() if k not in _LEFT_ALONE}

    values = {n: _plain(own[n]) for n in changed if n in space}
    first: Config | None = {p.name: values.get(p.name, p.default) for p in space}
    inside = {n: v for n, v in values.items() if space[n].domain.contains(v)}
    written = found.arguments(kind, space.complete(inside), 0, 1)
    if any(not _equal(own[k], written[k]) for k in changed & set(written) - fixed - set(values)):
        first = None  # an argument such as hidden_layer_sizes that the space writes in other words
    if first is not None:
        first = {n: v for n, v in first.items() if space.is_active(n, first)}
    current = {n: own.get(n.removeprefix(prefix)) for n in parameters(space.default())}
    return Searched(space, found.name, current, first, parameters)


def last_step(estimator: Any) -> tuple[str, Any]:
    """Prefix ("model__") and object of what is tuned: the last step of a pipeline, the regressor of
    a `TransformedTargetRegressor`; of others "" and the estimator itself."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline

    prefix = ""
    while isinstance(estimator, (Pipeline, TransformedTargetRegressor)):
        if isinstance(estimator, Pipeline):
            name, estimator = estimator.steps[-1]
        else:
            name, estimator = "regressor", estimator.regressor
        prefix += f"{name}__"
    return prefix, estimator


def _fixed(family: Family, kind: str, space: SearchSpace) -> set[str]:
    """Arguments that the family sets to the same value whatever the configuration."""
    corners = [np.full(len(space.free), u) for u in (0.05, 0.5, 0.95)]
    every = [family.arguments(kind, space.from_unit(u), 0, 1) for u in corners]
    return {k for k, v in every[0].items()
            if k not in space and all(k in a and _equal(a[k], v) for a in every)}


def _named(distributions: Distributions) -> list[tuple[Param, dict[Any, Any]]]:
    """Each parameter, and the objects that its values stand for where these are no plain values."""
    if isinstance(distributions, SearchSpace):
        return [(p, {}) for p in distributions]
    found = []
    for name, value in distributions.items():
        domain, objects = _domain(str(name), value)
        found.append((Param(str(name), domain), objects))
    return found


def _domain(name: str, value: Any) -> tuple[Domain, dict[Any, Any]]:
    if isinstance(value, BaseDistribution):
        return SearchSpace.from_distributions({name: value})[name].domain, {}
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) and len(value):
        if any(v != v for v in value if isinstance(v, float)):
            raise SpaceError(f"{name}: NaN cannot be searched", "leave it out, or use None")
        objects = {_plain(v): v for v in value}
        plain = {k: v for k, v in objects.items() if v is not k}
        return Categorical(tuple(objects)), plain
    kind = getattr(getattr(value, "dist", None), "name", "")
    if kind in ("uniform", "loguniform", "reciprocal", "randint"):
        low, high = value.support()
        if kind == "randint":
            return Integer(int(low), int(high)), {}
        return Float(float(low), float(high), log=kind != "uniform"), {}
    raise SpaceError(f"{name}: {one_line(repr(value))} cannot be searched", f"allowed: {ALLOWED}")


def _plain(value: Any) -> Any:
    """A value that a search space can hold: itself, or its text."""
    if isinstance(value, np.generic):
        value = value.item()
    known = value is None or isinstance(value, (str, bool, int, float))
    return value if known else one_line(repr(value))


def _equal(a: Any, b: Any) -> bool:
    """Whether two arguments are the same, whatever they are."""
    return a is b or (type(a) is type(b) and repr(a) == repr(b))
