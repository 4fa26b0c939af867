"""k-nearest neighbours of scikit-learn (`KNeighborsClassifier`, `KNeighborsRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.base import Facts, Family, both
from hyperllama.core.space import Categorical, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    most = max(2, min(100, facts.rows // 4))
    return [
        Param("n_neighbors", Integer(1, most, log=True), 5, "neighbours that vote; more smooth"),
        Param("weights", Categorical(("uniform", "distance")), "uniform",
              "distance: nearer neighbours count more"),
        Param("p", Integer(1, 2), 2, "1: distance along the axes, 2: as the crow flies"),
    ]


FAMILY = Family(
    name="knn",
    label="k-nearest neighbours",
    classes=both("sklearn.neighbors:KNeighbors"),
    params=_params,
    arguments=lambda kind, config, seed, threads: {**config, "n_jobs": threads},
    cost=2,
    order=9,
    encoding="onehot",
    scale_target=True,
    train_share=0.05,
    names=("kneighbors", "knearestneighbours", "knearestneighbors"),
    aliases={"k": "n_neighbors"},
)
