"""Processes that work on an experiment, each a `running.worker` (see `models.process`).

The parent has a thread for each, which only waits.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from hyperllama.core.errors import ChildDied, StudyError
from hyperllama.models.process import Child, ChildError, python_argv

T = TypeVar("T")
SILENCE_S = 900.0
"""A piece of work that computes in silence for ten times as long counts as hung."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of a process that evaluates: on a busy machine a second thread only waits."""


class Workers(Generic[T]):
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

    def __enter__(self) -> Workers[T]:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        for child in self._children:
            child.kill()
        for thread in self._threads:
            thread.join()

    def map(
        self, pieces: Iterable[tuple[T, Mapping[str, object]]]
    ) -> Iterator[tuple[T, Mapping[str, Any]]]:
        """Pieces of work with their answers, in the order in which they finish.

        Args:
            pieces: (what it is, the message for a worker); one is taken when a worker is free.

        Raises:
            ChildDied: a worker died twice over the same piece.
            HyperLlamaError: a piece cannot be done at all.
        """
        waiting, taking = iter(pieces), threading.Lock()
        done: queue.SimpleQueue[tuple[T, Mapping[str, Any]] | Exception | None]
        done = queue.SimpleQueue()

        def feed(number: int) -> None:
            try:
                while not self._stopping.is_set():
                    with taking:
                        piece = next(waiting, None)
                    if piece is None:
                        break
                    done.put((piece[0], self._answer(number, piece[1])))
                done.put(None)
            except Exception as error:
                done.put(error)

        self._threads = [
            threading.Thread(target=feed, args=(n,), daemon=True)
            for n in range(len(self._children))
        ]
        for thread in self._threads:
            thread.start()
        working = len(self._threads)
        while working:
            item = done.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                working -= 1
            else:
                yield item

    def _answer(self, number: int, message: Mapping[str, object]) -> Mapping[str, Any]:
        """What a worker answers; one that dies over it is replaced once."""
        for last in (False, True):
            try:
                return self._children[number].call("piece", message, silence_s=SILENCE_S)
            except ChildError as error:
                raise StudyError(error.message, error.hint) from error
            except ChildDied:
                if last or self._stopping.is_set():
                    raise
                self._children[number] = self._started()
        raise AssertionError("unreachable")

    def _started(self) -> Child:
        argv = python_argv("hyperllama.core.experiments.running.worker")
        return Child(argv, name="a worker of the experiment", log=self._log, env=ONE_THREAD)
