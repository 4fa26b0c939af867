"""Multi-layer perceptrons of scikit-learn (`MLPClassifier`, `MLPRegressor`)."""

from __future__ import annotations

from typing import Any

from hyperllama.core.estimators.base import Facts, Family, both
from hyperllama.core.space import Config, Float, Integer, Param


def _params(kind: str, facts: Facts) -> list[Param]:
    return [
        Param("depth", Integer(1, 3), 1, "number of hidden layers"),
        Param("width", Integer(16, 1024, log=True), 100, "units in each hidden layer"),
        Param("batch_size", Integer(4, 256, log=True), 200,
              "rows per update; smaller updates more often and is slower"),
        Param("alpha", Float(1e-8, 1.0, log=True), 1e-4, "L2 penalty on the weights"),
        Param("learning_rate_init", Float(1e-5, 1.0, log=True), 1e-3,
              "step size of Adam; too high diverges, too low never arrives"),
    ]


def _arguments(kind: str, config: Config, seed: int, threads: int) -> dict[str, Any]:
    arguments = {k: v for k, v in config.items() if k not in ("depth", "width")}
    layers = (int(config.get("width", 100)),) * int(config.get("depth", 1))
    fixed = {"hidden_layer_sizes": layers, "max_iter": 60, "n_iter_no_change": 8}
    return {**fixed, **arguments, "random_state": seed}


FAMILY = Family(
    name="mlp",
    label="multi-layer perceptron",
    classes=both("sklearn.neural_network:MLP"),
    params=_params,
    arguments=_arguments,
    cost=5,
    order=8,
    encoding="onehot",
    scale_target=True,
    losses="loss_curve_",
    names=("neuralnetwork", "neuralnet", "nn", "dnn", "deepnet", "multilayerperceptron"),
    aliases={
        "learning_rate": "learning_rate_init",
        "lr": "learning_rate_init",
        "n_layers": "depth",
        "num_layers": "depth",
        "n_units": "width",
        "hidden_size": "width",
        "hidden_units": "width",
        "max_units": "width",
        "weight_decay": "alpha",
    },
)
