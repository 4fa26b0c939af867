"""Scoring programs that people or models wrote: fitted in the sandbox, scored outside of it.

The sandbox gets training rows, their targets and the features of the rows to predict; it returns
predictions, which are checked. Scores are computed here, by the task's own scorer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from hyperllama.core.evaluate.results import FoldResult, Tally
from hyperllama.core.programs.contract import with_values
from hyperllama.core.programs.facts import column_facts
from hyperllama.core.programs.sandbox import (
    Fitted,
    ProgramFit,
    ProgramSandbox,
    SandboxLimits,
)
from hyperllama.core.programs.store import ProgramStore
from hyperllama.core.space import Config

if TYPE_CHECKING:
    from hyperllama.core.data import Column
    from hyperllama.core.evaluate.scoring.crossval import Evaluator

_MEMORY_MB = 4096.0
_MOST_COLUMNS = 5  # whose importance is told


@dataclass(frozen=True)
class ProgramSetting:
    """How programs are run.

    Attributes:
        folder: of the study: its programs, and the sandbox's messages.
        columns: of X.
        neutral: whether programs see neutral names of columns.
        unsandboxed: whether they are run without a sandbox, because a person said so.
        seconds, memory_mb: limits of one fit.
    """

    folder: Path
    columns: tuple[Column, ...]
    unsandboxed: bool = False
    seconds: float = 300.0
    memory_mb: float | None = None
    neutral: bool = False


class PredictedNumbers(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Stands before a scorer with predictions that were made elsewhere."""

    def __init__(self, found: NDArray[Any]) -> None:
        self.found = found

    def predict(self, x: Any) -> NDArray[Any]:
        """The predictions, whatever `x` is."""
        return self.found


class PredictedClasses(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """As `PredictedNumbers`, with codes of classes."""

    def __init__(self, found: NDArray[Any], classes: tuple[int, ...]) -> None:
        self.found, self.classes = found, classes
        self.classes_ = np.array(classes)

    def predict(self, x: Any) -> NDArray[Any]:
        """The predictions, whatever `x` is."""
        return self.found


class PredictedShares(PredictedClasses):
    """As `PredictedClasses`, with the probability of each class."""

    def predict_proba(self, x: Any) -> NDArray[Any]:
        """The predictions, whatever `x` is."""
        return self.found

    def predict(self, x: Any) -> NDArray[Any]:
        """The likeliest classes."""
        return np.asarray(self.classes_[self.found.argmax(axis=1)])


def wanted_response(is_classification: bool, response: str) -> str:
    """What a program is asked for: of what a scorer may ask for, probabilities do for all but
    `predict`.

    Args:
        response: what the scorer asks for, as `FitSetting` has it.
    """
    return "predict_proba" if is_classification and "predict_proba" in response else "predict"


class ProgramTrials:
    """Runs programs of one study on the rows of an evaluator; one sandbox for all of them.

    Raises:
        StudyError: at the first program: no sandbox can be had.
    """

    def __init__(self, setting: ProgramSetting, evaluator: Evaluator) -> None:
        self._setting, self._evaluator = setting, evaluator
        self._store = ProgramStore(setting.folder)
        self._sandbox: ProgramSandbox | None = None
        d = evaluator.data
        self._classes = tuple(range(int(d.y.max()) + 1)) if d.kind == "classification" else ()
        self._wants = wanted_response(bool(self._classes), evaluator.response)

    def fold(
        self, config: Config, number: int, folds: int, train: Any, scored: Any, tally: Tally
    ) -> FoldResult:
        """Score a program on one fold; of the first one, which columns count goes to the tally.

        Raises:
            FitFailed: the program failed, or its predictions are none.
            HyperLlamaError: there is no such program, or no sandbox can be had.
        """
        found = self._fit(config, train, scored, train_too=number == 0)
        trained = found.train_predictions
        if number == 0 and found.importance:
            columns = column_facts(self._setting.columns, self._setting.neutral)
            shares = zip((str(c["name"]) for c in columns), found.importance, strict=True)
            tally.columns = dict(sorted(shares, key=lambda pair: -pair[1])[:_MOST_COLUMNS])
        e = self._evaluator
        tally.measure(e.measures.scores(self._model(found.predictions), scored, e.data.scored))
        return FoldResult(
            fold=number, folds=folds, score=self._score(found.predictions, scored),
            train_score=None if trained is None else self._score(trained, train),
            fit_s=found.seconds,
        )  # fmt: skip

    def score(self, config: Config, train: Any, scored: Any) -> float:
        """Score on some rows after a fit on others."""
        return self._score(self._fit(config, train, scored).predictions, scored)

    def on(self, evaluator: Evaluator) -> ProgramTrials:
        """The same programs on other rows."""
        return ProgramTrials(self._setting, evaluator)

    def final(self, config: Config) -> ProgramFit:
        """A program with all rows, its values as its defaults; it was fitted once.

        Raises:
            FitFailed, HyperLlamaError: as `fold`.
        """
        every = np.arange(len(self._evaluator.data.y))
        self._fit(config, every, every[:100])
        program, values = self._store.trial(config)
        fit = self._told(config, every, every[:0])
        return replace(fit, program=with_values(program.text, values), values={})

    def close(self) -> None:
        """End the sandbox."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def _fit(self, config: Config, train: Any, scored: Any, *, train_too: bool = False) -> Fitted:
        s = self._setting
        if self._sandbox is None:
            log, threads = s.folder / "sandbox.log", self._evaluator.threads
            self._sandbox = ProgramSandbox(log, threads, boxed=not s.unsandboxed)
        wanted = replace(self._told(config, train, scored), train=train_too)
        memory_mb = s.memory_mb or _MEMORY_MB
        return self._sandbox.fit(wanted, SandboxLimits(s.seconds, memory_mb))

    def _told(self, config: Config, train: Any, scored: Any) -> ProgramFit:
        program, values = self._store.trial(config)
        s, d = self._setting, self._evaluator.data
        columns = column_facts(s.columns, s.neutral)
        task = {"kind": d.kind, "metric": d.metric, "n_classes": len(self._classes),
                "n_rows": len(train)}  # fmt: skip
        return ProgramFit(
            program.text, values, columns, task, d.x[train], d.y[train], d.x[scored],
            self._wants, False, self._classes,
        )  # fmt: skip

    def _score(self, found: NDArray[Any], rows: Any) -> float:
        return self._evaluator.score(self._model(found), rows)

    def _model(self, found: NDArray[Any]) -> Any:
        """A model that answers these predictions."""
        if not self._classes:
            return PredictedNumbers(found)
        kind = PredictedShares if self._wants == "predict_proba" else PredictedClasses
        return kind(found, self._classes)
