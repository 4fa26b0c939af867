"""A finished or stopped study with its table: all that the exports are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperllama.core.events import StudyOpened
from hyperllama.core.experiments.panel import BaselinePanel
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.task import Problem, Task


@dataclass(frozen=True)
class ReportedStudy:
    """A study, opened at least once, and what its task means for its table.

    Attributes:
        state: of the study, read from its storage.
        task, problem: what was tuned.
        seconds: spent on proposals and trials.
        summary: the table in a few plain lines.
        panel: what baselines found with the same budget; None where they were not run.
    """

    state: StudyState
    task: Task
    problem: Problem
    seconds: float = 0.0
    summary: Sequence[str] = ()
    panel: BaselinePanel | None = None

    @property
    def opened(self) -> StudyOpened:
        """The facts of the study."""
        assert self.state.opened is not None, "a stored study has been opened"
        return self.state.opened

    @property
    def name(self) -> str:
        return self.opened.study

    @property
    def seed(self) -> int:
        """Of the study; the splits have one of their own."""
        return self.opened.seed

    @property
    def trials(self) -> list[TrialState]:
        """The trials that have ended."""
        return [t for t in self.state.trials if t.done]

    @property
    def complete(self) -> list[TrialState]:
        """Those that have a score."""
        return [t for t in self.trials if t.value is not None]
