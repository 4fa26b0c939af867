"""What every proposer is made from: the problem as far as it may know it, a seed, a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.task.prompt_options import PromptOptions

if TYPE_CHECKING:
    from hyperllama.core.estimators.base import Facts
    from hyperllama.core.events import Event
    from hyperllama.core.space import Config


def _ignore(event: Event) -> None:
    pass


@dataclass(frozen=True)
class ProposerSetting:
    """Everything but the search space, which may change between two proposals.

    Attributes:
        seed: with the trial's number and the history it determines every proposal.
        task: the task's name.
        kind: "classification", "regression" or "" (unknown).
        metric: the scorer's name; values are greater-is-better.
        estimators: names of the families tuned, one or several.
        facts: what is known of the table; None where there is none.
        dataset: the table in a few plain lines, for a model to read.
        notes: the user's own notes on the task.
        folds: how many scores a trial's value is the mean of; 0 if unknown.
        noise: the spread of the score by chance alone, in its own units; None if unknown.
        budget_trials: trials of the whole study; None when unlimited.
        model: name or path of a GGUF file ("embedded" is the one that ships).
        engine: settings of the engine (`models.engine.EngineSettings`); None for the defaults.
        temperature: of the values; None for the proposer's own choice.
        log: where the engine's process writes its messages; None for `engine.log` in the home.
        cache: where a chat model's prompt, as it was evaluated last, is kept for a study that is
            resumed; None keeps none.
        prompt: how a chat model is asked.
        options: a proposer's own settings by name ("turns", "candidates", ...).
        queue: a person's own configurations, for the proposer of that name.
        report: told of `ModelLoading`, `ModelLoaded` and `Noted` as they happen.
        make_engine: an engine to use in place of llama.cpp's, made on first use.
    """

    seed: int = 0
    task: str = ""
    kind: str = ""
    metric: str = ""
    estimators: tuple[str, ...] = ()
    facts: Facts | None = None
    dataset: str = ""
    notes: str = ""
    folds: int = 0
    noise: float | None = None
    budget_trials: int | None = None
    model: str = "embedded"
    engine: Any = None
    temperature: float | None = None
    log: Path | None = None
    cache: Path | None = None
    prompt: PromptOptions = field(default_factory=PromptOptions)
    options: dict[str, Any] = field(default_factory=dict)
    queue: tuple[Config, ...] = ()
    report: Callable[[Event], None] = _ignore
    make_engine: Callable[[], Any] | None = None
