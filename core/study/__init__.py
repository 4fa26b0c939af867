"""The study loop: ask -> evaluate -> tell; its states, its events, what watchers may ask of it."""

from core.study.loop import Runner, Study
from core.study.progress import Progress
from core.study.steering import Limits

__all__ = ["Limits", "Progress", "Runner", "Study"]
