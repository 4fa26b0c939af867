"""Free code: a model that can program writes a program, and repairs it where it cannot be used.

A draft is taken out of the reply, checked by the policy, compared with the programs that were
tried, and fitted to made-up rows in the sandbox. What is wrong goes back to the model, at most
twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperllama.core.programs.contract import Program
from hyperllama.core.programs.facts import ProgramTask
from hyperllama.core.programs.rehearsal import Checked, checked
from hyperllama.core.programs.sandbox import ProgramSandbox
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.prompt.programs import ProgramPrompt
from hyperllama.core.prompt.thinking import Marks
from hyperllama.core.prompt.wording import score_text
from hyperllama.core.propose.chat.decoding import TOP_P, lead_segments
from hyperllama.core.propose.engine_session import EngineSession, token_counts
from hyperllama.core.space import Config
from hyperllama.core.text import plain
from hyperllama.core.trials import AskContext, Cancelled, Observed
from hyperllama.models.engine import Fixed, Free, Generated, Generation

REPAIRS = 2
_OPENING = "```python\n"
_CLOSING = "\n```"
_NAME = "program"


@dataclass(frozen=True)
class WrittenProgram:
    """A program as a model wrote it: the prompt, the reply, and what became of it."""

    prompt: str
    seed: int
    raw: str
    made: Generated
    found: Checked

    def record(self) -> dict[str, Any]:
        """For the log of proposals."""
        stage, problem = self.found.stage, self.found.problem
        return {"seed": self.seed, "raw": self.raw, "stage": stage, "problem": problem}


@dataclass
class FreeWriter:
    """Asks for programs and checks them.

    Attributes:
        told: of the task; `told.folder` keeps the programs.
        prompt: builds the conversation.
        thinking: tokens of a reasoning model's thoughts before a program.
    """

    told: ProgramTask
    session: EngineSession
    prompt: ProgramPrompt
    temperature: float
    thinking: int = 0
    _sandbox: ProgramSandbox | None = field(default=None, init=False)

    def write(
        self, trials: Sequence[Observed], context: AskContext, seed: int, marks: Marks | None
    ) -> list[WrittenProgram]:
        """The drafts of one program, the last one usable or the repairs used up.

        Raises:
            Cancelled: `context.should_stop` became true.
            PromptError: the task does not fit the model's context.
            StudyError: the sandbox cannot be started.
        """
        def repeats(program: Program) -> str:
            same = next((t for t in trials if _is_same(program, t.config)), None)
            if same is None:
                return ""
            score = score_text(same.value)
            return f"trial {same.number} had it and {f'scored {score}' if score else 'failed'}"

        messages, tokens = self.prompt.build(trials, context, context.rejected)
        drafts: list[WrittenProgram] = []
        while not drafts or (drafts[-1].found.problem and len(drafts) <= REPAIRS):
            asked = messages
            if drafts:
                last = drafts[-1].found
                asked = self.prompt.repaired(messages, last.code, last.problem)
            prompt = self.session.render_chat(asked)
            made = self._generated(prompt, tokens, context, seed + len(drafts), marks)
            raw = f"{_OPENING}{plain(str(made.values.get(_NAME, '')))}"
            found = checked(raw, self.told, self.sandbox, repeats)
            drafts.append(WrittenProgram(prompt, seed + len(drafts), raw, made, found))
        return drafts

    def kept(self, found: Checked) -> Config:
        """Keep a usable program with the study; its configuration, with its own defaults."""
        assert found.program is not None and not found.problem
        return {CHOICE: self.told.store.add(found.code), **found.program.space.default()}

    def close(self) -> None:
        """End the sandbox."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def _generated(
        self, prompt: str, tokens: int, context: AskContext, seed: int, marks: Marks | None
    ) -> Generated:
        lead = lead_segments(marks, self.thinking if marks else 0, prompt)
        made = self.session.generate(
            Generation(
                prompt, [*lead, Fixed(_OPENING), Free(_NAME, tokens, (_CLOSING,))],
                temperature=self.temperature, top_p=TOP_P, seed=seed,
            ),
            context.on_text, context.should_stop,
        )  # fmt: skip
        if made.stop_reason == "cancelled":
            raise Cancelled
        return made

    def sandbox(self) -> ProgramSandbox:
        """Where drafts are run; opened at the first."""
        if self._sandbox is None:
            log = self.told.folder / "sandbox.log"
            self._sandbox = ProgramSandbox(log, boxed=not self.told.unsandboxed)
        return self._sandbox


def _is_same(program: Program, config: Config) -> bool:
    key = str(config.get(CHOICE, ""))
    return bool(key) and program.key.startswith(key)


def drafts_record(
    session: EngineSession, drafts: Sequence[WrittenProgram], seconds: float
) -> Config:
    """What makes a written program replayable, for the log of proposals."""
    last = drafts[-1]
    return {
        "prompt": last.prompt, "raw": last.raw, "drafts": [d.record() for d in drafts],
        "rejections": [d.found.problem for d in drafts if d.found.problem], "seed": last.seed,
        "model": str(session.path), "sha256": session.sha256, "seconds": seconds,
        "settings": {**vars(session.settings), "top_p": TOP_P},
        "tokens": {**token_counts(last.made), "seconds": seconds,
                   "generated": sum(d.made.generated_tokens for d in drafts)},
    }  # fmt: skip
