"""Tables for the question whether programs pay: each with its hand-made space and with programs.

A contender says with its option `programs` (see `WAYS`) which it gets. Folds, test rows and the
estimators' seed change with the seed of the cell. Scores are judged on the test rows, which no
proposer sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import DataError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.experiments.cache import KeptTrials, config_key, default_file
from hyperllama.core.experiments.problems.base import BenchProblem, CellTask, SeededProblem
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.problems.tabular import loss_name
from hyperllama.core.space import Config
from hyperllama.core.trials import ProposerSetting

if TYPE_CHECKING:
    from hyperllama.core.evaluate.scoring.crossval import Evaluator
    from hyperllama.core.task import Task

WAYS = ("hand", "pipeline", "bound", "free")
"""The hand-made space; the pipeline space; programs that a chat model writes, bound and free."""
WRITTEN = WAYS[2:]


class ProgramProblem(BenchProblem):
    """A table, and what is varied; `for_contender` gives the same table with something else.

    Args:
        path: of the task file, which says nothing about programs.
        way: one of `WAYS`.
        cache: file of evaluations; None for the usual place.
    """

    suite = "programs"
    seeded = noisy = lazily_judged = True

    def __init__(self, path: str, way: str = "hand", cache: str | None = None) -> None:
        from hyperllama.core.data import load_table
        from hyperllama.core.task import load_task, resolve

        self._task: Task = load_task(path)
        if way != "hand":
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
        self.way, self._others = way, dict[str, ProgramProblem]()
        self._folder = Path(cache or default_file()).parent / "written" / self.name

    def for_contender(self, options: Mapping[str, Any]) -> BenchProblem:
        """This table with the space that a contender's options ask for.

        Raises:
            DataError: there is no such way.
        """
        way = str(options.get("programs", "hand"))
        if way not in WAYS:
            raise DataError(f"there are no programs of the kind {way!r}",
                            f"allowed: {', '.join(WAYS)}")
        if way == self.way:
            return self
        if way not in self._others:
            assert self.spec is not None
            self._others[way] = ProgramProblem(self.spec["path"], way, self.spec["cache"])
        return self._others[way]

    def under(self, seed: int) -> CellTask:
        """The task of a cell with that seed."""
        return _WithPrograms(self, seed) if self.way in WRITTEN else super().under(seed)

    def told(self, seed: int) -> ProposerSetting:
        """What a study of these programs would tell a chat model."""
        from hyperllama.core.evaluate.rendered import program_text
        from hyperllama.core.evaluate.steps import FitSetting
        from hyperllama.core.programs.facts import program_task

        p, evaluator = self._found, self._evaluator(seed)
        rendering = FitSetting.of(p, seed)
        return ProposerSetting(
            seed=seed, task=self.name, kind=p.kind, metric=p.metric, estimators=p.estimators,
            facts=p.facts, dataset="\n".join(self._table.summary()), notes=self._task.notes,
            folds=len(evaluator.folds(seed)),
            programs=program_task(
                p, self._folder, lambda config: program_text(config, p.space, rendering)
            ),
        )  # fmt: skip

    def why(self, config: Config, seed: int) -> str:
        """Why a configuration could not be evaluated; empty where it could."""
        kept = self._kept.get(*self._key("folds", config, seed))
        return str((kept or {}).get("reason", ""))

    def observe(self, config: Config, seed: int) -> float | None:
        return self._loss("folds", config, seed)

    def judge(self, config: Config, seed: int) -> float | None:
        return self._loss("test rows", config, seed)

    def _loss(self, rows: str, config: Config, seed: int) -> float | None:
        """The loss on the folds or on the test rows, evaluated once ever."""
        from hyperllama.core.evaluate.scoring.failures import TrialFailed

        problem, key = self._key(rows, config, seed)
        kept, reason = self._kept.get(problem, key), ""
        if kept is None:
            evaluator = self._evaluator(seed)
            try:
                if rows == "folds":
                    scores = [f.score for f in evaluator.evaluate(config, seed)]
                    score = sum(scores) / len(scores)
                else:
                    tested = evaluator.test_score(config, seed)
                    score = math.nan if tested is None else tested
            except TrialFailed as error:
                score, reason = math.nan, str(error)
            if not math.isfinite(score):
                kept = {"loss": None, "reason": reason}
            else:
                negated = self.metric.startswith("neg_")
                kept = {"loss": float(f"{-score if negated else 1.0 - score:.9g}")}
            self._kept.put(problem, key, kept)
        return None if kept["loss"] is None else float(kept["loss"])

    def _key(self, rows: str, config: Config, seed: int) -> tuple[str, str]:
        return f"{self.identity}, seed {seed}, {rows}", config_key(self.space, config)

    def _evaluator(self, seed: int) -> Evaluator:
        from hyperllama.core.evaluate.scoring.crossval import Evaluator

        if seed not in self._evaluators:
            task = self._task.model_copy(update={"seed": seed})
            fields = {**self._found.__dict__, "task": task}
            evaluator = Evaluator.of(type(self._found)(**fields), self._table)
            if self.way in WRITTEN:
                self._run_programs(evaluator)
            self._evaluators = {seed: evaluator}
        return self._evaluators[seed]

    def _run_programs(self, evaluator: Evaluator) -> None:
        """Let the evaluator run programs."""
        from hyperllama.core.evaluate.scoring.programs import ProgramSetting, ProgramTrials

        self.end_sandbox()
        self._folder.mkdir(parents=True, exist_ok=True)
        limits = self._task.limits
        evaluator.programs = ProgramTrials(
            ProgramSetting(self._folder, self._found.columns, seconds=limits.trial_seconds,
                           memory_mb=limits.trial_memory_mb), evaluator,
        )  # fmt: skip

    def end_sandbox(self) -> None:
        """End the process that programs run in; the next program opens another."""
        for evaluator in self._evaluators.values():
            if evaluator.programs is not None:
                evaluator.programs.close()

    def failed_loss(self, seed: int) -> float:
        return self.observe(self.space.default(), seed) or 1.0

    def random_search(self, seed: int) -> RandomSearch:
        """Not computed: random search is run as a contender here."""
        raise NotImplementedError


class _WithPrograms(SeededProblem):
    """A table under a seed for a chat model that writes programs: it is told what a study tells."""

    def __init__(self, problem: ProgramProblem, seed: int) -> None:
        super().__init__(problem, seed)
        self._table, self._under = problem, seed

    def setting(self, seed: int, budget: int) -> ProposerSetting:
        """What a study would tell a proposer."""
        return replace(self._table.told(self._under), seed=seed)

    def evaluate(
        self, config: Config, should_stop: Callable[[], bool] = lambda: False
    ) -> tuple[Result, bool]:
        found, known = super().evaluate(config, should_stop)
        reason = self._table.why(config, self._under)
        return (replace(found, reason=reason) if reason else found), known

    def ended(
        self, trials: Sequence[Mapping[str, Any]], should_stop: Callable[[], bool]
    ) -> dict[str, Any]:
        self._table.end_sandbox()
        return super().ended(trials, should_stop)
