"""The proposer `llama` with a chat model: any instruct or reasoning GGUF.

Whatever it replies lies in the space, and that is checked all the same. For a configuration that
is near one that was tried, or has the effect of one, it is asked once more, with the reason; then
TPE proposes, and the proposal says so. Values that it keeps to are drawn by TPE (`guards`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from hyperllama.core.estimators import CHOICE
from hyperllama.core.prompt.build import Lead, PromptBuilder, ProposalPrompt
from hyperllama.core.prompt.templates import PromptError, load_templates, usual_variant
from hyperllama.core.prompt.thinking import marks_of, unclosed
from hyperllama.core.propose.chat.analysis import AnalysisChoice, incoherent
from hyperllama.core.propose.chat.conversation import answered
from hyperllama.core.propose.chat.decoding import Reply, decoded, lead_segments
from hyperllama.core.propose.chat.guards import NAME, Guards, moved_words
from hyperllama.core.propose.chat.record import proposal_record
from hyperllama.core.propose.classical import TPEProposer
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.trials import (
    Answer,
    AskContext,
    Cancelled,
    Observed,
    Proposal,
    ProposerSetting,
    Question,
)
from hyperllama.core.trials.chance import without_chance
from hyperllama.core.trials.history import TrialHistory, seed_for
from hyperllama.core.trials.knowledge import known_of
from hyperllama.models.gguf import check_model, default_context, resolve_model

ATTEMPTS = 2
RETRIES = 4
"""Replies side by side after one was rejected; the likeliest untried one is proposed."""
TEMPERATURE = 0.7
_ROOMY = 2048
"""Tokens of a context in which the task has room without a look."""
_HOTTER = 0.3  # added for a further attempt, and where hyperparameters do not move


class ChatProposer:
    """Asks a chat model, see above; `setting.prompt` says how.

    Raises:
        ModelFileError: the file is missing or no language model.
        PromptError: a template of the user's own is malformed.
    """

    name = NAME
    candidates = 4
    """Usual number of candidates to choose among."""
    can_answer = True

    def __init__(self, setting: ProposerSetting) -> None:
        self._setting, self._options = setting, setting.prompt
        model = check_model(resolve_model(setting.model))
        self._session = EngineSession(setting, model.path)
        self._marks = marks_of(model.chat_template)
        thinks = self._marks is not None
        usual = usual_variant(model.parameters, model.has_chat_template, thinks)
        self._templates = load_templates(self._options.templates, usual)
        self._continues = self._templates.layout.continues(model.has_chat_template)
        self._analysis = AnalysisChoice(self._options, self._continues, setting.report)
        self._reasons = False
        self.seed, self.surrogate = setting.seed, self._options.surrogate
        self.history = TrialHistory()
        self._guards = Guards(setting, self.history)
        self._builder: PromptBuilder | None = None
        self._tpe = TPEProposer(setting)

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        within, informed = self._informed(space, context)
        proposal = self.taken(within, informed, self._asked(within, informed))
        self.read_ahead(space, context, proposal)
        return proposal

    def taken(self, space: SearchSpace, context: AskContext, made: Proposal) -> Proposal:
        """What is proposed once the model has replied: its reply."""
        return made

    def problem(self, space: SearchSpace, config: Config) -> str:
        """Why a configuration would be rejected; empty if it would not."""
        return self._guards.problem(space, config)

    def read_ahead(self, space: SearchSpace, context: AskContext, proposal: Proposal) -> None:
        """Evaluate what the prompt after this trial will begin with, without waiting for it."""
        if self._builder is None or not self._options.read_ahead:
            return
        running = Observed(
            context.number, proposal.config, None, proposer=proposal.proposer,
            reasoning=proposal.reasoning,
        )  # fmt: skip
        known = space, self.history.trials, context, self._lead, running
        self._session.read_ahead(self._builder.ahead(*known), *self._builder.later(*known))

    def tell(self, trial: Observed) -> None:
        self.history.tell(trial)
        self._tpe.tell(trial)
        if trial.proposer == self.name:
            self._analysis.heard(trial)

    def close(self) -> None:
        self._session.close()

    def answer(self, question: Question) -> Answer:
        """Answer at once, without reasoning first."""
        lead = partial(lead_segments, self._marks, 0)
        return answered(self._session, lead, question)

    def check_room(self, space: SearchSpace) -> None:
        """Make sure that the context has room for the task, and a GPU for the layers asked for.

        Only a small context is looked at, and only a placement that a person named: "auto" has one
        for every GPU.

        Raises:
            PromptError: it has not. EngineError, ModelFileError: the model cannot be loaded.
        """
        if self._session.settings.gpu_layers not in ("auto", "none", 0):
            self._session.opened()
        model = check_model(self._session.path)
        context = default_context(model, self._session.settings.context_length)
        if context >= _ROOMY:
            return
        try:
            self._prompt(space, AskContext(0), ())
        except PromptError as error:
            raise PromptError(
                f"{model.path.stem} with a context of {context} tokens is too small for this task: "
                f"{error.message}",
                "a larger --context, fewer hyperparameters, or another model",
            ) from error

    def knows(self, space: SearchSpace) -> bool:
        """A chat model can propose for every space."""
        return True

    def several(self, space: SearchSpace, context: AskContext, count: int) -> list[Proposal]:
        """Different untried configurations, likeliest first by the model's own probabilities.

        They are decoded side by side on one prompt, where no hyperparameter is conditional and the
        context has room, else one after the other; the first may be a fallback, which says so.
        """
        started = time.perf_counter()
        space, context = self._informed(space, context)
        try:
            replies = self._replies(space, context, context.attempt * ATTEMPTS, (), count)
        except PromptError:
            replies = []
        made: dict[object, Proposal] = {}
        if len(replies) > 1:
            for reply in sorted(replies, key=lambda r: -r.likelihood):
                if not self._guards.problem(space, reply.config):
                    proposal = self._proposal(space, [reply], (), started)
                    made.setdefault(space.key(proposal.config), proposal)
            return list(made.values()) or [self._asked(space, context, replies[:1])]
        for i in range(count):
            quiet = context if i == 0 else replace(context, on_text=lambda text: None)
            attempt = context.attempt * count + i
            proposal = self._asked(space, replace(quiet, attempt=attempt))
            made.setdefault(space.key(proposal.config), proposal)
            if proposal.fallback:
                break  # another would cost as much and end the same way
        return list(made.values())

    def _informed(
        self, space: SearchSpace, context: AskContext
    ) -> tuple[SearchSpace, AskContext]:
        """The space without what is left, and the context with what is known of the trials."""
        chance, trials = self._setting.chance, self.history.trials
        space, left = without_chance(space, trials, chance, CHOICE)
        if context.known is None:  # the rows tell which trials are best, and whose they are
            known = known_of(space, self.history, (), chance)
            level = known.chance if known.at_chance else None  # else it never changes
            known = replace(known, best=(), left=left, chance=level)
            context = replace(context, known=known)
        return space, context

    def _asked(
        self, space: SearchSpace, context: AskContext, vain: Sequence[Reply] = ()
    ) -> Proposal:
        """A proposal, TPE's after `ATTEMPTS` replies in vain; `vain`: those that there were."""
        started = time.perf_counter()
        replies = list(vain)
        rejected = [f"The user turned it down: {reason}" for reason in context.rejected]
        rejected += [self._guards.problem(space, r.config) for r in vain]
        first = context.attempt * ATTEMPTS
        try:
            for attempt in range(first + len(vain), first + ATTEMPTS):
                if context.should_stop():
                    raise Cancelled
                count = 1 if attempt == first else RETRIES
                found = self._replies(space, context, attempt, rejected, count)
                problems = {id(r): self._guards.problem(space, r.config) for r in found}
                best = min(found, key=lambda r: (bool(problems[id(r)]), -r.likelihood))
                replies.append(best)
                if not problems[id(best)]:
                    return self._proposal(space, replies, rejected, started)
                rejected.append(problems[id(best)])
            why = f"{ATTEMPTS} replies were rejected: {rejected[-1]}"
        except PromptError as error:
            why = error.message
        instead = self._tpe.ask(space, context)
        reasoning = replies[-1].reasoning if replies else ""
        record = self._record(replies, rejected, started)
        return Proposal(instead.config, instead.proposer, reasoning, fallback=why, record=record)

    def _proposal(
        self, space: SearchSpace, replies: Sequence[Reply], rejected: Sequence[str], started: float
    ) -> Proposal:
        """The last reply as a proposal."""
        last, record = replies[-1], self._record(replies, rejected, started)
        config = space.validate(last.config)
        words = "\n\n".join(filter(None, (last.reasoning, moved_words(last))))
        return Proposal(config, self.name, words, beliefs=last.beliefs, record=record)

    def _record(
        self, replies: Sequence[Reply], rejected: Sequence[str], started: float
    ) -> dict[str, object]:
        seconds = time.perf_counter() - started
        return proposal_record(
            self._session, self._options, self._templates, replies, rejected, seconds
        )

    def _replies(
        self,
        space: SearchSpace,
        context: AskContext,
        attempt: int,
        rejected: Sequence[str],
        count: int,
    ) -> list[Reply]:
        """One reply, or up to `count` where they can be decoded side by side."""
        self._reasons = self._analysis.wanted(self._session, self._marks, context.should_stop)
        prompt = self._prompt(space, context, rejected)
        wanted = self._setting.temperature
        temperature = TEMPERATURE if wanted is None else wanted
        still = bool(wanted is None and context.known and context.known.unmoved)
        reply = Reply(
            prompt,
            seed_for(self._setting.seed, context.number, attempt),
            temperature + _HOTTER * (attempt % ATTEMPTS + still),
        )
        lead = lead_segments(self._marks, prompt.plan.reasoning, prompt.text)
        replies = decoded(self._session, space, reply, lead, context, count)
        if self._marks is None and (marks := unclosed(replies[0].reasoning)) is not None:
            # The template has no marks of reasoning, but the model writes them.
            self._marks = marks
            return self._replies(space, context, attempt, rejected, count)
        if prompt.plan.reasoning:
            why = incoherent(replies[0].reasoning, replies[0].looped, prompt.text)
            if why:
                instead = self._analysis.drop(why)
                self._builder = None  # a template may be told whether to think
                replies = self._replies(space, context, attempt, rejected, count)
                for one in replies:
                    one.reasoning = instead
        for one in replies:
            self._guards.move(
                space, one, context.number, lambda: self._tpe.ask(space, context).config
            )
        return replies

    def _prompt(
        self, space: SearchSpace, context: AskContext, rejected: Sequence[str]
    ) -> ProposalPrompt:
        session = self._session
        if self._builder is None:
            thinks = self._reasons and self._options.thinking_tokens > 0
            # the names that chat templates have for the switch
            variables = {"enable_thinking": thinks, "thinking": thinks}
            self._builder = PromptBuilder(
                self._setting,
                self._templates,
                session.count,
                partial(session.render_chat, variables=variables),
                session.info.context_length,
                self._continues,
            )
        return self._builder.build(space, self.history.trials, context, self._lead, rejected)

    @property
    def _lead(self) -> Lead:
        options = self._options
        tokens = options.thinking_tokens if self._marks else options.reasoning_tokens
        return Lead(tokens if self._reasons else 0, self._reasons and self._marks is None)
