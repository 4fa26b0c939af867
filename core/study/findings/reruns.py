"""A trial's configuration evaluated again on other folds: how much of its score is luck.

The scores stand beside the trial; no proposer is told them.
"""

from __future__ import annotations

from collections.abc import Callable

from hyperllama.core.evaluate.results import Result
from hyperllama.core.events import RerunFinished, RerunStarted
from hyperllama.core.events.requests import Rerun
from hyperllama.core.space import Config
from hyperllama.core.study.proposals import outcome
from hyperllama.core.study.record import EventRecord


def rerun(record: EventRecord, request: Rerun, evaluate: Callable[[Config, int], Result]) -> None:
    """Evaluate a trial's configuration so often; run k takes the study's seed + k.

    Args:
        evaluate: a configuration with a seed for folds and estimators; a cancelled one ends this.
    """
    trial = record.state.trial(request.number)
    if trial is None:
        return
    for index in range(request.times):
        now = record.state.trial(trial.number) or trial
        seed = record.opened.seed + len(now.reruns) + 1
        record.emit(RerunStarted(trial.number, seed, index, request.times))
        result = evaluate(dict(trial.config), seed)
        if result.state == "cancelled":
            return
        seconds = round(result.seconds, 3)
        value, reason = outcome(result)
        record.emit(RerunFinished(trial.number, seed, value, seconds, reason))
