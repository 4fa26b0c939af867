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

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.events import (
    Event,
    FoldFinished,
    ImportanceFound,
    Noted,
    ProposalRejected,
    ProposalStarted,
    StudyFinished,
    StudyOpened,
    TrialNoted,
)
from hyperllama.core.events.requests import Inbox, Rerun
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.storage.proposal_log import ProposalLog
from hyperllama.core.storage.store import Store, StoredTrial, jsonable
from hyperllama.core.study.asking import Asker
from hyperllama.core.study.edges import Edges
from hyperllama.core.study.importance import METHOD, importance
from hyperllama.core.study.progress import Progress
from hyperllama.core.study.reruns import Reruns
from hyperllama.core.study.steering import POLL_S, Limits, Steering, Verdict
from hyperllama.core.study.talking import Talking
from hyperllama.core.study.telling import (
    counts,
    describe_space,
    in_words,
    proposal_made,
    proposal_of,
    retold,
    trial_finished,
)
from hyperllama.core.trials import AskContext, Exhausted, Observed, Proposal, Proposer

HOPELESS_AFTER = 5  # failed trials, when none ever completed
_FINISHED = ("budget", "minutes", "exhausted")


class Runner(Protocol):
    """Who trains and scores configurations: `core.evaluate.client.TrialRunner`, or a fake."""

    def evaluate(
        self,
        config: Config,
        *,
        seed: int,
        fold_seed: int | None = None,
        on_fold: Callable[[FoldResult], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
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
        use_model: takes the name or path of another model for the proposers opened from then on,
            and returns it as it is kept; may raise HyperLlamaError.
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
        use_model: Callable[[str], str] = lambda name: name,
        log: Callable[[str], None] = lambda text: None,
        interrupted: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
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
            last_trial=lambda: self._next_number - 1,
            use_model=use_model,
            model=opened.model,
        )
        asker = self._asker
        self._talking = Talking(
            store, events, self._progress, asker.speaker, lambda: asker.name, self._about
        )
        asker.before_switch = self._talking.close
        self._steering.hush = self._talking.hush
        self._reruns = Reruns(store, events, self._evaluate_again, opened.seed)
        self._unfinished: list[StoredTrial] = []
        self._next_number = 0
        self._has_default = False
        self._failed_here = 0
        self._edges = Edges()
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
            self._talking.close()
            self._asker.close()
            self._proposals.close()
        if why in _FINISHED and self._progress.best is not None:
            self._score_test(self._progress.best, self._progress.default)
        return self._finish(why, message)

    def _begin(self) -> None:
        """Learn from the storage how far the study is, and what people made of it."""
        attrs, steering = self._store.attrs(), self._steering
        steering.hints = tuple(str(h) for h in attrs.get("hints", ()))
        steering.review = bool(attrs.get("review", False))
        steering.notes = {int(n): str(t) for n, t in dict(attrs.get("notes", {})).items()}
        self._progress.ranges = Ranges(self._progress.ranges.base, attrs.get("ranges", {}))
        past: list[tuple[Event, float]] = []
        beliefs = self._proposals.beliefs()
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
                steering.spent_s += trial.seconds + trial.proposal_s
                past.extend(retold(trial, self._progress, beliefs.get(trial.number, {})))
                self._progress.learn(trial.observed())
        past.extend(steering.journal.restore(attrs.get("steered", ())))
        past.extend(self._talking.restore(attrs.get("talk", ())))
        past.sort(key=lambda pair: pair[1])
        end = past[-1][1] if past else 0.0
        past.extend((TrialNoted(n, t), end) for n, t in steering.notes.items())
        past.extend((e, end) for e in self._reruns.restore(attrs.get("reruns", {})))
        opened = replace(self._opened, review=steering.review)
        if self._progress.ranges:
            space = describe_space(self._progress.space, self._progress.ranges.base)
            opened = replace(opened, space=space)
        self._events.begin(opened, past)
        for note in self._notes:
            self._events.emit(note)
        self._tell_importance()
        self._suggest()  # what was suggested before is not again
        steering.listen(starting=True)

    def _loop(self) -> tuple[str, str]:
        while True:
            self._rest()
            if self._steering.reruns and not self._steering.ended:
                self._run_again(self._steering.reruns.pop(0))
                continue
            end = self._end()
            if end is not None:
                if not self._steering.ended and self._converse():
                    continue  # what was asked is answered first
                return end
            self._steering.begin_trial()
            chosen = None
            try:
                self._write_summary("running")
                chosen = self._next()
                if chosen is not None:
                    self._evaluate(*chosen)
            except Exhausted as error:
                return "exhausted", error.message
            finally:
                self._steering.end_trial(stepped=chosen is not None)

    def _rest(self) -> None:
        self._steering.listen()
        if self._steering.resting:
            self._write_summary("paused")
        while self._steering.resting:
            self._nap()

    def _nap(self) -> None:
        """A tenth of a second in which nothing but the person's word is waited for."""
        self._sleep(POLL_S)
        self._steering.listen()
        self._converse()

    def _converse(self) -> bool:
        """Go on with a conversation, where there is one; not while a proposer is at work."""
        talking, steering = self._talking, self._steering
        talking.poll()
        if steering.questions and not talking.busy and not self._asker.asking:
            talking.ask(steering.questions.pop(0))
        if talking.busy:
            self._sleep(POLL_S)
            steering.should_stop_now()
        return talking.busy or bool(steering.questions)

    def _should_stop(self) -> bool:
        """What trials poll while they train: requests are heard, answers are passed on."""
        stop = self._steering.should_stop()
        if self._talking.busy or self._steering.questions:
            self._converse()
        return stop

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
            config = self._progress.space.default()
            if not self._progress.tried(config):
                self._events.emit(ProposalStarted(self._next_number, "default"))
                why = "The library's default configuration: what every other is compared with."
                return self._keep(Proposal(config, "default", why))
        return self._propose()

    def _propose(self) -> tuple[int, Proposal] | None:
        """The proposer's word; where proposals wait for a person's, what became of it."""
        steering = self._steering
        turned_down: list[str] = []
        while self._talking.busy:  # the model is asked one thing at a time
            self._converse()
            if steering.cancelled:
                return None
        while True:
            limit = steering.limits.trials
            proposal = self._asker.ask(
                AskContext(
                    number=self._next_number,
                    trials_left=None if limit is None else limit - len(self._progress.trials),
                    hints=steering.hints,
                    attempt=len(turned_down),
                    rejected=tuple(turned_down),
                    should_stop=steering.should_stop,
                )
            )
            if proposal is None:
                return None
            if not steering.review:
                return self._keep(proposal)
            verdict = self._heard(proposal)
            if verdict is None:
                return None
            if not verdict.turned_down:
                if verdict.config is not None:
                    proposal = self._edited(proposal, verdict.config)
                return self._keep(proposal)
            turned_down.append(self._turn_down(proposal, verdict.reason))

    def _heard(self, proposal: Proposal) -> Verdict | None:
        """Wait for a person's word on a proposal; None when the study ends or it no longer fits."""
        steering, number = self._steering, self._next_number
        switches = self._asker.switches
        self._events.emit(proposal_made(number, proposal, self._progress, awaits_approval=True))
        with steering.waiting(number):
            self._write_summary("running")
            while steering.verdict is None:
                if not steering.review:
                    return Verdict(number)
                if steering.ended or not self._progress.space.contains(proposal.config):
                    return None
                if self._asker.switches != switches:
                    return None  # whoever proposes now is asked
                self._nap()
            return steering.verdict

    def _edited(self, proposal: Proposal, config: Config) -> Proposal:
        """The proposal as a person changed it."""
        if self._progress.space.key(config) == self._progress.space.key(proposal.config):
            return proposal
        self._steering.journal.write(
            f"changed the proposal for trial {self._next_number}: "
            f"{in_words(config, self._progress)}"
        )
        record = {**proposal.record, "proposed": proposal.config, "proposed_by": proposal.proposer}
        return replace(proposal, config=config, proposer="edited", record=record)

    def _turn_down(self, proposal: Proposal, reason: str) -> str:
        """Log it, tell watchers, and say what the model is told."""
        number, words = self._next_number, in_words(proposal.config, self._progress)
        self._proposals.append(_record(number, proposal, turned_down=reason or "no reason given"))
        self._events.emit(ProposalRejected(number, proposal.config, reason))
        self._progress.decline(proposal.config)
        if reason:
            self._steering.learn_reason(f"not {words}: {reason}")
        why = f" ({reason})" if reason else ""
        self._steering.journal.write(f"turned down for trial {number}{why}: {words}")
        return f"{words}{why or ' (another one is wanted)'}"

    def _take(self, trial: StoredTrial) -> tuple[int, Proposal] | None:
        """A queued trial made a running one; None if it cannot be, or another program took it."""
        config, wrong = self._steering.complete(trial.config)
        if wrong:
            refusal = {"proposer": "queue", "rejected": True, "reason": wrong}
            self._store.finish(trial.number, None, refusal)
            self._steering.note("warning", f"queued trial {trial.number} was refused: {wrong}")
            return None
        if not self._store.take(trial, config, self._progress.ranges.stored):
            return None
        return self._announce(trial.number, replace(proposal_of(trial), config=config), begin=True)

    def _keep(self, proposal: Proposal) -> tuple[int, Proposal]:
        """Log and store a proposal, in this order: a stored trial has its record in the log."""
        self._proposals.append(_record(self._next_number, proposal))
        attrs = {
            "proposer": proposal.proposer,
            "reasoning": proposal.reasoning,
            "fallback": proposal.fallback,
            "tokens": counts(proposal.record),
        }
        number = self._store.start(proposal, self._progress.ranges.stored, attrs)
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
            should_stop=self._should_stop,
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
            reasoning=proposal.reasoning,
        )
        self._failed_here += value is None
        improved = self._progress.learn(trial)
        self._asker.tell()
        self._events.emit(trial_finished(trial, proposal, improved))
        self._tell_importance()
        for note in self._suggest():
            self._events.emit(note)

    def _suggest(self) -> list[Noted]:
        """Ranges that the best trials keep hitting, each once."""
        return self._edges.look(
            self._opened.study, self._progress.space, self._progress.trials
        )

    def _tell_importance(self) -> None:
        """How much each hyperparameter mattered, after each of the first trials, then now and
        then: what it takes grows with the trials."""
        scored = len(self._progress.trials) - self._progress.failed
        if scored < 40 or scored % 10 == 0:
            shares = importance(self._progress.ranges.base, self._progress.trials)
            if shares:
                self._events.emit(ImportanceFound(shares, scored, METHOD))

    def _run_again(self, request: Rerun) -> None:
        trial = self._progress.trial(request.number)
        if trial is not None:
            self._write_summary("running")
            self._reruns.run(trial, request.times)

    def _evaluate_again(
        self, config: Mapping[str, Any], seed: int
    ) -> tuple[float | None, float, str]:
        """Score, seconds and what went wrong of a configuration with other seeds."""
        result = self._runner.evaluate(
            dict(config), seed=seed, fold_seed=seed, should_stop=self._steering.should_stop_now
        )
        if result.state == "cancelled":
            return None, result.seconds, "cancelled"
        value = result.value if result.state == "complete" else None
        finite = value is not None and math.isfinite(value)
        return (value if finite else None), result.seconds, result.reason

    def _about(self) -> list[str]:
        """What the model is told of the study before its trials."""
        opened, steering, progress = self._opened, self._steering, self._progress
        done, failed = len(progress.trials), progress.failed
        lines = [
            f"Task: {opened.task}, {opened.kind}, {opened.rows} rows, {opened.features} columns.",
            f"Tuned: {', '.join(opened.estimators)}. Score: {opened.metric}, higher is better, "
            f"the mean over {opened.folds} folds.",
            f"{done} trials are done, {failed} of them failed. The budget is "
            f"{steering.limits.describe()}; {self._asker.name} proposes.",
        ]
        if steering.hints:
            lines.append("The user said: " + "; ".join(steering.hints[-5:]))
        return lines

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
                "model": self._steering.model,
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


def _record(number: int, proposal: Proposal, **more: Any) -> dict[str, Any]:
    """A proposal's line in the log."""
    return {
        **proposal.record,
        "number": number,
        "t": round(time.time(), 3),
        "proposer": proposal.proposer,
        "config": proposal.config,
        "reasoning": proposal.reasoning,
        "fallback": proposal.fallback,
        "beliefs": proposal.beliefs,
        **more,
    }
