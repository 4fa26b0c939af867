"""Processes that work off a bench: `python -m core.bench.worker`, started afresh (never forked) and
fed with lines of JSON.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core.bench.results import Run, run_from_wire
from core.errors import ChildDied, HyperLlamaError, StudyError

if TYPE_CHECKING:
    from core.bench.runner import Piece

Outcome = tuple["Piece", "Run | None"]


class Workers:
    """Processes that work off pieces. A worker that dies is told of and replaced once a piece."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._children: set[subprocess.Popen[str]] = set()
        self._stopping = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping = True
        for child in list(self._children):
            child.kill()
        for child in list(self._children):
            child.wait()

    def map(self, pieces: Iterable[Piece]) -> Iterator[Outcome]:
        """Pieces with their results, in the order they finish.

        Raises:
            ChildDied: a worker died twice over the same piece.
            HyperLlamaError: a piece cannot be done at all.
        """
        waiting: queue.SimpleQueue[Piece] = queue.SimpleQueue()
        total = 0
        for piece in pieces:
            waiting.put(piece)
            total += 1
        done: queue.SimpleQueue[Outcome | HyperLlamaError] = queue.SimpleQueue()
        for _ in range(self._count):
            threading.Thread(target=self._feed, args=(waiting, done), daemon=True).start()
        for _ in range(total):
            item = done.get()
            if isinstance(item, HyperLlamaError):
                raise item
            yield item

    def _feed(
        self,
        waiting: queue.SimpleQueue[Piece],
        done: queue.SimpleQueue[Outcome | HyperLlamaError],
    ) -> None:
        child: subprocess.Popen[str] | None = None
        while not self._stopping:
            try:
                piece = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                message = piece.message()
                answer = None
                for _ in range(2):
                    if child is None:
                        child = self._start()
                    answer = _exchange(child, message)
                    if answer is not None or self._stopping:
                        break
                    self._children.discard(child)
                    child = None
                if answer is None:
                    raise ChildDied(f"a worker died twice at {piece.label}", "run with --jobs 1")
                if "error" in answer:
                    raise StudyError(f"{piece.label}: {answer['error']}", str(answer["hint"]))
            except HyperLlamaError as error:
                done.put(error)
                return
            run = answer["run"]
            done.put((piece, None if run is None else run_from_wire(run)))
        if child is not None and child.stdin is not None:
            child.stdin.close()
            child.wait()
            self._children.discard(child)

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
        child = subprocess.Popen(
            [sys.executable, "-m", "core.bench.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self._children.add(child)
        return child


def _exchange(child: subprocess.Popen[str], message: Mapping[str, Any]) -> dict[str, Any] | None:
    """A worker's answer, or None where it died."""
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(json.dumps(message) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
    except (BrokenPipeError, ValueError):
        return None
    answer: dict[str, Any] | None = json.loads(line) if line else None
    return answer
