"""What every proposer is made from: what is known of the problem, a seed, a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials.goals import Goals

if TYPE_CHECKING:
    from hyperllama.core.estimators.base import Facts
    from hyperllama.core.events import Event
    from hyperllama.core.programs.facts import ProgramTask
    from hyperllama.core.space import Config


def _ignore(event: Event) -> None:
    pass


@dataclass(frozen=True)
class ProposerSetting:
    """All a proposer knows but the search space, which may change between two proposals.

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
        chance: fold scores of a model that looks at no column; empty where they are unknown.
        model: name or path of a GGUF file ("embedded" is the one that ships).
        engine: settings of the engine (`models.engine.EngineSettings`); None for the defaults.
        temperature: of the values; None for the proposer's own choice.
        log: where the engine writes its messages; None for `engine.log` in the data folder.
        cache: where a chat model's last evaluated prompt is kept until the study is resumed; None
            keeps none.
        prompt: how a chat model is asked.
        earlier: configurations with their scores, for each earlier study that this one began with.
        options: a proposer's own settings by name ("opening", "candidates", ...).
        queue: a person's own configurations, for the proposer of that name.
        programs: what a chat model that writes programs is told; None where it writes none.
        goals: objectives and constraints.
        report: called with `ModelLoading`, `ModelLoaded`, `PromptReading` and `Noted` events as
            they happen.
        make_engine: makes an engine to use in place of llama.cpp's, at its first use.
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
    chance: tuple[float, ...] = ()
    model: str = "embedded"
    engine: Any = None
    temperature: float | None = None
    log: Path | None = None
    cache: Path | None = None
    prompt: PromptOptions = field(default_factory=PromptOptions)
    earlier: tuple[Sequence[tuple[Config, float]], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    queue: tuple[Config, ...] = ()
    programs: ProgramTask | None = None
    goals: Goals = field(default_factory=Goals)
    report: Callable[[Event], None] = _ignore
    make_engine: Callable[[], Any] | None = None
