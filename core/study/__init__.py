"""A study: its state, folded from events, and the loop that proposes, evaluates and stores trials.

Only the state is given out from here, since the interface reads it, too; the loop's modules load
Optuna and NumPy. `starting` opens studies and resumes them, `running` is their loop, `steering`
what people ask of them, `findings` what their trials say; `history` reads stored ones.
"""

from hyperllama.core.study.folding import StateFold, fold
from hyperllama.core.study.state import (
    AWAITING,
    PRUNED,
    Exchange,
    SteeringAction,
    StudyState,
    TrialState,
)

__all__ = [
    "AWAITING",
    "PRUNED",
    "Exchange",
    "StateFold",
    "SteeringAction",
    "StudyState",
    "TrialState",
    "fold",
]
