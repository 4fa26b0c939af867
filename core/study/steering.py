"""What people do to a running study: each request, what it changes, and how it is taken back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hyperllama.core.errors import HyperLlamaError, SpaceError
from hyperllama.core.events import Noted, StudyPaused, StudyResumed, TrialNoted, requests
from hyperllama.core.events.requests import Inbox
from hyperllama.core.space import Config
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.storage.store import Store
from hyperllama.core.study.asking import Asker
from hyperllama.core.study.journal import Journal
from hyperllama.core.study.progress import Progress
from hyperllama.core.study.telling import describe_space, in_words

POLL_S = 0.1
_AT_REST = (
    requests.SwitchProposer, requests.Freeze, requests.Range, requests.ResetRange, requests.Undo,
)  # fmt: skip
"""Requests that a proposer at work must not see happen: it is interrupted and asked again."""


@dataclass(frozen=True)
class Limits:
    """When a study ends by itself. None: without limit.

    Attributes:
        trials: evaluated trials in all, failed ones included.
        seconds: spent on proposals and trials in all, over every session of the study.
    """

    trials: int | None = None
    seconds: float | None = None

    def describe(self) -> str:
        parts = [f"{self.trials} trials"] if self.trials is not None else []
        parts += [f"{self.seconds / 60:.3g} minutes"] if self.seconds is not None else []
        return " and ".join(parts) or "without limit"


@dataclass(frozen=True)
class Verdict:
    """A person's word on the proposal that waits for trial `number`.

    Attributes:
        config: what to evaluate in its place; None as it is.
        turned_down: another one is wanted, for this `reason` if there is one.
    """

    number: int
    config: Config | None = None
    turned_down: bool = False
    reason: str = ""


class Steering:
    """Hears requests, and knows whether to rest, to go on, or to end."""

    def __init__(
        self,
        inbox: Inbox,
        events: EventLog,
        store: Store,
        progress: Progress,
        asker: Asker,
        limits: Limits,
        clock: Callable[[], float],
        interrupted: Callable[[], bool],
        last_trial: Callable[[], int],
        use_model: Callable[[str], str],
        model: str,
    ) -> None:
        self.limits = limits
        self.hints: tuple[str, ...] = ()
        self.paused = False
        self.review = False
        self.model = model
        self.notes: dict[int, str] = {}
        self.reruns: list[requests.Rerun] = []
        self.questions: list[str] = []
        self.hush: Callable[[], None] = lambda: None  # ends an answer that is being given
        self.verdict: Verdict | None = None
        self.waiting_number: int | None = None  # of the proposal that waits for a person's word
        self.spent_s = 0.0
        self._interrupted = interrupted
        self._cancelled = False
        self._stopping = False
        self._steps = 0
        self._inbox = inbox
        self._events = events
        self._store = store
        self._progress = progress
        self._asker = asker
        self._clock = clock
        self._use_model = use_model
        self._working_since: float | None = None
        self._polled_s = -math.inf
        self._postponed: list[requests.Request] = []
        self.journal = Journal(store, events, self.settings, last_trial)
        self._answers: dict[type[Any], Callable[[Any], None]] = {
            requests.Pause: lambda r: self._pause(""),
            requests.Resume: self._resume,
            requests.Step: self._step,
            requests.Stop: self._stop,
            requests.StopNow: self._stop_now,
            requests.QueueTrial: self._queue,
            requests.Hint: self._hint,
            requests.Extend: self._extend,
            requests.SwitchProposer: self._propose,
            requests.Review: self._review,
            requests.Approve: self._accept,
            requests.Reject: self._reject,
            requests.Freeze: self._freeze,
            requests.Range: self._range,
            requests.ResetRange: self._release,
            requests.Undo: self._undo,
            requests.Rerun: self._rerun,
            requests.Note: self._note_trial,
            requests.AskQuestion: lambda r: self.questions.append(r.text.strip()),
            requests.StopAnswer: self._hush,
        }

    def settings(self) -> dict[str, Any]:
        """What holds from here on, as `StudySteered` carries it."""
        return {
            "proposer": self._asker.name,
            "model": self.model,
            "budget_trials": self.limits.trials,
            "budget_s": self.limits.seconds,
            "review": self.review,
            "hints": list(self.hints),
            "space": describe_space(self._progress.space, self._progress.ranges.base),
        }

    # The state

    def begin_trial(self) -> None:
        self._working_since = self._clock()

    def end_trial(self, stepped: bool = True) -> None:
        """The clock of the budget rests; `stepped`: a trial was evaluated."""
        if self._working_since is not None:
            self.spent_s += self._clock() - self._working_since
            self._working_since = None
            if stepped:
                self._steps = max(0, self._steps - 1)

    @contextmanager
    def waiting(self, number: int) -> Iterator[None]:
        """While a person thinks about the proposal for trial `number`, no budget is used."""
        self.end_trial(stepped=False)
        self.waiting_number, self.verdict = number, None
        try:
            yield
        finally:
            self.waiting_number = None
            self._working_since = self._clock()

    @property
    def cancelled(self) -> bool:
        """The end is wanted at once: a request, or a signal to this process."""
        return self._cancelled or self._interrupted()

    @property
    def resting(self) -> bool:
        """Paused, and nothing is to be done: no step, no re-run, no end."""
        wanted = self._steps or self.reruns or self.cancelled or self._stopping
        return self.paused and not wanted

    @property
    def ended(self) -> bool:
        """A person asked for the end."""
        return self.cancelled or self._stopping

    @property
    def time_is_up(self) -> bool:
        if self.limits.seconds is None:
            return False
        working_s = 0.0 if self._working_since is None else self._clock() - self._working_since
        return self.spent_s + working_s >= self.limits.seconds

    def should_stop(self) -> bool:
        """Polled while a proposer thinks and while a trial trains; reads requests on the way.

        When the minutes are over the running trial is stopped too, unless nothing was found yet.
        """
        late = self._progress.best is not None and self.time_is_up
        return self.should_stop_now() or late or bool(self._asker.asking and self._postponed)

    def should_stop_now(self) -> bool:
        """Whether a person wants the end at once, whatever the budget says."""
        now = self._clock()
        if now - self._polled_s >= POLL_S:
            self._polled_s = now
            self.listen()
        return self.cancelled

    def listen(self, starting: bool = False) -> None:
        """Do what was asked. When starting, what nobody was there to hear and is wanted still."""
        postponed, self._postponed = self._postponed, []
        heard = self._inbox.read_left() if starting else self._inbox.read()
        for request in (*postponed, *heard):
            if isinstance(request, str):
                self.note("warning", request)
            elif self._asker.asking and isinstance(request, _AT_REST):
                self._postponed.append(request)
            elif not starting or isinstance(request, requests.LASTING):
                self._answers[type(request)](request)
        if heard:
            self._inbox.done()

    def complete(self, values: Mapping[str, Any]) -> tuple[Config, str]:
        """The whole configuration that some values stand for, and what is wrong with them."""
        space = self._progress.space
        for name, value in values.items():
            if name not in space:
                return {}, f"unknown hyperparameter {name!r}; allowed: {', '.join(space.names)}"
            domain = space[name].domain
            if not domain.contains(value):
                return {}, f"{name} = {value!r} is outside; allowed: {domain.describe()}"
        return space.complete(values), ""

    def note(self, level: str, text: str, hint: str = "") -> None:
        self._events.emit(Noted(level, text, hint))

    # Going, resting, ending

    def _pause(self, reason: str) -> None:
        if not self.paused:
            self.paused = True
            self._events.emit(StudyPaused(reason))
            self.journal.write("paused")

    def _resume(self, request: requests.Resume) -> None:
        if self._stopping:
            self._stopping = False
            self.journal.write("goes on: the stop was taken back")
        if self.paused:
            self.paused = False
            self._events.emit(StudyResumed())
            self.journal.write("went on")

    def _step(self, request: requests.Step) -> None:
        if self.paused and self._working_since is None:
            self._steps += 1
        else:
            self._pause("after this trial")

    def _stop(self, request: requests.Stop) -> None:
        def take_back() -> None:
            self._stopping = False

        self._stopping = True
        self.journal.write("the study ends after this trial", take_back)

    def _stop_now(self, request: requests.StopNow) -> None:
        self._cancelled = True
        self.journal.write("stopped at once")

    # What comes next

    def _queue(self, request: requests.QueueTrial) -> None:
        config, wrong = self.complete(request.config)
        if not wrong and self._progress.tried(config):
            wrong = "it was tried already"
        if wrong:
            self.note("warning", f"the configuration was not queued: {wrong}")
            return
        number = self._store.queue(config)

        def take_back() -> None:
            refusal = {"proposer": "queue", "rejected": True, "reason": "taken back"}
            if any(trial.number == number for trial in self._store.waiting()):
                self._store.finish(number, None, refusal)

        self.journal.write(f"queued: {in_words(config, self._progress)}", take_back)

    def _hint(self, request: requests.Hint) -> None:
        text = request.text.strip()
        before = self.hints

        def take_back() -> None:
            self._set_hints(before)

        self._set_hints((*before, text))
        self.journal.write(f"hint: {text}", take_back)
        if not self._asker.reads:
            self.note(
                "warning",
                f"{self._asker.name} reads no hints",
                "it is kept for a chat model; one can be chosen in the middle of a study",
            )

    def _set_hints(self, hints: tuple[str, ...]) -> None:
        self.hints = hints
        self._store.set_attrs({"hints": list(hints)})

    def learn_reason(self, text: str) -> None:
        """A reason for turning a proposal down is a hint from then on."""
        self._set_hints((*self.hints, text))

    def _extend(self, request: requests.Extend) -> None:
        before, (trials, seconds) = self.limits, (self.limits.trials, self.limits.seconds)
        if trials is not None:
            trials = max(len(self._progress.trials), trials + request.trials)
        if seconds is not None:
            seconds = max(0.0, seconds + 60 * request.minutes)
        self._set_limits(Limits(trials, seconds))
        self.journal.write(
            f"the budget is now {self.limits.describe()}", lambda: self._set_limits(before)
        )

    def _set_limits(self, limits: Limits) -> None:
        self.limits = limits
        self._store.set_attrs({"budget_trials": limits.trials, "budget_s": limits.seconds})

    def _propose(self, request: requests.SwitchProposer) -> None:
        name, model = self._asker.name, self.model
        if not self._switch(request.proposer or name, request.model):
            return
        who = request.proposer or name
        with_model = f" with {self.model}" if request.model else ""
        self.journal.write(
            f"{who} proposes from here on{with_model}",
            lambda: self._switch_back(name, model if request.model else ""),
        )

    def _switch_back(self, name: str, model: str) -> None:
        self._switch(name, model)

    def _switch(self, name: str, model: str) -> bool:
        before = self.model
        try:
            if model:
                self.model = self._use_model(model)
            self._asker.switch(name)
        except HyperLlamaError as error:
            self.note("warning", f"{self._asker.name} goes on: {error.message}", error.hint)
            if self.model != before:
                self.model = self._use_model(before) if before else before
            return False
        self._store.set_attrs({"proposer": name})
        return True

    # Review

    def _review(self, request: requests.Review) -> None:
        if self.review == bool(request.on):
            return
        self._set_review(bool(request.on))
        text = "each proposal waits for a word" if self.review else "proposals wait no longer"
        self.journal.write(text, lambda: self._set_review(not request.on))

    def _set_review(self, on: bool) -> None:
        self.review = on
        self._store.set_attrs({"review": on})

    def _accept(self, request: requests.Approve) -> None:
        if not self._awaited(request.number):
            return
        config: Config | None = None
        if request.config:
            config, wrong = self.complete(request.config)
            if not wrong and self._progress.tried(config):
                wrong = "it was tried already"
            if wrong:
                self.note("warning", f"the changed proposal cannot be tried: {wrong}")
                return
        self.verdict = Verdict(request.number, config)

    def _reject(self, request: requests.Reject) -> None:
        if self._awaited(request.number):
            reason = request.reason.strip()
            self.verdict = Verdict(request.number, turned_down=True, reason=reason)

    def _awaited(self, number: int) -> bool:
        """Whether the proposal for that trial waits; a second key press comes too late."""
        return self.waiting_number is not None and number in (-1, self.waiting_number)

    # The search space

    def _freeze(self, request: requests.Freeze) -> None:
        self._change(lambda r: r.freeze(request.name, request.value), request.name, "held")

    def _range(self, request: requests.Range) -> None:
        self._change(
            lambda r: r.limit(request.name, request.low, request.high, request.choices),
            request.name,
            "now",
        )

    def _release(self, request: requests.ResetRange) -> None:
        self._change(lambda r: r.release(request.name), request.name, "again")

    def _change(self, change: Callable[[Ranges], Ranges], name: str, word: str) -> None:
        before = self._progress.ranges
        try:
            after = change(before)
        except SpaceError as error:
            self.note("warning", f"the range stays as it is: {error.message}", error.hint)
            return
        self._set_ranges(after)
        domain = after.space[name].domain if name in after.space else after.base[name].domain
        self.journal.write(
            f"{name} {word}: {domain.describe()}", lambda: self._set_ranges(before)
        )

    def _set_ranges(self, ranges: Ranges) -> None:
        self._progress.ranges = ranges
        self._store.set_attrs({"ranges": ranges.kept})

    # Beside the search

    def _undo(self, request: requests.Undo) -> None:
        if not self.journal.undo():
            self.note("info", "there is nothing to take back")

    def _rerun(self, request: requests.Rerun) -> None:
        best = self._progress.best
        number = request.number if request.number >= 0 else (best.number if best else -1)
        trial = self._progress.trial(number)
        if trial is None or trial.value is None:
            self.note("warning", "there is no scored trial to run again")
            return
        wanted = requests.Rerun(number, request.times)
        self.reruns.append(wanted)

        def take_back() -> None:
            if wanted in self.reruns:
                self.reruns.remove(wanted)

        self.journal.write(f"trial {number} runs again on {request.times} other seeds", take_back)

    def _note_trial(self, request: requests.Note) -> None:
        number, before = request.number, self.notes.get(request.number, "")
        self._set_note(number, request.text.strip())
        text = request.text.strip() or "(taken away)"
        self.journal.write(f"note on trial {number}: {text}",
                           lambda: self._set_note(number, before))

    def _set_note(self, number: int, text: str) -> None:
        self.notes[number] = text
        self._store.set_attrs({"notes": {str(n): t for n, t in self.notes.items() if t}})
        self._events.emit(TrialNoted(number, text))

    def _hush(self, request: requests.StopAnswer) -> None:
        self.questions.clear()
        self.hush()

