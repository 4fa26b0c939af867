"""What a study is at one moment: a frozen value, folded from the study's events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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

AWAITING = "awaiting approval"
_RECENT_TRIALS = 8  # how many trials the estimate of the time left looks back on
_NOTES_KEPT = 200
_STEERED = ("proposer", "model", "budget_trials", "budget_s", "review", "space")
"""What steering changes of the facts that a study was opened with."""
_SHAPELESS = (
    ProposalText, FoldFinished, ModelLoading, QuestionAsked, AnswerText, QuestionAnswered, Noted,
)  # fmt: skip


@dataclass(frozen=True)
class TrialState:
    """One trial, finished or not.

    Attributes:
        state: "proposing", "awaiting approval", "training", "complete" or "fail".
        changes: name -> [incumbent's value, this trial's], as they were when it was proposed.
        best_then: it became the incumbent when it finished.
        ended_t: seconds since the epoch; 0.0 while it runs.
        note: a person's remark.
        reruns: its scores on other folds; None for a rerun that failed.
    """

    number: int
    proposer: str = ""
    state: str = "proposing"
    config: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    fold_scores: tuple[float, ...] = ()
    folds: int = 0
    std: float | None = None
    train_value: float | None = None
    seconds: float = 0.0
    reason: str = ""
    reasoning: str = ""
    fallback: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, Any] = field(default_factory=dict)
    beliefs: Mapping[str, Any] = field(default_factory=dict)
    best_then: bool = False
    started_t: float = 0.0
    ended_t: float = 0.0
    note: str = ""
    reruns: tuple[float | None, ...] = ()

    @property
    def done(self) -> bool:
        return self.state in ("complete", "fail")

    @property
    def proposal_s(self) -> float:
        """Seconds that its proposal took; 0.0 where that is unknown."""
        seconds = self.tokens.get("seconds", 0.0)
        return float(seconds) if isinstance(seconds, (int, float)) else 0.0


@dataclass(frozen=True)
class SteeringAction:
    """What a person changed, in one line, and the number of the last trial begun before it."""

    t: float
    after: int
    text: str


@dataclass(frozen=True)
class Exchange:
    """A question to the model and its answer, as far as it has come.

    Attributes:
        config: a configuration that the answer suggests.
        problem, hint: why there is no answer.
    """

    number: int
    asked: str
    text: str = ""
    done: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    hint: str = ""
    model: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class StudyState:
    """A study at one moment.

    Attributes:
        opened: the facts of the newest opening, with what steering has changed since.
        doing: "waiting" (no event yet), "loading", "proposing", "awaiting approval", "training",
            "rerunning" or "between" (a trial just ended).
        paused: no further trial begins; the one under way ends first.
        trials: by rising number; the last may still run.
        started_t, last_t: seconds since the epoch of the newest opening and of the newest event.
        rested_s: seconds spent paused or awaiting approval, since the newest opening.
        resting_t: when such a rest began, seconds since the epoch; 0.0 outside of one.
        actions: steering actions, oldest first; `undo` is what an undo takes back, or empty.
        hints: what the model was told in plain words.
        conversation: questions and answers, oldest first.
        shape: another number whenever the history may have other lines, or other scores in them.
    """

    opened: StudyOpened | None = None
    doing: str = "waiting"
    paused: bool = False
    pause_reason: str = ""
    trials: tuple[TrialState, ...] = ()
    incumbent: int | None = None
    model: ModelLoaded | None = None
    loading: float = 0.0
    notes: tuple[tuple[float, Noted], ...] = ()
    finished: StudyFinished | None = None
    started_t: float = 0.0
    last_t: float = 0.0
    resting_t: float = 0.0
    rested_s: float = 0.0
    actions: tuple[SteeringAction, ...] = ()
    undo: str = ""
    hints: tuple[str, ...] = ()
    importance: ImportanceFound | None = None
    rerun: RerunStarted | None = None
    conversation: tuple[Exchange, ...] = ()
    shape: int = 0

    @property
    def phase(self) -> str:
        """"finished", "paused", or what the study is doing."""
        if self.finished is not None:
            return "finished"
        return "paused" if self.paused and self.doing != "loading" else self.doing

    def trial(self, number: int | None) -> TrialState | None:
        """The trial of that number, or None."""
        if number is None:
            return None
        if 0 <= number < len(self.trials) and self.trials[number].number == number:
            return self.trials[number]
        at = bisect_left(self.trials, number, key=lambda t: t.number)
        found = self.trials[at : at + 1]
        return found[0] if found and found[0].number == number else None

    @property
    def best(self) -> TrialState | None:
        """The incumbent."""
        return self.trial(self.incumbent)

    @property
    def current(self) -> TrialState | None:
        """The trial that runs now, or None."""
        return self.trials[-1] if self.trials and not self.trials[-1].done else None

    @property
    def awaiting(self) -> TrialState | None:
        """The trial whose proposal waits for approval, or None."""
        current = self.current
        return current if current is not None and current.state == AWAITING else None

    @property
    def default(self) -> TrialState | None:
        """The trial of the library's default configuration, once it has ended."""
        return next((t for t in self.trials if t.proposer == "default" and t.done), None)

    @property
    def default_value(self) -> float | None:
        """The score of the library's default configuration; None while it is unknown."""
        if self.finished is not None and self.finished.default_value is not None:
            return self.finished.default_value
        return self.default.value if self.default is not None else None

    @property
    def gain(self) -> float | None:
        """How much better the incumbent scores than the default; None while either is unknown."""
        best, default = self.best, self.default_value
        if best is None or best.value is None or default is None:
            return None
        return best.value - default

    @property
    def done_count(self) -> int:
        """Finished trials, failures included."""
        return len(self.trials) - sum(1 for t in self.trials[-2:] if not t.done)

    @property
    def live(self) -> bool:
        """The study's events say that it has not ended; its process may still have died."""
        return self.opened is not None and self.finished is None

    def elapsed_s(self, now: float) -> float:
        """Seconds since the newest opening without the rests; up to the end once finished."""
        if not self.started_t:
            return 0.0
        end = self.last_t if self.finished is not None else self.resting_t or now
        return max(0.0, end - self.started_t - self.rested_s)

    def left_s(self, now: float) -> float | None:
        """Seconds until the budget is used, from the pace of the last trials; None if unknown."""
        if self.opened is None or self.finished is not None:
            return None
        limits: list[float] = []
        if self.opened.budget_s is not None:
            limits.append(max(0.0, self.opened.budget_s - self.elapsed_s(now)))
        if self.opened.budget_trials is not None:
            recent = [t for t in self.trials[-_RECENT_TRIALS - 1 :] if t.done][-_RECENT_TRIALS:]
            if recent:
                pace = sum(t.seconds + t.proposal_s for t in recent) / len(recent)
                limits.append(pace * max(0, self.opened.budget_trials - self.done_count))
        return min(limits) if limits else None


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
        self._stale = False

    @property
    def state(self) -> StudyState:
        """The study after every event applied so far."""
        if self._stale:
            self._now = replace(self._now, trials=tuple(self._trials.values()))
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

    def _drop_unfinished(self) -> None:
        """A trial that ran when its process ended is asked for again."""
        for number in [n for n, trial in self._trials.items() if not trial.done]:
            del self._trials[number]


