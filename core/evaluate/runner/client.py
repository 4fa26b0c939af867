"""The parent's side of the trial runner: one child, restarted when it died or had to be killed.

Limits hold because they are kept from outside: at its deadline, beyond its memory, or when the user
cancels, the child is killed, also in the middle of a C call, and the next trial gets a fresh one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from hyperllama.core import errors as core_errors
from hyperllama.core.errors import ChildDied, HyperLlamaError, StudyError
from hyperllama.core.evaluate.racing import Rival
from hyperllama.core.evaluate.results import STOPPED, FoldResult, Result
from hyperllama.core.evaluate.runner.messages import (
    Evaluate,
    Failed,
    FitFinal,
    FoldDone,
    Open,
    Reply,
    RunnerRequest,
    SaveTable,
    ScoreTest,
    ShareTable,
    read_opened,
)
from hyperllama.core.evaluate.runner.process import RequestStopped, RunnerProcess
from hyperllama.core.space import Config
from hyperllama.core.task import Problem, Task, load_task
from hyperllama.models.process.processors import default_threads, usable_processors

OPEN_LIMIT_S = 1800.0
Stop = Callable[[], bool]
"""Polled ten times a second; True ends the request."""


class TrialRunner:
    """Evaluates configurations of one task in a child process.

    Args:
        task_file: the TOML file of the task.
        log: where the child's stderr goes.
        threads: for training; 0 takes the task's limit, at most the usable processors, or
            `default_threads` where it has none.
        shared: a file that another runner of the study has written with `share_table`; None reads
            the task's table.
        memory_share: of the free memory that its child may use beside those of other trials, where
            the task sets no limit.
    """

    def __init__(
        self, task_file: Path, *, log: Path, threads: int = 0, shared: Path | None = None,
        memory_share: float = 1.0,
    ) -> None:
        self.task: Task = load_task(task_file)
        self.threads = self._threads_of(threads)
        self.rows = self.test_rows = self.folds = 0
        self.other_folds = True
        """Whether another fold seed gives other folds; False where every group is a fold."""
        self.chance: tuple[float, ...] = ()
        """The fold scores of a model that looks at no column; see `chance_scores`."""
        self.summary: tuple[str, ...] = ()
        """The table in a few plain lines."""
        self._file, self._shared = task_file.resolve(), shared
        self._log = log
        self._process = self._new_process(memory_share)
        self._problem: Problem | None = None
        self._opening = threading.Lock()

    def limit(self, *, threads: int, memory_share: float) -> None:
        """Use so many threads and so much of the free memory from now on, in another child."""
        self.close()
        self.threads = self._threads_of(threads)
        self._process = self._new_process(memory_share)

    def _threads_of(self, threads: int) -> int:
        most = self.task.limits.threads
        usable = min(most, usable_processors()) if most else default_threads()
        return threads or usable

    def _new_process(self, memory_share: float) -> RunnerProcess:
        most_mb = self.task.limits.trial_memory_mb
        return RunnerProcess(self._log, self.threads, most_mb, memory_share)

    def open(self, should_stop: Stop | None = None) -> Problem:
        """Start the child and let it load the table; what the task means for that table.

        One thread opens it at a time; another waits and has what that one has opened.

        Raises:
            TaskError, DataError: as `load_task`, `load_table` and `resolve` raise them.
            StudyError: the table is no longer the one it was; or loading was cancelled.
            ChildDied: the child ended while it was loading.
        """
        with self._opening:
            return self._open(should_stop)

    def _open(self, should_stop: Stop | None) -> Problem:
        if self._process.pid is not None and self._problem is not None:
            return self._problem
        self._process.start()
        request = Open(str(self._file), self.threads, str(self._shared or ""))
        try:
            replies = self._process.ask(request, OPEN_LIMIT_S, should_stop, watch_memory=False)
            opened = read_opened(_answer(replies))
        except RequestStopped as stopped:
            raise StudyError(f"loading the table: {stopped}") from stopped
        if self._problem is not None and self._problem.fingerprint != opened.fingerprint:
            self._process.kill()
            raise StudyError(
                f"{self.task.data.path} changed while the study was running",
                "scores before and after would not compare: start a new study",
            )
        self._problem = opened.problem(self.task)
        self.rows, self.test_rows, self.folds = opened.rows, opened.test_rows, opened.folds
        self.other_folds, self.chance = opened.other_folds, opened.chance
        self.summary = opened.summary
        return self._problem

    def evaluate(
        self,
        config: Config,
        *,
        seed: int,
        fold_seed: int | None = None,
        on_fold: Callable[[FoldResult], None] | None = None,
        should_stop: Stop | None = None,
        rival: Rival | None = None,
        only_fold: int | None = None,
        spent_s: float = 0.0,
    ) -> Result:
        """Score a configuration by cross-validation. Whatever goes wrong in it is a failed result.

        Args:
            config: in the problem's space.
            seed: of the estimator; with the configuration it determines the result exactly.
            fold_seed: other folds than the study's, to see how noisy a score is.
            on_fold: called as folds finish.
            should_stop: polled ten times a second; True ends the trial as "cancelled".
            rival: the incumbent; the trial is "stopped" once it hardly can beat it.
            only_fold: the one to score; the result's facts are the fields of its `Tally`.
            spent_s: how much of the time limit other folds of the trial have used.

        Raises:
            DataError, TaskError, StudyError, ChildDied: the child had to be restarted, and cannot.
        """
        if should_stop is not None and should_stop():
            return Result("cancelled", reason="cancelled")
        self.open(should_stop)
        folds: list[FoldResult] = []
        memory_mb = self._process.memory_mb
        request = Evaluate(config, seed, fold_seed, memory_mb, rival, only_fold)
        started = time.monotonic()
        state, reason, facts = "failed", "", {}
        try:
            for reply in self._trial(request, should_stop, spent_s):
                if isinstance(reply, Failed):
                    reason = self._memory_reason(reply.message)
                elif not isinstance(reply, FoldDone):
                    facts = reply.answer
                    state = "stopped" if STOPPED in facts else "complete"
                elif all(f.fold != reply.fold.fold for f in folds):  # a fresh child repeats some
                    folds.append(reply.fold)
                    if on_fold is not None:
                        on_fold(reply.fold)
        except RequestStopped as stopped:
            state, reason = stopped.state, str(stopped)
        except ChildDied as error:
            self._process.kill()
            reason = f"died twice: {error.message}"
        except BaseException:
            self._process.kill()
            raise
        mean = sum(f.score for f in folds) / len(folds) if state == "complete" else None
        seconds, peak_mb = time.monotonic() - started, round(self.peak_memory_mb, 1)
        return Result(state, mean, tuple(folds), reason, seconds, peak_mb, facts)

    def test_score(
        self, config: Config, *, seed: int, should_stop: Stop | None = None
    ) -> float | None:
        """Score on the test rows after a fit on all others; None without a test part.

        Raises:
            StudyError: the fit failed, was cancelled, or took twice the time limit of a trial.
        """
        value = self._once(ScoreTest(config, seed, self._process.alone_mb), should_stop)
        return None if value is None else float(value)

    def fit_final(
        self,
        config: Config,
        path: Path,
        *,
        seed: int,
        facts: Mapping[str, Any] | None = None,
        should_stop: Stop | None = None,
    ) -> Path:
        """Fit on all rows; write the pipeline to `path` (joblib), and what it needs beside it.

        The JSON file beside it holds versions, columns with their categories, target, classes,
        configuration, seed, and `facts`.

        Raises:
            StudyError: as `test_score`.
        """
        target, memory_mb = path.resolve(), self._process.alone_mb
        self._once(FitFinal(config, seed, memory_mb, str(target), facts or {}), should_stop)
        return target

    def share_table(self, path: Path) -> None:
        """Write the table for other runners of the study, which take it as `shared`.

        Raises:
            StudyError: as `test_score`.
        """
        self._once(ShareTable(str(path.resolve())), None)

    def save_table(self, path: Path) -> None:
        """Write the table as NumPy arrays (`.npz`: x, y and, where there are, groups and times).

        Raises:
            StudyError: as `test_score`.
        """
        self._once(SaveTable(str(path.resolve())), None)

    def close(self) -> None:
        """End the child. Idempotent; the runner can be opened again."""
        self._process.stop()

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
        return self._process.pid

    @property
    def starts(self) -> int:
        """How often a child was started; every one after the first is a restart."""
        return self._process.starts

    @property
    def peak_memory_mb(self) -> float:
        """Largest resident memory of the child during the latest trial, the table included."""
        return self._process.peak_mb

    def _trial(
        self, request: Evaluate, should_stop: Stop | None, spent_s: float
    ) -> Iterator[Reply]:
        """A trial's replies. A child that dies in it is not blamed on the trial the first time."""
        limit_s = self.task.limits.trial_seconds
        try:
            yield from self._process.ask(request, limit_s, should_stop, spent_s=spent_s)
        except ChildDied:
            self._process.kill()
            self.open(should_stop)
            yield from self._process.ask(request, limit_s, should_stop, spent_s=spent_s)

    def _once(self, request: RunnerRequest[Any], should_stop: Stop | None) -> Any:
        """The answer to a request that is no trial, and that no trial runs beside; problems are
        errors."""
        self.open(should_stop)
        try:
            limit_s = 2 * self.task.limits.trial_seconds
            most_mb = self._process.alone_mb
            return _answer(self._process.ask(request, limit_s, should_stop, most_mb=most_mb))
        except RequestStopped as stopped:
            raise StudyError(f"the final fit ended early: {stopped}") from stopped
        except ChildDied:
            self._process.kill()
            raise

    def _memory_reason(self, message: str) -> str:
        """The child's line; a failed allocation names the limit it ran into."""
        if "MemoryError" in message or "bad_alloc" in message:
            return f"{message} (the limit is {self._process.memory_mb:.0f} MB)"
        return message


def _answer(replies: Iterator[Reply]) -> Any:
    """The answer among the replies; raises what the child reports."""
    *_, reply = replies
    if isinstance(reply, Failed):
        error = getattr(core_errors, reply.error, StudyError)(reply.message, reply.hint)
        assert isinstance(error, HyperLlamaError)
        raise error
    assert not isinstance(reply, FoldDone)
    return reply.answer
