"""A program as a model: its text and the training rows; it is fitted again whenever it is used.

A fitted estimator of a program that a model or a stranger wrote could only be kept as a pickle, and
reading that runs code. So the rows travel instead. The program runs in this process, or where the
caller says, in a sandbox.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROGRAM, ROWS = "program.py", "program_rows.npz"
RunProgram = Callable[[str, Mapping[str, Any], NDArray[Any], NDArray[Any], NDArray[Any]],
                      NDArray[Any]]  # fmt: skip
"""Predicts: text of the program, what it is told, X, y, rows to predict -> predictions."""


class RefittedProgram:
    """Predicts like a fitted estimator.

    Args:
        text: of the program, with its values as its defaults.
        told: "columns" and "task" as `build` gets them; "wants": "predict" or "predict_proba".
        x, y: training rows, shapes (n_rows, n_features) and (n_rows,).
        run: what runs the program; default: this process.
    """

    def __init__(
        self, text: str, told: Mapping[str, Any], x: NDArray[Any], y: NDArray[Any],
        run: RunProgram | None = None,
    ) -> None:  # fmt: skip
        self._text, self._told, self._x, self._y = text, told, x, y
        self._run = run or _Here()
        if told["wants"] == "predict_proba":
            self.predict_proba = self._outputs

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Class codes or numbers, shape (n_rows,)."""
        found = self._outputs(x)
        return found.argmax(axis=1) if self._told["wants"] == "predict_proba" else found

    def _outputs(self, x: NDArray[Any]) -> NDArray[Any]:
        return self._run(self._text, self._told, self._x, self._y, np.ascontiguousarray(x))


class _Here:
    """Runs a program in this process, fitted once."""

    def __init__(self) -> None:
        self._model: Any = None

    def __call__(
        self, text: str, told: Mapping[str, Any], x: NDArray[Any], y: NDArray[Any],
        new: NDArray[Any],
    ) -> NDArray[Any]:  # fmt: skip
        if self._model is None:
            names: dict[str, Any] = {"__name__": "program"}
            exec(compile(text, PROGRAM, "exec"), names)
            random.seed(0)  # as the sandbox does before each fit
            np.random.seed(0)
            columns = [SimpleNamespace(**column) for column in told["columns"]]
            self._model = names["build"](columns, SimpleNamespace(**told["task"])).fit(x, y)
        return np.asarray(getattr(self._model, told["wants"])(new))


def read_program(
    path: Path, facts: Mapping[str, Any], run: RunProgram | None
) -> RefittedProgram:
    """The model of a program's file and of the rows beside it.

    Args:
        facts: what `pipeline.json` says under "program".
    """
    with np.load(path.with_name(ROWS), allow_pickle=False) as rows:
        return RefittedProgram(path.read_text(encoding="utf-8"), facts, rows["x"], rows["y"], run)
