"""XGBoost: gradient-boosted trees (`XGBClassifier`, `XGBRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.base import Constructor, Facts, Family
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


def _constructor(kind: str, config: Config, seed: int, threads: int) -> Constructor:
    name = "XGBClassifier" if kind == "classification" else "XGBRegressor"
    fixed = {"random_state": seed, "n_jobs": threads, "tree_method": "hist", "verbosity": 0}
    return Constructor("xgboost", name, {**config, **fixed})


FAMILY = Family(
    name="xgboost",
    label="XGBoost",
    kinds=("classification", "regression"),
    cost=3,
    encoding="ordinal",
    missing=True,
    params=_params,
    constructor=_constructor,
    curve="xgboost",
    early_stopping=True,
    aliases={
        "eta": "learning_rate",
        "lambda": "reg_lambda",
        "alpha": "reg_alpha",
        "nrounds": "n_estimators",
        "num_boost_round": "n_estimators",
    },
)
