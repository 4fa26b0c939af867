"""How many threads an estimator may use whose folds are evaluated at the same time."""

from __future__ import annotations

from typing import Any

from joblib import effective_n_jobs

from hyperllama.models.process.processors import usable_processors

_NAMES = ("n_jobs", "thread_count", "nthread")


def inner_threads(estimator: Any, n_jobs: int | None) -> dict[str, int]:
    """Parameters of the estimator and its parts -> the threads that are left for each fold.

    Folds that are evaluated at once share the processors: `n_jobs` folds, each with `n_jobs`
    threads, would be more threads than processors. Parameters that ask for no more than their
    share stay as they are; so does all where one fold is evaluated after the other.
    """
    folds = effective_n_jobs(n_jobs)
    if folds < 2:
        return {}
    share = max(1, usable_processors() // folds)
    asked = {
        name: value for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] in _NAMES and isinstance(value, int)
    }
    return {name: share for name, value in asked.items() if effective_n_jobs(value or 1) > share}
