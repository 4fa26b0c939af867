"""Models of folders, as HyperLlama loads them: programs run in a sandbox, never in this process."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hyperllama.core.errors import DataError
from hyperllama.core.predict import model
from hyperllama.core.predict.model import FittedModel
from hyperllama.core.programs.boxes import sandbox_problem
from hyperllama.core.programs.sandbox import FitFailed, ProgramFit, ProgramSandbox, SandboxLimits


class BoxedRuns:
    """Fits and predicts in a sandbox that is opened at the first use (a `RunProgram`).

    Args:
        boxed: False runs programs in a process of their own without a sandbox.
    """

    def __init__(self, *, boxed: bool = True) -> None:
        self._boxed = boxed
        self._sandbox: ProgramSandbox | None = None

    def __call__(
        self, text: str, told: Mapping[str, Any], x: NDArray[Any], y: NDArray[Any],
        new: NDArray[Any],
    ) -> NDArray[Any]:  # fmt: skip
        """The predictions for `new`.

        Raises:
            DataError: the program failed.
        """
        if self._sandbox is None:
            folder = Path(tempfile.mkdtemp(prefix="hyperllama-"))
            self._sandbox = ProgramSandbox(folder / "sandbox.log", boxed=self._boxed)
            weakref.finalize(self, _end, self._sandbox, folder)
        classes = tuple(range(int(told["task"]["n_classes"])))
        fit = ProgramFit(
            text, {}, told["columns"], told["task"], x, y, new, told["wants"], False, classes
        )
        try:
            return self._sandbox.fit(fit, SandboxLimits()).predictions
        except FitFailed as error:
            raise DataError(f"the program failed: {error}") from error


def load(
    folder: str | Path, trusted: bool = False, *, unboxed: bool | None = None
) -> FittedModel:
    """The model of a folder that `hyperllama export` wrote; a program is run in a sandbox.

    Args:
        trusted: read a pickle where nothing else can be used, and run a program without a sandbox
            where there is none. Both can run any code, so only for folders of people whom you
            trust.
        unboxed: run a program without a sandbox; default: where `trusted` and none can be had.

    Raises:
        DataError: there is no model, its files are not those that `pipeline.json` describes, or
            none of them can be read without running code.
    """
    problem = sandbox_problem()
    if unboxed is None:
        unboxed = bool(problem) and trusted
    run = BoxedRuns(boxed=not unboxed) if unboxed or not problem else None
    return model.load(folder, trusted, run, f"needs a sandbox, and {problem}")


def _end(sandbox: ProgramSandbox, folder: Path) -> None:
    sandbox.close()
    shutil.rmtree(folder, ignore_errors=True)
