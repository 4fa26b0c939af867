"""What may stand in a skops file: types that run no code, and trees whose indices hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

SAFE_TYPES = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "numpy.mean",
    "numpy.std",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)
"""Beside what skops allows by itself: containers of numbers, boosters in their library's format,
and functions that compute. scikit-learn follows the indices in trees unchecked; `checked` does."""


def checked(pipeline: Any) -> Any:
    """The pipeline, once every tree in it points to nodes and columns that exist.

    Raises:
        ValueError: an index is out of range, as no fit leaves it.
    """
    for part in _parts(pipeline):
        if hasattr(part, "tree_"):
            _check_tree(part.tree_, part.n_features_in_)
        for predictor in np.ravel(getattr(part, "_predictors", [])):
            _check_nodes(predictor.nodes, part.n_features_in_)
        if getattr(part, "_tree", None) is not None:
            data, index, bounds, _ = part._tree.get_arrays()
            _in_range(index, len(data))
            _in_range(bounds["idx_start"], len(data))
            _in_range(bounds["idx_end"], len(data) + 1)
    return pipeline


def _parts(thing: Any) -> Iterator[Any]:
    """The estimators that an estimator is made of, itself included."""
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, (list, tuple)) or (
            isinstance(part, np.ndarray) and part.dtype == object
        ):
            waiting += list(np.ravel(part)) if isinstance(part, np.ndarray) else part
        elif hasattr(part, "__dict__") and not isinstance(part, type):
            yield part
            waiting += vars(part).values()


def _check_tree(tree: Any, columns: int) -> None:
    inner = tree.children_left != -1
    places = np.flatnonzero(inner)
    _in_range(tree.feature[inner], columns)
    for side in (tree.children_left[inner], tree.children_right[inner]):
        _in_range(side, tree.node_count)
        _in_range(places, side)  # a child stands after its parent, so no path goes round


def _check_nodes(every: Any, columns: int) -> None:
    """The nodes of a tree of histogram gradient boosting."""
    inner = every["is_leaf"] == 0
    nodes, places = every[inner], np.flatnonzero(inner)
    for side in ("left", "right"):
        _in_range(nodes[side], len(every))
        _in_range(places, nodes[side])
    _in_range(nodes["feature_idx"], columns)
    if nodes["is_categorical"].any():
        raise ValueError("a tree splits on categories, as none of HyperLlama's does")


def _in_range(values: Any, limit: Any) -> None:
    """Raises ValueError where a value is negative or not below the limit."""
    whole = np.asarray(values).astype(np.int64)
    if np.any(whole < 0) or np.any(whole >= limit):
        raise ValueError("an index in a tree is out of range")
