"""Computes a study's state from its events: `fold` at once, `StateFold` event by event."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

from hyperllama.core.evaluate.results import STOPPED, std
from hyperllama.core.events import (
    AnswerText,
    CandidateStarted,
    Event,
    FoldFinished,
    ImportanceFound,
    IncumbentTested,
    ModelLoaded,
    ModelLoading,
    Noted,
    PromptReading,
    ProposalMade,
    ProposalRejected,
    ProposalStarted,
    ProposalText,
    QuestionAnswered,
    QuestionAsked,
    RerunFinished,
    RerunStarted,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    StudySteered,
    StudyWaiting,
    TrialFinished,
    TrialNoted,
)
from hyperllama.core.study.state import (
    AWAITING,
    Exchange,
    SteeringAction,
    StudyState,
    TrialState,
)

_NOTES_KEPT = 200
_SETTINGS = ("proposer", "model", "budget_trials", "budget_s", "review", "space", "ranges",
             "program_turns", "jobs")
"""What steering changes of the facts that a study was opened with."""
_SHAPELESS = (
    ProposalText, FoldFinished, IncumbentTested, ModelLoading, QuestionAsked, AnswerText,
    QuestionAnswered, Noted, PromptReading, StudyWaiting,
)  # fmt: skip
_READ = (
    StudyOpened, StudyFinished, ProposalStarted, ProposalText, ProposalMade, AnswerText,
    QuestionAnswered,
)  # fmt: skip
"""After these, no prompt is being read."""


def fold(events: Iterable[tuple[Event, float]]) -> StudyState:
    """The state after these events, each with its time in seconds since the epoch."""
    folding = StateFold()
    for event, t in events:
        folding.apply(event, t)
    return folding.state


class StateFold:
    """Applies events one after the other; each costs the same, however many trials there are.

    Events may come from one thread while another reads the state.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._now = SimpleNamespace(**vars(StudyState()))  # a `StudyState` to write to
        self._trials: dict[int, TrialState] = {}
        self._under_way: set[int] = set()  # trials that have not ended
        self._state: StudyState | None = None
        self._begun: dict[int, float] = {}
        """Trials under way whose beginning was heard -> seconds worked before that."""
        self._overlapped: set[int] = set()  # those that were under way beside another
        self._until_t = 0.0  # the end of the work that is counted, of trials read from the storage

    @property
    def state(self) -> StudyState:
        """The study after every event applied so far."""
        with self._lock:
            if self._state is None:
                trials = sorted(self._trials.values(), key=lambda trial: trial.number)
                self._now.trials = tuple(trials)
                self._state = StudyState(**vars(self._now))
            return self._state

    def apply(self, event: Event, t: float) -> None:
        """Add one event that happened at `t`, seconds since the epoch."""
        with self._lock:
            self._apply(event, t)

    def _apply(self, event: Event, t: float) -> None:
        now, self._state = self._now, None
        now.last_t = max(t, now.last_t)
        now.shape += not isinstance(event, _SHAPELESS)
        if isinstance(event, (StudyOpened, StudyFinished)):
            self._drop(self._unfinished())
        self._apply_to_trial(event, t)
        if isinstance(event, _READ):
            now.reading = None
        vars(now).update(_changes(now, event, t))
        goes_on = (ModelLoaded, ProposalMade, TrialFinished)  # beside another trial, or for it
        if isinstance(event, goes_on) and now.running is not None:
            now.doing = self._trials[now.running].state
        elif isinstance(event, QuestionAnswered) and now.doing == "loading":  # that was ended
            now.doing = "between" if now.running is None else self._trials[now.running].state
        self._count_work(event, t)

    def _count_work(self, event: Event, t: float) -> None:
        """Count the seconds of proposing and training.

        A trial that was read from the storage has no beginning that was heard: it counts what the
        storage says of it, as the study process does.
        """
        now = self._now
        if isinstance(event, StudyOpened):
            self._begun, now.working_t, self._until_t = {}, 0.0, 0.0
            now.worked_s = 0.0
            for trial in sorted(self._trials.values(), key=lambda trial: trial.ended_t):
                self._count_ended(trial)
        elif isinstance(event, ProposalStarted) and event.number not in self._begun:
            self._begun[event.number] = now.worked_s + (t - now.working_t if now.working_t else 0)
            if len(self._begun) > 1:
                self._overlapped.update(self._begun)
        under_way = [self._trials[n] for n in self._begun if n in self._trials]
        working = any(not trial.done and trial.state != AWAITING for trial in under_way)
        if working and not now.working_t:
            now.working_t = t
        elif now.working_t and not working:
            now.worked_s += max(0.0, t - now.working_t)
            now.working_t = 0.0
        if isinstance(event, TrialFinished):
            trial = self._trials[event.number]
            before_s, alone = self._begun.pop(event.number, None), True
            if event.number in self._overlapped:
                self._overlapped.remove(event.number)
                alone = False
            if before_s is not None and alone:
                self._trials[event.number] = replace(trial, work_s=now.worked_s - before_s)
                return
            work_s = trial.seconds + trial.proposal_s
            self._trials[event.number] = replace(trial, work_s=work_s)
            if before_s is None:
                now.worked_s -= trial.work_s
                self._count_ended(self._trials[event.number])

    def _count_ended(self, trial: TrialState) -> None:
        """Count the work of a trial that was read from the storage; what ran side by side once."""
        work_s = trial.work_s
        if self._now.opened is not None and self._now.opened.jobs > 1:
            work_s = min(work_s, max(0.0, trial.ended_t - self._until_t))
            self._until_t = max(self._until_t, trial.ended_t)
        self._now.worked_s += work_s

    def restart(self) -> None:
        """Another process was started for a study that had not ended; no event of it came yet."""
        if self._now.finished is None:
            self._state = None
            self._drop(self._unfinished())
            self._now.shape += 1
            self._begun, self._now.working_t = {}, 0.0
            fresh = {"paused": False, "undo": "", "rerun": None, "confirming": None}
            vars(self._now).update(doing="waiting", **fresh)

    def _apply_to_trial(self, event: Event, t: float) -> None:
        """Add what an event says about one trial."""
        if isinstance(event, ProposalStarted):
            given_up = [t for t in self._unfinished() if t.state != "training"]
            self._drop(t for t in given_up if t.number != event.number)
            self._put(TrialState(event.number, event.proposer))
        elif isinstance(event, ProposalMade):
            self._put(_proposed(self._get(event.number), event, t))
        elif isinstance(event, ProposalRejected):
            self._put(replace(self._get(event.number), state="proposing"))
        elif isinstance(event, TrialFinished):
            self._put(_ended(self._get(event.number), event, t))
        elif isinstance(event, (ProposalText, FoldFinished)):
            trial = self._get(event.number)
            if trial.done:
                return
            if isinstance(event, ProposalText):
                self._put(replace(trial, reasoning=trial.reasoning + event.text))
            else:
                scores = (*trial.fold_scores, event.score)
                self._put(replace(trial, state="training", folds=event.folds, fold_scores=scores))
        elif isinstance(event, (TrialNoted, RerunFinished)) and event.number in self._trials:
            trial = self._trials[event.number]
            if isinstance(event, TrialNoted):
                self._put(replace(trial, note=event.text))
            else:
                self._put(replace(trial, reruns=(*trial.reruns, event.value)))

    def _get(self, number: int) -> TrialState:
        return self._trials.get(number) or TrialState(number)

    def _put(self, trial: TrialState) -> None:
        self._trials[trial.number] = trial
        if trial.done:
            self._under_way.discard(trial.number)
        else:
            self._under_way.add(trial.number)
        self._look()

    def _look(self) -> None:
        """Say which trials are under way."""
        asked_last = max(
            self._unfinished(), key=lambda t: (t.state != "training", t.number), default=None
        )
        self._now.running = asked_last.number if asked_last is not None else None
        self._now.under_way = len(self._under_way)

    def _unfinished(self) -> list[TrialState]:
        return [self._trials[number] for number in self._under_way]

    def _drop(self, trials: Iterable[TrialState]) -> None:
        """These are asked for again: their process ended, or their proposal was given up."""
        for trial in list(trials):
            del self._trials[trial.number]
            self._under_way.remove(trial.number)
            self._begun.pop(trial.number, None)
            self._overlapped.discard(trial.number)
        self._look()


