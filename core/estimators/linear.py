"""Linear models with elastic net: `LogisticRegression` and `ElasticNet` of scikit-learn."""

from __future__ import annotations

from functools import lru_cache

from hyperllama.core.estimators.base import Constructor, Facts, Family
from hyperllama.core.space import Categorical, Config, Float, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    if kind == "regression":
        return [
            Param("alpha", Float(1e-5, 10.0, log=True), 1.0,
                  "strength of the penalty; higher shrinks the weights"),
            Param("l1_ratio", Float(0.0, 1.0), 0.5,
                  "0: ridge (all weights small), 1: lasso (many weights zero)"),
        ]
    return [
        Param("C", Float(1e-4, 1e3, log=True), 1.0,
              "inverse strength of the penalty; lower shrinks the weights"),
        Param("l1_ratio", Float(0.0, 1.0), 0.0,
              "0: ridge (all weights small), 1: lasso (many weights zero)"),
        Param("class_weight", Categorical((None, "balanced")), None,
              "balanced: rare classes count as much as frequent ones"),
    ]


@lru_cache(maxsize=1)
def _names_penalty() -> bool:
    """scikit-learn before 1.8 needs penalty="elasticnet" beside l1_ratio; later ones warn of it."""
    from importlib.metadata import version

    return tuple(int(x) for x in version("scikit-learn").split(".")[:2]) < (1, 8)


def _constructor(kind: str, config: Config, seed: int, threads: int) -> Constructor:
    if kind == "regression":
        return Constructor(
            "sklearn.linear_model", "ElasticNet", {"max_iter": 2000, **config, "random_state": seed}
        )
    arguments = {"solver": "saga", "max_iter": 300, "tol": 1e-3, **config, "random_state": seed}
    if _names_penalty():
        arguments = {"penalty": "elasticnet", "l1_ratio": 0.0, **arguments}
    return Constructor("sklearn.linear_model", "LogisticRegression", arguments)


FAMILY = Family(
    name="linear",
    label="linear model with elastic net",
    kinds=("classification", "regression"),
    cost=1,
    encoding="onehot",
    missing=False,
    params=_params,
    constructor=_constructor,
)
