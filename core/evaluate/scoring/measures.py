"""What a trial measures beside its score: further scores, the time of a prediction, the size.

Times are processor time with one thread, so that trials beside this one do not count; sizes are
counted as the pickle is written. What programs are asked in their sandbox is not measured: their
own process could say anything of its time and its size.
"""

from __future__ import annotations

import math
import pickle
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hyperllama.core.objectives import COSTS

if TYPE_CHECKING:
    from hyperllama.core.evaluate.scoring.crossval import Data

Score = Callable[[Any, Any, Any], float]
"""A scorer, a model and the rows to score it on -> the score."""
_FEWEST, _MOST, _ENOUGH_S, _LONG_S = 5, 25, 0.05, 1.0


class Measures:
    """Measures fitted models.

    Args:
        names: of scorers, or of `COSTS`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        from sklearn.metrics import get_scorer

        self.scorers = {name: get_scorer(name) for name in names if name not in COSTS}
        self._costs = [name for name in names if name in COSTS]

    def scores(self, model: Any, rows: Any, score: Score) -> dict[str, float]:
        """The further scores on some rows.

        Raises:
            ValueError: one is not finite.
        """
        found = {name: score(scorer, model, rows) for name, scorer in self.scorers.items()}
        for name, value in found.items():
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}")
        return found

    def of_fold(self, pipeline: Any, data: Data, rows: Any, fit_s: float) -> dict[str, float]:
        """All that is measured of a pipeline that was fitted in so many seconds, on some rows."""
        further = self.scores(pipeline, rows, data.scored)
        return {**further, **self.costs(pipeline, data.x[rows], fit_s)}

    def costs(self, pipeline: Any, x: Any, fit_s: float) -> dict[str, float]:
        """What a fitted pipeline costs.

        Args:
            x: the rows that it predicts, shape (n_rows, n_columns).
            fit_s: seconds that the fit took.
        """
        found: dict[str, float] = {}
        if any(name.startswith("predict_") for name in self._costs):
            seconds = predict_seconds(pipeline, x)
            found = {"predict_seconds": seconds, "predict_ms_per_row": 1000 * seconds / len(x)}
        if "model_bytes" in self._costs:
            found["model_bytes"] = float(pickled_bytes(pipeline))
        found["fit_seconds"] = fit_s
        return {name: found[name] for name in self._costs}


def predict_seconds(pipeline: Any, x: Any) -> float:
    """The median processor time of predictions with one thread.

    Five at least, up to 25 while they take less than 50 ms in all; three where they take long.
    """
    taken: list[float] = []
    with one_thread(pipeline):
        pipeline.predict(x[:1])  # what is only made once is not part of it
        began = time.perf_counter()
        while len(taken) < _MOST:
            spent = time.perf_counter() - began
            if len(taken) >= (_FEWEST if spent < _LONG_S else 3) and spent > _ENOUGH_S:
                break
            at = time.process_time()
            pipeline.predict(x)
            taken.append(time.process_time() - at)
    return statistics.median(taken)


@contextmanager
def one_thread(pipeline: Any) -> Iterator[None]:
    """Every step of a pipeline with one thread, and as it was afterwards."""
    from threadpoolctl import threadpool_limits

    threads = ("n_jobs", "thread_count")
    was = {k: v for k, v in pipeline.get_params().items() if k.rpartition("__")[2] in threads}
    pipeline.set_params(**dict.fromkeys(was, 1))
    try:
        with threadpool_limits(1):
            yield
    finally:
        pipeline.set_params(**was)


def pickled_bytes(model: Any) -> int:
    """The size of a model as a pickle, which is counted and not kept."""
    counter = _Counter()
    pickle.dump(model, counter, protocol=5)
    return counter.count


class _Counter:
    """A file that counts what is written to it."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, data: Any) -> int:
        """Count some bytes."""
        size = memoryview(data).nbytes
        self.count += size
        return size
