"""What forests and single trees share: the hyperparameters of how a tree is grown."""

from __future__ import annotations

import math

from hyperllama.core.estimators.base import Facts
from hyperllama.core.space import Float, Integer, Param

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
