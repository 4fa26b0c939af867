"""What an estimator family is: its name, its default search space, the classes that it trains.

Names of hyperparameters are those of the library. Two spellings are ours, because the library's
argument is no number: an MLP's `hidden_layer_sizes` is `depth` layers of `width` units, and a
fraction of the features stands for `max_features`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any

from hyperllama.core.errors import pip_install
from hyperllama.core.space import Config, Param, SearchSpace

Curve = tuple[list[float], list[int]]
"""Scores (greater is better) after some training iterations, and those iterations (0-based)."""


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
    """A family of estimators, as the entry points of the group `hyperllama.estimators` give it.

    Attributes:
        name: how task files call it; also the name of its entry point.
        label: how people call it.
        classes: kind of task ("classification", "regression") -> "module:Class"; both or one.
        params: kind and facts -> the default space, with the library's default configuration.
        arguments: kind, configuration, seed, threads -> the arguments of the class. Unknown
            hyperparameters are passed on, so that a task may add any argument of the class.
        cost: 1 (cheap) to 5 (expensive) for one fit on a few thousand rows.
        order: its place in lists, and which of several equally likely families is meant.
        encoding: "onehot" (scaled numbers, one-hot categories) or "ordinal" (codes; for trees).
        missing: whether it copes with empty cells itself.
        scale_target: whether the target of a regression is standardised before the fit.
        probabilities: whether the classifier has `predict_proba`; else it is calibrated for
            metrics that need it.
        train_share: rows of the training part that are scored, as a share of the held-out rows,
            where predicting is expensive. It keeps the cost of the training score within a few
            percent of a trial. None for the usual 1,000 rows.
        fit_watched: fits a model on (x, y) while its loss on (x_watch, y_watch) is followed, and
            returns minus the loss after each iteration: (model, x, y, x_watch, y_watch, rounds).
            Where rows have weights, it is given those of x as `weights`.
            With `rounds` it stops when that many rounds brought nothing; with None the fitted
            model is that of `model.fit(x, y)`. None for families that cannot stop early. Exported
            scripts carry the text of this function, so it imports what it needs itself.
        rounds: the hyperparameter that is the number of boosting rounds; early stopping ends
            before it, and the default then begins with the most that a trial may have.
        curve: (fitted model, x, y) -> `Curve` on these rows, at the price of about one prediction.
            None where `fit_watched` follows the loss at no cost, or nothing does.
        class_weights: argument of the classifier that takes "balanced"; empty where it has none.
        losses: attribute of the fitted model with its training loss after each iteration.
        names: other usual names of the family, in lower case without "_" ("rf"). The names of its
            classes count without being listed.
        aliases: other libraries' names for the same hyperparameters -> the names here.
        embedded_names: hyperparameters -> what the embedded models call them, where that differs.
        more_arguments: arguments that the class takes without naming them in its signature.
        extra: the extra of HyperLlama that installs the library; empty where it always is.
    """

    name: str
    label: str
    classes: Mapping[str, str]
    params: Callable[[str, Facts], list[Param]]
    arguments: Callable[[str, Config, int, int], dict[str, Any]]
    cost: int = 3
    order: int = 1000
    encoding: str = "ordinal"
    missing: bool = False
    scale_target: bool = False
    probabilities: bool = True
    train_share: float | None = None
    fit_watched: Callable[..., list[float]] | None = None
    rounds: str = ""
    curve: Callable[[Any, Any, Any], Curve] | None = None
    class_weights: str = ""
    losses: str = ""
    names: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    embedded_names: Mapping[str, str] = field(default_factory=dict)
    more_arguments: frozenset[str] = frozenset()
    extra: str = ""

    def __post_init__(self) -> None:
        if not self.classes or set(self.classes) - {"classification", "regression"}:
            raise ValueError(f"classes has the keys {sorted(self.classes)}, "
                             "allowed: classification, regression")
        if self.encoding not in ("onehot", "ordinal"):
            raise ValueError(f"encoding is {self.encoding!r}, allowed: onehot, ordinal")
        if self.scale_target and (self.fit_watched or self.curve):
            raise ValueError("with scale_target no loss can be followed: use `losses`")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of task that it can do."""
        return tuple(self.classes)

    @property
    def package(self) -> str:
        """The import name of its library, for example "sklearn"."""
        return re.split("[.:]", next(iter(self.classes.values())))[0]

    @property
    def install_hint(self) -> str:
        """How to install its library; empty where it is installed. Imports nothing."""
        if find_spec(self.package) is not None:
            return ""
        return pip_install(f"hyperllama[{self.extra}]" if self.extra else self.package)

    def space(self, kind: str, facts: Facts) -> SearchSpace:
        """The default search space for a table."""
        return SearchSpace(self.params(kind, facts))

    @property
    def trains_in_parallel(self) -> bool:
        """Whether one fit uses more than one thread."""
        kind = next(iter(self.classes))
        return self.arguments(kind, {}, 0, 1) != self.arguments(kind, {}, 0, 2)

    def constructor(self, kind: str, config: Config, seed: int, threads: int) -> Constructor:
        """The class and the arguments that implement a configuration."""
        module, _, name = self.classes[kind].partition(":")
        return Constructor(module, name, self.arguments(kind, config, seed, threads))

    def estimator_class(self, kind: str) -> Any:
        """The class itself; imports the library.

        Raises:
            ImportError: the library is not installed.
        """
        return EntryPoint("", self.classes[kind], "").load()

    def build(self, kind: str, config: Config, seed: int, threads: int) -> Any:
        """An unfitted estimator.

        Raises:
            TypeError: the class has no such argument.
        """
        return self.estimator_class(kind)(**self.arguments(kind, config, seed, threads))


def both(stem: str) -> dict[str, str]:
    """`Family.classes` of a library that calls its classes `stem` + Classifier and Regressor."""
    return {"classification": f"{stem}Classifier", "regression": f"{stem}Regressor"}
