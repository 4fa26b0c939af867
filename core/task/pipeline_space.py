"""The choices of a pipeline beside its estimator: what `[programs] kind = "pipeline"` adds.

Every choice is first what a study without programs does, so that the default trial is the same. A
choice is offered only where the table gives it something to do. `Param.prior` says how often each
was best on other tables, and `openings` which pipelines a proposer with a model begins with
(`benchmarks/pipeline_priors.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperllama.core.data import Column
from hyperllama.core.estimators import Facts, family
from hyperllama.core.space import (
    Categorical,
    Condition,
    Config,
    Float,
    Integer,
    Param,
    SearchSpace,
)

PREFIX = "pipeline."
_FEWEST_NUMBERS = 4
_MOST_MULTIPLIED = 15
_PROBABILITIES = ("log_loss", "brier")
_CLASSES: tuple[Config, ...] = (
    {"vote": "linear"}, {"vote": "both", "weights": "balanced"},
    {"vote": "both", "own_weight": 2.5},
)  # fmt: skip
_NUMBERS: tuple[Config, ...] = (
    {"vote": "both", "target": "ranks"}, {"vote": "both", "own_weight": 2.5},
    {"vote": "both", "own_weight": 0.4},
)  # fmt: skip
_SHARES: tuple[Config, ...] = ({"vote": "both"}, *_NUMBERS[1:])
"""Pipelines that open: for classes, for numbers, for probabilities. On 33 tables that `bench
programs` is not run on, they did better than the hand-made space's opening on 25 and worse on 6; a
vote, none, and the better of the two again, on 18 and 8 (`benchmarks/pipeline_priors.py`)."""


@dataclass(frozen=True)
class PipelineFacts:
    """What decides which choices a pipeline has.

    Attributes:
        kind: "classification" or "regression".
        facts: of the table.
        metric: name of the scorer; empty where it is not known yet.
        estimators: families that may be trained.
        dates: whether columns hold parts of dates.
    """

    kind: str
    facts: Facts
    metric: str
    estimators: tuple[str, ...]
    dates: bool = True

    @property
    def scaled(self) -> bool:
        """Whether every family gets scaled numbers and one-hot categories."""
        return all(family(n).encoding == "onehot" for n in self.estimators)

    @property
    def coded(self) -> bool:
        """Whether every family gets numbers as they are and codes of categories."""
        return all(family(n).encoding == "ordinal" for n in self.estimators)


def has_dates(columns: Sequence[Column]) -> bool:
    """Whether a column repeats itself: months, weekdays, hours."""
    return any(c.part in PERIODS for c in columns)


PERIODS = {"month": (1, 12), "weekday": (0, 7), "hour": (0, 24)}
"""Parts of dates that begin anew: the first value, and how many there are."""


def pipeline_params(about: PipelineFacts) -> list[Param]:
    """The hyperparameters of a pipeline beside its estimator's, parents first."""
    voted = Condition(f"{PREFIX}vote", ("linear", "trees", "both"))
    params = [*_voting(about, voted), *_columns(about), *_features(about)]
    return [*params, *_target(about, voted)]


def openings(space: SearchSpace) -> list[Config]:
    """The pipelines to begin with, beside the default; empty where the space has none.

    A choice that is not offered, or only in another range, is left out.
    """
    offered = {p.name.removeprefix(PREFIX): p for p in space if p.name.startswith(PREFIX)}
    if "vote" not in offered:
        return []
    weights = offered.get("weights")
    always: Config = {}
    wanted = _NUMBERS if "target" in offered else _SHARES if "calibration" in offered else _CLASSES
    if weights is not None and dict(weights.prior).get("balanced", 0.0) > 0.5:  # so is the metric
        always = {"weights": "balanced"}
    found = []
    for choices in wanted:
        fitting = {n: v for n, v in {**choices, **always}.items()
                   if n in offered and offered[n].domain.contains(v)}  # fmt: skip
        found.append({PREFIX + n: v for n, v in fitting.items()})
    return [c for i, c in enumerate(found) if c not in found[:i]]


def _choice(
    name: str, choices: Sequence[str], shares: Sequence[float], words: str,
    when: Condition | None = None,
) -> Param:  # fmt: skip
    prior = tuple(zip(choices, shares, strict=True))
    return Param(PREFIX + name, Categorical(tuple(choices)), choices[0], words, when, prior)


