"""The trial runner's child process: holds the table, answers one request after the other.

Requests (see `models.process`): open, evaluate, test, fit, table. Folds are reported as they
finish. What stops a trial from outside is the parent's business: it kills this process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperllama.core.evaluate.crossval import Evaluator
    from hyperllama.core.task import Problem, Task
    from hyperllama.models.process.serve import ChildRequest

MEMORY_SLACK_MB = 512
"""Address space granted beyond the limit: reserved by threads and allocators, not used. What stays
below it is caught by the parent, which watches resident memory."""
_MB = 1 << 20


class Bench:
    """One table and its evaluator; nothing else is kept between requests."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._evaluator: Evaluator | None = None
        self._about: dict[str, Any] = {}

    def handle(self, request: ChildRequest) -> Iterator[dict[str, Any]]:
        """Answer one request: folds as they finish, then one message with "done" or "error"."""
        from hyperllama.core.evaluate.crossval import TrialFailed

        answers: Callable[[ChildRequest], Iterator[dict[str, Any]]] = getattr(
            self, f"_{request['do']}"
        )
        try:
            for answer in answers(request):
                yield {**answer, "rss_mb": rss_mb()}
        except TrialFailed as error:
            yield {"error": "TrialFailed", "message": str(error), "rss_mb": rss_mb()}

    def _open(self, request: ChildRequest) -> Iterator[dict[str, Any]]:
        from hyperllama.core.data import load_table
        from hyperllama.core.evaluate.crossval import Evaluator
        from hyperllama.core.evaluate.pipeline import build_pipeline
        from hyperllama.core.evaluate.wire import problem_to_wire
        from hyperllama.core.task import load_task, resolve

        task = load_task(request["task"])
        table = load_table(task)
        problem = resolve(task, table)
        evaluator = Evaluator.of(problem, table, int(request["threads"]))
        for name in problem.estimators:  # imports now what the first trial would wait for
            build_pipeline(name, problem.kind, {}, table.categorical, 0)
        self._task, self._evaluator, self._about = task, evaluator, about(problem)
        yield {
            "done": True,
            "problem": problem_to_wire(problem),
            "rows": table.n_rows,
            "test_rows": len(evaluator.test_rows),
            "folds": len(evaluator.folds(task.seed)),
            "summary": table.summary(),
        }

    def _evaluate(self, request: ChildRequest) -> Iterator[dict[str, Any]]:
        from dataclasses import asdict

        from hyperllama.core.evaluate.crossval import Tally

        tally = Tally()
        config, seed = dict(request["config"]), int(request["seed"])
        with memory_limit(request.get("memory_mb")):
            for fold in self._opened().evaluate(config, seed, request.get("fold_seed"), tally):
                yield {"fold": asdict(fold)}
                if request.cancelled:
                    break
        yield {"done": True, "facts": tally.facts()}

    def _test(self, request: ChildRequest) -> Iterator[dict[str, Any]]:
        with memory_limit(request.get("memory_mb")):
            value = self._opened().test_score(dict(request["config"]), int(request["seed"]))
        yield {"done": True, "value": value}

    def _fit(self, request: ChildRequest) -> Iterator[dict[str, Any]]:
        from hyperllama.core.evaluate.saving import save_pipeline, versions

        config, seed = dict(request["config"]), int(request["seed"])
        with memory_limit(request.get("memory_mb")):
            evaluator, about = self._full()
            pipeline = evaluator.fit_final(config, seed)
        facts = {**about, "config": config, "seed": seed, "versions": versions()}
        save_pipeline(pipeline, Path(request["path"]), {**facts, **request.get("facts", {})})
        yield {"done": True}

    def _table(self, request: ChildRequest) -> Iterator[dict[str, Any]]:
        from hyperllama.core.evaluate.saving import save_table

        d = self._opened().data
        save_table(Path(request["path"]), d.x, d.y, d.groups, d.times)
        yield {"done": True}

    def _opened(self) -> Evaluator:
        if self._evaluator is None:
            raise RuntimeError("no table was opened")
        return self._evaluator

    def _full(self) -> tuple[Evaluator, dict[str, Any]]:
        """Evaluator of all rows and its columns; `subsample_rows` may have left some out."""
        evaluator = self._opened()
        if self._task is None or self._task.data.subsample_rows is None:
            return evaluator, self._about
        from hyperllama.core.data import load_table
        from hyperllama.core.evaluate.crossval import Evaluator
        from hyperllama.core.task import resolve

        table = load_table(self._task, subsample=False)
        problem = resolve(self._task, table)
        return Evaluator.of(problem, table, evaluator.threads), about(problem)


def about(problem: Problem) -> dict[str, Any]:
    """What has to be known to feed a fitted pipeline, JSON-able."""
    return {
        "kind": problem.kind,
        "metric": problem.metric,
        "target": problem.target,
        "classes": list(problem.classes),
        "columns": [
            {
                "name": c.name,
                "kind": c.kind,
                "categories": list(c.categories),
                "source": c.source,
                "part": c.part,
                "date_format": c.date_format,
            }
            for c in problem.columns
        ],
        "data_sha256": problem.fingerprint,
    }


def rss_mb() -> float:
    """Resident memory of this process."""
    import psutil

    return float(psutil.Process().memory_info().rss) / _MB


@contextlib.contextmanager
def memory_limit(limit_mb: float | None) -> Iterator[None]:
    """Let allocations far beyond `limit_mb` of resident memory fail with a MemoryError (Unix)."""
    if limit_mb is None:
        yield
        return
    try:
        import resource
    except ImportError:  # not on Windows: there the parent's watch stands alone
        yield
        return
    import psutil

    now = psutil.Process().memory_info()
    before = resource.getrlimit(resource.RLIMIT_AS)
    wanted = int(now.vms + max(limit_mb * _MB - now.rss, 0) + MEMORY_SLACK_MB * _MB)
    ceiling = wanted if before[1] == resource.RLIM_INFINITY else min(wanted, before[1])
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, before)


if __name__ == "__main__":
    from hyperllama.models.process.serve import serve

    serve(Bench().handle)
