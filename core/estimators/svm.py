"""Support vector machines of scikit-learn (`SVC`, `SVR`)."""

from __future__ import annotations

from typing import Any

from hyperllama.core.estimators.base import Facts, Family
from hyperllama.core.space import Categorical, Condition, Config, Float, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    params = [
        Param("C", Float(2.0**-10, 2.0**10, log=True), 1.0,
              "price of an error; higher fits the training rows more closely"),
        Param("kernel", Categorical(("rbf", "linear", "poly")), "rbf",
              "shape of the boundary: rbf is smooth and local"),
        Param("gamma", Float(2.0**-12, 2.0**10, log=True), 1.0 / max(facts.features, 1),
              "how local the kernel is; higher bends more",
              when=Condition("kernel", ("rbf", "poly"))),
        Param("degree", Integer(2, 5), 3, "degree of the polynomial kernel",
              when=Condition("kernel", ("poly",))),
    ]
    if kind == "regression":
        params.append(
            Param("epsilon", Float(1e-3, 1.0, log=True), 0.1,
                  "errors below this (in standard deviations of the target) cost nothing")
        )
    return params


def _arguments(kind: str, config: Config, seed: int, threads: int) -> dict[str, Any]:
    arguments = {"cache_size": 500, "max_iter": 200_000, **config}
    return {**arguments, "random_state": seed} if kind == "classification" else arguments


FAMILY = Family(
    name="svm",
    label="support vector machine",
    classes={"classification": "sklearn.svm:SVC", "regression": "sklearn.svm:SVR"},
    params=_params,
    arguments=_arguments,
    cost=4,
    order=7,
    encoding="onehot",
    class_weights="class_weight",
    scale_target=True,
    probabilities=False,
    train_share=0.2,
    names=("supportvectormachine",),
    aliases={"cost": "C", "c": "C"},
)
