"""From a configuration to one scikit-learn pipeline over the numeric table.

A pipeline is first a recipe, a tree of `Constructor`s. `built` makes the objects from it and
`source` the Python text for the exported script, so the two cannot drift apart. Everything that is
learned from data (medians, scales, which categories are rare) is learned inside the fold.
"""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperllama.core.estimators import Constructor, Family, family
from hyperllama.core.space import Config

RARE_SHARE = 0.005
"""Categories with a smaller share of the training rows are put together in one column."""
MOST_CATEGORIES = 32
"""Columns that one category column becomes at most."""


@dataclass(frozen=True)
class Reference:
    """A function that is handed on, not called."""

    module: str
    name: str


class NamedColumns(list[int]):
    """Positions of columns that a text calls by a name."""

    def __init__(self, name: str, positions: Sequence[int]) -> None:
        super().__init__(positions)
        self.name = name


def build_pipeline(
    name: str, kind: str, params: Config, categorical: Sequence[bool], seed: int,
    threads: int = 1, *, response: str = "",
) -> Any:
    """An unfitted `sklearn.pipeline.Pipeline` for the columns of X.

    Args:
        name: the family.
        kind: "classification" or "regression".
        params: the family's own hyperparameters.
        categorical: per column of X, whether it holds category codes; shape (n_columns,).
        seed, threads: of the estimator.
        response: what the scorer asks the model for; "predict_proba" calibrates an SVM.

    Raises:
        TypeError: the estimator has no such hyperparameter.
    """
    return built(recipe(name, kind, params, categorical, seed, threads, response=response))


def recipe(
    name: str, kind: str, params: Config, categorical: Sequence[bool], seed: int,
    threads: int = 1, *, response: str = "",
) -> Constructor:
    """`build_pipeline`'s pipeline: "prepare" (where anything is to be done) and "model"."""
    f = family(name)
    prepare = _preparation(f, categorical)
    steps = [("prepare", prepare)] if prepare is not None else []
    model = model_recipe(f, kind, params, seed, threads, response)
    return Constructor("sklearn.pipeline", "Pipeline", {"steps": [*steps, ("model", model)]})


def model_recipe(
    f: Family, kind: str, params: Config, seed: int, threads: int, response: str
) -> Constructor:
    """The estimator, in what its target or its probabilities need."""
    model = f.constructor(kind, params, seed, threads)
    if kind == "regression" and f.scale_target:
        scaled = {"regressor": model, "transformer": scaler()}
        return Constructor("sklearn.compose", "TransformedTargetRegressor", scaled)
    if kind == "classification" and response == "predict_proba" and not f.probabilities:
        calibrated = {"estimator": model, "cv": 3, "ensemble": False}
        return Constructor("sklearn.calibration", "CalibratedClassifierCV", calibrated)
    return model


def _preparation(f: Family, categorical: Sequence[bool]) -> Constructor | None:
    numbers = [i for i, c in enumerate(categorical) if not c]
    categories = [i for i, c in enumerate(categorical) if c]
    parts: list[tuple[str, Constructor, list[int]]] = []
    if f.encoding == "onehot":
        fill = imputer(strategy="median", add_indicator=True, keep_empty_features=True)
        scale = Constructor(
            "sklearn.pipeline", "Pipeline", {"steps": [("fill", fill), ("scale", scaler())]}
        )
        parts = [("numbers", scale, numbers), ("categories", one_hot(), categories)]
    elif not f.missing:
        median = imputer(strategy="median", keep_empty_features=True)
        own_code = imputer(strategy="constant", fill_value=-1.0, keep_empty_features=True)
        parts = [("numbers", median, numbers), ("categories", own_code, categories)]
    used = [part for part in parts if part[2]]
    if not used:
        return None
    return Constructor("sklearn.compose", "ColumnTransformer", {"transformers": used})


def one_hot() -> Constructor:
    """A column for each category; rare ones share one."""
    return Constructor(
        "sklearn.preprocessing",
        "OneHotEncoder",
        {
            "handle_unknown": "infrequent_if_exist",
            "min_frequency": RARE_SHARE,
            "max_categories": MOST_CATEGORIES,
            "sparse_output": False,
        },
    )


def imputer(**arguments: Any) -> Constructor:
    """Fills empty cells."""
    return Constructor("sklearn.impute", "SimpleImputer", arguments)


def scaler() -> Constructor:
    """Standardises."""
    return Constructor("sklearn.preprocessing", "StandardScaler", {})


def built(value: Any) -> Any:
    """The object that a recipe describes."""
    if isinstance(value, Constructor):
        maker = getattr(importlib.import_module(value.module), value.name)
        return maker(**{k: built(v) for k, v in value.arguments.items()})
    if isinstance(value, Reference):
        return getattr(importlib.import_module(value.module), value.name)
    if isinstance(value, (list, tuple)):
        return type(value)(built(v) for v in value)
    return value


def source(value: Any, indent: str = "") -> str:
    """The recipe as a Python expression; nested calls are indented."""
    inner = indent + "    "
    if isinstance(value, Constructor):
        arguments = [f"{k}={source(v, inner)}" for k, v in value.arguments.items()]
        flat = f"{value.name}({', '.join(arguments)})"
        if "\n" not in flat and len(indent) + len(flat) <= 88:
            return flat
        return f"{value.name}(\n" + "".join(f"{inner}{a},\n" for a in arguments) + f"{indent})"
    if isinstance(value, (Reference, NamedColumns)):
        return value.name
    if isinstance(value, tuple):
        return f"({', '.join(source(v, indent) for v in value)}{',' * (len(value) == 1)})"
    if isinstance(value, list) and not all(isinstance(v, int) for v in value):
        if not any(isinstance(v, (Constructor, tuple)) for v in value):
            return f"[{', '.join(source(v, inner) for v in value)}]"
        items = "".join(f"{inner}{source(v, inner)},\n" for v in value)
        return f"[\n{items}{indent}]"
    if isinstance(value, list):
        return textwrap.fill(repr(value), 96, subsequent_indent=inner)
    return repr(value)


def imports(value: Any) -> list[str]:
    """The import lines that `source` of the recipe needs, sorted."""
    names: dict[str, set[str]] = {}
    for c in _named(value):
        names.setdefault(c.module, set()).add(c.name)
    return [f"from {m} import {', '.join(sorted(n))}" for m, n in sorted(names.items())]


def _named(value: Any) -> Iterator[Constructor | Reference]:
    """What a recipe takes from libraries."""
    if isinstance(value, (Constructor, Reference)):
        yield value
    inner = value.arguments if isinstance(value, Constructor) else value
    if isinstance(inner, Mapping):
        inner = list(inner.values())
    if isinstance(inner, (list, tuple)):
        for v in inner:
            yield from _named(v)
