"""What a user may choose about prompts: plain settings, so that importing them costs nothing."""

from __future__ import annotations

from dataclasses import dataclass


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
        train_scores, fold_spread, seconds, curve_facts: which facts of a trial are shown.
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
    seconds: bool = True
    curve_facts: bool = True
    descriptions: bool = True
    dataset_facts: bool = True
    neutral_names: bool = False
    recent: int = 5
