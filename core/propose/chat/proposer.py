"""The proposer that asks a chat model: any instruct or reasoning GGUF.

Of its reply only the analysis is written freely. The configuration's fixed text is put in, and each
value is decoded under its own bounds, so that whatever comes out lies in the space; that is checked
all the same. A configuration that was tried is asked for again with the reason, twice at most; then
TPE steps in, and the proposal says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from hyperllama.core.errors import SpaceError
from hyperllama.core.prompt.build import ANSWER, Prompt, PromptBuilder
from hyperllama.core.prompt.templates import PromptError, load_templates
from hyperllama.core.prompt.thinking import Marks, closed, marks_of, opened, unclosed
from hyperllama.core.prompt.wording import digits_of, score_text
from hyperllama.core.propose.chat.reply import Piece, Slot, Text, believed, stage, taken
from hyperllama.core.propose.chat.speech import answer
from hyperllama.core.propose.classical import TPEProposer
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.space import Categorical, Config, Integer, SearchSpace
from hyperllama.core.text import plain
from hyperllama.core.trials import (
    Answer,
    AskContext,
    Cancelled,
    Observed,
    Proposal,
    ProposerSetting,
)
from hyperllama.core.trials.history import History, seed_for
from hyperllama.models.engine import (
    Completion,
    Fixed,
    Free,
    Generated,
    Generation,
    Number,
    OneOf,
    Segment,
)
from hyperllama.models.gguf import check_model, resolve_model

ATTEMPTS = 3
RETRIES = 4
"""Replies side by side after one was turned down; the likeliest of those nobody tried is taken."""
TEMPERATURE = 0.7
_HOTTER = 0.3  # added for each further attempt
_TOP_P = 0.95
_FREE = "reasoning"


class ChatProposer:
    """Asks a chat model, see above; `setting.prompt` says how.

    Raises:
        ModelFileError: the file is missing or no language model.
        PromptError: a template of the user's own is malformed.
    """

    name = "llama"

    def __init__(self, setting: ProposerSetting) -> None:
        self._setting = replace(setting, options={**setting.options, "name": self.name})
        self._options = setting.prompt
        self._model = check_model(resolve_model(setting.model))
        self._session = EngineSession(self._setting, self._model.path)
        folder = self._options.templates
        self._templates = load_templates(Path(folder) if folder else None)
        self._marks = marks_of(self._model.chat_template)
        self._history = History()
        self._builder: PromptBuilder | None = None
        self._tpe = TPEProposer(setting)

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        proposal = self._asked(space, context)
        self.foresee(space, context, proposal)
        return proposal

    def foresee(self, space: SearchSpace, context: AskContext, proposal: Proposal) -> None:
        """Read what the prompt after this trial will begin with, without waiting for it."""
        if self._builder is None or not self._options.read_ahead:
            return
        running = Observed(
            context.number, proposal.config, None, proposer=proposal.proposer,
            reasoning=proposal.reasoning,
        )  # fmt: skip
        trials, wanted = self._history.trials, self._wanted()
        self._session.read_ahead(self._builder.ahead(space, trials, context, running, **wanted))

    def _asked(self, space: SearchSpace, context: AskContext) -> Proposal:
        started = time.perf_counter()
        replies: list[_Reply] = []
        rejected: list[str] = [f"The user turned it down: {r}" for r in context.rejected]
        first = context.attempt * ATTEMPTS
        try:
            for attempt in range(first, first + ATTEMPTS):
                if context.should_stop():
                    raise Cancelled
                several = 1 if attempt == first else RETRIES
                found = self._reply(space, context, attempt, rejected, several)
                found.sort(key=lambda r: (bool(self._problem(space, r.config)), -r.likelihood))
                replies.append(found[0])
                problem = self._problem(space, replies[-1].config)
                if not problem:
                    return Proposal(
                        space.validate(replies[-1].config),
                        self.name,
                        replies[-1].reasoning,
                        beliefs=replies[-1].beliefs,
                        record=self._record(replies, rejected, started),
                    )
                rejected.append(problem)
            why = f"{ATTEMPTS} replies were rejected: {rejected[-1]}"
        except PromptError as error:
            why = error.message
        instead = self._tpe.ask(space, context)
        return Proposal(
            instead.config,
            instead.proposer,
            replies[-1].reasoning if replies else "",
            fallback=why,
            record=self._record(replies, rejected, started),
        )

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)
        self._tpe.tell(trial)

    def close(self) -> None:
        self._session.close()

    @property
    def speaks(self) -> bool:
        """A chat model answers questions."""
        return True

    def talk(
        self,
        question: str,
        facts: Sequence[str],
        earlier: Sequence[tuple[str, str]],
        on_text: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> Answer:
        """Answer at once, without thoughts; see `core.propose.protocol.Speaks`."""
        marks = self._marks

        def lead(prompt: str) -> list[Segment]:
            return [] if marks is None else _thoughts(marks, 0, prompt)

        return answer(self._session, lead, question, facts, earlier, on_text, should_stop)

    def several(self, space: SearchSpace, context: AskContext, count: int) -> list[Proposal]:
        """Different configurations that nobody tried, likeliest first by the model's own word.

        They are decoded side by side on one prompt, where no hyperparameter is conditional and the
        context has room, else one after the other; the first may be a stand-in's, which says so.
        """
        started = time.perf_counter()
        made: dict[object, Proposal] = {}
        try:
            replies = self._reply(space, context, context.attempt * ATTEMPTS, (), count)
        except PromptError:
            replies = []
        if len(replies) > 1:
            for reply in sorted(replies, key=lambda r: -r.likelihood):
                if not self._problem(space, reply.config):
                    config = space.validate(reply.config)
                    record = self._record([reply], (), started)
                    made.setdefault(
                        space.key(config),
                        Proposal(config, self.name, reply.reasoning, beliefs=reply.beliefs,
                                 record=record),
                    )  # fmt: skip
            return list(made.values()) or [self._asked(space, context)]
        for i in range(count):
            quiet = context if i == 0 else replace(context, on_text=lambda text: None)
            attempt = context.attempt * count + i
            proposal = self._asked(space, replace(quiet, attempt=attempt))
            made.setdefault(space.key(proposal.config), proposal)
            if proposal.fallback:
                break  # more of the same would cost as much and end alike
        return list(made.values())

    def _reply(
        self,
        space: SearchSpace,
        context: AskContext,
        attempt: int,
        rejected: Sequence[str],
        samples: int = 1,
    ) -> list[_Reply]:
        replies = self._decoded(space, context, attempt, rejected, samples)
        if self._marks is None and (marks := unclosed(replies[0].reasoning)) is not None:
            # The template says nothing of thoughts, but the model has them: ask it accordingly.
            self._marks = marks
            replies = self._decoded(space, context, attempt, rejected, samples)
        return replies

    def _decoded(
        self,
        space: SearchSpace,
        context: AskContext,
        attempt: int,
        rejected: Sequence[str],
        samples: int,
    ) -> list[_Reply]:
        """The analysis and the first stage in one run, the other stages after it; one reply, or
        several if the first stage is all and the context has room."""
        prompt = self._prompt(space, context, rejected)
        temperature = self._setting.temperature
        reply = _Reply(
            prompt,
            seed_for(self._setting.seed, context.number, attempt),
            (TEMPERATURE if temperature is None else temperature) + _HOTTER * (attempt % ATTEMPTS),
        )
        replies = [reply]
        lead = self._lead(prompt)
        at = 0
        while at < len(space.params):
            pieces, fixed, at = stage(
                space, prompt.names, reply.config, at, prompt.plan.numbers_at_once, prompt.row
            )
            segments = _merged([*lead, *map(_segment, pieces)])
            if not any(not isinstance(s, Fixed) for s in segments):
                reply.text += "".join(p.text for p in pieces if isinstance(p, Text))
                reply.config.update(fixed)
                continue
            if at == len(space.params) and not reply.made:
                replies = [reply, *(copy(reply) for _ in range(1, prompt.plan.abreast(samples)))]
            made = self._session.generate(
                Generation(
                    [*prompt.parts, reply.text] if reply.text else list(prompt.parts),
                    segments,
                    temperature=reply.temperature,
                    top_p=_TOP_P,
                    seed=reply.seed + len(reply.made),
                    samples=len(replies),
                ),
                context.on_text,
                context.should_stop,
            )
            if made.stop_reason == "cancelled":
                raise Cancelled
            for one, completion in zip(replies, made.completions, strict=True):
                one.made = [*one.made, made]
                one.take(pieces, fixed, completion)
            lead = []
        return replies

    def _prompt(
        self, space: SearchSpace, context: AskContext, rejected: Sequence[str]
    ) -> Prompt:
        session = self._session
        if self._builder is None:
            self._builder = PromptBuilder(
                self._setting,
                self._templates,
                session.count,
                partial(session.render_chat, variables=self._variables()),
                session.info.context_length,
            )
        return self._builder.build(
            space, self._history.trials, context, rejected=rejected, **self._wanted()
        )

    def _wanted(self) -> _Wanted:
        """What the model is to write before the configuration."""
        options = self._options
        tokens = options.thinking_tokens if self._marks else options.reasoning_tokens
        return {
            "reasoning_tokens": tokens if options.reasoning else 0,
            "analysis": options.reasoning and self._marks is None,
        }

    def _variables(self) -> dict[str, Any]:
        """What chat templates call the switch for thoughts."""
        thinks = self._options.reasoning and self._options.thinking_tokens > 0
        return {"enable_thinking": thinks, "thinking": thinks}

    def _lead(self, prompt: Prompt) -> list[Segment]:
        """What comes before the configuration: thoughts, an analysis, or nothing."""
        tokens, marks = prompt.plan.reasoning, self._marks
        if marks is not None:
            return _thoughts(marks, tokens, prompt.text)
        if not tokens:
            return []
        stop = (ANSWER.strip(), "```", "{")
        return [Free(_FREE, tokens, stop), Fixed(f"\n{ANSWER}")]

    def _problem(self, space: SearchSpace, config: Config) -> str:
        """Why a configuration cannot be taken; empty if it can."""
        try:
            valid = space.validate(config)
        except SpaceError as error:
            return f"{error.message}. {error.hint}"
        if self._history.is_new(space, valid):
            return ""
        key = space.key(valid)
        for trial in self._history.trials:
            if space.key(trial.config) == key:
                score = score_text(trial.value)
                outcome = f"score {score}" if score else "failed"
                return f"it repeats trial {trial.number} ({outcome})."
        return "it was tried before."

    def _record(
        self, replies: Sequence[_Reply], rejected: Sequence[str], started: float
    ) -> dict[str, Any]:
        seconds = time.perf_counter() - started
        if not replies:
            return {"seconds": seconds, "model": str(self._model.path)}
        last, info = replies[-1], self._session.info
        return {
            "prompt": last.prompt.text,
            "raw": last.text,
            "rejections": list(rejected),
            "attempts": [
                {"seed": r.seed, "temperature": r.temperature, "raw": r.text,
                 "config": r.config, "reasoning": r.reasoning}
                for r in replies
            ],
            "seed": last.seed,
            "model": str(self._model.path),
            "sha256": self._session.sha256,
            "settings": {
                **vars(self._session.settings),
                "context_length": info.context_length,
                "threads": info.threads,
                "gpu_layers": info.gpu_layers,
                "temperature": last.temperature,
                "top_p": _TOP_P,
            },
            "tokens": {**_tokens(replies, seconds), "parts": self._parts(last)},
            "plan": last.prompt.plan.record(),
            "prompt_options": vars(self._options),
            "prompt_version": last.prompt.version,
            "own_templates": list(self._templates.own),
            "seconds": seconds,
        }

    def _parts(self, reply: _Reply) -> dict[str, int]:
        """The context after a reply, in tokens by part."""
        reasoned = self._session.count(reply.reasoning) if reply.reasoning else 0
        replied = sum(m.generated_tokens // len(m.completions) for m in reply.made)
        used = max((made.context_used for made in reply.made), default=0)
        return reply.prompt.plan.parts(used, replied, min(reasoned, replied))


class _Wanted(TypedDict):
    reasoning_tokens: int
    analysis: bool


@dataclass
class _Reply:
    """A reply in the making; `seed` is the first stage's, each further one takes the next."""

    prompt: Prompt
    seed: int
    temperature: float

    config: Config = field(default_factory=dict)
    text: str = ""
    reasoning: str = ""
    beliefs: dict[str, list[tuple[Any, float]]] = field(default_factory=dict)
    made: list[Generated] = field(default_factory=list)

    @property
    def likelihood(self) -> float:
        """Log of the configuration's probability, by the distribution over each of its values."""
        total = 0.0
        for name, pairs in self.beliefs.items():
            mine = sum(p for value, p in pairs if value == self.config[name])
            total += math.log(max(mine, 1e-9))
        return total

    def take(self, pieces: Sequence[Piece], fixed: Config, made: Completion) -> None:
        """Go on with what a run gave."""
        self.text += made.text
        self.reasoning = plain(str(made.values.get(_FREE, self.reasoning))).strip()
        values = {n.removeprefix("value "): v for n, v in made.values.items()}
        self.config = {**self.config, **fixed, **taken(pieces, values)}
        beliefs = {n.removeprefix("value "): b for n, b in made.beliefs.items()}
        self.beliefs = {**self.beliefs, **believed(pieces, beliefs)}


