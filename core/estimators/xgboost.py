"""XGBoost: gradient-boosted trees (`XGBClassifier`, `XGBRegressor`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hyperllama.core.estimators.base import Curve, Facts, Family, both
from hyperllama.core.estimators.boosting import checkpoint_curve
from hyperllama.core.space import Config, Float, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    return [
        Param("n_estimators", Integer(10, 500, log=True), 100,
              "number of trees; more trees go with a lower learning_rate"),
        Param("learning_rate", Float(0.001, 1.0, log=True), 0.3,
              "how much each tree corrects; lower is steadier and needs more trees"),
        Param("max_depth", Integer(1, 15), 6,
              "depth of a tree; deeper finds interactions and overfits sooner"),
        Param("min_child_weight", Float(0.1, 100.0, log=True), 1.0,
              "least weight in a leaf; higher smooths"),
        Param("subsample", Float(0.2, 1.0), 1.0, "share of the rows each tree sees"),
        Param("colsample_bytree", Float(0.1, 1.0), 1.0, "share of the columns each tree sees"),
        Param("reg_lambda", Float(0.001, 1000.0, log=True), 1.0, "L2 penalty on leaf weights"),
        Param("reg_alpha", Float(0.0001, 100.0, log=True), 0.0, "L1 penalty on leaf weights"),
    ]


def _arguments(kind: str, config: Config, seed: int, threads: int) -> dict[str, Any]:
    fixed = {"random_state": seed, "n_jobs": threads, "tree_method": "hist", "verbosity": 0}
    return {**config, **fixed}


def fit_xgboost(
    model: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None,
    weights: Any = None,
) -> list[float]:
    """Fit while the loss on other rows is followed; minus that loss after each round."""
    metric = "rmse"
    if hasattr(model, "predict_proba"):
        metric = "logloss" if len(set(y.tolist())) == 2 else "mlogloss"
    model.set_params(eval_metric=metric, early_stopping_rounds=rounds)
    model.fit(x, y, sample_weight=weights, eval_set=[(x_watch, y_watch)], verbose=False)
    return [-value for value in model.evals_result()["validation_0"][metric]]


def xgboost_curve(model: Any, x: Any, y: Any) -> Curve:
    """Trees add up, so each stretch of rounds is predicted once.

    `margin(a, b)` is the sum of the trees of a stretch plus the model's intercept.
    """
    booster = model.get_booster()

    def margin(start: int, stop: int) -> Any:
        found = booster.inplace_predict(x, iteration_range=(start, stop), predict_type="margin")
        return found.astype("float64")

    def margins(stops: list[int]) -> Iterator[Any]:
        total = margin(0, stops[0])
        yield total
        intercept = 0.0 if stops[-1] < 2 else margin(0, 1) + margin(1, 2) - margin(0, 2)
        for start, stop in pairwise(stops):
            total = total + margin(start, stop) - intercept
            yield total

    return checkpoint_curve(model, y, int(booster.num_boosted_rounds()), margins)


FAMILY = Family(
    name="xgboost",
    label="XGBoost",
    classes=both("xgboost:XGB"),
    params=_params,
    arguments=_arguments,
    order=1,
    missing=True,
    fit_watched=fit_xgboost,
    rounds="n_estimators",
    curve=xgboost_curve,
    names=("xgb",),
    aliases={
        "eta": "learning_rate",
        "lambda": "reg_lambda",
        "alpha": "reg_alpha",
        "nrounds": "n_estimators",
        "num_boost_round": "n_estimators",
    },
    # what the classes hand to the booster without naming it (XGBoost 3 parameter reference)
    more_arguments=frozenset({
        "rate_drop", "skip_drop", "one_drop", "sample_type", "normalize_type", "feature_selector",
        "top_k", "refresh_leaf", "process_type", "max_cached_hist_node", "huber_slope",
        "tweedie_variance_power", "quantile_alpha",
    }),
)
