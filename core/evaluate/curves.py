"""Scores per iteration of a model that is already fitted, at the price of about one prediction."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHECKPOINTS = 8


def xgboost_curve(
    model: Any, x: NDArray[np.float64], y: NDArray[Any]
) -> tuple[list[float], list[int]]:
    """Minus the loss on (x, y) after some boosting rounds, and those rounds (0-based).

    Trees add up, so each stretch of rounds is predicted once: `margin(a, b)` is the sum of its
    trees plus the model's intercept. The loss is the log loss, or the root mean squared error.
    """
    booster = model.get_booster()
    rounds = int(booster.num_boosted_rounds())
    stops = np.unique(np.geomspace(1, rounds, CHECKPOINTS).round().astype(int)).tolist()

    def margin(start: int, stop: int) -> NDArray[np.float64]:
        found = booster.inplace_predict(
            x, iteration_range=(start, stop), predict_type="margin"
        )
        return np.asarray(found, dtype=np.float64)

    total = margin(0, stops[0])
    losses = [_loss(total, y, model)]
    intercept = 0.0 if rounds < 2 else margin(0, 1) + margin(1, 2) - margin(0, 2)
    for start, stop in pairwise(stops):
        total = total + margin(start, stop) - intercept
        losses.append(_loss(total, y, model))
    return [-loss for loss in losses], [stop - 1 for stop in stops]


def _loss(margin: NDArray[np.float64], y: NDArray[Any], model: Any) -> float:
    if not hasattr(model, "predict_proba"):
        return float(np.sqrt(np.mean((margin - y) ** 2)))
    if margin.ndim == 1:
        return float(np.mean(np.logaddexp(0.0, np.where(y == 1, -margin, margin))))
    shifted = margin - margin.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(y)), y.astype(np.intp)]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - own))
