"""Fitting a booster while its loss on other rows is watched, round by round.

Needs scikit-learn only: the exported script carries the function word for word where a task stops
boosters early.
"""

from __future__ import annotations

from typing import Any


def fit_watched(
    pipeline: Any, x: Any, y: Any, x_watch: Any, y_watch: Any, rounds: int | None
) -> list[float]:
    """Fit `pipeline` and return minus the loss on the watched rows after each boosting round.

    With `rounds`, stop once the loss has not improved for so many rounds; without, watch only: the
    fitted model is the same as that of `pipeline.fit(x, y)`.
    """
    model = pipeline.steps[-1][1]
    for _, step in pipeline.steps[:-1]:
        x, x_watch = step.fit_transform(x, y), step.transform(x_watch)
    if hasattr(model, "get_booster"):
        metric = "rmse" if not hasattr(model, "predict_proba") else None
        if metric is None:
            metric = "logloss" if len(set(y.tolist())) == 2 else "mlogloss"
        model.set_params(eval_metric=metric, early_stopping_rounds=rounds)
        model.fit(x, y, eval_set=[(x_watch, y_watch)], verbose=False)
        return [-value for value in model.evals_result()["validation_0"][metric]]
    model.set_params(early_stopping=True, n_iter_no_change=rounds or model.max_iter + 1)
    model.fit(x, y, X_val=x_watch, y_val=y_watch)
    return [float(value) for value in model.validation_score_[1:]]
