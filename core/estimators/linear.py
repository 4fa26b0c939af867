"""Linear models with elastic net: `LogisticRegression` and `ElasticNet` of scikit-learn."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hyperllama.core.estimators.base import Facts, Family
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


def _arguments(kind: str, config: Config, seed: int, threads: int) -> dict[str, Any]:
    if kind == "regression":
        return {"max_iter": 2000, **config, "random_state": seed}
    penalty = {"penalty": "elasticnet", "l1_ratio": 0.0} if _names_penalty() else {}
    usual = {**penalty, "solver": "saga", "max_iter": 300, "tol": 1e-3}
    return {**usual, **config, "random_state": seed}


FAMILY = Family(
    name="linear",
    label="linear model with elastic net",
    classes={
        "classification": "sklearn.linear_model:LogisticRegression",
        "regression": "sklearn.linear_model:ElasticNet",
    },
    params=_params,
    arguments=_arguments,
    cost=1,
    order=6,
    encoding="onehot",
    class_weights="class_weight",
    scale_target=True,
    names=("logistic", "logreg", "lr", "glmnet", "ridge", "lasso", "sgd"),
    # linear models that scikit-learn fits by gradient descent are known to the embedded models
    embedded_names={"eta0": "learning_rate"},
)
