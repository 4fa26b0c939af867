"""Which trials the proposers know of, while several run side by side."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from hyperllama.core.evaluate.racing import Raced, Rival
from hyperllama.core.study.proposals import observed
from hyperllama.core.study.proposing import Proposing
from hyperllama.core.study.record import EventRecord
from hyperllama.core.trials import RUNNING, Observed

_RACED = 50  # the latest trials say what differences to the incumbent are like


def held_back(jobs: int, as_finished: bool = False) -> int:
    """How many of the trials begun last stay without their score to a proposal, see `ToldTrials`.

    Those that run beside it, and half as many again: else the others wait whenever one of them is
    slow. None where proposals take trials as they finish.
    """
    return 0 if as_finished else jobs - 1 + jobs // 2


class ToldTrials:
    """Tells the proposers of trials: as running once they have begun, with their score later.

    Args:
        held_back: how many of the trials begun last stay running to them, even when these have
            ended. With one less than there are runners or more, what a proposal knows does not
            depend on which trial is quicker.
    """

    def __init__(self, record: EventRecord, proposing: Proposing, held_back: int) -> None:
        self._record, self._proposing, self.held_back = record, proposing, held_back
        self._begun: list[int] = []
        self._running: set[int] = set()  # told, without a score

    def begun(self, number: int) -> None:
        """A trial was begun, in this session or before, or by another process."""
        at = bisect.bisect_left(self._begun, number)
        if self._begun[at : at + 1] != [number]:
            self._begun.insert(at, number)

    def forget(self, number: int) -> None:
        """A trial was put back."""
        self._begun.remove(number)

    def waits_for(self, running: Iterable[int]) -> bool:
        """Whether the next proposal has to know a trial that is still running."""
        return bool(self.held_back) and not set(self._known()).isdisjoint(running)

    def tell(self) -> None:
        """Tell what the next proposal is to know."""
        state, told = self._record.state, set[int]()
        for number in self._known():
            trial = state.trial(number)
            if trial is not None and trial.done:
                self._proposing.tell(observed(trial))
                told.add(number)
        self._begun = [n for n in self._begun if n not in told]
        self._running -= told
        for number in self._begun:
            trial = state.trial(number)
            if number not in self._running and trial is not None and trial.config:
                self._running.add(number)
                self._proposing.tell(
                    Observed(number, dict(trial.config), None, RUNNING, trial.proposer)
                )

    def rival(self, error: float) -> Rival | None:
        """The best trial that the next proposal knows, to race it against; None while there is
        none, or with an `error` of 0."""
        if not error:
            return None
        held = set(self._begun) - set(self._known())
        known = [t for t in self._record.state.trials if t.done and t.number not in held]
        scored = [t for t in known if t.value is not None and not t.broken]
        if not scored:
            return None
        best = max(scored, key=lambda t: (t.value or 0.0, -t.number))
        others = [
            Raced(t.number, t.fold_scores, t.chance)
            for t in known[-_RACED:]
            if t is not best and t.fold_scores
        ]
        return Rival.of(best.number, best.fold_scores, others, error)

    def _known(self) -> list[int]:
        """The trials whose score the next proposal knows, as far as it is not told yet."""
        return self._begun[: max(0, len(self._begun) - self.held_back)]
