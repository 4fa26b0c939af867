"""LightGBM: gradient-boosted trees grown leaf by leaf (`LGBMClassifier`, `LGBMRegressor`)."""

from __future__ import annotations

from typing import Any

from hyperllama.core.estimators.base import Curve, Facts, Family, both
from hyperllama.core.estimators.boosting import checkpoint_curve
from hyperllama.core.space import Config, Float, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    return [
        Param("n_estimators", Integer(10, 500, log=True), 100,
              "number of trees; more trees go with a lower learning_rate"),
        Param("learning_rate", Float(0.001, 1.0, log=True), 0.1,
              "how much each tree corrects; lower is steadier and needs more trees"),
        Param("num_leaves", Integer(2, 255, log=True), 31,
              "leaves of a tree; more find interactions and overfit sooner"),
        Param("min_child_samples", Integer(1, 200, log=True), 20,
              "least rows in a leaf; higher smooths"),
        Param("subsample", Float(0.2, 1.0), 1.0, "share of the rows each tree sees"),
        Param("colsample_bytree", Float(0.1, 1.0), 1.0, "share of the columns each tree sees"),
        Param("reg_lambda", Float(1e-4, 100.0, log=True), 0.0, "L2 penalty on leaf values"),
        Param("reg_alpha", Float(1e-4, 100.0, log=True), 0.0, "L1 penalty on leaf values"),
    ]


def _arguments(kind: str, config: Config, seed: int, threads: int) -> dict[str, Any]:
    # subsample has no effect while subsample_freq is 0; the next two make a seed reproducible
    fixed = {"subsample_freq": 1, "deterministic": True, "force_row_wise": True}
    return {**fixed, **config, "random_state": seed, "n_jobs": threads, "verbosity": -1}


def fit_lightgbm(
    model: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None,
    weights: Any = None,
) -> list[float]:
    """Fit while the loss on other rows is followed; minus that loss after each round."""
    from lightgbm import early_stopping

    stop = [early_stopping(rounds, verbose=False)] if rounds else None
    model.fit(x, y, sample_weight=weights, eval_set=[(x_watch, y_watch)], callbacks=stop)
    return [-value for value in next(iter(model.evals_result_["valid_0"].values()))]


def lightgbm_curve(model: Any, x: Any, y: Any) -> Curve:
    """The loss after some rounds, from raw predictions of the first trees."""
    booster = model.booster_
    return checkpoint_curve(
        model, y, max(int(booster.current_iteration()), 1),
        lambda stops: (booster.predict(x, raw_score=True, num_iteration=n) for n in stops),
    )


FAMILY = Family(
    name="lightgbm",
    label="LightGBM",
    classes=both("lightgbm:LGBM"),
    params=_params,
    arguments=_arguments,
    order=10,
    missing=True,
    class_weights="class_weight",
    fit_watched=fit_lightgbm,
    rounds="n_estimators",
    curve=lightgbm_curve,
    names=("lgbm", "lgb"),
    aliases={
        "num_iterations": "n_estimators",
        "bagging_fraction": "subsample",
        "feature_fraction": "colsample_bytree",
        "min_data_in_leaf": "min_child_samples",
        "lambda_l1": "reg_alpha",
        "lambda_l2": "reg_lambda",
    },
    embedded_names={"num_leaves": "max_leaf_nodes", "min_child_samples": "min_samples_leaf"},
    # what the classes hand to the booster without naming it (LightGBM 4 parameter reference)
    more_arguments=frozenset({
        "max_bin", "min_data_in_bin", "path_smooth", "extra_trees", "feature_fraction_bynode",
        "max_delta_step", "linear_tree", "linear_lambda", "data_sample_strategy", "top_rate",
        "other_rate", "drop_rate", "skip_drop", "max_drop", "uniform_drop", "cat_smooth", "cat_l2",
        "max_cat_threshold", "max_cat_to_onehot", "min_data_per_group", "alpha",
        "tweedie_variance_power", "use_quantized_grad", "num_grad_quant_bins",
    }),
    extra="lightgbm",
)
