"""Asking for the next configuration: the wanted proposer, and who stands in when it cannot."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hyperllama.core.errors import HyperLlamaError, SpaceError
from hyperllama.core.events import Noted, ProposalStarted, ProposalText
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.study.progress import Progress
from hyperllama.core.trials import (
    AnswersQuestions,
    AskContext,
    Cancelled,
    Exhausted,
    Proposal,
    Proposer,
)

STAND_IN = "tpe"
_TEXT_EVERY_S = 0.1


class Asker:
    """Gets proposals that are inside the space and new, whatever the proposer does.

    A proposal that is neither is replaced by the stand-in's, for this trial. A proposer that fails
    (its engine died for good) is replaced from then on. Both say so, and the study goes on.
    """

    def __init__(
        self,
        make_proposer: Callable[[str], Proposer],
        name: str,
        progress: Progress,
        events: EventLog,
        seed: int,
        clock: Callable[[], float],
        log: Callable[[str], None],
    ) -> None:
        self.name = name
        self._make_proposer = make_proposer
        self._progress = progress
        self._events = events
        self._seed = seed
        self._clock = clock
        self._log = log
        self._wanted: Proposer | None = None
        self._stand_in: Proposer | None = None
        self._failure = ""  # why the wanted proposer is no longer asked
        self.before_switch: Callable[[], None] = lambda: None  # ends what else uses its model
        self.switches = 0  # how often the proposer was exchanged
        self.asking = False  # a proposer is at work: it cannot be exchanged just now

    def ask(self, context: AskContext) -> Proposal | None:
        """A proposal for trial `context.number`; None when it was interrupted.

        Raises:
            Exhausted: nothing is left to propose.
        """
        self._events.emit(ProposalStarted(context.number, self.name))
        self.asking = True
        try:
            return self._ask(context)
        finally:
            self.asking = False

    def _ask(self, context: AskContext) -> Proposal | None:
        if self._failure:
            return self._instead(self._failure, context)
        words = _Words(context.number, self._events, self._clock)
        try:
            if self._wanted is None:
                self._wanted = self._open(self.name)
            proposal = self._wanted.ask(
                self._progress.space, replace(context, on_text=words.add)
            )
            words.flush()
            return self._checked(proposal)
        except Cancelled:
            return None
        except Exhausted:
            raise
        except _Unusable as error:
            return self._instead(str(error), context)
        except HyperLlamaError as error:
            self._give_up(error.message, error.hint)
        except Exception as error:
            # A study of hours must not end because of a mistake in one proposer.
            self._log(traceback.format_exc())
            self._give_up(f"{type(error).__name__}: {error}", "the traceback is in study.log")
        finally:
            words.flush()
        return self._instead(self._failure, context)

    def tell(self) -> None:
        """Tell the open proposers the newest trial."""
        for proposer in (self._wanted, self._stand_in):
            if proposer is not None:
                proposer.tell(self._progress.trials[-1])

    def switch(self, name: str) -> None:
        """Ask another proposer from now on; the old one stays if the new one cannot be opened.

        Raises:
            HyperLlamaError: it cannot be opened.
        """
        proposer = self._open(name)
        self.before_switch()
        if self._wanted is not None:
            self._wanted.close()
        self.name, self._wanted, self._failure = name, proposer, ""
        self.switches += 1

    @property
    def reads(self) -> bool:
        """Whether the wanted proposer reads plain words: hints, reasons, questions."""
        return self.speaker() is not None

    def speaker(self) -> AnswersQuestions | None:
        """The wanted proposer where it can answer questions; opened if need be."""
        if self._wanted is None and not self._failure:
            try:
                self._wanted = self._open(self.name)
            except HyperLlamaError:
                return None  # the next proposal says so
        wanted = self._wanted
        return wanted if isinstance(wanted, AnswersQuestions) and wanted.can_answer else None

    def close(self) -> None:
        for proposer in (self._wanted, self._stand_in):
            if proposer is not None:
                proposer.close()
        self._wanted = self._stand_in = None

    def _open(self, name: str) -> Proposer:
        proposer = self._make_proposer(name)
        for trial in self._progress.trials:
            proposer.tell(trial)
        return proposer

    def _give_up(self, why: str, hint: str) -> None:
        self._failure = f"{self.name} failed: {why}"
        self._events.emit(Noted("error", self._failure, hint))
        self._events.emit(Noted("warning", f"{STAND_IN} proposes from here on"))

    def _instead(self, reason: str, context: AskContext) -> Proposal | None:
        try:
            if self._stand_in is None:
                self._stand_in = self._open(STAND_IN)
            proposal = self._checked(self._stand_in.ask(self._progress.space, context))
        except Cancelled:
            return None
        except _Unusable:
            rng = np.random.default_rng([self._seed, context.number])
            proposal = Proposal(self._progress.untried(rng), "random")
        return replace(proposal, fallback="; ".join(filter(None, (reason, proposal.fallback))))

    def _checked(self, proposal: Proposal) -> Proposal:
        try:
            config = self._progress.space.validate(proposal.config)
        except SpaceError as error:
            raise _Unusable(f"{proposal.proposer}: {error.message}") from error
        if self._progress.tried(config):
            raise _Unusable(f"{proposal.proposer} repeated a configuration that was tried")
        if self._progress.declined(config):
            raise _Unusable(f"{proposal.proposer} repeated a configuration that was turned down")
        return replace(proposal, config=config)


class _Unusable(Exception):
    """A proposal outside the space, or one that was tried."""


class _Words:
    """Reasoning on its way to watchers, at most ten pieces a second."""

    def __init__(self, number: int, events: EventLog, clock: Callable[[], float]) -> None:
        self._number, self._events, self._clock = number, events, clock
        self._text = ""
        self._sent_s = -math.inf

    def add(self, text: str) -> None:
        self._text += text
        if self._clock() - self._sent_s >= _TEXT_EVERY_S:
            self.flush()

    def flush(self) -> None:
        if self._text:
            self._events.emit(ProposalText(self._number, self._text))
            self._text = ""
            self._sent_s = self._clock()
