"""The study loop: ask -> evaluate -> tell; its states, its events, what watchers may ask of it."""

from hyperllama.core.study.loop import Runner, Study
from hyperllama.core.study.progress import Progress
from hyperllama.core.study.steering import Limits

__all__ = ["Limits", "Progress", "Runner", "Study"]
