"""The estimator families, one file each, loaded by name; and spaces that choose among several."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from dataclasses import replace

from hyperllama.core.errors import SpaceError
from hyperllama.core.estimators.base import Facts, Family
from hyperllama.core.space import Categorical, Condition, Config, Param, SearchSpace

__all__ = ["Facts", "Family", "families", "family", "joint_space", "split"]

_FAMILIES = (
    "xgboost",
    "hist_gradient_boosting",
    "random_forest",
    "extra_trees",
    "decision_tree",
    "linear",
    "svm",
    "mlp",
    "knn",
)
_OTHER_NAMES = {
    "xgb": "xgboost",
    "hgb": "hist_gradient_boosting",
    "histgbdt": "hist_gradient_boosting",
    "rf": "random_forest",
    "et": "extra_trees",
    "tree": "decision_tree",
    "cart": "decision_tree",
    "rpart": "decision_tree",
    "logistic": "linear",
    "logisticregression": "linear",
    "logreg": "linear",
    "lr": "linear",
    "elasticnet": "linear",
    "glmnet": "linear",
    "ridge": "linear",
    "lasso": "linear",
    "sgd": "linear",
    "svc": "svm",
    "svr": "svm",
    "supportvectormachine": "svm",
    "neuralnetwork": "mlp",
    "neuralnet": "mlp",
    "nn": "mlp",
    "dnn": "mlp",
    "deepnet": "mlp",
    "multilayerperceptron": "mlp",
    "kneighbors": "knn",
    "knearestneighbours": "knn",
    "knearestneighbors": "knn",
    **{name.replace("_", ""): name for name in _FAMILIES},
}
CHOICE = "estimator"
RELATED = {"linear": {"eta0": "learning_rate"}}
"""Hyperparameters of relatives that are not trained here but known to the embedded models, and what
these call them: linear models that scikit-learn fits by gradient descent."""


def families() -> tuple[str, ...]:
    """The names of all families."""
    return _FAMILIES


def family(name: str) -> Family:
    """A family by its name, or by a usual other name ("rf", "svc"); imports no learning library.

    Raises:
        SpaceError: there is no such family.
    """
    known = canonical_name(name)
    if known is None:
        raise SpaceError(f"unknown estimator {name!r}", f"allowed: {', '.join(_FAMILIES)}")
    found: Family = importlib.import_module(f"hyperllama.core.estimators.{known}").FAMILY
    return found


def canonical_name(name: str) -> str | None:
    """The family's own name, or None where no family goes by this name.

    Class names count too: "XGBClassifier", "SVR", "sklearn.svm.SVC".
    """
    plain = "".join(c for c in name.rpartition(".")[2].lower() if c.isalnum())
    plain = plain.removesuffix("classifier").removesuffix("regressor")
    return _OTHER_NAMES.get(plain)


def likely_family(names: Collection[str]) -> str | None:
    """The family that most of these hyperparameters' names belong to; the first of equals.

    None where fewer than two belong to it, or fewer than half of them.
    """
    common = {f: sum(n in _names(f) for n in names) for f in _FAMILIES}
    best = max(_FAMILIES, key=lambda f: common[f])
    return best if common[best] >= 2 and 2 * common[best] >= len(names) else None


def _names(name: str) -> set[str]:
    """A family's hyperparameters, and other libraries' names for them."""
    found = family(name)
    own = {p.name for kind in found.kinds for p in found.space(kind, Facts(1000, 10, 2))}
    return own | set(found.aliases) | set(RELATED.get(name, ()))


def joint_space(names: Sequence[str], kind: str, facts: Facts) -> SearchSpace:
    """The default space of one family, or of several with the choice among them.

    With several, the parameter "estimator" chooses, and "xgboost.learning_rate" counts only where
    it chose "xgboost".
    """
    if len(names) == 1:
        return family(names[0]).space(kind, facts)
    chosen = [family(n) for n in names]
    params = [
        Param(
            CHOICE,
            Categorical(tuple(f.name for f in chosen)),
            chosen[0].name,
            "which kind of model is trained",
        )
    ]
    for f in chosen:
        for p in f.space(kind, facts):
            when = (
                Condition(CHOICE, (f.name,))
                if p.when is None
                else Condition(f"{f.name}.{p.when.parent}", p.when.values)
            )
            params.append(replace(p, name=f"{f.name}.{p.name}", when=when))
    return SearchSpace(params)


def split(config: Config, names: Sequence[str]) -> tuple[str, Config]:
    """Which family a configuration of `joint_space(names, ...)` chose, and its own parameters."""
    if len(names) == 1:
        return family(names[0]).name, dict(config)
    chosen = str(config[CHOICE])
    prefix = chosen + "."
    return chosen, {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
