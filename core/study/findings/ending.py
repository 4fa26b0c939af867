"""How a study stands and how it ended: its summary, its last event, the scores on the test rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import StudyFinished
from hyperllama.core.study.parts import Runner
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.state import StudyState, TrialState

FINISHED = ("budget", "minutes", "exhausted")
"""Reasons of an end after which little is left to resume."""
TestScores = tuple["float | None", "float | None"]


def rate_on_test_rows(
    record: EventRecord, runner: Runner, should_stop: Callable[[], bool]
) -> TestScores:
    """The scores of the incumbent, and of the default to compare, on rows that no trial saw."""
    best, default, found = record.state.best, record.state.default, None

    def score(trial: TrialState) -> float | None:
        config, seed = dict(trial.config), record.opened.seed
        return runner.test_score(config, seed=seed, should_stop=should_stop)

    try:
        found = score(best) if best is not None else None
        if best is None or default is None or found is None:
            return found, None
        return found, found if default.number == best.number else score(default)
    except HyperLlamaError as error:
        record.note("warning", f"there is no test score: {error.message}", error.hint)
        return found, None


def finished(
    state: StudyState, why: str, message: str, scores: TestScores, spent_s: float
) -> StudyFinished:
    """The last event of a study process."""
    best, default = state.best, state.default
    return StudyFinished(
        why=why,
        best_number=best.number if best else None,
        best_value=best.value if best else None,
        default_value=default.value if default else None,
        test_value=scores[0],
        seconds=round(spent_s, 3),
        message=message,
        default_test_value=scores[1],
    )


def summary(
    state: StudyState, phase: str, spent_s: float, event: StudyFinished | None
) -> dict[str, Any]:
    """What lists of studies show, and `resume` needs.

    Args:
        phase: "running", "finished", or why it ended before.
    """
    opened, best = state.opened, state.best
    assert opened is not None
    return {
        "state": "paused" if phase == "running" and state.paused else phase,
        "why": event.why if event else "",
        "message": event.message if event else "",
        "proposer": opened.proposer,
        "model": opened.model,
        "trials": state.done_count,
        "failed": sum(trial.state == "fail" for trial in state.trials),
        "budget_trials": opened.budget_trials,
        "budget_s": opened.budget_s,
        "best_number": best.number if best else None,
        "best_value": best.value if best else None,
        "best_config": best.config if best else None,
        "default_value": state.default_value,
        "beyond_noise": state.beyond_noise,
        "test_value": event.test_value if event else None,
        "seconds": round(spent_s, 3),
        "updated_t": round(time.time(), 3),
    }
