"""k-nearest neighbours of scikit-learn (`KNeighborsClassifier`, `KNeighborsRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.base import Constructor, Facts, Family
from hyperllama.core.space import Categorical, Config, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    most = max(2, min(100, facts.rows // 4))
    return [
        Param("n_neighbors", Integer(1, most, log=True), 5, "neighbours that vote; more smooth"),
        Param("weights", Categorical(("uniform", "distance")), "uniform",
              "distance: nearer neighbours count more"),
        Param("p", Integer(1, 2), 2, "1: distance along the axes, 2: as the crow flies"),
    ]


def _constructor(kind: str, config: Config, seed: int, threads: int) -> Constructor:
    name = "KNeighborsClassifier" if kind == "classification" else "KNeighborsRegressor"
    return Constructor("sklearn.neighbors", name, {**config, "n_jobs": threads})


FAMILY = Family(
    name="knn",
    label="k-nearest neighbours",
    kinds=("classification", "regression"),
    cost=2,
    encoding="onehot",
    missing=False,
    params=_params,
    constructor=_constructor,
    aliases={"k": "n_neighbors"},
)
