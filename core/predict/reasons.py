"""Why a model predicts what it predicts: a booster's own contributions, or shuffled columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import Floats
from hyperllama.core.predict.model import FittedModel

TOP = 3
"""Columns named for each row."""
SHUFFLED_ROWS = 1000


def contributions(model: FittedModel, x: Floats, outputs: NDArray[Any]) -> Floats | None:
    """What each column adds to the raw prediction of each row, shape (n_rows, n_columns).

    TreeSHAP of XGBoost, LightGBM or CatBoost (Lundberg et al. 2020, doi 10.1038/s42256-019-0138-9);
    in the booster's raw units (log-odds, or the target's unit), for two classes towards the second,
    for more towards the predicted one. The parts of a date are added up. None for other models.
    """
    library, estimator = type(model.estimator).__module__.split(".")[0], model.estimator
    if library == "xgboost":
        from xgboost import DMatrix

        found = estimator.get_booster().predict(
            DMatrix(x), pred_contribs=True, iteration_range=(0, _rounds(estimator))
        )
    elif library == "lightgbm":
        found = np.asarray(getattr(estimator, "booster_", estimator).predict(x, pred_contrib=True))
    elif library == "catboost":
        from catboost import Pool

        found = estimator.get_feature_importance(Pool(x), type="ShapValues")
    else:
        return None
    found = np.asarray(found, dtype=np.float64)
    width = x.shape[1] + 1
    if found.ndim == 2 and found.shape[1] > width:
        found = found.reshape(len(x), -1, width)
    if found.ndim == 3:
        places = np.searchsorted(model.class_codes, outputs.astype(np.int64))
        found = found[np.arange(len(x)), places]
    return _by_source(model, found[:, :-1])


def _rounds(estimator: Any) -> int:
    """Boosting rounds that the estimator predicts with; 0: all."""
    best = estimator.get_booster().attr("best_iteration")
    return 0 if best is None else int(best) + 1


def _by_source(model: FittedModel, values: Floats) -> Floats:
    """Columns of X added up by the column of the file that they come from."""
    place = {source: i for i, source in enumerate(model.columns)}
    out = np.zeros((len(values), len(place)))
    for j, column in enumerate(model.known):
        out[:, place[column.source]] += values[:, j]
    return out


def strongest(model: FittedModel, values: Floats) -> list[list[str]]:
    """The columns that add most to each row, as "size +0.42"; `TOP` lists, each over all rows."""
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :TOP]
    names = model.columns
    return [
        [f"{names[j]} {values[i, j]:+.3g}" if values[i, j] else "" for i, j in enumerate(column)]
        for column in order.T
    ]


def shuffled(model: FittedModel, x: Floats) -> list[tuple[str, float]]:
    """How much predictions change when a column's cells are shuffled among the rows, largest first.

    The mean absolute change of the prediction (regression, in the target's unit), of the
    probabilities, or the share of changed labels where there are none; over at most
    `SHUFFLED_ROWS` rows (Breiman 2001, doi 10.1023/A:1010933404324, without labels).
    """
    rng = np.random.default_rng(0)
    x = x[np.sort(rng.permutation(len(x))[:SHUFFLED_ROWS])]
    proba = model.kind == "classification" and hasattr(model.estimator, "predict_proba")
    before = model.outputs(x, proba)
    found = []
    for source in model.columns:
        places = [j for j, c in enumerate(model.known) if c.source == source]
        mixed = x.copy()
        mixed[:, places] = x[rng.permutation(len(x))][:, places]
        after = model.outputs(mixed, proba)
        labels = model.kind == "classification" and not proba
        changed = after != before if labels else after - before
        found.append((source, float(np.mean(np.abs(changed)))))
    return sorted(found, key=lambda pair: -pair[1])
