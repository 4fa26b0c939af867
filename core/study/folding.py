"""Computes a study's state from its events: `fold` at once, `StateFold` event by event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from hyperllama.core.events import (
    AnswerText,
    Event,
    FoldFinished,
    ImportanceFound,
    ModelLoaded,
    ModelLoading,
    Noted,
    ProposalMade,
    ProposalRejected,
    ProposalStarted,
    ProposalText,
    QuestionAnswered,
    QuestionAsked,
    RerunFinished,
    RerunStarted,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    StudySteered,
    TrialFinished,
    TrialNoted,
)
from hyperllama.core.study.state import AWAITING, Exchange, SteeringAction, StudyState, TrialState

_NOTES_KEPT = 200
_SETTINGS = ("proposer", "model", "budget_trials", "budget_s", "review", "space", "ranges")
"""What steering changes of the facts that a study was opened with."""
_SHAPELESS = (
    ProposalText, FoldFinished, ModelLoading, QuestionAsked, AnswerText, QuestionAnswered, Noted,
)  # fmt: skip


def fold(events: Iterable[tuple[Event, float]]) -> StudyState:
    """The state after these events, each with its time in seconds since the epoch."""
    folding = StateFold()
    for event, t in events:
        folding.apply(event, t)
    return folding.state


class StateFold:
    """Applies events one after the other; each costs the same, however many trials there are."""

    def __init__(self) -> None:
        self._now = StudyState()
        self._trials: dict[int, TrialState] = {}
        self._running: int | None = None
        self._stale = False

    @property
    def state(self) -> StudyState:
        """The study after every event applied so far."""
        if self._stale:
            trials = sorted(self._trials.values(), key=lambda trial: trial.number)
            self._now = replace(self._now, trials=tuple(trials), running=self._running)
            self._stale = False
        return self._now

    def apply(self, event: Event, t: float) -> None:
        """Add one event that happened at `t`, seconds since the epoch."""
        now = replace(
            self._now,
            last_t=max(t, self._now.last_t),
            shape=self._now.shape + (not isinstance(event, _SHAPELESS)),
        )
        if isinstance(event, (StudyOpened, StudyFinished)):
            self._drop_unfinished()
        now = self._trial_event(_study_event(now, event, t), event, t)
        resting = now.finished is None and (now.paused or now.doing == AWAITING)
        if resting and not now.resting_t:
            now = replace(now, resting_t=t)
        elif now.resting_t and not resting:
            now = replace(now, resting_t=0.0, rested_s=now.rested_s + t - now.resting_t)
        self._now, self._stale = now, True

    def restart(self) -> None:
        """Another process was started for a study that had not ended; no event of it came yet."""
        if self._now.finished is None:
            self._drop_unfinished()
            self._now = replace(
                self._now, doing="waiting", paused=False, undo="", rerun=None,
                shape=self._now.shape + 1,
            )  # fmt: skip
            self._stale = True

    def _trial_event(self, now: StudyState, event: Event, t: float) -> StudyState:
        """What an event says about one trial, and what the study does from then on."""
        if isinstance(event, ProposalStarted):
            self._put(TrialState(event.number, event.proposer, started_t=t))
            return replace(now, doing="proposing")
        if isinstance(event, ProposalMade):
            self._put(_proposed(self._get(event.number, t), event))
            return replace(now, doing=AWAITING if event.awaits_approval else "training")
        if isinstance(event, ProposalRejected):
            self._put(replace(self._get(event.number, t), state="proposing"))
            return replace(now, doing="proposing")
        if isinstance(event, TrialFinished):
            self._put(_ended(self._get(event.number, t), event, t))
            incumbent = event.number if event.incumbent else now.incumbent
            return replace(now, doing="between", incumbent=incumbent)
        if isinstance(event, (ProposalText, FoldFinished)):
            trial = self._get(event.number, t)
            if trial.done:
                return now
            if isinstance(event, ProposalText):
                self._put(replace(trial, reasoning=trial.reasoning + event.text))
                return now
            scores = (*trial.fold_scores, event.score)
            self._put(replace(trial, state="training", folds=event.folds, fold_scores=scores))
            return replace(now, doing="training")
        if isinstance(event, (TrialNoted, RerunFinished)) and event.number in self._trials:
            trial = self._trials[event.number]
            if isinstance(event, TrialNoted):
                self._put(replace(trial, note=event.text))
            else:
                self._put(replace(trial, reruns=(*trial.reruns, event.value)))
        return now

    def _get(self, number: int, t: float) -> TrialState:
        return self._trials.get(number) or TrialState(number, started_t=t)

    def _put(self, trial: TrialState) -> None:
        self._trials[trial.number] = trial
        if not trial.done:
            self._running = trial.number
        elif self._running == trial.number:
            self._running = None

    def _drop_unfinished(self) -> None:
        """A trial that ran when its process ended is asked for again."""
        if self._running is not None:
            del self._trials[self._running]
            self._running = None


def _study_event(now: StudyState, event: Event, t: float) -> StudyState:
    """What an event says about the study as a whole."""
    if isinstance(event, StudyOpened):
        return replace(
            now, opened=event, doing="between", paused=False, finished=None, started_t=t,
            hints=event.hints, resting_t=0.0, rested_s=0.0, undo="", rerun=None,
        )  # fmt: skip
    if isinstance(event, ModelLoading):
        return replace(now, doing="loading", loading=event.fraction)
    if isinstance(event, ModelLoaded):
        return replace(now, doing="between", model=event, loading=1.0)
    if isinstance(event, StudyPaused):
        return replace(now, paused=True, pause_reason=event.reason)
    if isinstance(event, StudyResumed):
        return replace(now, paused=False, pause_reason="")
    if isinstance(event, StudySteered):
        return _steered(now, event, t)
    if isinstance(event, RerunStarted):
        return replace(now, doing="rerunning", rerun=event)
    if isinstance(event, RerunFinished):
        return replace(now, doing="between", rerun=None)
    if isinstance(event, ImportanceFound):
        return replace(now, importance=event)
    if isinstance(event, (QuestionAsked, AnswerText, QuestionAnswered)):
        return replace(now, conversation=_conversed(now.conversation, event))
    if isinstance(event, Noted):
        return replace(now, notes=(*now.notes, (t, event))[-_NOTES_KEPT:])
    if isinstance(event, StudyFinished):
        best = now.incumbent if event.best_number is None else event.best_number
        return replace(now, finished=event, incumbent=best)
    return now


def _proposed(trial: TrialState, event: ProposalMade) -> TrialState:
    state = AWAITING if event.awaits_approval else "training"
    names = ("proposer", "config", "fallback", "tokens", "beliefs", "changes")
    return replace(
        trial,
        **{name: getattr(event, name) for name in names},
        state=trial.state if trial.done else state,
        reasoning=event.reasoning or trial.reasoning,
    )


def _ended(trial: TrialState, event: TrialFinished, t: float) -> TrialState:
    copied = {f.name: getattr(event, f.name) for f in fields(event) if f.name != "incumbent"}
    folds = len(event.fold_scores) or trial.folds
    return replace(trial, **copied, folds=folds, best_then=event.incumbent, ended_t=t)


def _steered(now: StudyState, event: StudySteered, t: float) -> StudyState:
    """A steering action, and the settings that hold from then on."""
    action = SteeringAction(t, event.after, event.text)
    now = replace(now, actions=(*now.actions, action), undo=event.undo)
    if not event.settings or now.opened is None:
        return now
    known = {k: v for k, v in event.settings.items() if k in _SETTINGS}
    hints = tuple(str(h) for h in event.settings.get("hints", now.hints))
    return replace(now, opened=replace(now.opened, **known), hints=hints)


def _conversed(
    past: tuple[Exchange, ...], event: QuestionAsked | AnswerText | QuestionAnswered
) -> tuple[Exchange, ...]:
    if isinstance(event, QuestionAsked):
        return (*past, Exchange(event.number, event.text))
    if not past or past[-1].number != event.number:
        return past
    last = past[-1]
    if isinstance(event, AnswerText):
        last = replace(last, text=last.text + event.text)
    else:
        last = replace(
            last, text=event.text or last.text, done=True, config=event.config,
            problem=event.problem, hint=event.hint, model=event.model, seconds=event.seconds,
        )  # fmt: skip
    return (*past[:-1], last)
