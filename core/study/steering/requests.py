"""Reads what people ask of a running study: pause, step, stop, decide on a proposal, change it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperllama.core.events import StudyPaused, StudyResumed, requests
from hyperllama.core.space import Config
from hyperllama.core.storage.request_log import Inbox
from hyperllama.core.study.budget import WorkClock
from hyperllama.core.study.proposing import Proposing
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.steering.changes import Changes
from hyperllama.core.study.steering.conversation import Conversation

POLL_S = 0.1
_INTERRUPTING = (
    requests.SwitchProposer, requests.Freeze, requests.Range, requests.ResetRange, requests.Undo,
)  # fmt: skip
"""Requests that are not carried out under a proposer at work: it is interrupted and asked again."""


@dataclass(frozen=True)
class Decision:
    """What a person decided on the proposal that waits for approval.

    Attributes:
        config: what to evaluate in its place; None as it is.
        rejected: another one is wanted, for this `reason` if there is one.
    """

    config: Config | None = None
    rejected: bool = False
    reason: str = ""


class RequestHandler:
    """Reads requests, and knows whether to rest, to go on, or to end.

    Args:
        interrupted: True ends the study at once.
    """

    def __init__(
        self,
        record: EventRecord,
        proposing: Proposing,
        conversation: Conversation,
        changes: Changes,
        work: WorkClock,
        inbox: Inbox,
        interrupted: Callable[[], bool],
    ) -> None:
        self._record = record
        self._proposing = proposing
        self._conversation = conversation
        self._changes = changes
        self._work = work
        self._inbox = inbox
        self._interrupted = interrupted
        self._decision: Decision | None = None
        self._stopping_now = False
        self._stopping = False
        self._steps = 0
        self._polled_s = -math.inf
        self.polled: Callable[[], None] = lambda: None
        """Called whenever requests were read while a proposer thinks or a trial trains."""
        self._postponed: list[requests.Request] = []

    @property
    def cancelled(self) -> bool:
        """The end is wanted at once: a request, or a signal to this process."""
        return self._stopping_now or self._interrupted()

    @property
    def ended(self) -> bool:
        """A person asked for the end."""
        return self.cancelled or self._stopping

    @property
    def resting(self) -> bool:
        """Paused, and nothing is to be done: no step, no rerun, no confirmation, no end."""
        changes = self._changes
        return self._record.state.paused and not (
            self._steps or changes.reruns or changes.confirm or self.ended
        )

    @property
    def holding(self) -> bool:
        """Paused, and no step is asked for: no trial is to begin."""
        return self._record.state.paused and not self._steps

    @property
    def steps(self) -> int:
        """Trials that are to run although the study is paused."""
        return self._steps

    @property
    def time_is_up(self) -> bool:
        """The time limit of the study is reached."""
        limit_s = self._record.opened.budget_s
        return limit_s is not None and self._work.spent_s >= limit_s

    def should_stop(self) -> bool:
        """Polled while a proposer thinks and while a trial trains; reads requests on the way.

        At the time limit the running trial is stopped, too, unless there is no scored one yet.
        """
        late = self._record.state.incumbent is not None and self.time_is_up
        return self.should_stop_now() or late or bool(self._proposing.asking and self._postponed)

    def should_stop_now(self) -> bool:
        """Whether a person wants the end at once, whatever the budget says."""
        now = self._work.now()
        if now - self._polled_s >= POLL_S:
            self._polled_s = now
            self.listen()
            self.polled()
        return self.cancelled

    def write(self, text: str, **settings: Any) -> None:
        """Add a line to the study's history, with the settings that hold from then on."""
        self._changes.write(text, **settings)

    def step_done(self) -> None:
        """A trial ended."""
        self._steps = max(0, self._steps - 1)

    def decided(self) -> Decision | None:
        """What was decided on the proposal that waits for approval since this was last called."""
        decision, self._decision = self._decision, None
        return decision

    def listen(self, starting: bool = False) -> None:
        """Carry out what was asked; when starting, what was asked before and still holds."""
        postponed, self._postponed = self._postponed, []
        heard = self._inbox.read_unowned() if starting else self._inbox.read()
        for request in (*postponed, *heard):
            if isinstance(request, str):
                self._record.note("warning", request)
            elif self._proposing.asking and isinstance(request, _INTERRUPTING):
                self._postponed.append(request)
            elif not starting or isinstance(request, requests.LASTING):
                self._carry_out(request)
        if heard:
            self._inbox.done()

    def _carry_out(self, request: requests.Request) -> None:
        if isinstance(request, requests.Pause):
            self._pause("")
        elif isinstance(request, requests.Resume):
            self._resume()
        elif isinstance(request, requests.Step):
            if self._record.state.paused and not self._work.running:
                self._steps += 1
            else:
                self._pause("after this trial")
        elif isinstance(request, requests.Stop):
            self._stopping = True
            self._changes.write("the study ends after this trial", self._go_on)
        elif isinstance(request, requests.StopNow):
            self._stopping_now = True
            self._changes.write("stopped at once")
        elif isinstance(request, (requests.Approve, requests.Reject)):
            self._decide(request)
        elif isinstance(request, requests.AskQuestion):
            self._conversation.ask(request.text.strip())
        elif isinstance(request, requests.StopAnswer):
            self._conversation.stop()
        else:
            self._changes.make(request)

    def _pause(self, reason: str) -> None:
        if not self._record.state.paused:
            self._record.emit(StudyPaused(reason))
            self._changes.write("paused")

    def _resume(self) -> None:
        if self._stopping:
            self._stopping = False
            self._changes.write("the stop was undone")
        if self._record.state.paused:
            self._record.emit(StudyResumed())
            self._changes.write("resumed")

    def _go_on(self) -> dict[str, Any]:
        self._stopping = False
        return {}

    def _decide(self, request: requests.Approve | requests.Reject) -> None:
        """Keep a decision, unless it is on another proposal than the one that waits."""
        awaiting = self._record.state.awaiting
        if awaiting is None or request.number not in (-1, awaiting.number):
            return
        if isinstance(request, requests.Reject):
            self._decision = Decision(rejected=True, reason=request.reason.strip())
            return
        config, problem = self._changes.completed(request.config) if request.config else (None, "")
        if problem:
            self._record.note("warning", f"the changed proposal cannot be tried: {problem}")
        else:
            self._decision = Decision(config)
