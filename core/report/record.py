"""A finished or stopped study as plain data: all that the exports are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperllama.core.experiments.panel import BaselinePanel
from hyperllama.core.space import Config
from hyperllama.core.task import Problem, Task


@dataclass(frozen=True)
class TrialRecord:
    """One trial of the study.

    Attributes:
        number: 0-based, rising.
        state: "complete" or "fail".
        config: active hyperparameters.
        value: mean validation score, greater is better; None unless complete.
        fold_scores: validation score per fold.
        train_value: mean training score; None where unknown.
        seconds: wall time of the evaluation.
        seed: of the estimator.
        proposer: who proposed it; fallback: why another proposer had to step in.
        reason: one line saying why it failed.
        reasoning: the proposer's, as the model wrote it.
        facts: see `core.evaluate.results.Result.facts`.
    """

    number: int
    state: str
    config: Config
    value: float | None = None
    fold_scores: Sequence[float] = ()
    train_value: float | None = None
    seconds: float = 0.0
    seed: int = 0
    proposer: str = ""
    reason: str = ""
    reasoning: str = ""
    fallback: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def std(self) -> float | None:
        """Standard deviation over the folds (n in the denominator); None with fewer than two."""
        n = len(self.fold_scores)
        if n < 2:
            return None
        mean = sum(self.fold_scores) / n
        return float((sum((s - mean) ** 2 for s in self.fold_scores) / n) ** 0.5)


@dataclass(frozen=True)
class StudyRecord:
    """A study.

    Attributes:
        name: of the study.
        task, problem: what was tuned.
        trials: in the order of their numbers.
        seed: of the study.
        test_value: score of the incumbent on the untouched rows; None when not computed.
        default_test_value: the same for the default configuration.
        proposer, model: who proposed; the model file's name, empty without one.
        seconds: wall time of the study.
        rows, test_rows: of the table, and how many of them were kept for the end.
        summary: the table in a few plain lines.
        warnings: of the study; those of the problem are added by the report.
        made_at: when the study ended, ISO 8601; may be empty.
        honesty: what simpler ways found with the same budget; None where nobody looked.
    """

    name: str
    task: Task
    problem: Problem
    trials: Sequence[TrialRecord]
    seed: int = 0
    test_value: float | None = None
    default_test_value: float | None = None
    proposer: str = ""
    model: str = ""
    seconds: float = 0.0
    rows: int = 0
    test_rows: int = 0
    summary: Sequence[str] = ()
    warnings: Sequence[str] = ()
    made_at: str = ""
    honesty: BaselinePanel | None = None

    @property
    def complete(self) -> list[TrialRecord]:
        return [t for t in self.trials if t.state == "complete" and t.value is not None]

    @property
    def incumbent(self) -> TrialRecord | None:
        """The best trial, the earliest of equals; None when none is complete."""
        return max(self.complete, key=lambda t: (t.value, -t.number), default=None)

    @property
    def default(self) -> TrialRecord | None:
        """The first complete trial with the library's default configuration."""
        space = self.problem.space
        key = space.key(space.default())
        return next((t for t in self.complete if space.key(t.config) == key), None)