def _changes(now: SimpleNamespace, event: Event, t: float) -> dict[str, Any]:
    """What an event changes in the study as a whole: names of its state's fields -> values."""
    if isinstance(event, StudyOpened):
        return {
            "opened": event, "doing": "between", "paused": False, "finished": None,
            "started_t": t, "hints": event.hints, "undo": "", "rerun": None,
            "confirming": None, "waiting": None,
        }  # fmt: skip
    if isinstance(event, StudyWaiting):
        return {"waiting": event if event.left_s > 0 else None}
    if isinstance(event, PromptReading):
        return {"reading": event if event.done < event.total else None}
    if isinstance(event, ModelLoading):
        return {"doing": "loading", "loading": event.fraction}
    if isinstance(event, ModelLoaded):
        return {"doing": "between", "model": event, "loading": 1.0}
    if isinstance(event, (ProposalStarted, ProposalRejected)):
        return {"doing": "proposing"}
    if isinstance(event, ProposalMade):
        return {"doing": AWAITING if event.awaits_approval else "training"}
    if isinstance(event, FoldFinished):
        return {"doing": "training"} if now.running == event.number else {}
    if isinstance(event, TrialFinished):
        incumbent = event.number if event.incumbent else now.incumbent
        return {"doing": "between", "incumbent": incumbent, "confirmation": None}
    if isinstance(event, StudyPaused):
        return {"paused": True}
    if isinstance(event, StudyResumed):
        return {"paused": False}
    if isinstance(event, StudySteered):
        return _steered(now, event, t)
    if isinstance(event, RerunStarted):
        return {"doing": "rerunning", "rerun": event}
    if isinstance(event, RerunFinished):
        return {"doing": "between", "rerun": None}
    if isinstance(event, CandidateStarted):
        return {"doing": "confirming", "confirming": event}
    if isinstance(event, StudyConfirmed):
        return {"doing": "between", "confirming": None, "confirmation": event}
    if isinstance(event, ImportanceFound):
        return {"importance": event}
    if isinstance(event, IncumbentTested):
        return {"tested": event}
    if isinstance(event, (QuestionAsked, AnswerText, QuestionAnswered)):
        return {"conversation": _conversed(now.conversation, event)}
    if isinstance(event, Noted):
        notes = (*now.notes, (t, event))[-_NOTES_KEPT:]
        return {"notes": notes, "noted": now.noted + 1}
    if isinstance(event, StudyFinished):
        best = now.incumbent if event.best_number is None else event.best_number
        tested, of = now.tested, event.winner_number
        of = best if of is None else of
        if of is not None and event.test_value is not None:
            tested = IncumbentTested(
                of, event.test_value, event.default_test_value, event.test_rows_used
            )
        return {"finished": event, "incumbent": best, "tested": tested, "confirming": None,
                "waiting": None}
    return {}


