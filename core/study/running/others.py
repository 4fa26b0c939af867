"""Other processes that work on the same study: what they did is heard, and not done again."""

from __future__ import annotations

import math
from contextlib import nullcontext, suppress
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.core.events import (
    ProposalMade,
    StudyPaused,
    StudyResumed,
    StudySteered,
    TrialFinished,
)
from hyperllama.core.space import Config
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.storage.database import TrialEnded, storage_errors
from hyperllama.core.storage.shared_store import SharedStore
from hyperllama.core.storage.store import Store
from hyperllama.core.storage.trial_rows import StoredTrial
from hyperllama.core.study.history import stored_settings, trial_events
from hyperllama.core.study.parts import StudyParts
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.running.pool import TrialPool
from hyperllama.core.study.running.told_trials import ToldTrials
from hyperllama.core.study.state import FINISHED
from hyperllama.core.study.steering.changes import range_settings

_HEARD_EVERY_S = 1.0
_ENDED = ("COMPLETE", "FAIL", "PRUNED")
_TAKEN_OVER = "another process owns the study now: this one did not answer for too long"


def others_of(
    parts: StudyParts, record: EventRecord, told: ToldTrials, pool: TrialPool
) -> NoOthers:
    """The processes beside this one that can work on a study."""
    if isinstance(parts.store, SharedStore):
        return OtherProcesses(parts.store, record, told, pool, parts)
    return NoOthers(parts.store, record)


class NoOthers:
    """A study that one process works on.

    Attributes:
        unfinished: trials that ran in a process that is gone; they come first.
        over: why this process ends, and what to say of it; None while it does not.
    """

    over: tuple[str, str] | None = None

    def __init__(self, store: Store, record: EventRecord) -> None:
        self._store, self._record = store, record
        self.unfinished: list[StoredTrial] = []

    def begin(self) -> None:
        """Begin to work on the study."""
        self.unfinished = self._store.orphans(())

    def leave(self, why: str) -> None:
        """Nothing is proposed any more: end the number that is reserved, or keep it for later."""
        with nullcontext() if why != "error" else suppress(StudyError):  # it may have failed
            number = self._store.reserved()
            if number is not None:
                end = self._store.release if why in FINISHED else self._store.put_back
                end(number)

    def hear(self, now: bool = False) -> None:
        """Take over what others did since this was last called.

        Args:
            now: also where that was less than a second ago.
        """

    def used_up(self, number: int | None = None) -> bool:
        """Whether as many trials as the budget has were begun, by others, too; with a number,
        before that one."""
        return False

    def evaluates(self, number: int, config: Config) -> bool:
        """Whether another trial evaluates this configuration; else trial `number` will."""
        return False

    def stored(self, event: TrialFinished) -> bool:
        """Store how a trial ended; False where another process had taken it over."""
        self._record.emit(event)
        return True


class OtherProcesses(NoOthers):
    """Hears of the trials of other processes, and of what the owner of the study changed."""

    _store: SharedStore

    def __init__(
        self, store: SharedStore, record: EventRecord, told: ToldTrials, pool: TrialPool,
        parts: StudyParts,
    ) -> None:  # fmt: skip
        super().__init__(store, record)
        self._told, self._pool = told, pool
        self._log, self._clock = parts.proposals, parts.clock
        self._heard_s, self._begun = -math.inf, 0

    def hear(self, now: bool = False) -> None:
        if not now and self._clock() - self._heard_s < _HEARD_EVERY_S:
            return
        self._heard_s = self._clock()
        self._log.fetch()
        attrs = {} if self._record.keeps_books else self._store.attrs()  # before its last trials
        for trial in self._store.trials():
            if trial.number not in self._here():
                self._hear_trial(trial)
        self._begun = self._store.begun()
        if self._store.processes.lost:
            self.over = "error", _TAKEN_OVER
        if not self._record.keeps_books:
            self._follow(attrs)
        if self.over is None:
            self.unfinished += self._store.orphans(self._here())

    def used_up(self, number: int | None = None) -> bool:
        if self.unfinished and number is None:
            return False
        limit = self._record.opened.budget_trials
        if number is not None:
            self._begun = self._store.begun(number)
        return limit is not None and self._begun >= limit

    def evaluates(self, number: int, config: Config) -> bool:
        with storage_errors():
            key = self._record.space.key(config)
            return not self._store.processes.only_one(number, key)

    def stored(self, event: TrialFinished) -> bool:
        try:
            return super().stored(event)
        except TrialEnded as error:
            self._record.note("warning", error.message)  # its score is heard, or it runs there
            return False

    def _here(self) -> set[int]:
        """The trials that this process runs, or runs next."""
        return {*self._pool.running, *(trial.number for trial in self.unfinished)}

    def _hear_trial(self, trial: StoredTrial) -> None:
        state = self._record.state
        known = state.trial(trial.number)
        if trial.rejected or not trial.config or (known is not None and known.done):
            return
        if trial.state in _ENDED:
            self._told.begun(trial.number)
            for event in trial_events(trial, state.best):
                self._record.hear(event)
        elif trial.state == "RUNNING" and trial.ours and known is None:
            self._told.begun(trial.number)
            self._record.hear(ProposalMade(trial.number, trial.proposer, trial.config,
                                           trial.reasoning, trial.fallback))  # fmt: skip

    def _follow(self, attrs: dict[str, Any]) -> None:
        """Do as the owner says."""
        limit = self._record.opened.budget_trials
        used = limit is not None and self._record.state.done_count >= limit
        if attrs.get("finished") is not None and not used:
            self.over = "stopped", "the study was ended by the process that owns it"
        state, opened = self._record.state, self._record.opened
        rests = attrs.get("paused") is True or attrs.get("review") is True
        if rests != state.paused:
            why = "where the study is owned"
            self._record.hear(StudyPaused(why) if rests else StudyResumed())
        settings = stored_settings(attrs)
        known = ("budget_trials", "budget_s", "program_turns", "ranges")
        wanted = {k: v for k, v in {**attrs, **settings}.items() if k in known}
        changed = {k: v for k, v in wanted.items() if v != getattr(opened, k)}
        if settings.get("hints", ()) != state.hints:
            changed["hints"] = settings.get("hints", ())
        if "ranges" in changed:
            changed |= range_settings(Ranges(self._record.ranges.base, changed["ranges"]))
        if changed:
            last = state.trials[-1].number if state.trials else -1
            text = f"changed where the study is owned: {', '.join(sorted(changed))}"
            self._record.hear(StudySteered(last, text, changed))
