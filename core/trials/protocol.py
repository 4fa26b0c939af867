"""The protocol of proposers: asked for the next configuration, told of each finished trial.

A proposer keeps no state that the history does not determine: opened with a seed and told every
earlier trial in order, it proposes the same as one that never stopped.
`tests/core/propose/test_proposers.py` tests all proposers against this protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hyperllama.core.errors import SpaceError
from hyperllama.core.space import Config, SearchSpace

if TYPE_CHECKING:
    from hyperllama.core.trials.knowledge import Knowledge

RUNNING = "running"
"""The reason why a trial that has not ended has no value."""


@dataclass(frozen=True)
class Observed:
    """A trial as proposers see it.

    Attributes:
        number: 0-based, rising.
        config: active hyperparameters.
        value: mean validation score, greater is better; None for a failed trial.
        reason: one line saying why it failed; empty otherwise.
        proposer: what proposed it ("default", "llama", "tpe", "queue", ...).
        fold_scores: validation score per fold, shape (n_folds,); may be empty.
        train_value: mean training score, greater is better; None where unknown.
        seconds: wall time of the evaluation.
        facts: short plain facts for a model to read (best iteration, ...).
        reasoning: its proposer's reasoning; in the prompt where that is a whole conversation.
        fallback: why another proposer made it than was asked; empty otherwise.
    """

    number: int
    config: Config
    value: float | None
    reason: str = ""
    proposer: str = ""
    fold_scores: tuple[float, ...] = ()
    train_value: float | None = None
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    reasoning: str = ""
    fallback: str = ""

    @property
    def running(self) -> bool:
        """It was begun, and its score is not known yet."""
        return self.value is None and self.reason == RUNNING


@dataclass(frozen=True)
class Proposal:
    """A configuration inside the space, what proposed it, why, and what it cost.

    Attributes:
        config: active hyperparameters, valid in the space it was asked for.
        proposer: what really made it; differs from the asked proposer after a fallback.
        reasoning: the reasons, plain text or Markdown; may be empty.
        fallback: why another proposer made it; empty otherwise.
        beliefs: per hyperparameter, (value or bin centre, probability) pairs that sum to at most 1.
        record: what makes the proposal replayable: prompt, raw reply, rejections, seed, model file
            and hash, sampling settings, prompt/cached/generated tokens, context used and limit,
            seconds. Values are JSON-able. Empty for classical proposers but for "seconds".
    """

    config: Config
    proposer: str
    reasoning: str = ""
    fallback: str = ""
    beliefs: Mapping[str, Sequence[tuple[Any, float]]] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AskContext:
    """What a proposer gets to know with each question for a proposal.

    Attributes:
        number: the number the trial will have; with the study's seed it determines the proposal.
        trials_left: evaluations left in the budget, this one included; None when unlimited.
        hints: the user's hints to the model in plain words, oldest first.
        attempt: how many proposals for this trial the user rejected; each attempt draws anew.
        rejected: the user's reasons for that, oldest first.
        on_text: called with pieces of reasoning as they are generated.
        should_stop: polled between tokens; a proposer that sees True raises `Cancelled`.
        known: what is known of the trials, for a model to read; None leaves that to the proposer.
    """

    number: int
    trials_left: int | None = None
    hints: tuple[str, ...] = ()
    attempt: int = 0
    rejected: tuple[str, ...] = ()
    on_text: Callable[[str], None] = lambda text: None
    should_stop: Callable[[], bool] = lambda: False
    known: Knowledge | None = None


class Cancelled(Exception):
    """The user stopped a proposal that was being made."""


class Exhausted(SpaceError):
    """No configuration is left to propose: all were tried, the queue is empty, ...

    A study ends with it ("exhausted"), or goes on with the next proposer.
    """


@runtime_checkable
class Proposer(Protocol):
    """Ask and tell. Values are greater-is-better throughout."""

    name: str

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        """The next configuration, inside `space`, and none that was tried while others are left.

        The space may be narrower, wider or partly frozen since the last call.

        Raises:
            Exhausted: there is no further configuration.
            Cancelled: `context.should_stop` became true.
            EngineError: the engine died and could not be restarted (LLM proposers only).
        """

    def tell(self, trial: Observed) -> None:
        """Take in a finished trial, also failed ones and those of other proposers.

        Where trials run side by side, each is told first as `running`, and once more when it has
        ended; that replaces the first.
        """

    def close(self) -> None:
        """Release processes and files. Idempotent."""


@dataclass(frozen=True)
class Question:
    """A person's question about the study, and what the model may say on it.

    Attributes:
        text: the question.
        computed: what the program itself answers; the model is to put it into words.
        facts: on the study, the most important ones first; the context holds as many as fit. They
            stay the same from question to question, so that they need not be read again.
        about: further facts on what the question names.
        earlier: questions and answers before this one, oldest first.
        on_text: called with pieces of the answer as they are generated.
        should_stop: polled between tokens.
    """

    text: str
    facts: Sequence[str] = ()
    earlier: Sequence[tuple[str, str]] = ()
    on_text: Callable[[str], None] = lambda text: None
    should_stop: Callable[[], bool] = lambda: False
    computed: Sequence[str] = ()
    about: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """A model's answer to a question, and what it cost.

    Attributes:
        text: as the model wrote it.
        cut: why it ends early; empty where the model ended it.
        model: its name.
        tokens: prompt, cached, generated, context_used, context_length, per_s.
    """

    text: str
    model: str = ""
    seconds: float = 0.0
    tokens: Mapping[str, float] = field(default_factory=dict)
    cut: str = ""


@runtime_checkable
class ChecksRoom(Protocol):
    """A proposer that can say beforehand that its model's context is too small for the task."""

    def check_room(self, space: SearchSpace) -> None:
        """Make sure that there is room for the shortest prompt and its reply.

        Raises:
            HyperLlamaError: there is none, or the model cannot be loaded.
        """


@runtime_checkable
class AnswersQuestions(Protocol):
    """A proposer that may also answer questions about the study."""

    @property
    def can_answer(self) -> bool:
        """Whether its model can: a chat model does, an embedded one does not."""

    def answer(self, question: Question) -> Answer:
        """Answer a question; only where `can_answer`.

        Raises:
            Cancelled: the question's `should_stop` became true before the first word.
            HyperLlamaError: the model cannot be loaded, or the question does not fit its context.
        """
