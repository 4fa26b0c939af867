"""The task of a study with its table loaded, and what events, summary and proposers know of it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.events import Event, Noted, StudyOpened
from hyperllama.core.programs.facts import program_task
from hyperllama.core.propose import make_proposer, needs_model
from hyperllama.core.space import Config
from hyperllama.core.space.describe import describe_space
from hyperllama.core.storage.folder import CACHE, TASK
from hyperllama.core.storage.store import Store
from hyperllama.core.study.parts import Runner
from hyperllama.core.study.starting.earlier import (
    EarlierStudy,
    columns_id,
    kept_earlier,
    queue_best,
)
from hyperllama.core.study.starting.options import Options, engine_settings
from hyperllama.core.task import Problem
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import Proposer, ProposerSetting
from hyperllama.core.trials.goals import Goals
from hyperllama.models.process.processors import default_threads

if TYPE_CHECKING:
    from hyperllama.core.evaluate.cluster.scheduler import Cluster

_TABLE = "table.shared"  # the rows, while several trial runners use them


class OpenProblem:
    """A task resolved against its table, with the trial runner that loaded it."""

    problem: Problem
    _seed = 0
    _earlier: tuple[EarlierStudy, ...] = ()
    _local: Sequence[TrialRunner] = ()

    def __init__(self, folder: Path, options: Options) -> None:
        self._folder, self._threads = folder, options.threads or 0
        self._table = folder / _TABLE
        self._ahead: list[threading.Thread] = []
        self._closing = False
        self.runners: Sequence[Runner]
        """One for each trial that runs side by side; the first holds the table of all."""
        self.cluster: Cluster | None = None
        jobs, log = options.jobs or 1, folder / "trials.log"
        if options.cluster:
            from hyperllama.core.evaluate.cluster.scheduler import Cluster

            self.cluster = at = Cluster(options.cluster, folder / "cluster.log")
            self.runner = TrialRunner(folder / TASK, log=log, threads=self._threads)
            self.runners = self._on_cluster(at, options.jobs or at.threads)
            return
        self.runner = TrialRunner(folder / TASK, log=log, **self._limits(jobs))
        self._local = self._others(jobs)
        self.runners = (self.runner, *self._local)

    def load(self, interrupted: Callable[[], bool]) -> None:
        """Start the trial runner and let it read the table.

        Raises:
            HyperLlamaError: the table cannot be used, or the runner died.
        """
        self.problem = self.runner.open(interrupted)
        self._share()
        if self.cluster is not None:
            from hyperllama.core.evaluate.cluster.worker import StudyTable

            text, programs = (self._folder / TASK).read_text("utf8"), self.problem.task.programs
            written = programs.kind in ("auto", "bound", "free")
            needed = self.cluster.check(self.problem.estimators, written)
            self.cluster.hand_out(
                lambda: StudyTable(text, self._table.read_bytes(), needed, self._threads)
            )

    def notes(self) -> list[Noted]:
        """Where trials are trained, unless it is here."""
        if self.cluster is None:
            return []
        at = self.cluster
        text = f"folds train on the cluster {at.where}, {at.threads} at a time; its workers "
        return [Noted("info", f"{text}({at.workers} now) get the table")]

    def resize(self, jobs: int) -> None:
        """Have so many runners, which share processors and memory; only while none trains.

        Raises:
            HyperLlamaError: the table cannot be used any more, or a runner died.
        """
        if self.cluster is not None:
            self.runners = self._on_cluster(self.cluster, jobs)
            return
        self._close_local()
        self._closing = False
        self.runner.limit(**self._limits(jobs))
        self._local = self._others(jobs)
        self.runners = (self.runner, *self._local)
        self._share()

    def close(self) -> None:
        """End the trial runners."""
        if self.cluster is not None:
            self.cluster.close()
        self._close_local()

    def _close_local(self) -> None:
        self._closing = True
        for thread in self._ahead:
            thread.join()
        for runner in (self.runner, *self._local):
            runner.close()
        self._table.unlink(missing_ok=True)

    def _on_cluster(self, at: Cluster, jobs: int) -> list[Runner]:
        from hyperllama.core.evaluate.cluster.runner import ClusterRunner

        ahead = max(1, at.threads // jobs)
        return [ClusterRunner(at, self.runner, self._folder, ahead) for _ in range(jobs)]

    def _limits(self, jobs: int) -> dict[str, Any]:
        """What each of so many runners may use."""
        each = self._threads or (max(1, default_threads() // jobs) if jobs > 1 else 0)
        return {"threads": each, "memory_share": 1 / jobs}

    def _others(self, jobs: int) -> list[TrialRunner]:
        limits: dict[str, Any] = {"log": self._folder / "trials.log", **self._limits(jobs)}
        task = self._folder / TASK
        return [TrialRunner(task, **limits, shared=self._table) for _ in range(1, jobs)]

    def _share(self) -> None:
        """Write the table for the other runners; let as many as processors open it meanwhile."""
        if len(self.runners) < 2 and self.cluster is None:
            return
        self._table.unlink(missing_ok=True)  # of a study that was killed
        self.runner.share_table(self._table)
        self._ahead = [
            threading.Thread(target=self._open_ahead, args=(runner,), daemon=True)
            for runner in self._local[: default_threads()]
        ]
        for thread in self._ahead:
            thread.start()

    def _open_ahead(self, runner: TrialRunner) -> None:
        """Open a runner before its first trial; what goes wrong is said when that opens it."""
        with contextlib.suppress(HyperLlamaError):
            runner.open(lambda: self._closing)

    def opened(self, study: str, options: Options) -> StudyOpened:
        """The facts that others are told first."""
        problem, proposer = self.problem, str(options.proposer)
        self._seed, evaluations = int(options.seed or 0), options.program_evaluations
        return StudyOpened(
            study=study,
            task=problem.task.name,
            kind=problem.kind,
            metric=problem.metric,
            estimators=problem.estimators,
            proposer=proposer,
            model=str(options.model) if needs_model(proposer) else "",
            seed=int(options.seed or 0),
            budget_trials=options.trials,
            budget_s=options.budget_s,
            rows=self.runner.rows,
            features=len(problem.columns),
            folds=self.runner.folds,
            scored_share=problem.validation.scored_share,
            space=describe_space(problem.space),
            warnings=problem.warnings,
            unsandboxed=problem.task.programs.unsandboxed,
            program_evaluations=evaluations if isinstance(evaluations, int) else 0,
            pid=os.getpid(),
            confirm=options.confirm is not False,
            chance=self.runner.chance,
            jobs=len(self.runners),
            objectives=problem.objectives,
            constraints=problem.constraints,
        )

    def begin_with_earlier(self, store: Store, queue: bool) -> None:
        """Tell the proposers the scores of the earlier studies that the study began with, and
        `queue` their best trials."""
        self._earlier = tuple(kept_earlier(store.attrs(), self.problem.space))
        if queue:
            queue_best(store, self._earlier, self.problem.space)

    def program(self, config: Config, line: str = "") -> str:
        """The program of a configuration of pipelines; empty where the task asks for none.

        Args:
            line: what its writer says that it tries.
        """
        if self.problem.task.programs.kind is None:
            return ""
        from hyperllama.core.evaluate.rendered import program_text
        from hyperllama.core.evaluate.steps import FitSetting

        setting = FitSetting.of(self.problem, self._seed)
        return program_text(config, self.problem.space, setting, line)

    def facts(self, options: Options) -> dict[str, Any]:
        """What the summary says of the task and its table."""
        problem = self.problem
        return {
            "task": problem.task.name,
            "data": str(problem.task.data.path),
            "kind": problem.kind,
            "metric": problem.metric,
            "estimators": list(problem.estimators),
            "seed": options.seed,
            "rows": self.runner.rows,
            "features": len(problem.columns),
            "columns_id": columns_id(problem),
        }

    def make_proposer(
        self, name: str, options: Options, report: Callable[[Event], None]
    ) -> Proposer:
        """Open a proposer for this problem.

        Raises:
            HyperLlamaError: there is none of this name, or its model cannot be used.
        """
        problem, task = self.problem, self.problem.task
        return make_proposer(
            name,
            setting=ProposerSetting(
                seed=int(options.seed or 0),
                task=task.name,
                kind=problem.kind,
                metric=problem.metric,
                estimators=problem.estimators,
                facts=problem.facts,
                dataset="\n".join(self.runner.summary),
                notes=task.notes,
                folds=self.runner.folds,
                chance=self.runner.chance,
                goals=Goals(problem.metric, problem.objectives, problem.constraints),
                model=str(options.model),
                engine=engine_settings(options) if needs_model(name) else None,
                temperature=options.temperature,
                prompt=PromptOptions.of(options.prompt or {}),
                log=self._folder / "engine.log",
                cache=self._folder / CACHE,
                earlier=tuple(study.scores for study in self._earlier),
                report=report,
                programs=program_task(problem, self._folder, self.program),
            ),
        )
