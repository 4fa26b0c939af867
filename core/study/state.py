"""What a study is at one moment: a frozen value. `folding` computes it from the events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hyperllama.core.evaluate.results import STOPPED
from hyperllama.core.events import (
    CandidateStarted,
    ImportanceFound,
    IncumbentTested,
    ModelLoaded,
    Noted,
    PromptReading,
    RerunStarted,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    StudyWaiting,
)
from hyperllama.core.objectives import broken, measures_of
from hyperllama.core.study.pace import left_s
from hyperllama.core.trials.noise import StudyNoise, study_noise

if TYPE_CHECKING:
    from hyperllama.core.predict import FittedModel

AWAITING = "awaiting approval"
PRUNED = "pruned"
FINISHED = ("budget", "minutes", "exhausted")
"""Reasons of an end after which little is left to resume."""
_NOISE_TRIALS = 200  # the latest: what the noise takes to compute grows with them


@dataclass(frozen=True)
class TrialState:
    """One trial, finished or not.

    Attributes:
        state: "proposing", "awaiting approval", "training", "complete", "fail", or "pruned":
            stopped after some of its folds.
        changes: name -> [incumbent's value, this trial's], as they were when it was proposed.
        best_then: it became the incumbent when it finished.
        trains_t: seconds since the epoch at which its evaluation began; 0.0 before that.
        ended_t: seconds since the epoch; 0.0 while it runs.
        work_s: seconds that it was proposed and trained; waiting for approval does not count.
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
    trains_t: float = 0.0
    ended_t: float = 0.0
    work_s: float = 0.0
    note: str = ""
    reruns: tuple[float | None, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    @property
    def done(self) -> bool:
        return self.state in ("complete", "fail", PRUNED)

    @property
    def expected(self) -> float | None:
        """The score that a pruned trial was expected to reach; None for others."""
        return self._stopped("expected")

    @property
    def chance(self) -> float | None:
        """The chance to beat the incumbent with which a trial was pruned; None for others."""
        return self._stopped("chance")

    @property
    def measures(self) -> dict[str, float]:
        """What was measured beside its score, by name; means over the folds."""
        return measures_of(self.facts)

    @property
    def broken(self) -> tuple[str, ...]:
        """The constraints that it does not keep."""
        return broken(self.facts)

    def _stopped(self, name: str) -> float | None:
        stopped = self.facts.get(STOPPED) if self.state == PRUNED else None
        value = stopped.get(name) if isinstance(stopped, Mapping) else None
        return float(value) if isinstance(value, (int, float)) else None

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
        computed: what the program itself answers, sentence by sentence.
        text: the model's words.
        config: a configuration that the answer suggests.
        problem, hint: why there is no answer of the model.
        cut: why the model's words end early.
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
    computed: tuple[str, ...] = ()
    cut: str = ""


@dataclass(frozen=True)
class StudyState:
    """A study at one moment.

    Attributes:
        opened: the facts of the newest opening, with what steering has changed since.
        doing: "waiting" (no event yet), "loading", "proposing", "awaiting approval", "training",
            "rerunning", "confirming" or "between" (a trial just ended).
        paused: no further trial begins; the one under way ends first.
        reading: how far the model is with its prompt; None unless it reads one.
        waiting: for what the study waits, and how long at most; None unless it does.
        trials: by rising number; `under_way` of them are not done, and `running` is the number of
            the one that is proposed, else of the last of these.
        noted: how many notes there were so far; `notes` has the latest of them.
        started_t, last_t: seconds since the epoch of the newest opening and of the newest event.
        worked_s: seconds of proposing and training so far, over all openings.
        working_t: since when the trial under way is proposed or trained, seconds since the epoch;
            0.0 where none is, or it waits for approval.
        actions: steering actions, oldest first; `undo` is what an undo takes back, or empty.
        hints: what the model was told in plain words.
        conversation: questions and answers, oldest first.
        confirming: how far a confirmation is that is under way.
        confirmation: how the newest one ended; None once another trial has ended.
        tested: the newest scores on the test rows; a better trial may have been found since.
        chosen: number of the trial that a person wants to use; None leaves it to the study.
        shape: another number whenever the history may have other lines, or other scores in them.
    """

    opened: StudyOpened | None = None
    doing: str = "waiting"
    paused: bool = False
    trials: tuple[TrialState, ...] = ()
    running: int | None = None
    under_way: int = 0
    incumbent: int | None = None
    model: ModelLoaded | None = None
    loading: float = 0.0
    reading: PromptReading | None = None
    waiting: StudyWaiting | None = None
    notes: tuple[tuple[float, Noted], ...] = ()
    noted: int = 0
    finished: StudyFinished | None = None
    started_t: float = 0.0
    last_t: float = 0.0
    worked_s: float = 0.0
    working_t: float = 0.0
    actions: tuple[SteeringAction, ...] = ()
    undo: str = ""
    hints: tuple[str, ...] = ()
    importance: ImportanceFound | None = None
    tested: IncumbentTested | None = None
    rerun: RerunStarted | None = None
    confirming: CandidateStarted | None = None
    confirmation: StudyConfirmed | None = None
    conversation: tuple[Exchange, ...] = ()
    chosen: int | None = None
    shape: int = 0

    @property
    def phase(self) -> str:
        """"finished", "paused", "answering" (between two trials), or what the study is doing."""
        if self.finished is not None:
            return "finished"
        if self.doing == "between" and self.asked:
            return "answering"
        return "paused" if self.paused and self.doing != "loading" else self.doing

    @property
    def asked(self) -> list[Exchange]:
        """The questions whose answers are not whole."""
        return [one for one in self.conversation if not one.done]

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
        """The trial that is proposed or trained now, or None."""
        return self.trial(self.running)

    @property
    def unfinished(self) -> tuple[TrialState, ...]:
        """The trials that are proposed or trained now."""
        return tuple(t for t in self.trials if not t.done) if self.under_way else ()

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
    def winner_number(self) -> int | None:
        """The number of the trial to use; None while there is none."""
        if self.chosen is not None:
            return self.chosen
        return self.incumbent if self.confirmation is None else self.confirmation.winner

    @property
    def winner(self) -> TrialState | None:
        """The trial to use: the chosen one, else the confirmed winner, else the incumbent."""
        return self.trial(self.winner_number)

    @cached_property
    def front(self) -> tuple[TrialState, ...]:
        """Of several objectives: the trials that keep all constraints and that no other is better
        than, the best by the metric first."""
        from hyperllama.core.study.front import front

        return front(self)

    def choosing(self, number: int) -> StudyState:
        """The study with a person's choice of the trial to use.

        Raises:
            StudyError: there is no such trial, it has no score, or it breaks a constraint.
        """
        from hyperllama.core.study.front import choosing

        return choosing(self, number)

    def fitted(self) -> FittedModel:
        """The winner's model, fitted on all rows; the first call fits it, later ones load it.

        Raises:
            HyperLlamaError: as `core.study.fitted.fitted_model`.
        """
        from hyperllama.core.study.fitted import fitted_model

        study = self.opened.study if self.opened is not None else ""
        return fitted_model(study, trial=self.chosen)

    def predict(self, frame: Any) -> Any:
        """The winner's predictions for raw rows, see `FittedModel.predict`."""
        return self.fitted().predict(frame)

    @property
    def test_value(self) -> float | None:
        """The winner's score on the test rows; None while it is unknown."""
        tested = self.tested
        return tested.value if tested is not None and tested.number == self.winner_number else None

    @property
    def default_test_value(self) -> float | None:
        """The default configuration's score on the test rows; None while it is unknown."""
        return self.tested.default_value if self.tested is not None else None

    @property
    def test_rows_used(self) -> int:
        """How often the test rows had been scored before the newest scores on them."""
        return self.tested.earlier_looks if self.tested is not None else 0

    @property
    def gain(self) -> float | None:
        """How much better the incumbent, or the chosen trial, scores than the default; None while
        either is unknown."""
        best = self.best if self.chosen is None else self.winner
        default = self.default_value
        if best is None or best.value is None or default is None:
            return None
        return best.value - default

    @cached_property
    def noise(self) -> StudyNoise | None:
        """How far a trial may score above the default by luck; None while that is unknown."""
        default = self.default
        if default is None or default.value is None:
            return None
        scored = [t.fold_scores for t in self.trials if t.value is not None and t is not default]
        share = self.opened.scored_share if self.opened is not None else 0.0
        n = len(default.fold_scores)
        share = share or (1 / n if n > 1 else 0.0)
        return study_noise(default.fold_scores, scored[-_NOISE_TRIALS:], share)

    @property
    def confirmed_gain(self) -> float | None:
        """The winner's gain on fresh folds, 0 where the default stays; None: not confirmed."""
        found = self.confirmation
        return (found.gain or 0.0) if found is not None and found.repeats else None

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the winner is better than the default by more than luck; None: cannot tell.

        Fresh folds decide where the best trials were compared on them (the whole interval of the
        gain is above 0), else the study's noise.
        """
        confirmation, gain = self.confirmation, self.gain
        if confirmation is not None and confirmation.repeats:
            return (confirmation.gain_low or 0.0) > 0
        if gain is None or gain <= 0:
            return None if gain is None else False
        noise = self.noise
        return None if noise is None else gain > noise.margin

    @property
    def done_count(self) -> int:
        """Finished trials, failures included."""
        return len(self.trials) - self.under_way

    @property
    def live(self) -> bool:
        """The study's events say that it has not ended; its process may still have died."""
        return self.opened is not None and self.finished is None

    def elapsed_s(self, now: float) -> float:
        """Seconds of proposing and training so far, over all openings; what the budget counts.

        Args:
            now: seconds since the epoch, for the trial under way.
        """
        if self.finished is not None and self.finished.seconds > 0:
            return self.finished.seconds
        return self.worked_s + (max(0.0, now - self.working_t) if self.working_t else 0.0)

    def left_s(self, now: float) -> float | None:
        """Seconds until the budget is used, from the pace of the last trials; None if unknown.

        Trials that nobody was asked for (the default, queued ones) say nothing about the pace.
        """
        return left_s(self, now)