def _thoughts(marks: Marks, tokens: int, prompt: str) -> list[Segment]:
    """A reasoning model thinks up to its budget, or not at all, and is brought to the answer."""
    if not tokens and closed(prompt, marks):
        return []
    before = [] if opened(prompt, marks) else [Fixed(marks.opening, special=True)]
    thinking = [Free(_FREE, tokens, (marks.stop,))] if tokens else []
    return [*before, *thinking, Fixed(marks.closing, special=True)]


def _segment(piece: Text | Slot) -> Segment:
    if isinstance(piece, Text):
        return Fixed(piece.text)
    name, domain = f"value {piece.param.name}", piece.param.domain
    if piece.options or isinstance(domain, Categorical):
        return OneOf(name, piece.options, belief=True)
    if isinstance(domain, Integer):
        return Number(name, domain.low, domain.high, integer=True, belief=True)
    return Number(name, domain.low, domain.high, digits=digits_of(domain), belief=True)


def _merged(segments: Sequence[Segment]) -> list[Segment]:
    """Neighbouring fixed texts as one, but for those with control tokens."""
    merged: list[Segment] = []
    for s in segments:
        last = merged[-1] if merged else None
        if isinstance(s, Fixed) and isinstance(last, Fixed) and not (s.special or last.special):
            merged[-1] = Fixed(last.text + s.text)
        else:
            merged.append(s)
    return merged


def _tokens(replies: Sequence[_Reply], seconds: float) -> dict[str, float]:
    """Counts over all runs for one proposal; the prompt's are the first run's."""
    runs = [made for reply in replies for made in reply.made]
    if not runs:
        return {}
    generated = sum(r.generated_tokens for r in runs)
    decode_s = sum(r.decode_s for r in runs)
    return {
        "prompt": runs[0].prompt_tokens,
        "cached": runs[0].cached_tokens,
        "evaluated": sum(r.evaluated_tokens for r in runs),
        "generated": generated,
        "context_used": max(r.context_used for r in runs),
        "context_length": runs[-1].context_length,
        "per_s": generated / decode_s if decode_s > 0 else 0.0,
        "seconds": seconds,
    }
