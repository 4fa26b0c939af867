"""A running study's events: written for others to read, and folded into the study's state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hyperllama.core.events import Event
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.study.folding import StateFold

StudyListener = Callable[[Event, float, StateFold], None]
"""Takes an event, when it happened (seconds since the epoch), and the study after it."""


class StudyEvents(EventLog):
    """The file of a study's events; `folding` has the state that they come to."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path, clock)
        self.folding = StateFold()
        self.listen(self.folding.apply)

    def follow(self, listener: StudyListener) -> None:
        """Call this with every event from now on; what happened before is in the state alone."""
        self.listen(lambda event, t: listener(event, t, self.folding))

    def begin(self, first: Event, past: Iterable[tuple[Event, float]]) -> None:
        past = list(past)
        super().begin(first, past)
        for event, t in past:
            self.folding.apply(event, t)
