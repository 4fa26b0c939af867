"""Random forests of scikit-learn (`RandomForestClassifier`, `RandomForestRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.base import Constructor, Facts, Family, unlimited
from hyperllama.core.estimators.trees import DEPTH_LIMIT, grown_tree
from hyperllama.core.space import Config, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    trees = Param("n_estimators", Integer(20, 300, log=True), 100,
                  "number of trees; more are steadier and slower")
    return [trees, *grown_tree(kind, facts, None)]


def _constructor(kind: str, config: Config, seed: int, threads: int) -> Constructor:
    name = "RandomForestClassifier" if kind == "classification" else "RandomForestRegressor"
    arguments = dict(config)
    if "max_depth" in config:
        arguments["max_depth"] = unlimited(config["max_depth"], DEPTH_LIMIT)
    return Constructor(
        "sklearn.ensemble", name, {**arguments, "random_state": seed, "n_jobs": threads}
    )


FAMILY = Family(
    name="random_forest",
    label="random forest",
    kinds=("classification", "regression"),
    cost=3,
    encoding="ordinal",
    missing=False,
    params=_params,
    constructor=_constructor,
    aliases={"num_trees": "n_estimators", "min_node_size": "min_samples_leaf"},
)
