"""What a study looks like now: an immutable picture folded from its events. No widgets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hyperllama.core.events import (
    Event,
    FoldFinished,
    ImportanceFound,
    ModelLoaded,
    ModelLoading,
    Noted,
    ProposalMade,
    ProposalStarted,
    ProposalText,
    ProposalTurnedDown,
    RerunFinished,
    RerunStarted,
    Steered,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    TalkAnswered,
    TalkAsked,
    TalkText,
    TrialFinished,
    TrialNoted,
)

_RECENT_TRIALS = 8  # how many trials the estimate of the time left looks back on
_NOTES_KEPT = 200
_OPENED = ("proposer", "model", "budget_trials", "budget_s", "review", "space")
"""What steering changes of the facts that a study was opened with."""
_SHAPELESS = (ProposalText, FoldFinished, ModelLoading, TalkAsked, TalkText, TalkAnswered, Noted)


@dataclass(frozen=True)
class TrialView:
    """One trial, at whatever point of its life.

    Attributes:
        state: "proposing", "held" (it waits for a person's word), "training", "complete", "fail" or
            "cancelled".
        changes: name -> [incumbent's value, this trial's], as they were when it was proposed.
        best_then: it became the incumbent when it finished.
        ended_t: seconds since the epoch; 0.0 while it runs.
        note: a person's own words on it.
        reruns: its scores on other folds; None for a run that failed.
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
        return self.state in ("complete", "fail", "cancelled")


@dataclass(frozen=True)
class Line:
    """A steering action: what was done, and the last trial begun before it."""

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
class Snapshot:
    """A study at one moment; everything the study screen shows is a function of this and the time.

    Attributes:
        state: "waiting" (nothing heard yet), "loading", "proposing", "held" (a proposal waits for
            a person's word), "training", "rerunning", "paused", "between" (a trial just ended) or
            "finished".
        trials: rising by number; the last may still run.
        started_t, last_t: seconds since the epoch of the newest opening and of the newest event.
        paused_s: seconds spent paused, or waiting for a person's word, since the newest opening.
        lines: steering actions, oldest first; `undo` is what an undo takes back, empty for nothing.
        hints: what the model was told in plain words.
        talk: questions and answers, oldest first.
        shape: another number whenever the history may have other lines, or other scores in them.
    """

    opened: StudyOpened | None = None
    state: str = "waiting"
    trials: tuple[TrialView, ...] = ()
    incumbent: int | None = None
    model: ModelLoaded | None = None
    loading: float = 0.0
    notes: tuple[tuple[float, Noted], ...] = ()
    finished: StudyFinished | None = None
    pause_reason: str = ""
    started_t: float = 0.0
    last_t: float = 0.0
    paused_t: float = 0.0
    paused_s: float = 0.0
    lines: tuple[Line, ...] = ()
    undo: str = ""
    hints: tuple[str, ...] = ()
    importance: ImportanceFound | None = None
    rerun: RerunStarted | None = None
    talk: tuple[Exchange, ...] = ()
    shape: int = 0

    def trial(self, number: int | None) -> TrialView | None:
        """The trial of that number, or None."""
        if number is None:
            return None
        if 0 <= number < len(self.trials) and self.trials[number].number == number:
            return self.trials[number]
        at = bisect_left(self.trials, number, key=lambda t: t.number)
        if at < len(self.trials) and self.trials[at].number == number:
            return self.trials[at]
        return next((t for t in self.trials if t.number == number), None)

    @property
    def best(self) -> TrialView | None:
        return self.trial(self.incumbent)

    @property
    def current(self) -> TrialView | None:
        """The trial that runs now, or None."""
        return self.trials[-1] if self.trials and not self.trials[-1].done else None

    @property
    def held(self) -> TrialView | None:
        """The proposal that waits for a person's word, or None."""
        current = self.current
        return current if current is not None and current.state == "held" else None

    @property
    def default_value(self) -> float | None:
        """The score of the library's default configuration, once it was evaluated."""
        if self.finished is not None and self.finished.default_value is not None:
            return self.finished.default_value
        return next((t.value for t in self.trials if t.proposer == "default" and t.done), None)

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
        """Seconds since the newest opening without the pauses; up to the end once finished."""
        if not self.started_t:
            return 0.0
        end = self.last_t if self.finished is not None else now
        if self.state in ("paused", "held"):
            end = self.paused_t
        return max(0.0, end - self.started_t - self.paused_s)

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
                pace = sum(t.seconds + _proposal_s(t) for t in recent) / len(recent)
                limits.append(pace * max(0, self.opened.budget_trials - self.done_count))
        return min(limits) if limits else None


class Watch:
    """Folds events, in order, into snapshots; a snapshot is made only when asked for."""

    def __init__(self) -> None:
        self._now = Snapshot()
        self._trials: dict[int, TrialView] = {}
        self._stale = False

    def feed(self, event: Event, t: float) -> None:
        """Learn one event that happened at `t`, seconds since the epoch."""
        now = replace(self._now, last_t=max(t, self._now.last_t))
        if not isinstance(event, _SHAPELESS):
            now = replace(now, shape=now.shape + 1)
        if isinstance(event, StudyOpened):
            self._drop_unfinished()
            now = replace(
                now, opened=event, state="between", finished=None, started_t=t, paused_s=0.0,
                undo="", rerun=None,
            )  # fmt: skip
        elif isinstance(event, ModelLoading):
            now = replace(now, state="loading", loading=event.fraction)
        elif isinstance(event, ModelLoaded):
            now = replace(now, model=event, loading=1.0, state="between")
        elif isinstance(event, ProposalStarted):
            self._put(TrialView(event.number, event.proposer, started_t=t))
            now = _running(now, "proposing")
        elif isinstance(event, ProposalText):
            trial = self._get(event.number, t)
            if not trial.done:
                self._put(replace(trial, reasoning=trial.reasoning + event.text))
        elif isinstance(event, ProposalMade):
            trial = self._get(event.number, t)
            self._put(
                replace(
                    trial,
                    proposer=event.proposer,
                    state=trial.state if trial.done else "held" if event.held else "training",
                    config=event.config,
                    reasoning=event.reasoning or trial.reasoning,
                    fallback=event.fallback,
                    tokens=event.tokens,
                    beliefs=event.beliefs,
                    changes=event.changes,
                )
            )
            now = _heard(now, t)
            if event.held and now.state != "paused":
                now = replace(now, state="held", paused_t=t)
            else:
                now = _running(now, "training")
        elif isinstance(event, ProposalTurnedDown):
            now = _running(_heard(now, t), "proposing")
        elif isinstance(event, FoldFinished):
            trial = self._get(event.number, t)
            if not trial.done:
                scores = (*trial.fold_scores, event.score)
                self._put(replace(trial, state="training", folds=event.folds, fold_scores=scores))
                now = _running(now, "training")
        elif isinstance(event, TrialFinished):
            now = self._finish_trial(now, event, t)
        elif isinstance(event, StudyPaused):
            now = replace(
                _heard(now, t), state="paused", paused_t=t, pause_reason=event.reason
            )
        elif isinstance(event, StudyResumed):
            waited = t - now.paused_t if now.state == "paused" else 0.0
            now = replace(now, state="between", paused_s=now.paused_s + waited, pause_reason="")
        elif isinstance(event, Steered):
            now = _steered(now, event, t)
        elif isinstance(event, TrialNoted):
            if event.number in self._trials:
                self._put(replace(self._trials[event.number], note=event.text))
        elif isinstance(event, RerunStarted):
            now = replace(_running(now, "rerunning"), rerun=event)
        elif isinstance(event, RerunFinished):
            if event.number in self._trials:
                trial = self._trials[event.number]
                self._put(replace(trial, reruns=(*trial.reruns, event.value)))
            now = replace(_running(now, "between"), rerun=None)
        elif isinstance(event, ImportanceFound):
            now = replace(now, importance=event)
        elif isinstance(event, (TalkAsked, TalkText, TalkAnswered)):
            now = replace(now, talk=_said(now.talk, event))
        elif isinstance(event, Noted):
            now = replace(now, notes=(*now.notes, (t, event))[-_NOTES_KEPT:])
        elif isinstance(event, StudyFinished):
            self._drop_unfinished()
            now = replace(now, state="finished", finished=event)
            if event.best_number is not None:
                now = replace(now, incumbent=event.best_number)
        self._now = now
        self._stale = True

    def restart(self) -> None:
        """Another process was started for a study that had not ended; it has not said anything."""
        if self._now.finished is None:
            self._drop_unfinished()
            self._now = replace(
                self._now, state="waiting", undo="", rerun=None, shape=self._now.shape + 1
            )
            self._stale = True

    def snapshot(self) -> Snapshot:
        """The study as it is after everything fed so far."""
        if self._stale:
            self._now = replace(self._now, trials=tuple(self._trials.values()))
            self._stale = False
        return self._now

    def _finish_trial(self, now: Snapshot, event: TrialFinished, t: float) -> Snapshot:
        trial = self._get(event.number, t)
        self._put(
            replace(
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
        )
        if event.incumbent:
            now = replace(now, incumbent=event.number)
        return _running(now, "between")

    def _get(self, number: int, t: float) -> TrialView:
        return self._trials.get(number) or TrialView(number, started_t=t)

    def _put(self, trial: TrialView) -> None:
        self._trials[trial.number] = trial

    def _drop_unfinished(self) -> None:
        """A trial that ran when its process went is no trial: it will be asked for again."""
        for number in [n for n, trial in self._trials.items() if not trial.done]:
            del self._trials[number]


def _steered(now: Snapshot, event: Steered, t: float) -> Snapshot:
    """A steering action as a line, and what holds from then on."""
    now = replace(now, lines=(*now.lines, Line(t, event.after, event.text)), undo=event.undo)
    if not event.settings or now.opened is None:
        return now
    known = {k: v for k, v in event.settings.items() if k in _OPENED}
    hints = tuple(str(h) for h in event.settings.get("hints", now.hints))
    return replace(now, opened=replace(now.opened, **known), hints=hints)


def _said(talk: tuple[Exchange, ...], event: TalkAsked | TalkText | TalkAnswered) -> tuple[
    Exchange, ...
]:  # fmt: skip
    if isinstance(event, TalkAsked):
        return (*talk, Exchange(event.number, event.text))
    if not talk or talk[-1].number != event.number:
        return talk
    last = talk[-1]
    if isinstance(event, TalkText):
        last = replace(last, text=last.text + event.text)
    else:
        last = replace(
            last, text=event.text or last.text, done=True, config=event.config,
            problem=event.problem, hint=event.hint, model=event.model, seconds=event.seconds,
        )  # fmt: skip
    return (*talk[:-1], last)


def _heard(now: Snapshot, t: float) -> Snapshot:
    """A person's word came: the time that was waited for it does not count."""
    if now.state != "held":
        return now
    return replace(now, state="between", paused_s=now.paused_s + t - now.paused_t)


def _running(now: Snapshot, state: str) -> Snapshot:
    """`now` in a running state; a pause stays a pause (the trial under way is allowed to end)."""
    return now if now.state in ("paused", "finished") else replace(now, state=state)


def _proposal_s(trial: TrialView) -> float:
    seconds = trial.tokens.get("seconds", 0.0)
    return float(seconds) if isinstance(seconds, (int, float)) else 0.0
