"""A single decision tree of scikit-learn (`DecisionTreeClassifier`, `DecisionTreeRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.base import Constructor, Facts, Family, unlimited
from hyperllama.core.estimators.trees import DEPTH_LIMIT, grown_tree
from hyperllama.core.space import Config, Float, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    prune = Param("ccp_alpha", Float(1e-5, 0.1, log=True), 0.0,
                  "how much a split has to gain to be kept; higher prunes more")
    return [*grown_tree(kind, facts, 1.0), prune]


def _constructor(kind: str, config: Config, seed: int, threads: int) -> Constructor:
    name = "DecisionTreeClassifier" if kind == "classification" else "DecisionTreeRegressor"
    arguments = dict(config)
    if "max_depth" in config:
        arguments["max_depth"] = unlimited(config["max_depth"], DEPTH_LIMIT)
    return Constructor("sklearn.tree", name, {**arguments, "random_state": seed})


FAMILY = Family(
    name="decision_tree",
    label="decision tree",
    kinds=("classification", "regression"),
    cost=1,
    encoding="ordinal",
    missing=False,
    params=_params,
    constructor=_constructor,
    aliases={
        "cp": "ccp_alpha",
        "maxdepth": "max_depth",
        "minsplit": "min_samples_split",
        "minbucket": "min_samples_leaf",
    },
)
