"""The parent's end of the sandbox: starts it, sends a program with rows, and checks the answer.

Linux: bubblewrap, with no network, no home, an empty environment and a read-only view of Python
and its packages; `inside.py` adds namespaces and limits for each fit. An answer is untrusted: it
is bounded, parsed without pickle, and checked for shape, finiteness and classes. Targets of the
rows to predict never enter the sandbox, so a program can be wrong but cannot forge a score.
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.errors import StudyError
from hyperllama.core.programs.boxes import command
from hyperllama.core.programs.inside import array_size, frame, number_type, write_all
from hyperllama.core.text import one_line

_COLUMN = re.compile(r"column(\d{1,6})(?!\d)")
_START_S = 60.0
_GRACE_S = 5.0
_MOST_HEAD = 4 << 20


@dataclass(frozen=True)
class SandboxLimits:
    """What one fit may use: seconds of clock, MB of main memory and of temporary files, processes
    and threads in all."""

    seconds: float = 300.0
    memory_mb: float = 4096.0
    disk_mb: float = 64.0
    processes: int = 64


@dataclass(frozen=True)
class ProgramFit:
    """A program with everything it gets to see.

    Attributes:
        program: its text.
        values: of its hyperparameters, passed to `build` by name.
        columns: facts of each column of x, as plain values.
        task: facts of the task, as plain values.
        x: shape (n_rows, n_features), the training rows; y: shape (n_rows,), their targets.
        new: shape (n_new, n_features), the rows to predict.
        wants: "predict", "predict_proba" or "decision_function".
        train: also predict the training rows.
        classes: codes that may be predicted; empty for regression.
    """

    program: str
    values: Mapping[str, Any]
    columns: Sequence[Mapping[str, Any]]
    task: Mapping[str, Any]
    x: NDArray[np.float64]
    y: NDArray[Any]
    new: NDArray[np.float64]
    wants: str = "predict"
    train: bool = False
    classes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """What a program predicted, checked: shape (n_new,), or (n_new, n_classes)."""

    predictions: NDArray[Any]
    train_predictions: NDArray[Any] | None
    seconds: float  # on this side's clock
    importance: tuple[float, ...] = ()
    """Shares of the columns as the program's estimator says, which is not trusted; or none."""


@dataclass(eq=False)
class FitFailed(Exception):
    """A program failed. `kind`: "error", "time", "memory", "died" or "answer" (predictions that
    are none); `line`: of the program, where known."""

    kind: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f" (line {self.line} of the program)" if self.line else ""
        return f"{self.message}{where}"


