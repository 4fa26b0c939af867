"""The proposer `llama` in a study of programs: a chat model that writes them, bound or free.

Bound: it makes the choices of the pipeline space one by one, like every other configuration, then
says in a line what it tries, if its words are worth reading. Free: it writes Python, see
`FreeWriter`; where no draft can be used it makes a bound program, and the proposal says so. Auto:
the model is tried out with one program first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from hyperllama.core.errors import StudyError
from hyperllama.core.events import Noted
from hyperllama.core.programs.boxes import sandbox_hint, sandbox_problem
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.prompt.programs import ProgramPrompt
from hyperllama.core.prompt.templates import PromptError
from hyperllama.core.propose.chat.decoding import Reply
from hyperllama.core.propose.chat.docstring import docstring_line
from hyperllama.core.propose.chat.free import FreeWriter, WrittenProgram, drafts_record
from hyperllama.core.propose.chat.probe import REASONS, probed, why_no_analysis
from hyperllama.core.propose.chat.program_probe import why_not_free
from hyperllama.core.propose.chat.proposer import TEMPERATURE, ChatProposer
from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Proposal, ProposerSetting
from hyperllama.core.trials.history import seed_for

PATIENCE = 3
"""Proposals in a row without a usable program, after which a model is asked for bound ones."""


class ProgramProposer(ChatProposer):
    """See above; `setting.programs` says which way.

    Raises:
        StudyError: free code is asked for, and there can be no sandbox.
        ModelFileError, PromptError: as `ChatProposer`.
    """

    def __init__(self, setting: ProposerSetting) -> None:
        super().__init__(setting)
        assert setting.programs is not None
        self._told = setting.programs
        self._way = self._told.way
        self._writer: FreeWriter | None = None
        self._context: AskContext | None = None
        self._has_words: bool | None = None
        problem = "" if self._told.unsandboxed else sandbox_problem()
        if problem and self._way == "free":
            raise StudyError(f"programs that a model writes need a sandbox, and {problem}",
                             sandbox_hint(problem))
        if problem and self._way == "auto":
            self._decide("bound", f"there is no sandbox: {problem}")

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        super().close()

    def read_ahead(self, space: SearchSpace, context: AskContext, proposal: Proposal) -> None:
        """As of a chat model, but not while a free program runs: the next prompt is another."""
        if CHOICE not in proposal.config:
            super().read_ahead(space, context, proposal)

    def several(self, space: SearchSpace, context: AskContext, count: int) -> list[Proposal]:
        """As of a chat model; of free programs there is one."""
        if self._writes_freely(context):
            return [self._asked(*self._informed(space, context))]
        return super().several(space, context, count)

    def _asked(
        self, space: SearchSpace, context: AskContext, vain: Sequence[Reply] = ()
    ) -> Proposal:
        started = time.perf_counter()
        drafts: list[WrittenProgram] = []
        why = ""
        if self._writes_freely(context):
            try:
                drafts = self.drafts(context)
            except PromptError as error:
                why = error.message
        if drafts and not drafts[-1].found.problem:
            return self._free_proposal(drafts, time.perf_counter() - started)
        if drafts:
            last = drafts[-1].found.problem
            why = f"{len(drafts)} drafts of a program could not be used: {last}"
        self._context = context
        try:
            proposal = super()._asked(space, context, vain)
        finally:
            self._context = None
        record = {**proposal.record, "drafts": [d.record() for d in drafts]} if drafts else None
        return replace(
            proposal, fallback="; ".join(filter(None, (why, proposal.fallback))),
            record=record or proposal.record,
        )  # fmt: skip

    def drafts(self, context: AskContext) -> list[WrittenProgram]:
        """The drafts of the next free program: the last one can be used, or repairs are used up.

        Raises:
            Cancelled, PromptError, StudyError: see `FreeWriter.write`.
        """
        seed = seed_for(self._setting.seed, context.number, context.attempt)
        return self._free().write(self.history.trials, context, seed, self._marks)

    def _free_proposal(self, drafts: Sequence[WrittenProgram], seconds: float) -> Proposal:
        found = drafts[-1].found
        assert found.program is not None
        record = drafts_record(self._session, drafts, seconds)
        config, said = self._free().kept(found), found.program.summary
        return Proposal(config, self.name, said, record=record)

    def _proposal(
        self, space: SearchSpace, replies: Sequence[Reply], rejected: Sequence[str], started: float
    ) -> Proposal:
        proposal = super()._proposal(space, replies, rejected, started)
        context = self._context
        if context is None or not self._says_what_it_tries(context):
            return proposal
        line = docstring_line(self._session, replies[-1], context)
        return replace(proposal, record={**proposal.record, "tries": line}) if line else proposal

    def _says_what_it_tries(self, context: AskContext) -> bool:
        """Whether the model's words are worth reading: tried out once, like its analysis."""
        if self._has_words is None:
            report = self._setting.report
            reply = probed(self._session, REASONS, self._marks, report, context.should_stop)
            self._has_words = not why_no_analysis(reply)
        return self._has_words

    def _writes_freely(self, context: AskContext) -> bool:
        if self._way == "auto":
            why = why_not_free(self._session, self._free(), self._marks, self._setting.report,
                               context.should_stop)  # fmt: skip
            self._decide("bound" if why else "free", why)
        return self._way == "free" and not self._gave_up()

    def _decide(self, way: str, why: str) -> None:
        self._way = way
        said = f": {why}" if why else ""
        text = f"{self._session.path.name} writes {way} programs{said}"
        self._setting.report(Noted("info", text, "--programs bound, or free, chooses"))

    def _gave_up(self) -> bool:
        """Whether the model's latest proposals were all bound ones in place of free ones."""
        own = [t for t in self.history.trials if t.proposer == self.name]
        return len(own) >= PATIENCE and not any(CHOICE in t.config for t in own[-PATIENCE:])

    def _free(self) -> FreeWriter:
        if self._writer is None:
            setting, session = self._setting, self._session
            prompt = ProgramPrompt(
                self._told, setting.notes, self._templates,
                lambda messages: session.count(session.render_chat(messages)),
                session.info.context_length,
            )  # fmt: skip
            thinking = self._options.thinking_tokens if self._options.reasoning else 0
            self._writer = FreeWriter(
                self._told, session, prompt,
                TEMPERATURE if setting.temperature is None else setting.temperature, thinking,
            )  # fmt: skip
        return self._writer
