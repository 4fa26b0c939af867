"""The ranges that families are sampled over for the corpora, wider than their usual spaces."""

from __future__ import annotations

from hyperllama.core.estimators import Facts, family
from hyperllama.core.space import Categorical, Condition, Float, Integer, Param, SearchSpace

FAMILY = {"sgd": "linear"}
"""What is evaluated beside the project's own estimators -> the family by whose name it goes: linear
models fitted by gradient descent, whose step size (eta0) is called learning_rate."""
WITHOUT_FAMILY = ("sgd", "net", "pipeline")
"""What has no default space of the project's own."""

_TREE = [
    Param("max_depth", Integer(1, 50, log=True), 50),
    Param("min_samples_split", Integer(2, 128, log=True), 2),
    Param("min_samples_leaf", Integer(1, 100, log=True), 1),
    Param("max_features", Float(0.02, 1.0), 1.0),
]
_EPSILON = Param("epsilon", Float(1e-3, 1.0, log=True), 0.1)
_SVM = [
    Param("C", Float(2.0**-12, 2.0**12, log=True), 1.0),
    Param("kernel", Categorical(("rbf", "linear", "poly")), "rbf"),
    Param("gamma", Float(2.0**-13, 2.0**10, log=True), 0.1,
          when=Condition("kernel", ("rbf", "poly"))),
    Param("degree", Integer(2, 5), 3, when=Condition("kernel", ("poly",))),
]
_LINEAR_CLASSIFIER = [
    Param("C", Float(1e-5, 1e4, log=True), 1.0),
    Param("class_weight", Categorical((None, "balanced")), None),
]
_RIDGE = [Param("alpha", Float(1e-6, 100.0, log=True), 1.0)]
_FOREST = [Param("n_estimators", Integer(10, 300, log=True), 100), *_TREE]
_SPACES: dict[str, list[Param]] = {
    "xgboost": [
        Param("n_estimators", Integer(5, 500, log=True), 100),
        Param("learning_rate", Float(5e-4, 1.0, log=True), 0.3),
        Param("max_depth", Integer(1, 50, log=True), 6),
        Param("min_child_weight", Float(0.1, 130.0, log=True), 1.0),
        Param("subsample", Float(0.1, 1.0), 1.0),
        Param("colsample_bytree", Float(0.05, 1.0), 1.0),
        Param("reg_lambda", Float(2.0**-10, 2.0**10, log=True), 1.0),
        Param("reg_alpha", Float(2.0**-10, 2.0**10, log=True), 0.0),
    ],
    "hist_gradient_boosting": [
        Param("max_iter", Integer(5, 300, log=True), 100),
        Param("learning_rate", Float(1e-3, 1.0, log=True), 0.1),
        Param("max_leaf_nodes", Integer(2, 255, log=True), 31),
        Param("min_samples_leaf", Integer(1, 200, log=True), 20),
        Param("l2_regularization", Float(1e-6, 1e3, log=True), 0.0),
        Param("max_features", Float(0.05, 1.0), 1.0),
    ],
    "lightgbm": [
        Param("n_estimators", Integer(5, 400, log=True), 100),
        Param("learning_rate", Float(1e-3, 1.0, log=True), 0.1),
        Param("num_leaves", Integer(2, 255, log=True), 31),
        Param("min_child_samples", Integer(1, 200, log=True), 20),
        Param("subsample", Float(0.2, 1.0), 1.0),
        Param("colsample_bytree", Float(0.1, 1.0), 1.0),
        Param("reg_lambda", Float(1e-6, 1e3, log=True), 0.0),
        Param("reg_alpha", Float(1e-6, 1e3, log=True), 0.0),
    ],
    "catboost": [
        Param("iterations", Integer(5, 400, log=True), 400),
        Param("learning_rate", Float(1e-3, 1.0, log=True), 0.03),
        Param("depth", Integer(1, 8), 6),
        Param("l2_leaf_reg", Float(1e-2, 1e3, log=True), 3.0),
        Param("random_strength", Float(1e-3, 100.0, log=True), 1.0),
        Param("bagging_temperature", Float(0.0, 10.0), 1.0),
        Param("rsm", Float(0.1, 1.0), 1.0),
    ],
    "net": [
        Param("lr", Float(1e-5, 1.0, log=True), 1e-3),
        Param("weight_decay", Float(1e-6, 10.0, log=True), 1e-4),
        Param("momentum", Float(0.0, 0.99), 0.9),
        Param("dropout", Float(0.0, 0.8), 0.0),
        Param("batch_size", Integer(4, 256, log=True), 32),
        Param("num_layers", Integer(0, 4), 2),
        Param("hidden_size", Integer(8, 256, log=True), 64),
        Param("epochs", Integer(3, 60, log=True), 20),
        Param("optimizer", Categorical(("adam", "sgd")), "adam"),
    ],
    "random_forest": _FOREST,
    "extra_trees": _FOREST,
    "decision_tree": [*_TREE, Param("ccp_alpha", Float(1e-6, 0.5, log=True), 0.0)],
    "mlp": [
        Param("depth", Integer(1, 4), 1),
        Param("width", Integer(8, 1024, log=True), 100),
        Param("batch_size", Integer(4, 512, log=True), 200),
        Param("alpha", Float(1e-8, 10.0, log=True), 1e-4),
        Param("learning_rate_init", Float(1e-5, 1.0, log=True), 1e-3),
    ],
    "sgd": [
        Param("alpha", Float(1e-7, 10.0, log=True), 1e-4),
        Param("learning_rate", Float(1e-6, 10.0, log=True), 1e-2),
    ],
    "knn": [
        Param("n_neighbors", Integer(1, 100, log=True), 5),
        Param("weights", Categorical(("uniform", "distance")), "uniform"),
        Param("p", Integer(1, 2), 2),
    ],
}


def wide_space(name: str, kind: str, facts: Facts | None = None) -> SearchSpace:
    """The ranges that a family is sampled over for the corpus.

    Args:
        facts: of the table; the choices of pipelines depend on them.
    """
    if name == "pipeline":
        return _pipelines(kind, facts or Facts(1000, 10))
    if name == "linear":
        strength = _RIDGE if kind == "regression" else _LINEAR_CLASSIFIER
        return SearchSpace([*strength, Param("l1_ratio", Float(0.0, 1.0), 0.5)])
    if name == "svm":
        return SearchSpace([*_SVM, *([_EPSILON] if kind == "regression" else [])])
    return SearchSpace(_SPACES[name])


def _pipelines(kind: str, facts: Facts) -> SearchSpace:
    """Pipelines around LightGBM, the cheapest family that takes every choice."""
    from hyperllama.core.task.pipeline_space import PipelineFacts, pipeline_params

    metric = "neg_log_loss" if kind == "classification" else "neg_root_mean_squared_error"
    about = PipelineFacts(kind, facts, metric, ("lightgbm",), dates=False)
    return SearchSpace([*family("lightgbm").params(kind, facts), *pipeline_params(about)])
