"""Histogram gradient boosting of scikit-learn (`HistGradientBoosting…`)."""

from __future__ import annotations

from hyperllama.core.estimators.base import Constructor, Facts, Family
from hyperllama.core.space import Config, Float, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    return [
        Param("max_iter", Integer(10, 500, log=True), 100,
              "number of boosting rounds; more go with a lower learning_rate"),
        Param("learning_rate", Float(0.001, 1.0, log=True), 0.1,
              "how much each tree corrects; lower is steadier and needs more rounds"),
        Param("max_leaf_nodes", Integer(2, 255, log=True), 31,
              "leaves of a tree; more find interactions and overfit sooner"),
        Param("min_samples_leaf", Integer(1, 200, log=True), 20,
              "least rows in a leaf; higher smooths"),
        Param("l2_regularization", Float(1e-6, 100.0, log=True), 0.0,
              "L2 penalty on leaf values"),
        Param("max_features", Float(0.1, 1.0), 1.0, "share of the columns each split may use"),
    ]


def _constructor(kind: str, config: Config, seed: int, threads: int) -> Constructor:
    name = f"HistGradientBoosting{'Classifier' if kind == 'classification' else 'Regressor'}"
    return Constructor(
        "sklearn.ensemble", name, {"early_stopping": False, **config, "random_state": seed}
    )


FAMILY = Family(
    name="hist_gradient_boosting",
    label="histogram gradient boosting",
    kinds=("classification", "regression"),
    cost=3,
    encoding="ordinal",
    missing=True,
    params=_params,
    constructor=_constructor,
    curve="hist_gradient_boosting",
    early_stopping=True,
    aliases={"n_estimators": "max_iter", "num_leaves": "max_leaf_nodes"},
)
