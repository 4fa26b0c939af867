"""The parent's side of the trial runner: one child, restarted when it died or had to be killed.

Limits hold because they are kept from outside: at its deadline, beyond its memory, or when the user
cancels, the child is killed, also in the middle of a C call, and the next trial gets a fresh one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from hyperllama.core import errors as core_errors
from hyperllama.core.errors import ChildDied, HyperLlamaError, StudyError
from hyperllama.core.evaluate.results import FoldResult, Result, fold_from_wire
from hyperllama.core.space import Config
from hyperllama.core.task import Problem, Task, load_task
from hyperllama.models.process import Child, python_argv

POLL_S = 0.1
CANCEL_S = 0.5
"""How long a cancelled trial may take to reach the end of its fold before it is killed."""
OPEN_LIMIT_S = 1800.0
SYSTEM_SHARE = 0.9
"""Without a limit of the task: share of the memory free at the start that the child may use."""


class _Stopped(Exception):
    """A request was ended from outside: its state, and why in one line."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class TrialRunner:
    """Evaluates configurations of one task in a child process.

    Args:
        task_file: the TOML file of the task.
        log: where the child's stderr goes.
        threads: for training; 0 takes the task's limit, else all cores but one.
    """

    def __init__(self, task_file: Path, *, log: Path, threads: int = 0) -> None:
        self.task: Task = load_task(task_file)
        self.threads = threads or self.task.limits.threads or max(1, (os.cpu_count() or 2) - 1)
        self.starts = 0
        """How often a child was started; every one after the first is a restart."""
        self.rows = self.test_rows = self.folds = 0
        self.summary: tuple[str, ...] = ()
        """The table in a few plain lines."""
        self._file = task_file.resolve()
        self._log = log
        self._child: Child | None = None
        self._problem: Problem | None = None
        self._requests = 0
        self._peak_mb = 0.0
        self._memory_mb = self.task.limits.trial_memory_mb or _free_mb() * SYSTEM_SHARE

    def open(self, should_stop: Callable[[], bool] | None = None) -> Problem:
        """Start the child and let it load the table; what the task means for that table.

        Raises:
            TaskError, DataError: as `load_task`, `load_table` and `resolve` raise them.
            StudyError: the table is no longer the one it was; or loading was cancelled.
            ChildDied: the child ended while it was loading.
        """
        if self._child is not None and self._child.alive and self._problem is not None:
            return self._problem
        self._drop()
        self._child = Child(
            python_argv("hyperllama.core.evaluate.server"),
            name="the trial runner",
            log=self._log,
            env={f"{n}_NUM_THREADS": str(self.threads) for n in ("OMP", "OPENBLAS", "MKL")},
        )
        self.starts += 1
        try:
            request = {"do": "open", "task": str(self._file), "threads": self.threads}
            answer = self._last(request, OPEN_LIMIT_S, should_stop, watch_memory=False)
        except _Stopped as stopped:
            raise StudyError(f"loading the table: {stopped}") from stopped
        problem = _problem(answer, self.task)
        if self._problem is not None and self._problem.fingerprint != problem.fingerprint:
            self._drop()
            raise StudyError(
                f"{self.task.data.path} changed while the study was running",
                "scores before and after would not compare: start a new study",
            )
        self._problem = problem
        self.rows, self.test_rows = int(answer["rows"]), int(answer["test_rows"])
        self.folds, self.summary = int(answer["folds"]), tuple(answer["summary"])
        return problem

    def evaluate(
        self,
        config: Config,
        *,
        seed: int,
        fold_seed: int | None = None,
        on_fold: Callable[[FoldResult], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Result:
        """Score a configuration by cross-validation. Whatever goes wrong in it is a failed result.

        Args:
            config: in the problem's space.
            seed: of the estimator; with the configuration it determines the result exactly.
            fold_seed: other folds than the study's, to see how noisy a score is.
            on_fold: called as folds finish.
            should_stop: polled ten times a second; True ends the trial as "cancelled".

        Raises:
            DataError, TaskError, StudyError, ChildDied: the child had to be restarted, and cannot.
        """
        if should_stop is not None and should_stop():
            return Result("cancelled", reason="cancelled")
        self.open(should_stop)
        folds: list[FoldResult] = []
        request = {
            "do": "evaluate", "config": config, "seed": seed, "fold_seed": fold_seed,
            "memory_mb": self._memory_mb,
        }
        started = time.monotonic()
        state, value, reason = "failed", None, ""
        facts: Mapping[str, Any] = {}
        try:
            for answer in self._trial(request, should_stop):
                if "fold" in answer:
                    fold = fold_from_wire(answer["fold"])
                    if fold.fold < len(folds):
                        continue  # a fresh child does again what the dead one had done
                    folds.append(fold)
                    if on_fold is not None:
                        on_fold(fold)
                elif "error" in answer:
                    reason = self._memory_reason(str(answer["message"]))
                else:
                    state, facts = "complete", answer["facts"]
                    value = sum(f.score for f in folds) / len(folds)
        except _Stopped as stopped:
            state, reason = stopped.state, str(stopped)
        except ChildDied as error:
            self._drop()
            reason = f"died twice: {error.message}"
        except BaseException:
            self._drop()
            raise
        return Result(
            state=state,
            value=value,
            folds=tuple(folds),
            reason=reason,
            seconds=time.monotonic() - started,
            peak_memory_mb=round(self._peak_mb, 1),
            facts=facts,
        )

    def noise(self, config: Config, *, seed: int, fold_seeds: Sequence[int]) -> tuple[Result, ...]:
        """The same configuration on other folds, one result for each fold seed."""
        return tuple(self.evaluate(config, seed=seed, fold_seed=s) for s in fold_seeds)

    def test_score(
        self, config: Config, *, seed: int, should_stop: Callable[[], bool] | None = None
    ) -> float | None:
        """Score on the untouched rows after a fit on all others; None without a test part.

        Raises:
            StudyError: the fit failed, was cancelled, or took twice the time limit of a trial.
        """
        value = self._once({"do": "test", "config": config, "seed": seed}, should_stop)["value"]
        return None if value is None else float(value)

    def fit_final(
        self,
        config: Config,
        path: Path,
        *,
        seed: int,
        facts: Mapping[str, Any] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Path:
        """Fit on all rows; write the pipeline to `path` (joblib), and what it needs beside it.

        The JSON file beside it holds versions, columns with their categories, target, classes,
        configuration, seed, and `facts`.

        Raises:
            StudyError: as `test_score`.
        """
        target = path.resolve()
        self._once(
            {"do": "fit", "config": config, "seed": seed, "path": str(target),
             "facts": dict(facts or {})},
            should_stop,
        )
        return target

    def save_table(self, path: Path) -> None:
        """Write the table as NumPy arrays (`.npz`: x, y and, where there are, groups and times).

        Raises:
            StudyError: as `test_score`.
        """
        self._once({"do": "table", "path": str(path.resolve())}, None)

    def close(self) -> None:
        """End the child. Idempotent; the runner can be opened again."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def __enter__(self) -> TrialRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the living child."""
        return self._child.pid if self._child is not None and self._child.alive else None

    def _trial(
        self, request: Mapping[str, Any], should_stop: Callable[[], bool] | None
    ) -> Iterator[dict[str, Any]]:
        """A trial's answers. A child that dies in it is not blamed on the trial the first time."""
        limit_s = self.task.limits.trial_seconds
        try:
            yield from self._ask(request, limit_s, should_stop)
        except ChildDied:
            self._drop()
            self.open(should_stop)
            yield from self._ask(request, limit_s, should_stop)

    def _once(
        self, request: Mapping[str, Any], should_stop: Callable[[], bool] | None
    ) -> dict[str, Any]:
        """A request that is no trial: its last answer; problems are errors."""
        self.open(should_stop)
        try:
            return self._last(
                {**request, "memory_mb": self._memory_mb},
                2 * self.task.limits.trial_seconds,
                should_stop,
            )
        except _Stopped as stopped:
            raise StudyError(f"the final fit ended early: {stopped}") from stopped
        except ChildDied:
            self._drop()
            raise

    def _last(
        self, request: Mapping[str, Any], limit_s: float,
        should_stop: Callable[[], bool] | None, watch_memory: bool = True,
    ) -> dict[str, Any]:
        answer = list(self._ask(request, limit_s, should_stop, watch_memory))[-1]
        if "error" in answer:
            kind = getattr(core_errors, str(answer["error"]), StudyError)
            error = kind(str(answer["message"]), str(answer.get("hint", "")))
            assert isinstance(error, HyperLlamaError)
            raise error
        return answer

    def _ask(
        self, request: Mapping[str, Any], limit_s: float,
        should_stop: Callable[[], bool] | None, watch_memory: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Send a request and yield its answers; keep time, memory and the user's wish meanwhile."""
        child = self._child
        assert child is not None
        self._requests += 1
        self._peak_mb = 0.0
        deadline = time.monotonic() + limit_s
        give_up = 0.0
        child.send({**request, "id": self._requests})
        while True:
            answer = child.receive(min(POLL_S, max(deadline - time.monotonic(), 0.0)))
            if answer is not None and answer.get("id") == self._requests:
                self._peak_mb = max(self._peak_mb, float(answer.get("rss_mb", 0.0)))
                if give_up and "fold" not in answer:
                    raise _Stopped("cancelled", "cancelled")
                yield answer
                if "fold" not in answer:
                    return
            if give_up and time.monotonic() >= give_up:
                self._drop()
                raise _Stopped("cancelled", "cancelled")
            if not give_up and should_stop is not None and should_stop():
                give_up = time.monotonic() + CANCEL_S
                child.send({"do": "cancel", "id": self._requests})
            if time.monotonic() >= deadline:
                self._drop()
                raise _Stopped("failed", f"took longer than the limit of {limit_s:g} s")
            self._peak_mb = max(self._peak_mb, _rss_mb(child.pid))
            if watch_memory and self._peak_mb > self._memory_mb:
                self._drop()
                raise _Stopped(
                    "failed",
                    f"used {self._peak_mb:.0f} MB, more than the limit of {self._memory_mb:.0f} MB",
                )

    def _memory_reason(self, message: str) -> str:
        """The child's line; a failed allocation names the limit it ran into."""
        if "MemoryError" in message or "bad_alloc" in message:
            return f"{message} (the limit is {self._memory_mb:.0f} MB)"
        return message

    def _drop(self) -> None:
        """Kill the child, whatever it is doing."""
        if self._child is not None:
            self._child.kill()
            self._child = None


def _problem(answer: Mapping[str, Any], task: Task) -> Problem:
    from hyperllama.core.evaluate.wire import problem_from_wire

    return problem_from_wire(answer["problem"], task)


def _rss_mb(pid: int) -> float:
    """Resident memory of one process, 0 when it is gone. The child starts no others."""
    import psutil

    try:
        return float(psutil.Process(pid).memory_info().rss) / (1 << 20)
    except psutil.Error:
        return 0.0


def _free_mb() -> float:
    import psutil

    return float(psutil.virtual_memory().available) / (1 << 20)
