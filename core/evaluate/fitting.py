"""Fitting the last step of a pipeline: with weights, and while its loss on other rows is followed.

Needs NumPy and scikit-learn only: the exported script carries these functions word for word where a
task stops boosters early or weighs its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hyperllama.core.estimators import family


def fit_watched(
    fit: Any, pipeline: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None,
    weights: Any = None,
) -> list[float]:
    """Fit `pipeline` and return minus the loss on the watched rows after each iteration.

    `fit` is the family's own function for its last step, see `Family.fit_watched`. Watched rows of
    classes that no fitted row has are left out: their loss is undefined. `weights` are those of the
    rows of x, shape (n_rows,), or None; the watched rows count alike.

    Raises:
        ValueError: no row is left to watch.
    """
    model = pipeline.steps[-1][1]
    if hasattr(model, "predict_proba"):
        known = np.isin(y_watch, y)
        x_watch, y_watch = x_watch[known], y_watch[known]
    if not len(y_watch):
        raise ValueError("there is no row to watch the loss on: too few rows, or other classes")
    for _, step in pipeline.steps[:-1]:
        x, x_watch = step.fit_transform(x, y), step.transform(x_watch)
    weighted = {} if weights is None else {"weights": weights}
    scores: list[float] = fit(model, x, y, x_watch, y_watch, rounds, **weighted)
    return scores


def weight_arguments(pipeline: Any, weights: Any) -> dict[str, Any]:
    """What hands the rows' weights, shape (n_rows,), to the last step of `pipeline.fit`.

    Empty without weights, and for an estimator that takes none.
    """
    from sklearn.utils.validation import has_fit_parameter

    name, model = pipeline.steps[-1]
    inner = getattr(model, "regressor", getattr(model, "estimator", model))
    if weights is None or not has_fit_parameter(inner, "sample_weight"):
        return {}
    return {f"{name}__sample_weight": weights}


def scores_with_weights(scorer: Any) -> bool:
    """Whether a scikit-learn scorer takes weights."""
    from inspect import signature

    function = scorer._score_func
    several = scorer._kwargs.get("multi_class") != "ovo"  # refuses weights when it is called
    return several and "sample_weight" in signature(function).parameters


def unweighted(
    estimators: Sequence[str], kind: str, metric: str, metric_weighs: bool
) -> Iterator[str]:
    """A sentence for each estimator, and for the metric, that takes no weights."""
    from inspect import signature

    for name in estimators:
        if "sample_weight" not in signature(family(name).estimator_class(kind).fit).parameters:
            yield f"{name} takes no weights: it is fitted as if all rows counted alike"
    if not metric_weighs:
        yield f"{metric} takes no weights: all rows count alike in the scores"
