"""What a user may choose about prompts: plain settings, so that importing them costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from core.errors import SpaceError

HISTORIES = ("compressed", "chat")


@dataclass(frozen=True)
class PromptOptions:
    """How the model is asked.

    Attributes:
        history: "compressed" (one fresh prompt with a table of trials) or "chat" (every reply and
            every score stays in the conversation).
        reasoning: an analysis before the configuration (chain of thought).
        reasoning_tokens: most tokens of that analysis.
        thinking_tokens: most tokens that a reasoning model may think before it is brought to the
            answer.
        train_scores, fold_spread, curve_facts: which facts of a trial are shown.
        seconds: show how long a trial took. Off, because it differs from run to run: a study with
            the same seed would not be the same again.
        descriptions: what each hyperparameter does.
        dataset_facts: what is known of the table.
        neutral_names: hyperparameters, estimators and the task are called x1, x2, ...; a check of
            how much of a model's skill is remembered names.
        recent: how many of the latest trials are always shown when the history does not fit.
    """

    history: str = "compressed"
    reasoning: bool = True
    reasoning_tokens: int = 256
    thinking_tokens: int = 1024
    train_scores: bool = True
    fold_spread: bool = True
    seconds: bool = False
    curve_facts: bool = True
    descriptions: bool = True
    dataset_facts: bool = True
    neutral_names: bool = False
    recent: int = 5

    def __post_init__(self) -> None:
        if self.history not in HISTORIES:
            raise SpaceError(
                f"prompt option history is {self.history!r}", f"allowed: {', '.join(HISTORIES)}"
            )
        for name in ("reasoning_tokens", "thinking_tokens", "recent"):
            if getattr(self, name) < 0:
                raise SpaceError(
                    f"prompt option {name} is {getattr(self, name)}", "allowed: 0 or more"
                )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PromptOptions:
        """Options by name, the others at their default.

        Raises:
            SpaceError: there is no such option, or a value is of the wrong kind.
        """
        kinds = {f.name: type(getattr(cls(), f.name)) for f in fields(cls)}
        for name, value in options.items():
            if name not in kinds:
                raise SpaceError(f"unknown prompt option {name!r}", f"allowed: {', '.join(kinds)}")
            if type(value) is not kinds[name]:
                raise SpaceError(
                    f"prompt option {name} is {value!r}", f"allowed: a {kinds[name].__name__}"
                )
        return cls(**options)
