"""Works on an experiment's queue: in this process or in workers, resumable after kill -9.

Before each cell the grid is read again, so that what was reordered, skipped or added meanwhile
counts. `status.json` says which cells are running; the lock says whether any process is.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.experiments.cache import KeptTrials, default_file
from hyperllama.core.experiments.contenders import RESTARTED, ProposerFactory, make_proposer_of
from hyperllama.core.experiments.grid import (
    FILE,
    Cell,
    Contender,
    ExperimentGrid,
    comparison_folder,
    load_grid,
)
from hyperllama.core.experiments.problems.base import BenchProblem, CellTask
from hyperllama.core.experiments.problems.recipe import open_problem
from hyperllama.core.experiments.reading import STATUS, CellFacts, cell_file, read_cell
from hyperllama.core.experiments.running.engines import (
    close_engines,
    engines_peak_mb,
    shared_engine,
)
from hyperllama.core.experiments.running.play import CellFile, PlayRules, play
from hyperllama.core.experiments.running.study_task import KeptRunner
from hyperllama.core.experiments.running.workers import Workers
from hyperllama.core.storage.folder import Lock, holder, write_atomically
from hyperllama.core.study.starting.options import Options, engine_settings
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import Proposer

T = TypeVar("T")
OnTrial = Callable[[Cell, "Mapping[str, Any] | None"], None]
OnCell = Callable[[CellFacts], None]


@dataclass(frozen=True)
class RunProgress:
    """How far an experiment is.

    Attributes:
        cell: what is worked on, or (of a bench) was finished last; None when all is done.
        trial: the last finished trial of it, as its file has it; None at its beginning.
        done, total: trials of all cells that are not skipped; of a bench, pieces of this run.
        left_s: estimate of the time left; None while nothing is known.
        error: why a cell failed; empty otherwise.
        label: of a bench, what was finished last, in words.
    """

    cell: Cell | None
    trial: Mapping[str, Any] | None
    done: int
    total: int
    left_s: float | None
    error: str = ""
    label: str = ""


@dataclass(frozen=True)
class OpenedParts:
    """What is open already, or cannot be opened from the grid's file.

    Attributes:
        tasks: by name: who trains on a task file (left open), or a problem.
        factories: contender -> what makes its proposer.
        kept: file of trials trained so far; None for the usual one.
    """

    tasks: Mapping[str, KeptRunner | BenchProblem] = field(default_factory=dict)
    factories: Mapping[str, ProposerFactory] = field(default_factory=dict)
    kept: Path | None = None


def run_cells(
    name: str,
    *,
    opened: OpenedParts | None = None,
    wanted: Callable[[Cell], bool] = lambda cell: True,
    jobs: int = 1,
    should_stop: Callable[[], bool] = lambda: False,
    on_trial: OnTrial = lambda cell, trial: None,
    on_cell: OnCell = lambda facts: None,
    on_end: Callable[[], None] = lambda: None,
) -> None:
    """Work on an experiment until no cell that is wanted is left, or `should_stop`.

    Cells that failed in an earlier session are tried again, once a session.

    Args:
        jobs: processes; with more than one, `on_trial` is not called.

    Raises:
        StudyError: there is no such experiment, or another process works on it.
    """
    folder = load_grid(name).folder
    pid = holder(folder)
    if pid is not None:
        raise StudyError(
            f"process {pid} works on the comparison {name!r} already",
            f"`hyperllama compare {name} --queue` shows how far it is",
        )
    lock = Lock(folder)
    lock.take()
    opened = opened or OpenedParts()
    queue, player = _Queue(name, wanted, should_stop), CellPlayer(name, opened)
    kept = None if opened.kept is None else str(opened.kept)
    pieces = ((c, {"name": name, "cell": c.id, "kept": kept}) for c in iter(queue.take, None))

    def here(cell: Cell) -> None:
        player.play(queue.grid, cell, should_stop, on_trial)

    try:
        for cell in _done(pieces, jobs, folder, here):
            on_cell(queue.finished(cell))
        if not should_stop():
            on_end()
    finally:
        player.close()
        (folder / STATUS).unlink(missing_ok=True)
        lock.release()


def fill_pools(
    name: str, problems: Mapping[str, BenchProblem], chunk: int, jobs: int,
    on_piece: Callable[[str, int, int], None],
) -> None:  # fmt: skip
    """Evaluate the random pools of problems, as far as they are missing."""
    missing = [
        (task, first, first + chunk) for task, p in problems.items() for first in p.missing(chunk)
    ]
    pieces = ((piece, {"name": name, "fill": list(piece)}) for piece in missing)

    def here(piece: tuple[str, int, int]) -> None:
        problems[piece[0]].fill(*piece[1:])

    folder = comparison_folder(name)
    for done, piece in enumerate(_done(pieces, min(jobs, len(missing)), folder, here), 1):
        on_piece(f"{piece[0]}: random configurations from {piece[1]} on", done, len(missing))


def _done(
    pieces: Iterable[tuple[T, Mapping[str, object]]], jobs: int, folder: Path,
    here: Callable[[T], None],
) -> Iterator[T]:  # fmt: skip
    """Pieces of work as they finish: by `here` in this process, or by their messages in workers."""
    if jobs > 1:
        workers: Workers[T] = Workers(jobs, folder / "workers.log")
        with workers:
            yield from (piece for piece, _ in workers.map(pieces))
        return
    for piece, _ in pieces:
        here(piece)
        yield piece


class _Queue:
    """The cells still to be done, in the order that the grid's file has now."""

    def __init__(
        self, name: str, wanted: Callable[[Cell], bool], should_stop: Callable[[], bool]
    ) -> None:
        self.grid = load_grid(name)
        self._stamp = 0
        self._wanted, self._should_stop = wanted, should_stop
        self._over: set[str] = set()
        self._tried: set[str] = set()
        self._running: list[str] = []
        self._lock = threading.Lock()  # threads of workers take, the main thread finishes

    def take(self) -> Cell | None:
        """The next cell; None when nothing is left or `should_stop`."""
        if self._should_stop():
            return None
        with self._lock:
            return self._taken()

    def _taken(self) -> Cell | None:
        stamp = (self.grid.folder / FILE).stat().st_mtime_ns
        if stamp != self._stamp:
            self._stamp, self.grid = stamp, load_grid(self.grid.name)
        for cell in self.grid.cells:
            if cell.skipped or cell.id in self._over or cell.id in self._running:
                continue
            if not self._wanted(cell):
                continue
            state = read_cell(self.grid, cell).state
            if state == "done" or (state == "failed" and cell.id in self._tried):
                self._over.add(cell.id)
                continue
            self._tried.add(cell.id)
            self._running.append(cell.id)
            self._write()
            return cell
        return None

    def finished(self, cell: Cell) -> CellFacts:
        """The cell as it is after it was worked on."""
        with self._lock:
            self._running.remove(cell.id)
            self._write()
        return read_cell(self.grid, cell)

    def _write(self) -> None:
        status = {"cells": self._running, "pid": os.getpid(), "t": round(time.time(), 3)}
        write_atomically(self.grid.folder / STATUS, json.dumps(status))


