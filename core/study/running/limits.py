"""When a study is over, and whether another trial may begin beside those under way."""

from __future__ import annotations

from hyperllama.core.space import SearchSpace
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.running.other_folds import OtherFolds
from hyperllama.core.study.running.others import NoOthers
from hyperllama.core.study.running.pool import TrialPool
from hyperllama.core.study.running.told_trials import ToldTrials
from hyperllama.core.study.steering.requests import RequestHandler

HOPELESS_AFTER = 5  # failed trials, when none ever completed


class StudyLimits:
    """Judges how a study stands; changes nothing.

    Attributes:
        failed_here: trials that failed in this session.
        ran_out: the search space of which nothing was left to propose, and what was said of it.
    """

    def __init__(
        self, record: EventRecord, steering: RequestHandler, pool: TrialPool, told: ToldTrials,
        other_folds: OtherFolds, others: NoOthers,
    ) -> None:  # fmt: skip
        self._record, self._steering, self._pool = record, steering, pool
        self._told, self._other_folds, self._others = told, other_folds, others
        self.failed_here = 0
        self.ran_out: tuple[SearchSpace, str] | None = None

    def end(self) -> tuple[str, str] | None:
        """Why the study is over, and what to say about it; None while it is not."""
        state, limit = self._record.state, self._record.opened.budget_trials
        if self._steering.ended:
            return "stopped", ""
        if self._others.over is not None:
            return self._others.over
        if limit is not None and state.done_count >= limit:
            return "budget", ""
        if self._steering.time_is_up:
            return "minutes", ""
        if self.ran_out is not None and self.ran_out[0] == self._record.space:
            return "exhausted", self.ran_out[1]
        if self.failed_here >= HOPELESS_AFTER and all(t.value is None for t in state.trials):
            last = state.trials[-1]
            return "error", f"all {state.done_count} trials failed; the last: {last.reason}"
        return None

    def may_begin(self) -> bool:
        """Whether another trial may be begun, beside those under way if there are any."""
        if self._others.used_up():
            return False
        running = self._pool.running
        if not running:
            return True
        state, opened = self._record.state, self._record.opened
        limit = opened.budget_trials
        if limit is not None and state.done_count + len(running) >= limit:
            return False
        if self._pool.full or opened.jobs != self._pool.size:
            return False
        if state.paused and self._steering.steps <= len(running):
            return False
        if self._other_folds.asked or self._told.waits_for(running):
            return False
        return self.end() is None
