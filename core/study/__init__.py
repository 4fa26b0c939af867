"""The study loop: ask -> evaluate -> tell; its states, its events, what watchers may ask of it."""

from hyperllama.core.study.state import (
    AWAITING,
    Exchange,
    StateFold,
    SteeringAction,
    StudyState,
    TrialState,
    fold,
)

__all__ = [
    "AWAITING",
    "Exchange",
    "StateFold",
    "SteeringAction",
    "StudyState",
    "TrialState",
    "fold",
]
