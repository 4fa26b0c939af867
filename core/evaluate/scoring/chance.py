"""What a model scores that looks at no column."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperllama.core.evaluate.scoring.crossval import Data
    from hyperllama.core.evaluate.scoring.splits import Rows


def chance_scores(
    data: Data, scorer: Any, folds: Sequence[tuple[Rows, Rows]]
) -> tuple[float, ...]:
    """The fold scores of the most frequent class with the shares of the classes, or of the mean.

    Empty where the metric is undefined for it.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor

    d = data
    make = DummyClassifier if d.kind == "classification" else DummyRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scores = tuple(
                float(scorer(make().fit(d.x[a], d.y[a]), d.x[b], d.y[b])) for a, b in folds
            )
        except ValueError:
            return ()
    return scores if all(map(math.isfinite, scores)) else ()
