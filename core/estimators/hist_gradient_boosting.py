"""Histogram gradient boosting of scikit-learn (`HistGradientBoosting…`)."""

from __future__ import annotations

from typing import Any

from hyperllama.core.estimators.base import Facts, Family, both
from hyperllama.core.space import Float, Integer, Param


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


def fit_hist_gradient_boosting(
    model: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None,
    weights: Any = None,
) -> list[float]:
    """Fit while the loss on other rows is followed; minus that loss after each round."""
    model.set_params(early_stopping=True, n_iter_no_change=rounds or model.max_iter + 1)
    model.fit(x, y, sample_weight=weights, X_val=x_watch, y_val=y_watch)
    return [float(value) for value in model.validation_score_[1:]]


FAMILY = Family(
    name="hist_gradient_boosting",
    label="histogram gradient boosting",
    classes=both("sklearn.ensemble:HistGradientBoosting"),
    params=_params,
    arguments=lambda kind, config, seed, threads: {
        "early_stopping": False, **config, "random_state": seed
    },
    order=2,
    missing=True,
    class_weights="class_weight",
    fit_watched=fit_hist_gradient_boosting,
    rounds="max_iter",
    names=("hgb", "histgbdt"),
    aliases={"n_estimators": "max_iter", "num_leaves": "max_leaf_nodes"},
)
