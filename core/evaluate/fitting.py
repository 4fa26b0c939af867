"""Fitting the last step of a pipeline while its loss on other rows is followed.

Needs scikit-learn only: the exported script carries the function word for word where a task stops
boosters early.
"""

from __future__ import annotations

from typing import Any


def fit_watched(
    fit: Any, pipeline: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None
) -> list[float]:
    """Fit `pipeline` and return minus the loss on the watched rows after each iteration.

    `fit` is the family's own function for its last step, see `Family.fit_watched`.
    """
    for _, step in pipeline.steps[:-1]:
        x, x_watch = step.fit_transform(x, y), step.transform(x_watch)
    scores: list[float] = fit(pipeline.steps[-1][1], x, y, x_watch, y_watch, rounds)
    return scores
