"""What gradient boosting shares: how good a fitted booster was after some of its rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hyperllama.core.estimators.base import Curve

CHECKPOINTS = 8


def checkpoint_curve(
    model: Any, y: Any, rounds: int, margins: Callable[[list[int]], Iterable[Any]]
) -> Curve:
    """Minus the loss on some rows after eight of the boosting rounds, rising geometrically.

    The loss is the log loss, or the root mean squared error.

    Args:
        model: a fitted classifier (with `classes_`) or regressor.
        y: shape (n_rows,), the targets of these rows.
        rounds: how many rounds were trained, at least 1.
        margins: numbers of rounds -> raw predictions after each, shape (n_rows,), or
            (n_rows, n_classes) for more than two classes.
    """
    import numpy as np

    def loss(margin: Any) -> float:
        if not hasattr(model, "predict_proba"):
            return float(np.sqrt(np.mean((margin - y) ** 2)))
        classes = np.asarray(model.classes_)
        known = np.isin(y, classes)  # training rows may lack a class that these rows have
        codes, margin = np.searchsorted(classes, y[known]), margin[known]
        if margin.ndim == 1:
            return float(np.mean(np.logaddexp(0.0, np.where(codes == 1, -margin, margin))))
        shifted = margin - margin.max(axis=1, keepdims=True)
        own = shifted[np.arange(len(codes)), codes]
        return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - own))

    stops = np.unique(np.geomspace(1, rounds, CHECKPOINTS).round().astype(int)).tolist()
    return [-loss(m) for m in margins(stops)], [stop - 1 for stop in stops]
