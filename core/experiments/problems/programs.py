"""Tables for the question whether programs pay: each with its hand-made space and with pipelines.

A contender says with its option `programs` ("hand" or "pipeline") which of the two spaces it gets.
Folds, test rows and the estimators' seed change with the seed of the cell. Scores are judged on
the test rows, which no proposer sees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import DataError
from hyperllama.core.experiments.cache import KeptTrials, config_key, default_file
from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.problems.tabular import loss_name
from hyperllama.core.space import Config

if TYPE_CHECKING:
    from hyperllama.core.evaluate.crossval import Evaluator
    from hyperllama.core.task import Task

WAYS = ("hand", "pipeline")


class ProgramProblem(BenchProblem):
    """A table with one of the two spaces; `way_of` gives the problem with the other.

    Args:
        path: of the task file, which says nothing about programs.
        way: "hand" or "pipeline".
        cache: file of evaluations; None for the usual place.
    """

    suite = "programs"
    seeded = noisy = lazily_judged = True

    def __init__(self, path: str, way: str = "hand", cache: str | None = None) -> None:
        from hyperllama.core.data import load_table
        from hyperllama.core.task import load_task, resolve

        self._task: Task = load_task(path)
        if way == "pipeline":
            programs = self._task.programs.model_copy(update={"kind": way})
            self._task = self._task.model_copy(update={"programs": programs})
        self._table = load_table(self._task)
        self._found = found = resolve(self._task, self._table)
        self.name = self.group = self._task.name
        self.space, self.metric, self.loss_name = found.space, found.metric, loss_name(found.metric)
        self.family, self.kind, self.facts = found.estimators[0], found.kind, found.facts
        self.identity = f"{found.fingerprint}, {found.metric}, {found.validation}"
        self.spec = {"suite": self.suite, "path": path, "cache": cache}
        self._kept = KeptTrials(Path(cache) if cache else default_file())
        self._evaluators: dict[int, Evaluator] = {}

    @cached_property
    def _other(self) -> ProgramProblem:
        assert self.spec is not None
        return ProgramProblem(self.spec["path"], "pipeline", self.spec["cache"])

    def for_contender(self, options: Mapping[str, Any]) -> BenchProblem:
        """This table with the space that a contender's options ask for.

        Raises:
            DataError: there is no such way.
        """
        way = str(options.get("programs", "hand"))
        if way not in WAYS:
            raise DataError(f"there are no programs of the kind {way!r}",
                            f"allowed: {', '.join(WAYS)}")
        return self if way == "hand" else self._other

    def observe(self, config: Config, seed: int) -> float | None:
        return self._loss("folds", config, seed)

    def judge(self, config: Config, seed: int) -> float | None:
        return self._loss("test rows", config, seed)

    def _loss(self, rows: str, config: Config, seed: int) -> float | None:
        """The loss on the folds or on the test rows, evaluated once ever."""
        from hyperllama.core.evaluate.failures import TrialFailed

        problem, key = f"{self.identity}, seed {seed}, {rows}", config_key(self.space, config)
        kept = self._kept.get(problem, key)
        if kept is None:
            evaluator = self._evaluator(seed)
            try:
                if rows == "folds":
                    scores = [f.score for f in evaluator.evaluate(config, seed)]
                    score = sum(scores) / len(scores)
                else:
                    tested = evaluator.test_score(config, seed)
                    score = math.nan if tested is None else tested
            except TrialFailed:
                score = math.nan
            if not math.isfinite(score):
                kept = {"loss": None}
            else:
                negated = self.metric.startswith("neg_")
                kept = {"loss": float(f"{-score if negated else 1.0 - score:.9g}")}
            self._kept.put(problem, key, kept)
        return None if kept["loss"] is None else float(kept["loss"])

    def _evaluator(self, seed: int) -> Evaluator:
        from hyperllama.core.evaluate.crossval import Evaluator

        if seed not in self._evaluators:
            task = self._task.model_copy(update={"seed": seed})
            fields = {**self._found.__dict__, "task": task}
            self._evaluators = {seed: Evaluator.of(type(self._found)(**fields), self._table)}
        return self._evaluators[seed]

    def failed_loss(self, seed: int) -> float:
        return self.observe(self.space.default(), seed) or 1.0

    def random_search(self, seed: int) -> RandomSearch:
        """Not computed: random search is run as a contender here."""
        raise NotImplementedError
