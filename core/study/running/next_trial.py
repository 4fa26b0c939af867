"""Which trial comes next: what the storage has begun or queued, the default, or a proposal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hyperllama.core.events import ProposalStarted
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.space import Config
from hyperllama.core.storage.database import TrialEnded
from hyperllama.core.storage.trial_rows import StoredTrial
from hyperllama.core.study.proposals import default_proposal, proposal_made, proposal_of
from hyperllama.core.study.proposing import Proposing
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.running.others import NoOthers
from hyperllama.core.study.steering.approval import Approval
from hyperllama.core.study.steering.changes import Changes
from hyperllama.core.trials import Proposal


class NextTrial:
    """Begins one trial after the other.

    Args:
        answered: waits until the model has answered what it was asked; False where the study ends
            before that.
        wait: rests until a condition holds; no budget is used meanwhile.
        others: the processes that work on the study beside this one.
    """

    def __init__(
        self, record: EventRecord, proposing: Proposing, approval: Approval, changes: Changes,
        answered: Callable[[], bool], wait: Callable[[Callable[[], bool]], None],
        others: NoOthers,
    ) -> None:  # fmt: skip
        self._record, self._store, self._proposing = record, record.store, proposing
        self._approval, self._changes = approval, changes
        self._answered, self._wait, self._others = answered, wait, others

    def begin(self) -> tuple[int, Proposal] | None:
        """The next trial, stored as RUNNING, and its proposal. None: look again."""
        if self._others.unfinished:
            trial = self._others.unfinished.pop(0)
            return self._start(trial.number, proposal_of(trial), begin=True)
        if self._store.reserved() is None:
            for trial in self._store.waiting():
                taken = self._take(trial)
                if taken is not None:
                    return taken
        number = self._store.reserve()
        if self._others.used_up(number):
            self._store.release(number)  # another process reserved the last one before
            return None
        default = default_proposal(self._record.space)
        if self._record.state.default is None and not self._proposing.tried(default.config):
            self._record.emit(ProposalStarted(number, default.proposer))
            proposal: Proposal | None = default
        else:
            if not self._answered():
                return None
            proposal = self._approval.ask(number, self._wait)
        if proposal is None:
            return None
        if self._others.evaluates(number, proposal.config):
            self._others.hear(now=True)
            return None
        return self._start_reserved(number, proposal)

    def _start_reserved(self, number: int, proposal: Proposal) -> tuple[int, Proposal]:
        """Write a proposal into its reserved trial; into a new one if that has ended meanwhile."""
        begin = False
        while True:
            # a stored trial has its record in the log
            proposal = self._approval.write(number, proposal)
            try:
                return self._start(number, proposal, begin)
            except TrialEnded:
                ended, number, begin = number, self._store.reserve(), True
                self._record.note(
                    "warning", f"another program ended trial {ended}: it is trial {number} now"
                )

    def _take(self, trial: StoredTrial) -> tuple[int, Proposal] | None:
        """A queued trial made a running one; None if it cannot be, or another program took it."""
        config, problem = self._changes.complete(trial.config)
        if problem:
            refusal = {"proposer": "queue", "rejected": True, "reason": problem}
            self._store.finish(trial.number, None, refusal)
            self._record.note("warning", f"queued trial {trial.number} was refused: {problem}")
            return None
        proposal = _taken(trial, config, self._record, self._approval.write)
        if not self._store.take(trial, config, self._record.ranges.stored, proposal.reasoning):
            return None
        return self._start(trial.number, proposal, begin=True)

    def _start(
        self, number: int, proposal: Proposal, begin: bool = False
    ) -> tuple[int, Proposal]:
        if begin:
            self._record.emit(ProposalStarted(number, proposal.proposer))
        self._record.emit(proposal_made(number, proposal, self._record.state))
        return number, proposal


def _taken(
    trial: StoredTrial, config: Config, record: EventRecord,
    write: Callable[[int, Proposal], Proposal],
) -> Proposal:  # fmt: skip
    """The proposal of a queued trial; a program says itself what it tries, and is written down."""
    proposal = replace(proposal_of(trial), config=config)
    if CHOICE in config:
        proposal = replace(proposal, reasoning=record.programs.get(config[CHOICE]).summary)
        proposal = write(trial.number, proposal)
    return proposal