def _proposed(trial: TrialState, event: ProposalMade, t: float) -> TrialState:
    state = AWAITING if event.awaits_approval else "training"
    names = ("proposer", "config", "fallback", "tokens", "beliefs", "changes")
    return replace(
        trial,
        **{name: getattr(event, name) for name in names},
        state=trial.state if trial.done else state,
        trains_t=0.0 if event.awaits_approval else t,
        reasoning=event.reasoning or trial.reasoning,
    )


_OF_END = tuple(f.name for f in fields(TrialFinished) if f.name != "incumbent")


def _ended(trial: TrialState, event: TrialFinished, t: float) -> TrialState:
    copied = {name: getattr(event, name) for name in _OF_END}
    folds = len(event.fold_scores) or trial.folds
    stopped = event.facts.get(STOPPED)
    if isinstance(stopped, Mapping) and isinstance(stopped.get("folds"), int):
        folds = stopped["folds"]
    if event.value is not None and len(event.fold_scores) > 1:
        copied["std"] = std(event.fold_scores)  # up to version 0.2.0 stored with n below
    return replace(trial, **copied, folds=folds, best_then=event.incumbent, ended_t=t)


def _steered(now: SimpleNamespace, event: StudySteered, t: float) -> dict[str, Any]:
    """A steering action, and the settings that hold from then on."""
    action = SteeringAction(t, event.after, event.text)
    changes: dict[str, Any] = {"actions": (*now.actions, action), "undo": event.undo}
    if event.settings and now.opened is not None:
        known = {k: v for k, v in event.settings.items() if k in _SETTINGS}
        changes["opened"] = replace(now.opened, **known)
        changes["hints"] = tuple(str(h) for h in event.settings.get("hints", now.hints))
    return changes


def _conversed(
    past: tuple[Exchange, ...], event: QuestionAsked | AnswerText | QuestionAnswered
) -> tuple[Exchange, ...]:
    if isinstance(event, QuestionAsked):
        return (*past, Exchange(event.number, event.text, computed=event.computed))
    at = next((i for i, one in enumerate(past) if one.number == event.number), None)
    if at is None:
        return past
    one = past[at]
    if isinstance(event, AnswerText):
        one = replace(one, text=one.text + event.text)
    else:
        one = replace(
            one, text=event.text or one.text, done=True, config=event.config,
            problem=event.problem, hint=event.hint, model=event.model, seconds=event.seconds,
            cut=event.cut,
        )  # fmt: skip
    return (*past[:at], one, *past[at + 1 :])
