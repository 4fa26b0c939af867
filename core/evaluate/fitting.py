"""Fitting the last step of a pipeline while its loss on other rows is followed.

Needs NumPy and scikit-learn only: the exported script carries the function word for word where a
task stops boosters early.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def fit_watched(
    fit: Any, pipeline: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None
) -> list[float]:
    """Fit `pipeline` and return minus the loss on the watched rows after each iteration.

    `fit` is the family's own function for its last step, see `Family.fit_watched`. Watched rows of
    classes that no fitted row has are left out: their loss is undefined.

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
    scores: list[float] = fit(model, x, y, x_watch, y_watch, rounds)
    return scores
