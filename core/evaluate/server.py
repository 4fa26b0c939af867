"""The trial runner's child process: holds the table, answers one request after the other.

Requests and answers are JSON lines (see `models.child`). Requests: open, evaluate, test, fit. An
answer ends with a message that has "done" or "error"; folds come as they finish. What stops a
trial from outside is the parent's business: it kills this process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import HyperLlamaError

if TYPE_CHECKING:
    from core.evaluate.crossval import Evaluator

MEMORY_SLACK_MB = 512
"""Address space granted beyond the limit: reserved by threads and allocators, not used. What stays
below it is caught by the parent, which watches resident memory."""
_MB = 1 << 20


class Bench:
    """One table, one evaluator, no state between requests but these."""

    def __init__(self) -> None:
        self._evaluator: Evaluator | None = None
        self._about: dict[str, Any] = {}

    def handle(self, message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer one request, message by message; each carries the request's id."""
        from core.evaluate.crossval import TrialFailed, described

        number = message.get("id")
        try:
            for answer in getattr(self, f"_{message['do']}")(message):
                yield {"id": number, **answer}
        except TrialFailed as error:
            yield {"id": number, "error": "TrialFailed", "message": str(error), "hint": "",
                   "rss_mb": rss_mb()}
        except HyperLlamaError as error:
            yield {"id": number, "error": type(error).__name__, "message": error.message,
                   "hint": error.hint}
        except Exception as error:
            import traceback

            traceback.print_exc()  # into the log; the parent gets one line
            yield {"id": number, "error": "StudyError", "message": described(error),
                   "hint": "the log of the trial runner says where"}

    def _open(self, message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        from core.data import load_table
        from core.evaluate.crossval import Evaluator
        from core.evaluate.pipeline import build_pipeline
        from core.evaluate.wire import problem_to_wire
        from core.task import load_task, resolve

        task = load_task(message["task"])
        table = load_table(task)
        problem = resolve(task, table)
        evaluator = Evaluator.of(problem, table, int(message["threads"]))
        for name in problem.estimators:  # imports now what the first trial would wait for
            build_pipeline(name, problem.kind, {}, table.categorical, 0)
        self._evaluator = evaluator
        self._about = {
            "metric": problem.metric,
            "target": problem.target,
            "classes": list(problem.classes),
            "columns": [
                {"name": c.name, "kind": c.kind, "categories": list(c.categories)}
                for c in problem.columns
            ],
            "data_sha256": problem.fingerprint,
        }
        yield {
            "done": True,
            "problem": problem_to_wire(problem),
            "rows": table.n_rows,
            "test_rows": len(evaluator.test_rows),
            "folds": len(evaluator.folds(task.seed)),
            "summary": table.summary(),
            "dropped": [[c.name, c.kind, c.note] for c in table.dropped],
            "rss_mb": rss_mb(),
        }

    def _evaluate(self, message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        from dataclasses import asdict

        from core.evaluate.crossval import Tally

        tally = Tally()
        with memory_limit(message.get("memory_mb")):
            for fold in self._opened().evaluate(
                dict(message["config"]), int(message["seed"]), message.get("fold_seed"), tally
            ):
                yield {"fold": asdict(fold), "rss_mb": rss_mb()}
        yield {"done": True, "facts": tally.facts(), "rss_mb": rss_mb()}

    def _test(self, message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        with memory_limit(message.get("memory_mb")):
            value = self._opened().test_score(dict(message["config"]), int(message["seed"]))
        yield {"done": True, "value": value}

    def _fit(self, message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        from core.evaluate.saving import save_pipeline, versions

        config, seed = dict(message["config"]), int(message["seed"])
        with memory_limit(message.get("memory_mb")):
            pipeline = self._opened().fit_final(config, seed)
        facts = {**self._about, "config": config, "seed": seed, "versions": versions()}
        save_pipeline(pipeline, Path(message["path"]), {**facts, **message.get("facts", {})})
        yield {"done": True}

    def _opened(self) -> Evaluator:
        if self._evaluator is None:
            raise RuntimeError("no table was opened")
        return self._evaluator


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
    from models.child import serve

    serve(Bench().handle)
