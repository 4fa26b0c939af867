"""A trial runner whose folds are trained by a cluster."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.cluster.scheduler import Cluster, FoldDropped, PendingFold
from hyperllama.core.evaluate.cluster.worker import FoldTask
from hyperllama.core.evaluate.racing import Rival, lost_race
from hyperllama.core.evaluate.results import STOPPED, FoldResult, Result, Tally
from hyperllama.core.evaluate.runner.client import Stop, TrialRunner
from hyperllama.core.programs.store import CHOICE, ProgramStore
from hyperllama.core.space import Config


class ClusterRunner:
    """Evaluates configurations as `TrialRunner` does, fold by fold, on whatever worker is idle.

    Args:
        cluster: holds the study's table already.
        local: the trial runner of the study's own machine, which scores the test rows.
        folder: of the study: its programs.
        ahead: folds of one trial that may be under way at a time.
    """

    def __init__(self, cluster: Cluster, local: TrialRunner, folder: Path, ahead: int) -> None:
        self._cluster, self._local = cluster, local
        self._folder, self._ahead = folder, ahead

    @property
    def other_folds(self) -> bool:
        """See `TrialRunner.other_folds`."""
        return self._local.other_folds

    def test_score(
        self, config: Config, *, seed: int, should_stop: Stop | None = None
    ) -> float | None:
        """See `TrialRunner.test_score`; it is done on the study's own machine."""
        return self._local.test_score(config, seed=seed, should_stop=should_stop)

    def evaluate(
        self,
        config: Config,
        *,
        seed: int,
        fold_seed: int | None = None,
        on_fold: Callable[[FoldResult], None] | None = None,
        should_stop: Stop | None = None,
        rival: Rival | None = None,
    ) -> Result:
        """See `TrialRunner.evaluate`. Folds count in their order, whichever ends first.

        Raises:
            StudyError: the cluster is gone.
        """
        stop = should_stop or (lambda: False)
        if stop():
            return Result("cancelled", reason="cancelled")
        started, peak_mb, spent_s = time.monotonic(), 0.0, 0.0
        folds, tally = list[FoldResult](), Tally()
        state, reason, facts = "complete", "", {}
        try:
            text = ProgramStore(self._folder).trial(config)[0].text if CHOICE in config else ""
        except HyperLlamaError as error:
            return Result("failed", reason=error.message)
        # what is scored alone, on other folds, has the whole cluster
        ahead = self._ahead if fold_seed is None else max(self._ahead, self._cluster.threads)
        left, under_way = deque(range(self._local.folds)), deque[PendingFold]()
        try:
            while left or under_way:
                while left and len(under_way) < ahead:
                    fold = FoldTask(
                        self._cluster.study, config, seed, fold_seed, left.popleft(), spent_s, text
                    )
                    under_way.append(self._cluster.send(fold))
                result = self._cluster.wait(under_way[0], stop)
                under_way.popleft()
                peak_mb, spent_s = max(peak_mb, result.peak_memory_mb), spent_s + result.seconds
                if result.state != "complete":
                    state, reason = result.state, result.reason
                    break
                tally.add(result.facts)
                folds += result.folds
                if on_fold is not None:
                    on_fold(folds[-1])
                stopped = lost_race([f.score for f in folds], rival)
                if stopped is not None:
                    state, facts = "stopped", {STOPPED: stopped}
                    break
        except FoldDropped:
            state, reason = "cancelled", "cancelled"
        finally:
            for pending in under_way:
                pending.drop()
        mean = sum(f.score for f in folds) / len(folds) if state == "complete" else None
        if state in ("complete", "stopped"):
            facts = {**tally.facts(), **facts}
        seconds = time.monotonic() - started
        return Result(state, mean, tuple(folds), reason, seconds, round(peak_mb, 1), facts)