class CellPlayer:
    """Plays cells of one experiment; keeps the task and the model open between two cells."""

    def __init__(self, name: str, opened: OpenedParts) -> None:
        self._name = name
        self._opened = opened
        self._kept: KeptTrials | None = None
        self._problems = {t: p for t, p in opened.tasks.items() if isinstance(p, BenchProblem)}
        self._open = ExitStack()
        self._task = ""
        self._runner: KeptRunner | None = None
        self._model = ""

    def close(self) -> None:
        self._open.close()
        close_engines()
        if self._kept is not None:
            self._kept.close()

    def play(
        self, grid: ExperimentGrid, cell: Cell,
        should_stop: Callable[[], bool] = lambda: False,
        on_trial: OnTrial = lambda cell, trial: None,
    ) -> None:  # fmt: skip
        """Work on a cell; what goes wrong in it is written down and ends no other."""
        contender = grid.contender(cell.contender)
        path = cell_file(grid.folder, cell)
        if contender.proposer in RESTARTED:
            path.unlink(missing_ok=True)
        file = CellFile(path)
        on_trial(cell, None)
        try:
            task = self._cell_task(grid, cell, contender)
            rules = PlayRules(
                grid.budget_of(cell), cell.start, engines_peak_mb, should_stop,
                lambda trial: on_trial(cell, trial),
            )  # fmt: skip
            play(file, task, lambda: self._proposer(grid, contender, cell, task), rules)
        except HyperLlamaError as error:
            file.end({"error": error.message, "hint": error.hint})
        finally:
            file.close()

    def problem(self, grid: ExperimentGrid, task: str) -> BenchProblem:
        """A benchmark problem; stays open."""
        if task not in self._problems:
            self._problems[task] = open_problem(grid.tasks[task])
        return self._problems[task]

    def _cell_task(self, grid: ExperimentGrid, cell: Cell, contender: Contender) -> CellTask:
        if not isinstance(grid.tasks[cell.task], str):
            problem = self.problem(grid, cell.task).for_contender(contender.options)
            return problem.under(cell.seed)
        if contender.model and contender.model != self._model:
            close_engines()  # models of comparisons may be large: one at a time
            self._model = contender.model
        given = self._opened.tasks.get(cell.task)
        if isinstance(given, KeptRunner):
            return given
        if self._runner is None or cell.task != self._task:
            self._open.close()
            self._runner = None
            self._kept = self._kept or KeptTrials(self._opened.kept or default_file())
            threads = int(grid.options.get("threads") or 0)
            self._runner = self._open.enter_context(
                KeptRunner(
                    grid.task_file(cell.task), self._kept, log=grid.folder / "trials.log",
                    threads=threads, seed=grid.options.get("seed"),
                    confirm=grid.options.get("confirm") is not False,
                )
            )  # fmt: skip
            self._task = cell.task
        return self._runner

    def _proposer(
        self, grid: ExperimentGrid, contender: Contender, cell: Cell, task: CellTask
    ) -> Proposer:
        setting = task.setting(cell.seed, grid.budget_of(cell))
        setting = replace(setting, options=dict(contender.options))
        if contender.model:
            setting = replace(setting, model=contender.model, make_engine=shared_engine)
        if isinstance(task, KeptRunner):
            known = Options.__dataclass_fields__.keys() & grid.options.keys()
            options = Options(**{k: grid.options[k] for k in known})
            prompt = {**task.problem.task.prompt, **(options.prompt or {})}
            setting = replace(
                setting, temperature=options.temperature, log=grid.folder / "engine.log",
                engine=engine_settings(options) if contender.model else None,
                prompt=PromptOptions.of(prompt),
            )  # fmt: skip
        make = self._opened.factories.get(contender.label)
        return make(setting) if make is not None else make_proposer_of(contender, setting)
