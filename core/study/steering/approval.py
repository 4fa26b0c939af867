"""Proposals that may be evaluated: at once, or in review mode once a person approves them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hyperllama.core.events import ProposalRejected
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.space import Config
from hyperllama.core.storage.proposal_log import ProposalLog
from hyperllama.core.study.programs import PROGRAM
from hyperllama.core.study.proposals import in_words, proposal_made
from hyperllama.core.study.proposing import Proposing
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.steering.requests import Decision, RequestHandler
from hyperllama.core.trials import AskContext, Proposal


class Approval:
    """Asks for proposals until one may be evaluated; logs that one and those rejected before it.

    Args:
        with_program: a proposal with the program that it stands for in its record, see
            `core.study.programs`.
    """

    def __init__(
        self, record: EventRecord, proposing: Proposing, steering: RequestHandler,
        log: ProposalLog, with_program: Callable[[Proposal], Proposal],
    ) -> None:  # fmt: skip
        self._record = record
        self._proposing = proposing
        self._steering = steering
        self._log = log
        self._with_program = with_program

    def ask(self, number: int, wait: Callable[[Callable[[], bool]], None]) -> Proposal | None:
        """A proposal for trial `number`; None when it was interrupted.

        Args:
            wait: rests until a condition holds; no budget is used meanwhile.

        Raises:
            Exhausted: nothing is left to propose.
        """
        rejected: list[str] = []
        while True:
            proposal = self._proposing.ask(self._context(number, rejected))
            if proposal is None or not self._record.opened.review:
                return proposal
            proposal = self._with_program(proposal)
            decision = self._decision(number, proposal, wait)
            if decision is None:
                return None
            if not decision.rejected:
                return self._changed(number, proposal, decision.config)
            rejected.append(self._rejected(number, proposal, decision.reason))

    def write(self, number: int, proposal: Proposal, **more: Any) -> Proposal:
        """Add a proposal to the permanent log; the proposal with its program."""
        proposal = self._with_program(proposal)
        self._log.append(
            {
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
        )
        return proposal

    def _context(self, number: int, rejected: list[str]) -> AskContext:
        limit, state = self._record.opened.budget_trials, self._record.state
        begun = sum(t.number != number for t in state.trials)  # which have ended is luck
        return AskContext(
            number=number,
            trials_left=None if limit is None else limit - begun,
            hints=state.hints,
            attempt=len(rejected),
            rejected=tuple(rejected),
            should_stop=self._steering.should_stop,
        )

    def _decision(
        self, number: int, proposal: Proposal, wait: Callable[[Callable[[], bool]], None]
    ) -> Decision | None:
        """What a person decides; None when the study ends or the proposal no longer fits."""
        chosen, decision = self._proposing.chosen, None
        self._steering.decided()  # one on an earlier proposal does not count
        event = proposal_made(number, proposal, self._record.state, awaits_approval=True)
        if PROGRAM in proposal.record:
            self.write(number, proposal, waits=True)  # for a person to read before deciding
        self._record.emit(event)

        def obsolete() -> bool:
            is_program = CHOICE in proposal.config
            fits = is_program or self._record.space.contains(proposal.config)
            return self._steering.ended or not fits or self._proposing.chosen is not chosen

        def done() -> bool:
            nonlocal decision
            decision = self._steering.decided()
            return decision is not None or not self._record.opened.review or obsolete()

        wait(done)
        if decision is None and not self._record.opened.review:
            return Decision()
        return decision

    def _changed(self, number: int, proposal: Proposal, config: Config | None) -> Proposal:
        """The proposal as a person changed it."""
        key = self._record.space.key
        if config is None or key(config) == key(proposal.config):
            return proposal
        words = in_words(config, self._record.state)
        self._steering.write(f"edited the proposal for trial {number}: {words}")
        kept = {k: v for k, v in proposal.record.items() if k != PROGRAM}  # of what was proposed
        record = {**kept, "proposed": proposal.config, "proposed_by": proposal.proposer}
        return replace(proposal, config=config, proposer="edited", record=record)

    def _rejected(self, number: int, proposal: Proposal, reason: str) -> str:
        """Log a rejected proposal; what the model is told of it."""
        words = in_words(proposal.config, self._record.state)
        self.write(number, proposal, turned_down=reason or "no reason given")
        self._record.emit(ProposalRejected(number, proposal.config, reason))
        self._proposing.reject(proposal.config)
        why = f" ({reason})" if reason else ""
        hints = (*self._record.state.hints, f"not {words}: {reason}")
        settings = {"hints": hints} if reason else {}
        self._steering.write(f"rejected for trial {number}{why}: {words}", **settings)
        return f"{words}{why or ' (another one is wanted)'}"
