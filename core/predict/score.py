"""Predictions beside what turned out to be true, in the metric of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import Floats
from hyperllama.core.predict.known import read_known
from hyperllama.core.predict.model import FittedModel
from hyperllama.core.text import one_line

if TYPE_CHECKING:
    import polars as pl


class Score:
    """Gathers predictions beside the known target; its report has the study's metric."""

    def __init__(self, model: FittedModel) -> None:
        from sklearn.metrics import get_scorer

        self._model, self._metric = model, str(model.facts["metric"])
        self._scorer = get_scorer(self._metric)
        asked = self._scorer._response_method
        asked = (asked,) if isinstance(asked, str) else tuple(asked)
        self._proba = "predict" not in asked
        if self._proba:
            model.need_probabilities()
        self._truth: list[Floats] = []
        self._given: list[NDArray[Any]] = []
        self._rows = 0

    def add(self, cells: pl.Series, x: Floats, outputs: NDArray[Any]) -> None:
        """Take the target of a block; rows without a known one are left out."""
        truth = read_known(cells, [self._model.target_column])[0]
        known = ~np.isnan(truth)
        self._rows += len(truth)
        self._truth.append(truth[known])
        given = self._model.outputs(x[known], proba=True) if self._proba else outputs[known]
        self._given.append(given)

    def report(self) -> list[str]:
        """The score in one line."""
        truth, given = np.concatenate(self._truth), np.concatenate(self._given)
        if self._model.classes:
            truth = truth.astype(np.int64)
        if not len(truth):
            return ["no score: no row has a known target"]
        left = f", {self._rows - len(truth):,} without a known target left out"
        try:
            value = float(self._scorer(_said(given, self._model), np.zeros((len(truth), 1)), truth))
        except ValueError as error:
            return [f"no score: {one_line(error)}"]
        if not np.isfinite(value):
            return [f"no score: {self._metric} is not defined for these rows"]
        rows = f"{len(truth):,} rows{left if self._rows > len(truth) else ''}"
        return [f"{self._metric} {value!r} ({rows})"]


def _said(given: NDArray[Any], model: FittedModel) -> Any:
    """An estimator that gives what was predicted before, for scikit-learn's scorers."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    classifies = bool(model.classes)

    class Said(ClassifierMixin if classifies else RegressorMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = np.arange(len(model.classes))

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict(self, x: Any) -> Any:
            return given.argmax(axis=1) if given.ndim == 2 else given

        def predict_proba(self, x: Any) -> Any:
            return given

    return Said()
