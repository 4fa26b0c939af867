"""The trial runner's child process: holds the table, answers one request after the other.

See `messages` for the requests. What stops a trial from outside is the parent's business: it kills
this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.evaluate.runner.limits import memory_limit, rss_mb
from hyperllama.core.evaluate.runner.messages import (
    Evaluate,
    FitFinal,
    Open,
    OpenedTable,
    SaveTable,
    ScoreTest,
    ShareTable,
    read_request,
)
from hyperllama.core.programs.store import CHOICE

if TYPE_CHECKING:
    from hyperllama.core.data import Table
    from hyperllama.core.evaluate.scoring.crossval import Evaluator
    from hyperllama.core.task import Task
    from hyperllama.models.process.serve import ChildRequest


class TrialServer:
    """One table and its evaluator; nothing else is kept between requests."""

    def __init__(self) -> None:
        self._opened: tuple[Task, Evaluator, dict[str, Any]] | None = None
        self._table: Table | None = None

    def handle(self, message: ChildRequest) -> Iterator[dict[str, Any]]:
        """Answer one request with one message; folds are sent as they finish."""
        from hyperllama.core.evaluate.scoring.failures import TrialFailed

        try:
            yield {"done": True, "answer": self._answer(message), "rss_mb": rss_mb()}
        except TrialFailed as error:
            yield {"error": "TrialFailed", "message": str(error), "rss_mb": rss_mb()}

    def _answer(self, message: ChildRequest) -> Any:
        request = read_request(message)
        if isinstance(request, Open):
            return self._open(request)
        if self._opened is None:
            raise RuntimeError("no table was opened")
        task, evaluator, described = self._opened
        if isinstance(request, ShareTable):
            import joblib

            joblib.dump(self._table, request.path)
            return None
        if isinstance(request, SaveTable):
            from hyperllama.core.evaluate.saving import save_table

            d = evaluator.data
            return save_table(Path(request.path), described, x=d.x, y=d.y, groups=d.groups,
                              times=d.times, weights=d.weights)
        with memory_limit(request.memory_mb):
            if isinstance(request, Evaluate):
                return _evaluate(request, message, evaluator)
            if isinstance(request, ScoreTest):
                return evaluator.test_score(request.config, request.seed)
            return _fit_final(request, task, evaluator, described)

    def _open(self, request: Open) -> OpenedTable:
        from hyperllama.core.data import load_table
        from hyperllama.core.evaluate.pipeline import build_pipeline
        from hyperllama.core.evaluate.saving import describe_model
        from hyperllama.core.evaluate.scoring.crossval import Evaluator
        from hyperllama.core.evaluate.scoring.programs import ProgramSetting, ProgramTrials
        from hyperllama.core.task import load_task, resolve

        task = load_task(request.task)
        table = _shared(request.shared) if request.shared else load_table(task)
        problem = resolve(task, table)
        evaluator = Evaluator.of(problem, table, request.threads)
        problem = evaluator.settled(problem)
        limits = task.limits
        # The evaluator's rows lie one after the other; so they are mapped as they are by others.
        self._table = replace(table, x=evaluator.data.x)
        evaluator.programs = ProgramTrials(
            ProgramSetting(
                Path(request.task).parent, problem.columns, task.programs.unsandboxed,
                limits.trial_seconds, limits.trial_memory_mb, task.programs.neutral_names,
            ),
            evaluator,
        )  # fmt: skip
        for name in problem.estimators:  # imports now what the first trial would wait for
            build_pipeline(name, problem.kind, {}, table.categorical, 0)
        self._opened = task, evaluator, describe_model(problem, table)
        test_rows, folds = len(evaluator.test_rows), len(evaluator.folds(task.seed))
        return OpenedTable.of(
            problem, table, test_rows=test_rows, folds=folds,
            other_folds=evaluator.other_folds, chance=evaluator.chance(),
        )


def _shared(path: str) -> Table:
    """The table that another runner of the same study has just written; its arrays are mapped."""
    import joblib

    table: Table = joblib.load(path, mmap_mode="r")
    return table


def _evaluate(request: Evaluate, message: ChildRequest, evaluator: Evaluator) -> dict[str, Any]:
    """The facts of a trial, or the tally of one fold; folds are sent meanwhile."""
    from hyperllama.core.evaluate.racing import lost_race
    from hyperllama.core.evaluate.results import STOPPED, Tally

    tally, scores = Tally(), list[float]()
    folds = evaluator.evaluate(
        request.config, request.seed, request.fold_seed, tally, request.only_fold
    )
    for fold in folds:
        message.send("fold", fold=fold, rss_mb=rss_mb())
        scores.append(fold.score)
        if message.cancelled:
            break
        if (stopped := lost_race(scores, request.rival)) is not None:
            return {**tally.facts(), STOPPED: stopped}
    return tally.facts() if request.only_fold is None else dict(vars(tally))


def _fit_final(
    request: FitFinal, task: Task, evaluator: Evaluator, described: dict[str, Any]
) -> None:
    """Fit on all rows, those included that `subsample_rows` left out, and save the pipeline."""
    from hyperllama.core.evaluate.saving import (
        describe_model,
        save_pipeline,
        save_program,
        versions,
    )
    from hyperllama.core.evaluate.scoring.crossval import final_program

    if task.data.subsample_rows is not None:
        from hyperllama.core.data import load_table
        from hyperllama.core.task import resolve

        table = load_table(task, subsample=False)
        problem = resolve(task, table)
        programs = evaluator.programs
        evaluator = evaluator.of(problem, table, evaluator.threads)
        evaluator.programs = None if programs is None else programs.on(evaluator)
        described = describe_model(problem, table)
    facts = {
        **described, "config": request.config, "seed": request.seed, "versions": versions(),
        **request.facts,
    }
    if CHOICE in request.config:
        save_program(final_program(evaluator, request.config), Path(request.path), facts)
        return
    pipeline = evaluator.fit_final(request.config, request.seed)
    save_pipeline(pipeline, Path(request.path), facts, evaluator.data.x[:200])


if __name__ == "__main__":
    from hyperllama.models.process.serve import serve

    serve(TrialServer().handle)
