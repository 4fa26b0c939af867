"""Asks for the next configuration: the chosen proposer, and a stand-in where it cannot answer."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import Noted, ProposalStarted, ProposalText
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.propose.program_turns import tuned
from hyperllama.core.space import Config
from hyperllama.core.study.record import EventRecord
from hyperllama.core.text import one_line
from hyperllama.core.trials import (
    AnswersQuestions,
    AskContext,
    Cancelled,
    ChecksRoom,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
)
from hyperllama.core.trials.history import TrialHistory

STAND_IN = "tpe"
_TEXT_EVERY_S = 0.1
_DRAWS = 64  # of untried configurations, for one that was not rejected


class Proposing:
    """Gets proposals that are inside the space and new, whatever the proposer does.

    A proposal that is neither is replaced by the stand-in's, for this trial. A proposer that fails
    (its engine died for good) is replaced from then on. Both are told, and the study goes on.

    Args:
        make_proposer: opens a proposer by name; may raise HyperLlamaError.
        clock: seconds.
        log: keeps the traceback of an internal error.
    """

    def __init__(
        self,
        record: EventRecord,
        make_proposer: Callable[[str], Proposer],
        clock: Callable[[], float],
        log: Callable[[str], None],
    ) -> None:
        self._record = record
        self._make_proposer = make_proposer
        self._clock = clock
        self._log = log
        self.chosen: Proposer | None = None
        self._stand_in: Proposer | None = None
        self._failure = ""  # why the chosen proposer is no longer asked
        self._tried = TrialHistory()
        self._rejected: set[object] = set()
        self.asking = False
        """A proposer is at work: it cannot be exchanged just now."""

    @property
    def name(self) -> str:
        """The chosen proposer's."""
        return self._record.opened.proposer

    def ask(self, context: AskContext) -> Proposal | None:
        """A proposal for trial `context.number`; None when it was interrupted.

        Raises:
            Exhausted: nothing is left to propose.
        """
        self._record.emit(ProposalStarted(context.number, self.name))
        self.asking = True
        try:
            return self._ask(context)
        finally:
            self.asking = False

    def tell(self, trial: Observed) -> None:
        """Tell the open proposers a finished trial."""
        self._tried.tell(trial)
        for proposer in (self.chosen, self._stand_in):
            if proposer is not None:
                proposer.tell(trial)

    def open(self, name: str) -> Proposer:
        """A proposer that was told every trial that the others were.

        Raises:
            HyperLlamaError: it cannot be opened.
        """
        proposer = self._make_proposer(name)
        for trial in self._tried.trials:
            proposer.tell(trial)
        return proposer

    def check_room(self) -> None:
        """Make sure that the chosen proposer's model is not too small for the task.

        Raises:
            HyperLlamaError: it is.
        """
        try:
            self.chosen = self.open(self.name)
        except Exception:
            return  # the first proposal says so, and another proposer takes its place
        if isinstance(self.chosen, ChecksRoom):
            self.chosen.check_room(self._record.space)

    def use(self, proposer: Proposer) -> None:
        """Ask this one from now on, and close the one before."""
        if self.chosen is not None:
            self.chosen.close()
        self.chosen, self._failure = proposer, ""

    def speaker(self) -> AnswersQuestions | None:
        """The chosen proposer where it can answer questions; opened if need be."""
        if self.chosen is None and not self._failure:
            try:
                self.chosen = self.open(self.name)
            except HyperLlamaError:
                return None  # the next proposal says so
        chosen = self.chosen
        return chosen if isinstance(chosen, AnswersQuestions) and chosen.can_answer else None

    def tried(self, config: Config) -> bool:
        """Whether the configuration was evaluated, to six digits."""
        if CHOICE in config:
            key = self._record.space.key
            return any(key(t.config) == key(config) for t in self._tried.trials)
        return not self._tried.is_new(self._record.space, config)

    def reject(self, config: Config) -> None:
        """Propose this configuration no more in this session."""
        self._rejected.add(self._record.space.key(config))

    def close(self) -> None:
        """Close the open proposers."""
        for proposer in (self.chosen, self._stand_in):
            if proposer is not None:
                proposer.close()
        self.chosen = self._stand_in = None

    def _ask(self, context: AskContext) -> Proposal | None:
        opened = self._record.opened
        try:
            of_program = tuned(
                self._tried.trials, opened.program_turns, self._record.programs, opened.seed,
                context, opened.program_evaluations,
            )  # fmt: skip
            if of_program is not None:
                return self._checked(of_program)
        except HyperLlamaError as error:
            self._record.note("warning", f"a program is left alone: {error.message}", error.hint)
        except _Unusable:
            pass  # the study's own proposer goes on
        except Cancelled:
            return None
        except Exception as error:
            # a program says itself which numbers it exposes: they must not end a study of hours
            self._log(traceback.format_exc())
            said = f"a program is left alone: {type(error).__name__}: {one_line(error)}"
            self._record.note("warning", said, "the traceback is in study.log")
        return self._ask_own(context)

    def _ask_own(self, context: AskContext) -> Proposal | None:
        if self._failure:
            return self._instead(self._failure, context)
        text = _ReasoningText(context.number, self._record, self._clock)
        try:
            if self.chosen is None:
                self.chosen = self.open(self.name)
            context_with_text = replace(context, on_text=text.add)
            proposal = self.chosen.ask(self._record.space, context_with_text)
            text.flush()
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
            # A study of hours must not end because of an internal error in one proposer.
            self._log(traceback.format_exc())
            self._give_up(f"{type(error).__name__}: {error}", "the traceback is in study.log")
        finally:
            text.flush()
        return self._instead(self._failure, context)

    def _give_up(self, why: str, hint: str) -> None:
        self._failure = f"{self.name} failed: {why}"
        self._record.emit(Noted("error", self._failure, hint))
        self._record.emit(Noted("warning", f"{STAND_IN} proposes from here on"))

    def _instead(self, reason: str, context: AskContext) -> Proposal | None:
        """The stand-in's proposal; a random one where that cannot be used either."""
        try:
            if self._stand_in is None:
                self._stand_in = self.open(STAND_IN)
            proposal = self._checked(self._stand_in.ask(self._record.space, context))
        except Cancelled:
            return None
        except _Unusable:
            rng = np.random.default_rng([self._record.opened.seed, context.number])
            proposal = Proposal(self._untried(rng), "random")
        return replace(proposal, fallback="; ".join(filter(None, (reason, proposal.fallback))))

    def _untried(self, rng: np.random.Generator) -> Config:
        """A random configuration that was not evaluated.

        Raises:
            Exhausted: every configuration of the space was.
        """
        space = self._record.space
        for _ in range(_DRAWS):
            config = self._tried.unseen(space, rng)
            if space.key(config) not in self._rejected:
                break
        return config

    def _checked(self, proposal: Proposal) -> Proposal:
        space = self._record.space
        try:
            config = self._valid(proposal.config)
        except HyperLlamaError as error:
            raise _Unusable(f"{proposal.proposer}: {error.message}") from error
        if self.tried(config):
            raise _Unusable(f"{proposal.proposer} repeated a configuration that was tried")
        if space.key(config) in self._rejected:
            raise _Unusable(f"{proposal.proposer} repeated a configuration that was rejected")
        return replace(proposal, config=config)

    def _valid(self, config: Config) -> Config:
        """The configuration, inside the space or of a program of the study.

        Raises:
            SpaceError, StudyError: it is neither.
        """
        if CHOICE not in config:
            return self._record.space.validate(config)
        _, values = self._record.programs.trial(config)
        return {CHOICE: config[CHOICE], **values}


class _Unusable(Exception):
    """A proposal outside the space, or one that was tried or rejected."""


class _ReasoningText:
    """Reasoning as it is written, passed on at most ten times a second."""

    def __init__(self, number: int, record: EventRecord, clock: Callable[[], float]) -> None:
        self._number, self._record, self._clock = number, record, clock
        self._text = ""
        self._sent_s = -math.inf

    def add(self, text: str) -> None:
        self._text += text
        if self._clock() - self._sent_s >= _TEXT_EVERY_S:
            self.flush()

    def flush(self) -> None:
        if self._text:
            self._record.emit(ProposalText(self._number, self._text))
            self._text, self._sent_s = "", self._clock()
