"""What passes between a study and its proposers: proposals, observed trials, questions, answers.

Plain values and the history of a study; whatever proposes, asks or records trials imports it.
"""

from hyperllama.core.trials.protocol import (
    Answer,
    AnswersQuestions,
    AskContext,
    Cancelled,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
    Question,
)
from hyperllama.core.trials.setting import ProposerSetting

__all__ = [
    "Answer",
    "AnswersQuestions",
    "AskContext",
    "Cancelled",
    "Exhausted",
    "Observed",
    "Proposal",
    "Proposer",
    "ProposerSetting",
    "Question",
]