def _study_event(now: StudyState, event: Event, t: float) -> StudyState:
    """What an event says about the study as a whole."""
    if isinstance(event, StudyOpened):
        return replace(
            now, opened=event, doing="between", paused=False, finished=None, started_t=t,
            resting_t=0.0, rested_s=0.0, undo="", rerun=None,
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
    return replace(
        trial,
        proposer=event.proposer,
        state=trial.state if trial.done else state,
        config=event.config,
        reasoning=event.reasoning or trial.reasoning,
        fallback=event.fallback,
        tokens=event.tokens,
        beliefs=event.beliefs,
        changes=event.changes,
    )


def _ended(trial: TrialState, event: TrialFinished, t: float) -> TrialState:
    return replace(
        trial,
        proposer=event.proposer or trial.proposer,
        state=event.state,
        config=event.config,
        value=event.value,
        fold_scores=event.fold_scores or trial.fold_scores,
        folds=len(event.fold_scores) or trial.folds,
        std=event.std,
        train_value=event.train_value,
        seconds=event.seconds,
        reason=event.reason,
        reasoning=event.reasoning or trial.reasoning,
        fallback=event.fallback or trial.fallback,
        tokens=event.tokens or trial.tokens,
        best_then=event.incumbent,
        ended_t=t,
    )


def _steered(now: StudyState, event: StudySteered, t: float) -> StudyState:
    """A steering action, and the settings that hold from then on."""
    action = SteeringAction(t, event.after, event.text)
    now = replace(now, actions=(*now.actions, action), undo=event.undo)
    if not event.settings or now.opened is None:
        return now
    known = {k: v for k, v in event.settings.items() if k in _STEERED}
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
