"""CatBoost: gradient boosting of symmetric trees (`CatBoostClassifier`, `CatBoostRegressor`)."""

from __future__ import annotations

from typing import Any

from hyperllama.core.estimators.base import Curve, Facts, Family, both
from hyperllama.core.estimators.boosting import checkpoint_curve
from hyperllama.core.space import Config, Float, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    return [
        Param("iterations", Integer(10, 1000, log=True), 1000,
              "number of trees; more trees go with a lower learning_rate"),
        Param("learning_rate", Float(0.001, 1.0, log=True), 0.03,
              "how much each tree corrects; lower is steadier and needs more trees"),
        Param("depth", Integer(1, 10), 6,
              "depth of a tree; deeper finds interactions, overfits sooner and is slower"),
        Param("l2_leaf_reg", Float(0.01, 100.0, log=True), 3.0, "L2 penalty on leaf values"),
        Param("random_strength", Float(0.001, 100.0, log=True), 1.0,
              "noise in the choice of splits; higher smooths"),
        Param("bagging_temperature", Float(0.0, 10.0), 1.0,
              "how unequally the rows count in each tree; 0: equally"),
        Param("rsm", Float(0.1, 1.0), 1.0, "share of the columns each split may use"),
    ]


def _arguments(kind: str, config: Config, seed: int, threads: int) -> dict[str, Any]:
    fixed = {"random_seed": seed, "thread_count": threads}
    quiet = {"verbose": False, "allow_writing_files": False}
    bagging = {"bootstrap_type": "Bayesian"} if "bagging_temperature" in config else {}
    return {**bagging, **config, **fixed, **quiet}


def fit_catboost(
    model: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None,
    weights: Any = None,
) -> list[float]:
    """Fit while the loss on other rows is followed; minus that loss after each round."""
    model.fit(
        x, y, sample_weight=weights, eval_set=(x_watch, y_watch), early_stopping_rounds=rounds,
        use_best_model=rounds is not None,
    )
    return [-value for value in next(iter(model.evals_result_["validation"].values()))]


def catboost_curve(model: Any, x: Any, y: Any) -> Curve:
    """The loss after some rounds, from raw predictions of the first trees."""
    return checkpoint_curve(
        model, y, max(int(model.tree_count_), 1),
        lambda stops: (model.predict(x, "RawFormulaVal", ntree_end=n) for n in stops),
    )


FAMILY = Family(
    name="catboost",
    label="CatBoost",
    classes=both("catboost:CatBoost"),
    params=_params,
    arguments=_arguments,
    cost=4,
    order=11,
    missing=True,
    fit_watched=fit_catboost,
    rounds="iterations",
    curve=catboost_curve,
    names=("cb",),
    aliases={
        "n_estimators": "iterations",
        "max_depth": "depth",
        "reg_lambda": "l2_leaf_reg",
        "colsample_bylevel": "rsm",
    },
    embedded_names={
        "iterations": "n_estimators",
        "depth": "max_depth",
        "l2_leaf_reg": "reg_lambda",
        "rsm": "colsample_bytree",
    },
    extra="catboost",
)
