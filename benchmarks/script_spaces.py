"""Thirty search spaces with the names and ranges of public training scripts, for `public_scripts`.

They were written down by hand, as notebooks and examples for Optuna have them: ten each for
LightGBM, CatBoost and PyTorch. What a script fixes is in `fixed`. PyTorch's are trained by the
small networks of `workshop.nets`, whose parameters `NET` gives for a script's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.distributions import FloatDistribution as F
from optuna.distributions import IntDistribution as I

NET = {
    "lr": "lr", "learning_rate": "lr", "base_lr": "lr", "weight_decay": "weight_decay",
    "wd": "weight_decay", "l2": "weight_decay", "momentum": "momentum", "beta1": "momentum",
    "dropout": "dropout", "dropout_rate": "dropout", "drop_prob": "dropout", "p_drop": "dropout",
    "batch_size": "batch_size", "bs": "batch_size", "train_batch_size": "batch_size",
    "num_layers": "num_layers", "n_layers": "num_layers", "depth": "num_layers",
    "hidden_size": "hidden_size", "hidden_dim": "hidden_size", "n_units": "hidden_size",
    "width": "hidden_size", "d_model": "hidden_size", "epochs": "epochs", "n_epochs": "epochs",
    "num_epochs": "epochs", "num_train_epochs": "epochs", "optimizer": "optimizer",
    "optim": "optimizer", "opt": "optimizer",
}  # fmt: skip


@dataclass(frozen=True)
class ScriptSpace:
    """A script's search space.

    Attributes:
        library: "lightgbm", "catboost" or "net" (for PyTorch).
        space: name -> distribution, as handed to Optuna.
        fixed: arguments that the script does not tune.
    """

    library: str
    space: Mapping[str, BaseDistribution]
    fixed: Mapping[str, Any] = field(default_factory=dict)


def _c(*choices: Any) -> CategoricalDistribution:
    return CategoricalDistribution(choices)


def _log(low: float, high: float) -> F:
    return F(low, high, log=True)


_LIGHTGBM: list[tuple[dict[str, BaseDistribution], dict[str, Any]]] = [
    ({"lambda_l1": _log(1e-8, 10), "lambda_l2": _log(1e-8, 10), "num_leaves": I(2, 256),
      "feature_fraction": F(0.4, 1), "bagging_fraction": F(0.4, 1), "bagging_freq": I(1, 7),
      "min_child_samples": I(5, 100)}, {"n_estimators": 100}),
    ({"learning_rate": _log(0.01, 0.3), "num_leaves": I(20, 300), "max_depth": I(3, 12),
      "min_data_in_leaf": I(20, 200), "n_estimators": I(50, 300, step=50)}, {}),
    ({"learning_rate": F(0.01, 0.2), "num_leaves": I(8, 128), "subsample": F(0.5, 1),
      "colsample_bytree": F(0.5, 1), "reg_alpha": F(0, 5), "reg_lambda": F(0, 5)},
     {"n_estimators": 100, "subsample_freq": 1}),
    ({"n_estimators": I(50, 300), "learning_rate": _log(0.005, 0.5), "max_depth": I(2, 10)}, {}),
    ({"num_leaves": I(31, 127), "learning_rate": _c(0.01, 0.02, 0.05, 0.1),
      "min_child_weight": _log(1e-3, 10), "reg_lambda": _log(1e-3, 100),
      "colsample_bytree": _c(0.3, 0.5, 0.7, 0.9, 1.0)}, {"n_estimators": 150}),
    ({"eta": _log(0.01, 0.3), "num_leaves": I(4, 64), "min_data_in_leaf": I(1, 50),
      "min_gain_to_split": F(0, 1), "lambda_l2": F(0, 20)}, {"n_estimators": 100}),
    ({"boosting_type": _c("gbdt", "dart"), "num_leaves": I(16, 96), "learning_rate": F(0.03, 0.3),
      "max_bin": I(31, 255), "extra_trees": _c(False, True)}, {"n_estimators": 80}),
    ({"num_leaves": I(5, 50), "max_depth": I(-1, 12), "min_child_samples": I(1, 60),
      "min_split_gain": _log(1e-6, 1), "subsample": F(0.3, 1), "colsample_bytree": F(0.3, 1),
      "reg_alpha": _log(1e-6, 10), "reg_lambda": _log(1e-6, 10), "learning_rate": _log(1e-2, 0.5),
      "n_estimators": I(40, 250)}, {"subsample_freq": 1}),
    ({"num_iterations": I(50, 250), "learning_rate": F(0.02, 0.2), "feature_fraction": F(0.2, 1),
      "path_smooth": F(0, 10), "num_leaves": I(7, 63)}, {}),
    ({"learning_rate": _log(1e-3, 1), "num_leaves": _c(7, 15, 31, 63, 127),
      "cat_smooth": I(1, 100), "lambda_l1": F(0, 10), "bagging_fraction": F(0.2, 0.95),
      "max_depth": I(1, 20)}, {"n_estimators": 100, "bagging_freq": 1}),
]
_CATBOOST: list[tuple[dict[str, BaseDistribution], dict[str, Any]]] = [
    ({"learning_rate": _log(0.01, 0.3), "depth": I(3, 8), "l2_leaf_reg": _log(1, 10)},
     {"iterations": 100}),
    ({"iterations": I(50, 200), "depth": I(2, 7), "learning_rate": _log(1e-3, 0.3),
      "random_strength": _log(1e-9, 10), "bagging_temperature": F(0, 10),
      "border_count": I(32, 255), "l2_leaf_reg": I(2, 30)}, {}),
    ({"depth": I(1, 7), "colsample_bylevel": F(0.05, 1),
      "boosting_type": _c("Ordered", "Plain"), "learning_rate": F(0.02, 0.3)},
     {"iterations": 80}),
    ({"depth": I(4, 8), "learning_rate": _c(0.03, 0.05, 0.1, 0.2),
      "l2_leaf_reg": _c(1, 3, 5, 7, 9)}, {"iterations": 120}),
    ({"eta": _log(0.01, 0.5), "max_depth": I(2, 7), "reg_lambda": _log(0.1, 100),
      "subsample": F(0.5, 1), "rsm": F(0.3, 1)},
     {"iterations": 100, "bootstrap_type": "Bernoulli"}),
    ({"n_estimators": I(50, 200), "learning_rate": F(0.01, 0.3), "max_depth": I(2, 7),
      "min_data_in_leaf": I(1, 50), "grow_policy": _c("SymmetricTree", "Depthwise")}, {}),
    ({"grow_policy": _c("Lossguide"), "max_leaves": I(4, 48), "learning_rate": _log(0.02, 0.4),
      "l2_leaf_reg": _log(0.3, 30), "random_strength": F(0, 3)}, {"iterations": 80}),
    ({"learning_rate": _log(0.005, 0.3), "depth": I(2, 6), "bagging_temperature": F(0, 1),
      "leaf_estimation_iterations": I(1, 8)}, {"iterations": 120}),
    ({"iterations": I(30, 250, step=10), "learning_rate": _log(0.02, 0.5)}, {"depth": 5}),
    ({"depth": I(2, 7), "l2_leaf_reg": F(0.5, 20), "random_strength": F(0, 10),
      "rsm": F(0.4, 1), "learning_rate": F(0.03, 0.25), "one_hot_max_size": I(2, 20)},
     {"iterations": 100}),
]
_PYTORCH: list[tuple[dict[str, BaseDistribution], dict[str, Any]]] = [
    ({"lr": _log(1e-5, 1e-1), "optimizer": _c("adam", "sgd"), "n_layers": I(1, 3),
      "n_units": I(4, 128), "dropout": F(0.2, 0.5)}, {"epochs": 15}),
    ({"lr": _log(1e-4, 1e-1), "batch_size": _c(16, 32, 64, 128), "hidden_size": _c(32, 64, 128)},
     {"num_layers": 2, "epochs": 20}),
    ({"lr": _log(1e-5, 1e-2), "weight_decay": _log(1e-6, 1e-1), "epochs": I(5, 40)},
     {"num_layers": 2, "hidden_size": 64}),
    ({"learning_rate": _log(1e-4, 1e-1), "momentum": F(0.5, 0.99), "weight_decay": _log(1e-5, 1e-1),
      "batch_size": I(16, 128, step=16)}, {"optimizer": "sgd", "epochs": 20}),
    ({"base_lr": _log(1e-4, 3e-2), "wd": F(0, 0.3), "drop_prob": F(0, 0.6), "width": I(16, 128),
      "depth": I(1, 4)}, {"epochs": 15}),
    ({"learning_rate": _log(1e-5, 5e-3), "num_train_epochs": I(1, 20),
      "train_batch_size": _c(8, 16, 32), "weight_decay": F(0, 0.3)}, {"hidden_size": 64}),
    ({"hidden_dim": I(16, 160, log=True), "num_layers": I(1, 4), "dropout_rate": F(0, 0.5),
      "lr": _log(1e-4, 1e-2), "beta1": F(0.8, 0.99)}, {"epochs": 20}),
    ({"bs": I(8, 128, log=True), "lr": _log(3e-4, 3e-1), "momentum": F(0, 0.99),
      "n_epochs": I(5, 40)}, {"optimizer": "sgd", "num_layers": 1}),
    ({"d_model": _c(16, 32, 64, 128), "n_layers": I(1, 4), "p_drop": F(0, 0.7),
      "lr": _log(1e-4, 1e-1), "l2": _log(1e-8, 1), "optim": _c("adam", "sgd")}, {"epochs": 15}),
    ({"lr": F(1e-4, 1e-1), "hidden_size": I(10, 100), "num_epochs": I(10, 50, step=10),
      "batch_size": _c(32, 64), "opt": _c("sgd", "adam"), "momentum": F(0.8, 0.99)}, {}),
]
SPACES = [
    ScriptSpace(library, space, fixed)
    for library, scripts in (("lightgbm", _LIGHTGBM), ("catboost", _CATBOOST), ("net", _PYTORCH))
    for space, fixed in scripts
]
