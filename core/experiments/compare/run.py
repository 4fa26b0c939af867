"""Works a comparison's queue off: one model loaded at a time, one process, killed at will.

    run_comparison("sizes", on_progress=print)

Before each cell the grid is read again, so that what was reordered, skipped or added meanwhile
counts. `status.json` says which cell is running; the lock says whether anybody is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.experiments.bench.engines import close_engines, engines_peak_mb, shared_engine
from hyperllama.core.experiments.compare.grid import Cell, Contender, Grid, load_grid
from hyperllama.core.experiments.compare.play import Journal, play
from hyperllama.core.experiments.compare.reading import (
    STATUS,
    Comparison,
    cell_file,
    read_comparison,
)
from hyperllama.core.experiments.compare.trials import KeptRunner, KeptTrials, default_file
from hyperllama.core.propose import make_proposer, needs_model
from hyperllama.core.storage.folder import Lock, holder, write_atomically
from hyperllama.core.study.options import Options, engine_settings
from hyperllama.core.trials import Proposer, ProposerSetting


@dataclass(frozen=True)
class Progress:
    """How far a comparison is.

    Attributes:
        cell: what is being worked on; None when all is done.
        trial: the last finished trial of it, as its file has it; None at its beginning.
        done_trials, trials: of all cells, skipped ones not counted.
        left_s: estimate of the time left; None while nothing is known.
        error: why a cell failed; empty otherwise.
    """

    cell: Cell | None
    trial: Mapping[str, Any] | None
    done_trials: int
    trials: int
    left_s: float | None
    error: str = ""


def run_comparison(
    name: str,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    kept: Path | None = None,
    opened: tuple[str, KeptRunner] | None = None,
) -> Comparison:
    """Work on a comparison until nothing is left or `should_stop`; what it found so far.

    Cells that failed in an earlier session are tried again, once a session.

    Args:
        kept: file of trials trained so far; None for the usual one.
        opened: a task whose table is loaded already, and who trains on it; left open.

    Raises:
        StudyError: there is no such comparison, or another process works on it.
    """
    grid = load_grid(name)
    pid = holder(grid.folder)
    if pid is not None:
        raise StudyError(
            f"process {pid} works on the comparison {name!r} already",
            f"`hyperllama compare {name} --queue` shows how far it is",
        )
    lock = Lock(grid.folder)
    lock.take()
    worker = _Worker(grid, kept or default_file(), should_stop, on_progress, opened)
    try:
        worker.work()
    finally:
        worker.close()
        (grid.folder / STATUS).unlink(missing_ok=True)
        lock.release()
    return read_comparison(name)


class _Worker:
    """The loop, with what stays open between two cells: the task's runner, the model."""

    def __init__(
        self, grid: Grid, kept: Path, should_stop: Callable[[], bool],
        on_progress: Callable[[Progress], None], opened: tuple[str, KeptRunner] | None,
    ) -> None:  # fmt: skip
        self._grid = grid
        self._kept = KeptTrials(kept)
        self._should_stop = should_stop
        self._on_progress = on_progress
        self._open = ExitStack()
        self._task = opened[0] if opened is not None else ""
        self._runner = opened[1] if opened is not None else None
        self._model = ""
        self._tried: set[str] = set()

    def work(self) -> None:
        while not self._should_stop():
            found = read_comparison(self._grid.name)
            self._grid = found.grid
            waiting = [
                c.cell for c in found.cells
                if c.state in ("waiting", "broken off") or
                (c.state == "failed" and c.cell.id not in self._tried)
            ]  # fmt: skip
            if not waiting:
                self._tell(found, None, None)
                return
            cell = waiting[0]
            self._tried.add(cell.id)
            self._one(cell)

    def close(self) -> None:
        self._open.close()
        close_engines()
        self._kept.close()

    def _one(self, cell: Cell) -> None:
        """Work on a cell; what goes wrong in it is written down and ends no other."""
        contender = self._grid.contender(cell.contender)
        if contender.model != self._model and contender.model:
            close_engines()
            self._model = contender.model
        file = cell_file(self._grid.folder, cell)
        journal = Journal(file)
        self._status(cell)
        self._tell(read_comparison(self._grid.name), cell, None)
        try:
            runner = self._runner_of(cell.task)
            play(
                journal, runner, lambda: self._proposer(contender, cell, runner),
                self._grid.budget, engine_mb=engines_peak_mb, should_stop=self._should_stop,
                on_trial=lambda trial: self._tell(
                    read_comparison(self._grid.name), cell, trial
                ),
            )  # fmt: skip
        except HyperLlamaError as error:
            journal.end({"error": error.message, "hint": error.hint})
            self._tell(read_comparison(self._grid.name), cell, None, error.message)
        finally:
            journal.close()

    def _runner_of(self, task: str) -> KeptRunner:
        if self._runner is None or task != self._task:
            self._open.close()
            self._runner = None
            folder = self._grid.folder
            self._runner = self._open.enter_context(
                KeptRunner(
                    self._grid.task_file(task), self._kept, log=folder / "trials.log",
                    threads=int(self._grid.options.get("threads") or 0),
                    seed=self._grid.options.get("seed"),
                )
            )  # fmt: skip
            self._task = task
        return self._runner

    def _proposer(self, contender: Contender, cell: Cell, runner: KeptRunner) -> Proposer:
        problem, task = runner.problem, runner.problem.task
        asks = needs_model(contender.proposer)
        options = Options(
            **{k: v for k, v in self._grid.options.items() if k in Options.__dataclass_fields__}
        )
        return make_proposer(
            contender.proposer,
            setting=ProposerSetting(
                seed=cell.seed,
                task=task.name,
                kind=problem.kind,
                metric=problem.metric,
                estimators=problem.estimators,
                facts=problem.facts,
                dataset="\n".join(getattr(runner.runner, "summary", ())),
                notes=task.notes,
                folds=int(getattr(runner.runner, "folds", 0)),
                budget_trials=self._grid.budget,
                model=contender.model or "embedded",
                engine=engine_settings(options) if asks else None,
                temperature=options.temperature,
                log=self._grid.folder / "engine.log",
                options=dict(contender.options),
                make_engine=shared_engine if asks else None,
            ),
        )

    def _status(self, cell: Cell) -> None:
        status = {"cell": cell.id, "pid": os.getpid(), "t": round(time.time(), 3)}
        write_atomically(self._grid.folder / STATUS, json.dumps(status))

    def _tell(
        self, found: Comparison, cell: Cell | None, trial: Mapping[str, Any] | None,
        error: str = "",
    ) -> None:  # fmt: skip
        self._on_progress(
            Progress(cell, trial, found.done_trials, found.trials, found.left_s, error)
        )