class ProgramSandbox:
    """A sandbox that stays open for many fits.

    Args:
        log: file that the sandbox's standard error is appended to.
        threads: for the libraries inside.
        boxed: False runs the same process without bubblewrap: it sees the files and the network.

    Raises:
        StudyError: no sandbox can be had on this machine; the hint says how to get one.
    """

    def __init__(self, log: Path, threads: int = 1, *, boxed: bool = True) -> None:
        self._log, self._boxed = log, boxed
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch = log.with_name("sandbox_files")
        self._separate = True
        self._start()

    def fit(
        self,
        fit: ProgramFit,
        limits: SandboxLimits,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Fitted:
        """Fit a program on its rows and predict the new ones.

        Raises:
            FitFailed: the program failed, or what it predicted are no predictions.
            StudyError: the sandbox itself cannot be started.
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
        head = {
            "program": fit.program, "values": dict(fit.values), "task": dict(fit.task),
            "columns": [dict(c) for c in fit.columns], "wants": fit.wants, "train": fit.train,
            "limits": {**asdict(limits), "answer_bytes": _most_answer(fit)},
        }  # fmt: skip
        began = time.monotonic()
        try:
            self._send(frame(head, fit.x, fit.y, fit.new))
            answer = self._receive(limits.seconds + _GRACE_S, should_stop, _most_answer(fit))
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise FitFailed("died", f"the sandbox died: {error or type(error).__name__}") from error
        if not self._separate:
            self.close()  # nothing of this fit may be seen by the next
        return _checked(answer, fit, time.monotonic() - began)

    def close(self) -> None:
        """End the sandbox and everything in it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _start(self) -> None:
        self.close()
        self._scratch.mkdir(parents=True, exist_ok=True)
        argv = command(self._threads, self._scratch, boxed=self._boxed)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env={},
                bufsize=0, start_new_session=True,
            )  # fmt: skip
        try:
            ready, _ = _parsed(self._receive(_START_S, lambda: False))
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.close()
            raise StudyError(
                "the sandbox for programs could not be started", f"its messages: {self._log}"
            ) from error
        self._separate = bool(ready.get("separate"))

    def _send(self, data: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        write_all(self._process.stdin.fileno(), data)

    def _receive(
        self, seconds: float, should_stop: Callable[[], bool], most: int = _MOST_HEAD
    ) -> bytes:
        deadline = time.monotonic() + seconds
        (length,) = struct.unpack("<Q", self._read(8, deadline, should_stop))
        if length > most:
            raise EOFError("its answer is too large")
        return self._read(length, deadline, should_stop)

    def _read(self, count: int, deadline: float, should_stop: Callable[[], bool]) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        fd, parts = self._process.stdout.fileno(), []
        while count:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or should_stop():
                raise TimeoutError("stopped" if left_s > 0 else "no answer")
            if not select.select([fd], [], [], min(0.1, left_s))[0]:
                continue
            part = os.read(fd, min(count, 1 << 20))
            if not part:
                raise EOFError("it ended")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


# -- frames -------------------------------------------------------------------------------------


def _parsed(data: bytes) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """An answer's head and arrays.

    Raises:
        ValueError: it is not a frame.
    """
    if len(data) < 4:
        raise ValueError("an answer is too short")
    (length,) = struct.unpack("<I", data[:4])
    if length > _MOST_HEAD:
        raise ValueError("the head of an answer is too long")
    head = json.loads(data[4 : 4 + length])
    if not isinstance(head, dict):
        raise ValueError("the head of an answer is no object")
    arrays, at = [], 4 + length
    facts = head.get("arrays")
    for dtype, shape in facts if isinstance(facts, list) else ():
        kind, size = number_type(dtype), array_size(dtype, shape)
        if at + size > len(data):
            raise ValueError("an array is longer than the answer")
        arrays.append(np.frombuffer(data[at : at + size], kind).reshape(shape))
        at += size
    return head, arrays


def _most_answer(fit: ProgramFit) -> int:
    """How long an answer may be: twice what its predictions take at the highest precision.

    It is read outside, where no limit of the sandbox holds.
    """
    rows = len(fit.new) + (len(fit.x) if fit.train else 0)
    return _MOST_HEAD + 2 * 16 * rows * max(1, len(fit.classes))


def _checked(answer: bytes, fit: ProgramFit, took_s: float) -> Fitted:
    """The predictions of an answer that came after so many seconds.

    Raises:
        FitFailed: the program failed, or these are no predictions.
    """
    try:
        head, arrays = _parsed(answer)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise FitFailed("answer", f"its answer cannot be read: {one_line(error)}") from error
    if head.get("ok") is not True:
        line = head.get("line")
        kind = str(head.get("kind"))
        named = one_line(head.get("error") or "")
        message = one_line(head.get("message") or "no message", 500)
        raise FitFailed(
            kind if kind in ("error", "time", "memory", "died") else "error",
            f"{named}: {message}" if named else message,
            line if isinstance(line, int) and 0 < line < 10**6 else None,
        )
    if len(arrays) != 1 + fit.train:
        raise FitFailed("answer", "it returned no predictions")
    classes = head.get("classes")
    predictions = _predictions(arrays[0], len(fit.new), classes, fit)
    train = _predictions(arrays[1], len(fit.x), classes, fit) if fit.train else None
    return Fitted(predictions, train, took_s, _shares(head.get("weights"), fit.x.shape[1]))


def _shares(weights: object, columns: int) -> tuple[float, ...]:
    """The share of each column, from weights named after the columns that they are of; empty where
    one is no weight, or of no column."""
    shares = [0.0] * columns
    for pair in weights if isinstance(weights, list) else ():
        name, weight = pair if isinstance(pair, list) and len(pair) == 2 else ("", 0.0)
        of = {int(n) for n in _COLUMN.findall(str(name)[:1000])} & set(range(columns))
        if not of or not isinstance(weight, float) or not 0 <= weight < math.inf:
            return ()
        for at in of:
            shares[at] += weight / len(of)
    total = sum(shares)
    return tuple(s / total for s in shares) if 0 < total < math.inf else ()


def _predictions(found: NDArray[Any], rows: int, classes: object, fit: ProgramFit) -> NDArray[Any]:
    if found.dtype.kind not in "fiub" or found.ndim not in (1, 2) or len(found) != rows:
        raise FitFailed("answer", f"its predictions have shape {found.shape}, not ({rows}, ...)")
    found = found.astype(np.float64)
    if not np.isfinite(found).all():
        raise FitFailed("answer", "its predictions are not all finite")
    if not fit.classes:
        if found.ndim != 1:
            raise FitFailed("answer", f"its predictions have shape {found.shape}, not ({rows},)")
        return found
    if fit.wants == "predict":
        if found.ndim != 1 or not np.isin(found, fit.classes).all():
            raise FitFailed("answer", "it predicts classes that are none")
        return found.astype(np.int64)
    wide = len(fit.classes)
    if fit.wants == "decision_function" and wide == 2 and found.ndim == 1:
        return found
    if found.shape != (rows, wide) or classes != list(fit.classes):
        raise FitFailed("answer", f"its predictions have shape {found.shape}, not ({rows}, {wide})")
    if fit.wants == "predict_proba":
        sums = found.sum(axis=1)
        if (found < -1e-9).any() or not np.allclose(sums, 1.0, atol=1e-3):
            raise FitFailed("answer", "its probabilities do not add up to 1")
    return found
