"""What forests and single trees share: the hyperparameters of how a tree is grown."""

from __future__ import annotations

import math
from typing import Any

from hyperllama.core.estimators.base import Facts, Family, both
from hyperllama.core.space import Config, Float, Integer, Param

DEPTH_LIMIT = 50


def grown_tree(kind: str, facts: Facts, features: float | None) -> list[Param]:
    """Depth, split, leaf and feature parameters; `features` is the default share of the features
    (None: all for regression, the square root for classification, as in scikit-learn's forests)."""
    if features is None:
        share = 1.0 if kind == "regression" else 1.0 / math.sqrt(max(facts.features, 1))
        features = max(share, 0.05)
    return [
        Param("max_depth", Integer(1, DEPTH_LIMIT, log=True), DEPTH_LIMIT,
              f"depth of a tree; {DEPTH_LIMIT} means no limit, lower smooths"),
        Param("min_samples_split", Integer(2, 128, log=True), 2,
              "least rows in a node that is split further; higher smooths"),
        Param("min_samples_leaf", Integer(1, 64, log=True), 1,
              "least rows in a leaf; higher smooths"),
        Param("max_features", Float(0.05, 1.0), features,
              "share of the columns each split may use; lower makes trees differ"),
    ]


def tree_arguments(config: Config, seed: int) -> dict[str, Any]:
    """The arguments of a tree: None (no limit) at the upper end of the depth's range."""
    arguments = {**config, "random_state": seed}
    depth = config.get("max_depth")
    if depth is not None:
        arguments["max_depth"] = None if depth >= DEPTH_LIMIT else int(depth)
    return arguments


def forest(name: str, label: str, class_stem: str, order: int, short: str) -> Family:
    """The family of a forest of scikit-learn."""

    def params(kind: str, facts: Facts) -> list[Param]:
        trees = Param("n_estimators", Integer(20, 300, log=True), 100,
                      "number of trees; more are steadier and slower")
        return [trees, *grown_tree(kind, facts, None)]

    return Family(
        name=name,
        label=label,
        classes=both(f"sklearn.ensemble:{class_stem}"),
        params=params,
        arguments=lambda kind, config, seed, threads: {
            **tree_arguments(config, seed), "n_jobs": threads
        },
        order=order,
        class_weights="class_weight",
        names=(short,),
        aliases={"num_trees": "n_estimators", "min_node_size": "min_samples_leaf"},
    )
