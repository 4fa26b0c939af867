"""How long a study is likely to take yet."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperllama.core.study.state import StudyState

_RECENT_TRIALS = 8  # how many trials the estimate of the time left looks back on
_UNASKED = ("default", "queue")  # proposers whose trials cost no proposal


def left_s(state: StudyState, now: float) -> float | None:
    """See `StudyState.left_s`."""
    if state.opened is None or state.finished is not None:
        return None
    limits: list[float] = []
    if state.opened.budget_s is not None:
        limits.append(max(0.0, state.opened.budget_s - state.elapsed_s(now)))
    if state.opened.budget_trials is not None:
        left = state.opened.budget_trials - state.done_count
        asked = (t for t in reversed(state.trials) if t.done and t.proposer not in _UNASKED)
        recent = list(islice(asked, _RECENT_TRIALS))
        if recent and left > 0:
            each_s = sum(t.work_s for t in recent) / len(recent)
            limits.append(left * each_s / state.opened.jobs)
    return min(limits) if limits else None
