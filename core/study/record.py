"""A running study's events: each is stored, folded into the state, and written for others to read.

What the loop decides, it decides from the state; nothing else is kept about a study's past.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from hyperllama.core.errors import StudyError
from hyperllama.core.evaluate.results import FoldResult
from hyperllama.core.events import (
    Event,
    FoldFinished,
    Noted,
    ProposalMade,
    StudyFinished,
    StudyOpened,
    TrialFinished,
)
from hyperllama.core.programs.store import ProgramStore
from hyperllama.core.space import SearchSpace
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.storage.store import Store
from hyperllama.core.study.history import store_event
from hyperllama.core.study.state import StudyState
from hyperllama.core.study.study_events import StudyEvents


class EventRecord:
    """The state of a running study, and the only way to change it: `emit`.

    Args:
        base: the task's own search space.
        keeps_books: whether everything is stored, or trials alone: another process owns the study.
    """

    def __init__(
        self, store: Store, events: StudyEvents, base: SearchSpace, keeps_books: bool = True
    ) -> None:
        self.store, self.keeps_books = store, keeps_books
        self.programs = ProgramStore(events.path.parent)
        self._events = events
        self._ranges = Ranges(base)

    @property
    def state(self) -> StudyState:
        """The study now."""
        return self._events.folding.state

    @property
    def opened(self) -> StudyOpened:
        """The facts of the study, with what steering changed in them."""
        opened = self.state.opened
        assert opened is not None, "begin comes first"
        return opened

    @property
    def ranges(self) -> Ranges:
        """The search space with the changes of the state."""
        changed = self.opened.ranges
        if self._ranges.kept != changed:
            self._ranges = Ranges(self._ranges.base, changed)
        return self._ranges

    @property
    def space(self) -> SearchSpace:
        """What may be varied now."""
        return self.ranges.space

    def begin(self, opened: StudyOpened, past: Iterable[tuple[Event, float]]) -> None:
        """Start with the facts of the study and what happened in it before."""
        self._store(opened, self._ranges.stored)
        self._events.begin(opened, past)

    def emit(self, event: Event) -> None:
        """Store an event, apply it to the state, and write it for others.

        Raises:
            StudyError: the storage failed.
        """
        self._store(event, self.ranges.stored)
        self._events.emit(event)

    def hear(self, event: Event) -> None:
        """Apply an event that another process stored, and write it for others."""
        self._events.emit(event)

    def finish(self, event: StudyFinished) -> None:
        """Emit the last event, even where the storage is what failed."""
        self._events.emit(event)
        with contextlib.suppress(StudyError):
            self._store(event, self._ranges.stored)
        self._events.close()

    def fold_finished(self, number: int, f: FoldResult) -> None:
        """Emit that trial `number` has trained one more fold."""
        self.emit(FoldFinished(number, f.fold, f.folds, f.score, f.train_score, f.fit_s))

    def note(self, level: str, text: str, hint: str = "") -> None:
        """Tell people something: "info", "warning" or "error"."""
        self.emit(Noted(level, text, hint))

    def _store(self, event: Event, space: SearchSpace) -> None:
        if self.keeps_books or isinstance(event, (ProposalMade, TrialFinished)):
            store_event(self.store, event, space)

