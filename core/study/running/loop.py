"""The loop: what comes next, evaluate it, store it, tell it; until the study ends.

What comes next follows from the storage alone: a trial that was interrupted, a number that was
reserved, a queued trial, the default configuration, or what the proposer answers. So a study that
was killed anywhere goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import StudyFinished
from hyperllama.core.space.describe import describe_space
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.storage.proposal_log import read_beliefs
from hyperllama.core.study.budget import WorkClock
from hyperllama.core.study.findings.after_trials import Findings
from hyperllama.core.study.findings.ending import (
    TestScores,
    finished,
    rate_on_test_rows,
    summary,
)
from hyperllama.core.study.history import stored_events, stored_settings
from hyperllama.core.study.parts import StudyParts
from hyperllama.core.study.programs import what_it_tries, with_program
from hyperllama.core.study.proposals import trial_finished
from hyperllama.core.study.proposing import Proposing
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.running.limits import StudyLimits
from hyperllama.core.study.running.next_trial import NextTrial
from hyperllama.core.study.running.other_folds import OtherFolds
from hyperllama.core.study.running.others import others_of
from hyperllama.core.study.running.pool import TrialEnd, TrialPool, TrialTask
from hyperllama.core.study.running.told_trials import ToldTrials, held_back
from hyperllama.core.study.state import FINISHED
from hyperllama.core.study.steering.approval import Approval
from hyperllama.core.study.steering.changes import Changes
from hyperllama.core.study.steering.conversation import Conversation
from hyperllama.core.study.steering.requests import POLL_S, RequestHandler
from hyperllama.core.trials import Exhausted


class Study:
    """A study, from the moment everything it needs is open until it ends."""

    def __init__(self, parts: StudyParts) -> None:
        self._parts = parts
        self._store, self._runner, self._sleep = parts.store, parts.runner, parts.sleep
        self._record = EventRecord(parts.store, parts.events, parts.space, parts.keeps_books)
        self._pool = TrialPool(
            parts.runners, parts.opened.seed, self._record.fold_finished,
            ahead=not parts.as_finished, may_go_on=lambda: not self._steering.holding,
        )  # fmt: skip
        self._work = WorkClock(parts.clock)
        self._proposing = Proposing(self._record, parts.make_proposer, parts.clock, parts.log)
        self._conversation = Conversation(self._record, self._proposing)
        self._changes = Changes(self._record, self._proposing, self._conversation, parts.use_model)
        self._steering = RequestHandler(
            self._record, self._proposing, self._conversation, self._changes, self._work,
            parts.inbox, parts.interrupted,
        )  # fmt: skip
        self._approval = Approval(
            self._record, self._proposing, self._steering, parts.proposals,
            lambda proposal: with_program(proposal, self._record, parts),
        )  # fmt: skip
        self._findings = Findings(self._record)
        self._steering.polled = self._while_asking
        held = held_back(self._pool.size, parts.as_finished)
        self._told = ToldTrials(self._record, self._proposing, held)
        self._other_folds = OtherFolds(
            self._record, parts.runner, self._steering, self._changes, self._rest
        )
        self._others = others_of(parts, self._record, self._told, self._pool)
        self._next = NextTrial(
            self._record, self._proposing, self._approval, self._changes, self._answered,
            self._wait, self._others,
        )  # fmt: skip
        self._limits = StudyLimits(
            self._record, self._steering, self._pool, self._told, self._other_folds, self._others
        )

    def run(self) -> StudyFinished:
        """Go on with the study until its end; the returned event was also written.

        Raises:
            HyperLlamaError: the storage or the trial runner failed for good. The study can be
                resumed once the cause is gone.
        """
        try:
            self._begin()
            why, message = self._loop()
        except HyperLlamaError as error:
            self._finish("error", error.message)
            raise
        finally:
            self._conversation.close()
            self._proposing.close()
            self._parts.proposals.close()
        return self._finish(why, message)

    def _begin(self) -> None:
        """Read from the storage how far the study is, and what people changed in it."""
        parts, attrs, trials = self._parts, self._store.attrs(), self._store.trials()
        settings = stored_settings(attrs)
        settings["review"] &= parts.keeps_books  # others rest while a person decides
        ranges = Ranges(parts.space, settings.get("ranges"))
        opened = replace(
            parts.opened,
            **{**settings, "ranges": ranges.kept},
            space=describe_space(ranges.space, ranges.base),
        )
        beliefs = read_beliefs(parts.proposals.path)
        self._record.begin(opened, stored_events(trials, attrs, opened, beliefs))
        self._work.add(self._record.state.worked_s)
        for trial in self._record.state.trials:
            self._told.begun(trial.number)
        self._told.tell()
        self._others.begin()
        for note in parts.notes:
            self._record.emit(note)
        if self._record.state.tested is not None and self._limits.end() is None:
            self._record.note(
                "info", "the test rows were scored before: further trials may owe something to "
                "what they said, so scores on them are marked from here on",
            )  # fmt: skip
        if parts.keeps_books:
            self._findings.begin()
        self._steering.listen(starting=True)
        if self._limits.end() is None:
            self._proposing.check_room()

    def _loop(self) -> tuple[str, str]:
        while True:
            self._others.hear(now=True)
            self._rest()
            training = bool(self._pool.running)
            other_size = self._record.opened.jobs != self._pool.size
            if other_size and not training and not self._steering.ended:
                self._pool.resize(self._parts.use_jobs(self._record.opened.jobs))
                self._told.held_back = held_back(self._pool.size, self._parts.as_finished)
            if self._other_folds.asked and not training and not self._steering.ended:
                self._write_summary("running")
                self._other_folds.carry_out()
                continue
            self._pool.go_on()
            end = self._limits.end()
            for withdrawn in self._pool.withdraw() if end is not None else ():
                self._ended(withdrawn)
            if end is not None and not training:
                if not self._steering.ended and self._converse():
                    continue  # what was asked is answered first
                if end[0] in FINISHED and self._other_folds.unconfirmed:
                    self._write_summary("running")
                    self._other_folds.confirm(lambda: self._limits.end() is not None)
                    continue  # meanwhile the budget may have grown, or a stop was asked for
                return end
            self._work.start()
            try:
                self._write_summary("running")
                if end is None and self._limits.may_begin():
                    self._told.tell()
                    chosen = self._next.begin()
                    if chosen is not None:
                        rival = self._told.rival(self._parts.racing)
                        self._told.begun(chosen[0])
                        self._pool.start(TrialTask(*chosen, rival))
                if self._pool.running and not self._limits.may_begin():
                    self._ended(self._pool.collect(self._should_stop))
            except Exhausted as error:
                self._limits.ran_out = self._record.space, error.message
            finally:
                self._work.stop()
            if not self._pool.running and not self._limits.may_begin():
                self._nap()  # other processes run the last trials

    def _rest(self) -> None:
        self._steering.listen()
        if self._steering.resting:
            self._write_summary("paused")
        while self._steering.resting:
            self._nap()

    def _nap(self) -> None:
        """A tenth of a second in which the study waits for a person."""
        self._sleep(POLL_S)
        self._others.hear()
        self._steering.listen()
        self._take_ended()
        self._converse()

    def _while_asking(self) -> None:
        if self._proposing.asking:
            self._take_ended()

    def _take_ended(self) -> None:
        for trial in self._pool.ended():
            self._ended(trial)

    def _wait(self, done: Callable[[], bool]) -> None:
        """Nap until it is done; no budget is used."""
        with self._work.resting():
            self._write_summary("running")
            while not done():
                self._nap()

    def _converse(self) -> bool:
        """Go on with a conversation; whether there is one, or a question waits."""
        self._conversation.advance()
        if self._conversation.busy:
            self._sleep(POLL_S)
            self._steering.should_stop_now()
        return self._conversation.pending

    def _answered(self) -> bool:
        """Wait for the model: it is asked one thing at a time. False where the study ends."""
        while self._conversation.busy:
            self._converse()
            if self._steering.cancelled:
                return False
        return True

    def _should_stop(self) -> bool:
        """Polled while a trial trains: requests are carried out, answers are passed on."""
        stop = self._steering.should_stop()
        if self._conversation.pending:
            self._converse()
        return stop

    def _ended(self, end: TrialEnd) -> None:
        """Store how a trial ended, and tell others."""
        number, proposal, result = end.trial.number, end.trial.proposal, end.result
        if result.state == "cancelled":
            self._store.put_back(number)
            self._told.forget(number)
            return
        tries = what_it_tries(number, proposal, self._record, self._parts)
        event = trial_finished(number, proposal, result, self._record.state, tries)
        if not self._others.stored(event):
            return
        self._limits.failed_here += event.state == "fail"
        if not self._proposing.asking:
            self._told.tell()
        if self._parts.keeps_books:
            self._findings.tell()
        self._steering.step_done()

    def _finish(self, why: str, message: str) -> StudyFinished:
        self._others.leave(why)
        stop = self._steering.should_stop_now
        done = why in FINISHED and self._parts.keeps_books
        if done and why != "minutes":
            self._findings.tell_default_rounds(self._runner, stop)
        scores = rate_on_test_rows(self._record, self._runner, stop) if done else TestScores()
        event = finished(self._record.state, why, message, scores, self._work.spent_s)
        self._write_summary("finished" if why in FINISHED else why, event)
        self._record.finish(event)
        return event

    def _write_summary(self, phase: str, event: StudyFinished | None = None) -> None:
        self._parts.save(summary(self._record.state, phase, self._work.spent_s, event))
