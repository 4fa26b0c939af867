"""A single decision tree of scikit-learn (`DecisionTreeClassifier`, `DecisionTreeRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.base import Facts, Family, both
from hyperllama.core.estimators.trees import grown_tree, tree_arguments
from hyperllama.core.space import Float, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    prune = Param("ccp_alpha", Float(1e-5, 0.1, log=True), 0.0,
                  "how much a split has to gain to be kept; higher prunes more")
    return [*grown_tree(kind, facts, 1.0), prune]


FAMILY = Family(
    name="decision_tree",
    label="decision tree",
    classes=both("sklearn.tree:DecisionTree"),
    params=_params,
    arguments=lambda kind, config, seed, threads: tree_arguments(config, seed),
    cost=1,
    class_weights="class_weight",
    order=5,
    names=("tree", "cart", "rpart"),
    aliases={
        "cp": "ccp_alpha",
        "maxdepth": "max_depth",
        "minsplit": "min_samples_split",
        "minbucket": "min_samples_leaf",
    },
)
