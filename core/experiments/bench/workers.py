"""Processes that work off a bench, each a `core.bench.worker` (see `models.child`).

The parent has a thread for each, which only waits.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.core.errors import ChildDied, StudyError
from hyperllama.core.experiments.bench.results import Run, run_from_wire
from hyperllama.models.process import Child, ChildError, python_argv

if TYPE_CHECKING:
    from hyperllama.core.experiments.bench.runner import Piece

Outcome = tuple["Piece", "Run | None"]
SILENCE_S = 900.0
"""A piece that computes in silence for ten times as long counts as hung."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of a process that evaluates: on a busy machine a second thread waits in vain."""


class Workers:
    """A number of processes; a context manager that ends them.

    Args:
        count: how many.
        log: file for what they print.
    """

    def __init__(self, count: int, log: Path) -> None:
        self._log = log
        self._stopping = threading.Event()
        self._children: list[Child] = [self._started() for _ in range(count)]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        for child in self._children:
            child.kill()
        for thread in self._threads:
            thread.join()

    def map(self, pieces: Sequence[Piece]) -> Iterator[Outcome]:
        """Pieces with their results, in the order in which they finish.

        Raises:
            ChildDied: a worker died twice over the same piece.
            HyperLlamaError: a piece cannot be done at all.
        """
        waiting: queue.SimpleQueue[Piece] = queue.SimpleQueue()
        for piece in pieces:
            waiting.put(piece)
        done: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._feed, args=(n, waiting, done), daemon=True)
            for n in range(len(self._children))
        ]
        for thread in self._threads:
            thread.start()
        for _ in pieces:
            item = done.get()
            if isinstance(item, Exception):
                raise item
            yield item

    def _feed(
        self,
        number: int,
        waiting: queue.SimpleQueue[Piece],
        done: queue.SimpleQueue[Outcome | Exception],
    ) -> None:
        while not self._stopping.is_set():
            try:
                piece = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((piece, self._answer(number, piece)))
            except Exception as error:
                done.put(error)
                return

    def _answer(self, number: int, piece: Piece) -> Run | None:
        """A piece's result; a worker that dies over it is replaced once."""
        message = piece.message()
        for last in (False, True):
            try:
                answer = self._children[number].call("piece", message, silence_s=SILENCE_S)
            except ChildError as error:
                raise StudyError(f"{piece.label}: {error.message}", error.hint) from error
            except ChildDied:
                if last or self._stopping.is_set():
                    raise
                self._children[number] = self._started()
            else:
                run = answer["run"]
                return None if run is None else run_from_wire(run)
        raise AssertionError("unreachable")

    def _started(self) -> Child:
        argv = python_argv("hyperllama.core.experiments.bench.worker")
        return Child(argv, name="a bench worker", log=self._log, env=ONE_THREAD)

