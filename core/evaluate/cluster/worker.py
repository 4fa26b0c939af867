"""What a Dask worker does: it keeps a study's table, and trains folds in trial runners of ours.

Dask pickles these classes by name, so a worker needs HyperLlama, in the version of the study.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.core.estimators import families, family
from hyperllama.core.evaluate.results import Result
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.programs.boxes import sandbox_problem
from hyperllama.core.programs.store import ProgramStore
from hyperllama.core.space import Config
from hyperllama.models.process.processors import usable_processors

UNSANDBOXED = "HYPERLLAMA_WORKER_UNSANDBOXED"
"""Set in the environment of a worker whose owner lets programs run without a sandbox."""
THREADS = "HYPERLLAMA_WORKER_THREADS"
"""There too: threads of one fold."""
_PACKAGES = ("hyperllama", "numpy", "scipy", "scikit-learn", "polars", "joblib", "distributed")
_TASK, _TABLE = "task.toml", "table.shared"


@dataclass(frozen=True)
class WorkerFacts:
    """A worker as it describes itself: its host, versions by package, and why it has no sandbox
    (empty where it has one, or needs none)."""

    host: str
    versions: Mapping[str, str]
    sandbox_problem: str


@dataclass(frozen=True)
class FoldTask:
    """One fold of one trial.

    Attributes:
        study: tells studies apart, see `table_key`.
        fold: 0-based.
        spent_s: how much of the trial's time limit its other folds have used.
        program: its text, where the trial runs one.
    """

    study: str
    config: Config
    seed: int
    fold_seed: int | None
    fold: int
    spent_s: float = 0.0
    program: str = ""


def worker_facts() -> WorkerFacts:
    """This machine and its Python."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in (*_PACKAGES, *sorted({family(f).package for f in families()} - {"sklearn"})):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    problem = "" if os.environ.get(UNSANDBOXED) else sandbox_problem()
    return WorkerFacts(platform.node(), found, problem)


def check_versions(needed: Mapping[str, str], worker: WorkerFacts) -> None:
    """Refuse a worker that would score otherwise than the study's own machine.

    Raises:
        StudyError: names what differs, with both versions.
    """
    other = [
        f"{name} is {worker.versions.get(name, 'not installed')} there and {own} here"
        for name, own in needed.items() if worker.versions.get(name) != own
    ]
    if other:
        raise StudyError(
            f"the worker on {worker.host} cannot take part: {'; '.join(other)}",
            "install the same versions there (constraints.txt names them), or end that worker",
        )


class StudyTable:
    """The table and the task of a study, as a worker holds them.

    Each worker has one of its own, under `table_key`, so that Dask takes none for a spare copy.
    It is freed when the study process lets go of it or is gone; its trial runners and its folder
    end with it.

    Args:
        task: text of the task file.
        table: what `TrialRunner.share_table` wrote.
        needed: versions that a worker must have, by package.
        threads: for one fold, where the study says so; 0: the worker's processors, divided.
    """

    def __init__(self, task: str, table: bytes, needed: Mapping[str, str], threads: int) -> None:
        self._task, self._table = task, table
        self._needed, self._threads = needed, threads
        self._size = len(table)
        self._folder: Path | None = None
        self._idle: list[TrialRunner] = []
        self._opening = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        table = self._table or (self._folder or Path()).joinpath(_TABLE).read_bytes()
        return StudyTable, (self._task, table, self._needed, self._threads)

    def __sizeof__(self) -> int:
        return self._size  # Dask counts it

    def evaluate(self, fold: FoldTask, side_by_side: int, should_stop: Callable[[], bool],
                 scratch: Path) -> Result:
        """Train and score one fold; its facts are the fields of a `Tally`.

        Args:
            side_by_side: folds that this worker trains at a time.
            scratch: where the table is written for the trial runners.

        Raises:
            StudyError: this worker has other versions than the study.
            HyperLlamaError: the trial runner cannot be started.
        """
        with self._opening:
            folder = self._folder or self._unpack(scratch)
            runner = self._idle.pop() if self._idle else self._runner(folder, side_by_side)
        try:
            if fold.program:
                if runner.task.programs.unsandboxed and not os.environ.get(UNSANDBOXED):
                    return Result("failed", reason=f"the worker on {platform.node()} runs programs "
                                  "in a sandbox only, and the study asks for none")  # fmt: skip
                ProgramStore(folder).add(fold.program)
            return runner.evaluate(
                fold.config, seed=fold.seed, fold_seed=fold.fold_seed, should_stop=should_stop,
                only_fold=fold.fold, spent_s=fold.spent_s,
            )  # fmt: skip
        finally:
            self._idle.append(runner)

    def _unpack(self, scratch: Path) -> Path:
        """Write the table into a folder of its own, from which the trial runners map it."""
        check_versions(self._needed, worker_facts())
        folder = Path(tempfile.mkdtemp(prefix="study-", dir=scratch))
        (folder / _TASK).write_text(self._task, "utf8")
        (folder / _TABLE).write_bytes(self._table)
        weakref.finalize(self, _end, folder, self._idle)
        self._folder, self._table = folder, b""
        return folder

    def _runner(self, folder: Path, side_by_side: int) -> TrialRunner:
        share = int(os.environ.get(THREADS) or max(1, usable_processors() // side_by_side))
        runner = TrialRunner(
            folder / _TASK, log=folder / "trials.log", threads=self._threads or share,
            shared=folder / _TABLE, memory_share=1 / side_by_side,
        )  # fmt: skip
        runner.threads = min(runner.threads, runner.task.limits.threads or runner.threads)
        return runner


def table_key(study: str, address: str) -> str:
    """The name under which Dask keeps the table of a study for the worker at an address."""
    return f"hyperllama-{study}-{address}"


def run_fold(fold: FoldTask) -> Result | str:
    """What Dask runs for one fold; the worker's address where it has no table of the study yet.

    It ends early once the study asks for it no more.
    """
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()
    table: StudyTable | None = worker.data.get(table_key(fold.study, worker.address))
    if table is None:
        return str(worker.address)

    def dropped() -> bool:
        state = worker.state.tasks.get(key)
        return state is None or state.state in ("cancelled", "released")

    side_by_side = max(1, worker.state.nthreads)
    return table.evaluate(fold, side_by_side, dropped, Path(worker.local_directory))


def _end(folder: Path, runners: list[TrialRunner]) -> None:
    for runner in runners:
        runner.close()
    shutil.rmtree(folder, ignore_errors=True)
