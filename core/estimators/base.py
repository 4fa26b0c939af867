"""What an estimator family is: a name, a default space, a constructor. One file each beside this.

Names of hyperparameters are scikit-learn's and XGBoost's own. Two spellings are ours, because the
library's argument is no number: an MLP's `hidden_layer_sizes` is `depth` layers of `width` units,
and a fraction of the features stands for `max_features`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperllama.core.space import Config, Param, SearchSpace


@dataclass(frozen=True)
class Facts:
    """What is known of a table before anything is trained.

    Attributes:
        rows: rows used for tuning.
        features: feature columns before encoding.
        classes: number of classes; 0 for regression.
        minority_share: share of the rarest class in [0, 0.5]; 0 for regression.
        categorical_share: share of the features that are categories, in [0, 1].
        missing_share: share of the cells that are empty, in [0, 1].
    """

    rows: int
    features: int
    classes: int = 0
    minority_share: float = 0.0
    categorical_share: float = 0.0
    missing_share: float = 0.0


@dataclass(frozen=True)
class Constructor:
    """The class that implements a configuration, and its arguments."""

    module: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """A family of estimators.

    Attributes:
        name: how task files call it.
        label: how people call it.
        kinds: "classification", "regression" or both.
        cost: 1 (cheap) to 5 (dear) for one fit on a few thousand rows.
        encoding: "onehot" (scaled numbers, one-hot categories) or "ordinal" (codes; for trees).
        missing: whether it copes with empty cells itself.
        params: kind and facts -> the default space, with the library's default configuration.
        constructor: kind, configuration, seed, threads -> the class and its arguments. Unknown
            hyperparameters are passed on, so that a task may add any argument of the class.
        curve: where scores per iteration come from: "", "xgboost", "hist_gradient_boosting", "mlp".
        early_stopping: whether it can stop by a validation part.
        aliases: other libraries' names for the same hyperparameters.
    """

    name: str
    label: str
    kinds: tuple[str, ...]
    cost: int
    encoding: str
    missing: bool
    params: Callable[[str, Facts], list[Param]]
    constructor: Callable[[str, Config, int, int], Constructor]
    curve: str = ""
    early_stopping: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)

    def space(self, kind: str, facts: Facts) -> SearchSpace:
        """The default search space for a table."""
        return SearchSpace(self.params(kind, facts))

    def build(self, kind: str, config: Config, seed: int, threads: int) -> Any:
        """An unfitted estimator.

        Raises:
            TypeError: the class knows no such argument.
        """
        c = self.constructor(kind, config, seed, threads)
        return getattr(importlib.import_module(c.module), c.name)(**c.arguments)

    def source(self, kind: str, config: Config, seed: int) -> str:
        """A Python expression that builds the same estimator, e.g. "SVC(C=1.0, gamma=0.1)"."""
        c = self.constructor(kind, config, seed, 1)
        return f"{c.name}({', '.join(f'{k}={v!r}' for k, v in c.arguments.items())})"

    def imports(self, kind: str) -> str:
        """The import line that `source` needs."""
        c = self.constructor(kind, {}, 0, 1)
        return f"from {c.module} import {c.name}"


def unlimited(value: int | None, limit: int) -> int | None:
    """None (no limit) at the upper end of a range whose library default is None."""
    return None if value is None or value >= limit else int(value)
