"""What every proposer is: something that is asked for the next configuration and told how it went.

A proposer keeps no hidden state that the history does not determine: it is opened with a seed, told
every earlier trial in order, and then proposes the same as one that never stopped. The conformance
suite in `tests/core/test_proposers.py` holds all of them to this protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from hyperllama.core.errors import SpaceError
from hyperllama.core.space import Config, SearchSpace


@dataclass(frozen=True)
class Observed:
    """A trial as proposers see it.

    Attributes:
        number: 0-based, rising.
        config: active hyperparameters.
        value: mean validation score, greater is better; None for a failed trial.
        reason: one line saying why it failed; empty otherwise.
        proposer: who proposed it ("default", "llama", "tpe", "queue", ...).
        fold_scores: validation score per fold, shape (n_folds,); may be empty.
        train_value: mean training score, greater is better; None where unknown.
        seconds: wall time of the evaluation.
        facts: short plain facts for a model to read (best iteration, ...).
        reasoning: what its proposer said on it; read where the whole conversation is kept.
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


@dataclass(frozen=True)
class Proposal:
    """A configuration inside the space, who made it, why, and what it cost.

    Attributes:
        config: active hyperparameters, valid in the space it was asked for.
        proposer: who really made it; differs from the asked proposer after a fallback.
        reasoning: the rationale, plain text or Markdown, as the model wrote it; may be empty.
        fallback: why another proposer had to step in; empty otherwise.
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
    """What the study lets a proposer use while it thinks.

    Attributes:
        number: the number the trial will have; with the study's seed it determines the proposal.
        trials_left: evaluations left in the budget, this one included; None when unlimited.
        hints: what the user told the model in plain words, oldest first.
        attempt: how many proposals for this trial the user turned down; each attempt draws anew.
        rejected: why the user did so, in plain words, oldest first.
        on_text: called with pieces of reasoning as they are generated.
        should_stop: polled between tokens; a proposer that sees True raises `Cancelled`.
    """

    number: int
    trials_left: int | None = None
    hints: tuple[str, ...] = ()
    attempt: int = 0
    rejected: tuple[str, ...] = ()
    on_text: Callable[[str], None] = lambda text: None
    should_stop: Callable[[], bool] = lambda: False


class Cancelled(Exception):
    """The user stopped a proposal that was being made."""


class Exhausted(SpaceError):
    """Nothing is left to propose: every configuration was told, the queue is empty, ...

    A study takes it as an ordinary end ("exhausted"), or goes on with the next proposer.
    """


@runtime_checkable
class Proposer(Protocol):
    """Ask and tell. Values are greater-is-better throughout."""

    name: str

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        """The next configuration, inside `space`, not one that was told before while others exist.

        The space may be narrower, wider or partly frozen since the last call.

        Raises:
            Exhausted: there is no further configuration.
            Cancelled: `context.should_stop` became true.
            EngineError: the engine died and could not be restarted (LLM proposers only).
        """

    def tell(self, trial: Observed) -> None:
        """Learn how a trial went: any trial, also failed ones and those of other proposers."""

    def close(self) -> None:
        """Release processes and files. Idempotent."""


@dataclass(frozen=True)
class Answer:
    """What a model said to a question, and what it cost.

    Attributes:
        text: as it was written.
        model: its name.
        tokens: prompt, cached, generated, context_used, context_length, per_s.
    """

    text: str
    model: str = ""
    seconds: float = 0.0
    tokens: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Speaks(Protocol):
    """A proposer that may also answer questions about the study."""

    @property
    def speaks(self) -> bool:
        """Whether its model can: an embedded one cannot."""

    def talk(
        self,
        question: str,
        facts: Sequence[str],
        earlier: Sequence[tuple[str, str]],
        on_text: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> Answer:
        """Answer from the facts, the most important ones first; what finds no room is left out.

        Args:
            earlier: questions and answers before this one, oldest first.

        Raises:
            Cancelled: `should_stop` became true before a word was written.
            HyperLlamaError: the model cannot be loaded or asked.
        """
