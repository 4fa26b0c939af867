"""How a study stands and how it ended: its summary, its last event, the scores on the test rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import StudyFinished
from hyperllama.core.study.parts import Runner
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.state import StudyState, TrialState


@dataclass(frozen=True)
class TestScores:
    """Scores on rows that no trial saw.

    Attributes:
        value, default: of the winner and of the default; None where they are unknown.
        earlier_looks: how often these rows had been scored before.
    """

    value: float | None = None
    default: float | None = None
    earlier_looks: int = 0


def rate_on_test_rows(
    record: EventRecord, runner: Runner, should_stop: Callable[[], bool]
) -> TestScores:
    """The scores of the winner, and of the default to compare, on rows that no trial saw.

    What was scored there before is not scored again.
    """
    state = record.state
    winner, default, before = state.winner, state.default, state.tested
    if winner is None:
        return TestScores()
    if before is not None and before.number == winner.number:
        return TestScores(before.value, before.default_value, before.earlier_looks)
    looks = 0 if before is None else before.earlier_looks + 1
    found: float | None = None

    def score(trial: TrialState) -> float | None:
        config, seed = dict(trial.config), record.opened.seed
        return runner.test_score(config, seed=seed, should_stop=should_stop)

    try:
        found = score(winner)
        if default is None or found is None:
            return TestScores(found, None, looks)
        if default.number == winner.number:
            return TestScores(found, found, looks)
        if before is not None and before.default_value is not None:
            return TestScores(found, before.default_value, looks)
        return TestScores(found, score(default), looks)
    except HyperLlamaError as error:
        record.note("warning", f"there is no test score: {error.message}", error.hint)
        return TestScores(found, None, looks)


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
        test_value=scores.value,
        seconds=round(spent_s, 3),
        message=message,
        default_test_value=scores.default,
        winner_number=state.winner_number,
        test_rows_used=scores.earlier_looks,
    )


def summary(
    state: StudyState, phase: str, spent_s: float, event: StudyFinished | None
) -> dict[str, Any]:
    """What lists of studies show, and `resume` needs.

    Args:
        phase: "running", "finished", or why it ended before.
    """
    opened, best, confirmed = state.opened, state.best, state.confirmation
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
        "winner_number": state.winner_number,
        "claimed_gain": state.gain,
        "confirmed": None if confirmed is None else confirmed.repeats > 0,
        "gain": confirmed.gain if confirmed else None,
        "gain_low": confirmed.gain_low if confirmed else None,
        "gain_high": confirmed.gain_high if confirmed else None,
        "test_value": event.test_value if event else None,
        "seconds": round(spent_s, 3),
        "updated_t": round(time.time(), 3),
    }
