"""What passes between a study and whoever proposes: proposals, observed trials, what to ask."""

from hyperllama.core.trials.protocol import (
    Answer,
    AskContext,
    Cancelled,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
    Speaks,
)
from hyperllama.core.trials.setting import ProposerSetting

__all__ = [
    "Answer",
    "AskContext",
    "Cancelled",
    "Exhausted",
    "Observed",
    "Proposal",
    "Proposer",
    "ProposerSetting",
    "Speaks",
]
