"""The loop: what comes next, evaluate it, keep it, tell it; until the study ends.

What comes next follows from the storage alone: a trial that was interrupted, else one that was
queued, else the default configuration, else the proposer's word. So a study that was killed
anywhere goes on as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from core.control import Inbox
from core.errors import HyperLlamaError
from core.evaluate.results import FoldResult, Result
from core.event_log import EventLog
from core.events import (
    Event,
    FoldFinished,
    Noted,
    ProposalStarted,
    StudyFinished,
    StudyOpened,
)
from core.proposal_log import ProposalLog
from core.propose.protocol import AskContext, Exhausted, Observed, Proposal, Proposer
from core.space import Config, SearchSpace
from core.store import Store, StoredTrial, jsonable
from core.study.asking import Asker
from core.study.progress import Progress
from core.study.steering import POLL_S, Limits, Steering
from core.study.telling import counts, proposal_made, proposal_of, retold, trial_finished

HOPELESS_AFTER = 5  # failed trials, when none ever completed
_FINISHED = ("budget", "minutes", "exhausted")


class Runner(Protocol):
    """Who trains and scores configurations: `core.evaluate.client.TrialRunner`, or a fake."""

    def evaluate(
        self,
        config: Config,
        *,
        seed: int,
        on_fold: Callable[[FoldResult], None],
        should_stop: Callable[[], bool],
    ) -> Result: ...

    def test_score(
        self, config: Config, *, seed: int, should_stop: Callable[[], bool] | None = None
    ) -> float | None: ...


class Study:
    """A study, from the moment everything it needs is open until it ends.

    Args:
        store: the study in its storage.
        runner: trains and scores; not closed here.
        make_proposer: opens a proposer by name; may raise HyperLlamaError.
        space: what may be varied.
        opened: the facts that watchers are told first; holds proposer, seed and budget.
        events, inbox, proposals: the files towards watchers, from them, and the permanent log.
        save: keeps the summary.
        notes: told to watchers at the start.
        log: keeps the traceback of a mistake that was survived.
        interrupted: polled ten times a second; True ends the study within two seconds, and what
            is being evaluated is put back.
        clock, sleep: seconds; tests bring their own.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        make_proposer: Callable[[str], Proposer],
        *,
        space: SearchSpace,
        opened: StudyOpened,
        events: EventLog,
        inbox: Inbox,
        proposals: ProposalLog,
        save: Callable[[Mapping[str, Any]], None] = lambda summary: None,
        notes: Sequence[Noted] = (),
        log: Callable[[str], None] = lambda text: None,
        interrupted: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.space = space
        self._store = store
        self._runner = runner
        self._opened = opened
        self._events = events
        self._proposals = proposals
        self._save = save
        self._notes = notes
        self._sleep = sleep
        self._progress = Progress(space)
        self._asker = Asker(
            make_proposer, opened.proposer, self._progress, events, opened.seed, clock, log
        )
        self._steering = Steering(
            inbox,
            events,
            store,
            self._progress,
            self._asker,
            Limits(opened.budget_trials, opened.budget_s),
            clock,
            interrupted,
        )
        self._unfinished: list[StoredTrial] = []
        self._next_number = 0
        self._has_default = False
        self._failed_here = 0
        self._test_value: float | None = None

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
            self._asker.close()
            self._proposals.close()
        if why in _FINISHED and self._progress.best is not None:
            self._score_test(self._progress.best, self._progress.default)
        return self._finish(why, message)

    def _begin(self) -> None:
        """Learn from the storage how far the study is."""
        attrs = self._store.attrs()
        self._steering.hints = tuple(str(h) for h in attrs.get("hints", ()))
        past: list[tuple[Event, float]] = []
        for trial in self._store.trials():
            self._next_number = max(self._next_number, trial.number + 1)
            self._has_default |= trial.ours and trial.proposer == "default"
            if trial.state == "RUNNING" and trial.ours:
                self._unfinished.append(trial)
            if (
                trial.state in ("COMPLETE", "FAIL")
                and not trial.rejected
                and self._progress.understands(trial.config)
            ):
                self._steering.spent_s += trial.seconds + trial.proposal_s
                past.extend(retold(trial, self._progress))
                self._progress.learn(trial.observed())
        self._events.begin(self._opened, past)
        for note in self._notes:
            self._events.emit(note)
        self._steering.listen(starting=True)

    def _loop(self) -> tuple[str, str]:
        while True:
            self._rest()
            end = self._end()
            if end is not None:
                return end
            self._steering.begin_trial()
            try:
                self._write_summary("running")
                chosen = self._next()
                if chosen is not None:
                    self._evaluate(*chosen)
            except Exhausted as error:
                return "exhausted", error.message
            finally:
                self._steering.end_trial()

    def _rest(self) -> None:
        self._steering.listen()
        if self._steering.resting:
            self._write_summary("paused")
        while self._steering.resting:
            self._sleep(POLL_S)
            self._steering.listen()

    def _end(self) -> tuple[str, str] | None:
        """Why the study is over, and what to say about it; None while it is not."""
        done, limit = len(self._progress.trials), self._steering.limits.trials
        if self._steering.ended:
            return "stopped", ""
        if limit is not None and done >= limit:
            return "budget", ""
        if self._steering.time_is_up:
            return "minutes", ""
        if self._failed_here >= HOPELESS_AFTER and self._progress.best is None:
            last = self._progress.trials[-1]
            return "error", f"all {done} trials failed; the last: {last.reason}"
        return None

    def _next(self) -> tuple[int, Proposal] | None:
        """The next trial, stored as RUNNING, and how it came about. None: look again."""
        if self._unfinished:
            trial = self._unfinished.pop(0)
            return self._announce(trial.number, proposal_of(trial), begin=True)
        for trial in self._store.waiting():
            self._next_number = max(self._next_number, trial.number + 1)
            taken = self._take(trial)
            if taken is not None:
                return taken
        if not self._has_default:
            self._has_default = True
            config = self.space.default()
            if not self._progress.tried(config):
                self._events.emit(ProposalStarted(self._next_number, "default"))
                why = "The library's default configuration: what every other is compared with."
                return self._keep(Proposal(config, "default", why))
        limit = self._steering.limits.trials
        proposal = self._asker.ask(
            AskContext(
                number=self._next_number,
                trials_left=None if limit is None else limit - len(self._progress.trials),
                hints=self._steering.hints,
                should_stop=self._steering.should_stop,
            )
        )
        return None if proposal is None else self._keep(proposal)

    def _take(self, trial: StoredTrial) -> tuple[int, Proposal] | None:
        """A queued trial made a running one; None if it cannot be, or another program took it."""
        config, wrong = self._steering.complete(trial.config)
        if wrong:
            refusal = {"proposer": "queue", "rejected": True, "reason": wrong}
            self._store.finish(trial.number, None, refusal)
            self._steering.note("warning", f"queued trial {trial.number} was refused: {wrong}")
            return None
        if not self._store.take(trial, config, self.space):
            return None
        return self._announce(trial.number, replace(proposal_of(trial), config=config), begin=True)

    def _keep(self, proposal: Proposal) -> tuple[int, Proposal]:
        """Log and store a proposal, in this order: a stored trial has its record in the log."""
        self._proposals.append(
            {
                **proposal.record,
                "number": self._next_number,
                "t": round(time.time(), 3),
                "proposer": proposal.proposer,
                "config": proposal.config,
                "reasoning": proposal.reasoning,
                "fallback": proposal.fallback,
                "beliefs": proposal.beliefs,
            }
        )
        attrs = {
            "proposer": proposal.proposer,
            "reasoning": proposal.reasoning,
            "fallback": proposal.fallback,
            "tokens": counts(proposal.record),
        }
        number = self._store.start(proposal, self.space, attrs)
        self._next_number = number + 1
        return self._announce(number, proposal)

    def _announce(
        self, number: int, proposal: Proposal, begin: bool = False
    ) -> tuple[int, Proposal]:
        if begin:
            self._events.emit(ProposalStarted(number, proposal.proposer))
        self._events.emit(proposal_made(number, proposal, self._progress))
        return number, proposal

    def _evaluate(self, number: int, proposal: Proposal) -> None:
        def on_fold(f: FoldResult) -> None:
            self._events.emit(
                FoldFinished(number, f.fold, f.folds, f.score, f.train_score, f.fit_s)
            )

        result = self._runner.evaluate(
            proposal.config,
            seed=self._opened.seed,
            on_fold=on_fold,
            should_stop=self._steering.should_stop,
        )
        if result.state == "cancelled":
            self._store.put_back(number)
            return
        value = result.value if result.state == "complete" else None
        reason = result.reason
        if value is None or not math.isfinite(value):
            value, reason = None, reason or "its score is not a finite number"
        # What proposers are told is what a resumed study would read back.
        kept = jsonable(
            {
                "fold_scores": result.fold_scores,
                "train_score": result.train_value,
                "seconds": round(result.seconds, 4),
                "peak_memory_mb": round(result.peak_memory_mb, 1),
                "reason": reason if value is None else "",
                "facts": result.facts,
            }
        )
        self._store.finish(number, value, kept)
        trial = Observed(
            number=number,
            config=proposal.config,
            value=value,
            reason=kept["reason"],
            proposer=proposal.proposer,
            fold_scores=tuple(kept["fold_scores"]),
            train_value=kept["train_score"],
            seconds=kept["seconds"],
            facts=kept["facts"],
        )
        self._failed_here += value is None
        improved = self._progress.learn(trial)
        self._asker.tell()
        self._events.emit(trial_finished(trial, proposal, improved))

    def _score_test(self, best: Observed, default: Observed | None) -> None:
        """Score the incumbent, and the default to compare, on the rows that no trial saw."""
        stop, seed = self._steering.should_stop_now, self._opened.seed
        try:
            self._test_value = self._runner.test_score(best.config, seed=seed, should_stop=stop)
            scores = {"test_score": self._test_value, "test_of": best.number}
            if default is not None and self._test_value is not None:
                scores["default_test_score"] = (
                    self._test_value
                    if default is best
                    else self._runner.test_score(default.config, seed=seed, should_stop=stop)
                )
        except HyperLlamaError as error:
            self._steering.note("warning", f"there is no test score: {error.message}", error.hint)
            return
        self._store.set_attrs(scores)

    def _finish(self, why: str, message: str) -> StudyFinished:
        best, default = self._progress.best, self._progress.default
        event = StudyFinished(
            why=why,
            best_number=best.number if best else None,
            best_value=best.value if best else None,
            default_value=default.value if default else None,
            test_value=self._test_value,
            seconds=round(self._steering.spent_s, 3),
            message=message,
        )
        self._write_summary("finished" if why in _FINISHED else why, why, message)
        self._events.emit(event)
        self._events.close()
        return event

    def _write_summary(self, state: str, why: str = "", message: str = "") -> None:
        best, default = self._progress.best, self._progress.default
        self._save(
            {
                "state": "paused" if state == "running" and self._steering.paused else state,
                "why": why,
                "message": message,
                "proposer": self._asker.name,
                "trials": len(self._progress.trials),
                "failed": self._progress.failed,
                "budget_trials": self._steering.limits.trials,
                "budget_s": self._steering.limits.seconds,
                "best_number": best.number if best else None,
                "best_value": best.value if best else None,
                "best_config": best.config if best else None,
                "default_value": default.value if default else None,
                "test_value": self._test_value,
                "seconds": round(self._steering.spent_s, 3),
                "updated_t": round(time.time(), 3),
            }
        )
