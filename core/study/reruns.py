"""A trial's configuration evaluated again on other folds: how much of its score is luck.

The scores stand beside the trial and teach no proposer anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hyperllama.core.events import Event, RerunFinished, RerunStarted
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.storage.store import Store
from hyperllama.core.trials import Observed


class Reruns:
    """What was found by running trials again, kept with the study.

    Args:
        evaluate: a configuration, a seed, a stop -> value or None, seconds, reason; "cancelled"
            as the reason of a run that a person stopped.
        seed: of the study; run k takes seed + k for the folds and the estimator.
    """

    def __init__(
        self,
        store: Store,
        events: EventLog,
        evaluate: Callable[[Mapping[str, Any], int], tuple[float | None, float, str]],
        seed: int,
    ) -> None:
        self._store, self._events, self._evaluate, self._seed = store, events, evaluate, seed
        self._found: dict[str, list[dict[str, Any]]] = {}

    def restore(self, found: Mapping[str, Any]) -> list[Event]:
        """Take over what earlier sessions found."""
        self._found = {str(n): [dict(r) for r in runs] for n, runs in found.items()}
        return [
            RerunFinished(int(n), r["seed"], r["value"], r["seconds"], r["reason"])
            for n, runs in self._found.items()
            for r in runs
        ]

    def run(self, trial: Observed, times: int) -> None:
        """Evaluate a trial's configuration so many times, each with a seed of its own."""
        runs = self._found.setdefault(str(trial.number), [])
        for index in range(times):
            seed = self._seed + len(runs) + 1
            self._events.emit(RerunStarted(trial.number, seed, index, times))
            value, seconds, reason = self._evaluate(trial.config, seed)
            if reason == "cancelled":
                return
            runs.append(
                {"seed": seed, "value": value, "seconds": round(seconds, 3), "reason": reason}
            )
            self._store.set_attrs({"reruns": self._found})
            self._events.emit(RerunFinished(trial.number, seed, value, seconds, reason))
