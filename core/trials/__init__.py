"""What passes between a study and its proposers: proposals, observed trials, questions, answers.

Plain values and the history of a study; whatever proposes, asks or records trials imports it. An
interface imports it, too, so `ProposerSetting`, which needs the task's packages, is imported when
it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperllama.core.trials.protocol import (
    RUNNING,
    Answer,
    AnswersQuestions,
    AskContext,
    Cancelled,
    ChecksRoom,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
    Question,
)

if TYPE_CHECKING:
    from hyperllama.core.trials.setting import ProposerSetting

__all__ = [
    "RUNNING",
    "Answer",
    "AnswersQuestions",
    "AskContext",
    "Cancelled",
    "ChecksRoom",
    "Exhausted",
    "Observed",
    "Proposal",
    "Proposer",
    "ProposerSetting",
    "Question",
]


def __getattr__(name: str) -> Any:
    if name != "ProposerSetting":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hyperllama.core.trials.setting import ProposerSetting

    return ProposerSetting