def _voting(about: PipelineFacts, voted: Condition) -> list[Param]:
    ordered = about.metric.startswith("roc_auc")
    shares = (0.3, 0.45, 0.05, 0.2) if ordered else (0.3, 0.08, 0.07, 0.55)
    return [
        _choice("vote", ("alone", "linear", "trees", "both"), shares,
                "whose predictions are averaged with the estimator's: those of a linear model, of "
                "extremely randomised trees, of both"),
        Param(f"{PREFIX}own_weight", Float(0.1, 10.0, log=True), 1.0,
              "weight of the estimator's own predictions; the others have 1 each", voted,
              ((0.5, 0.3), (1.0, 0.4), (2.0, 0.3))),
    ]  # fmt: skip


def _columns(about: PipelineFacts) -> list[Param]:
    """How single columns are prepared."""
    found = []
    votes = Condition(f"{PREFIX}vote", ("linear", "both"))
    if about.facts.categorical_share < 1:
        found.append(_choice(
            "numbers", ("scaled", "ranks", "splines"), (0.7, 0.1, 0.2),
            "numbers for linear models and distances: standardised, as ranks of a bell curve, as "
            "smooth curves", votes if about.coded else None,
        ))  # fmt: skip
    if about.facts.categorical_share > 0 and not about.scaled:
        found.append(_choice(
            "categories", ("codes", "columns", "targets"), (0.6, 0.2, 0.2),
            "categories for trees: their codes, a column each, the mean target of each",
        ))
    if about.facts.missing_share > 0 and not about.scaled:
        found.append(_choice(
            "missing", ("plain", "marked"), (0.85, 0.15),
            "empty cells for trees: as they are, or marked by a column of their own",
        ))
    if about.dates:
        found.append(_choice(
            "dates", ("numbers", "circles"), (0.8, 0.2),
            "months, weekdays and hours: as numbers, or as curves that meet at their ends",
        ))
    return found


def _features(about: PipelineFacts) -> list[Param]:
    """What is made of all columns together."""
    found = []
    numbers = round(about.facts.features * (1 - about.facts.categorical_share))
    if numbers >= _FEWEST_NUMBERS:
        ways = {"nothing": 0.91, "products": 0.03, "aggregates": 0.03, "components": 0.03}
        if numbers > _MOST_MULTIPLIED:
            del ways["products"]
        found.append(_choice(
            "added", tuple(ways), tuple(ways.values()),
            "columns made of several numbers: products of two, mean and spread of a row, principal "
            "components",
        ))
        found.append(Param(
            f"{PREFIX}components", Integer(1, min(10, numbers - 1)), 2,
            "how many principal components", Condition(f"{PREFIX}added", ("components",)),
            ((1, 0.5), (min(3, numbers - 1), 0.5)),
        ))
    if about.facts.features > 3:
        found.append(_choice(
            "kept", ("all", "best"), (0.93, 0.07),
            "columns that the estimators see: all, or those that tell most of the target alone",
        ))
        found.append(Param(
            f"{PREFIX}kept_percent", Integer(10, 90), 50, "percent of the columns that are kept",
            Condition(f"{PREFIX}kept", ("best",)), ((30, 0.3), (50, 0.4), (70, 0.3)),
        ))
    return found


def _target(about: PipelineFacts, voted: Condition) -> list[Param]:
    if about.kind == "regression":
        return [_choice(
            "target", ("plain", "ranks", "logs"), (0.8, 0.08, 0.12),
            "the target: as it is, as ranks of a bell curve, or on a logarithmic scale",
        )]  # fmt: skip
    able = any(family(n).class_weights for n in about.estimators)
    found = [_choice(
        "weights", ("plain", "balanced"),
        (0.2, 0.8) if about.metric.startswith("balanced") else (0.75, 0.25),
        "how the classes count: each row alike, or each class alike", None if able else voted,
    )]  # fmt: skip
    if any(word in about.metric for word in _PROBABILITIES):
        found.append(_choice(
            "calibration", ("none", "sigmoid", "isotonic"), (0.9, 0.05, 0.05),
            "what corrects the probabilities afterwards, by cross-validation",
        ))
    return found
