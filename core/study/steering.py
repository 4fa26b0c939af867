"""What people do to a running study: pause, step, stop, hint, queue, extend; and when it ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core import control
from core.control import Inbox
from core.errors import HyperLlamaError
from core.event_log import EventLog
from core.events import Noted, StudyPaused, StudyResumed
from core.space import Config
from core.store import Store
from core.study.asking import Asker
from core.study.progress import Progress

POLL_S = 0.1


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
    ) -> None:
        self.limits = limits
        self.hints: tuple[str, ...] = ()
        self.paused = False
        self._cancelled = False
        self._interrupted = interrupted
        self.spent_s = 0.0
        self._stopping = False
        self._steps = 0
        self._inbox = inbox
        self._events = events
        self._store = store
        self._progress = progress
        self._asker = asker
        self._clock = clock
        self._working_since: float | None = None
        self._polled_s = -math.inf

    def begin_trial(self) -> None:
        self._steps = max(0, self._steps - 1)
        self._working_since = self._clock()

    def end_trial(self) -> None:
        if self._working_since is not None:
            self.spent_s += self._clock() - self._working_since
            self._working_since = None

    @property
    def cancelled(self) -> bool:
        """The end is wanted at once: a request, or a signal to this process."""
        return self._cancelled or self._interrupted()

    @property
    def resting(self) -> bool:
        """Paused, and neither a step nor an end was asked for."""
        return self.paused and not (self._steps or self.cancelled or self._stopping)

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
        return self.should_stop_now() or late

    def should_stop_now(self) -> bool:
        """Whether a person wants the end at once, whatever the budget says."""
        now = self._clock()
        if now - self._polled_s >= POLL_S:
            self._polled_s = now
            self.listen()
        return self.cancelled

    def listen(self, starting: bool = False) -> None:
        """Do what was asked. When starting, only what stays wanted while no process is there."""
        requests = self._inbox.read()
        for request in requests:
            if isinstance(request, str):
                self.note("warning", request)
            elif not starting or isinstance(request, control.LASTING):
                self._do(request)
        if requests:
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

    def _do(self, request: control.Request) -> None:
        if isinstance(request, control.Pause):
            self._pause("")
        elif isinstance(request, control.Resume):
            if self.paused:
                self.paused = False
                self._events.emit(StudyResumed())
        elif isinstance(request, control.Step):
            if self.paused and self._working_since is None:
                self._steps += 1
            else:
                self._pause("after this trial")
        elif isinstance(request, control.Stop):
            self._stopping = True
            self.note("info", "the study ends after this trial")
        elif isinstance(request, control.StopNow):
            self._cancelled = True
        elif isinstance(request, control.Queue):
            self._queue(request)
        elif isinstance(request, control.Hint):
            self.hints = (*self.hints, request.text.strip())
            self._store.set_attrs({"hints": list(self.hints)})
            self.note("info", f"hint to the model: {request.text.strip()}")
        elif isinstance(request, control.Extend):
            self._extend(request)
        elif isinstance(request, control.Propose):
            self._switch(request.proposer)

    def _pause(self, reason: str) -> None:
        if not self.paused:
            self.paused = True
            self._events.emit(StudyPaused(reason))

    def _queue(self, request: control.Queue) -> None:
        config, wrong = self.complete(request.config)
        if not wrong and self._progress.tried(config):
            wrong = "it was tried already"
        if wrong:
            self.note("warning", f"the configuration was not queued: {wrong}")
            return
        self._store.queue(config)
        self.note("info", "a configuration was queued")

    def _extend(self, request: control.Extend) -> None:
        trials, seconds = self.limits.trials, self.limits.seconds
        if trials is not None:
            trials = max(len(self._progress.trials), trials + request.trials)
        if seconds is not None:
            seconds = max(0.0, seconds + 60 * request.minutes)
        self.limits = Limits(trials, seconds)
        self._store.set_attrs({"budget_trials": trials, "budget_s": seconds})
        self.note("info", f"the budget is now {self.limits.describe()}")

    def _switch(self, name: str) -> None:
        try:
            self._asker.switch(name)
        except HyperLlamaError as error:
            self.note("warning", f"{self._asker.name} goes on: {error.message}", error.hint)
            return
        self._store.set_attrs({"proposer": name})
        self.note("info", f"{name} proposes from here on")
