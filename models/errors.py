"""The root of the one error tree, and the errors of model files and of the engine.

It stands here, below `core`, because imports point one way; `core.errors` grows the tree for tasks,
data, spaces and studies.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


class HyperLlamaError(Exception):
    """An error that is shown to the user: what happened, and what to do next.

    Args:
        message: what happened, and where, in one line.
        hint: what to do next; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ModelFileError(HyperLlamaError):
    """A file is no usable GGUF model: missing, cut short, damaged, or of the wrong kind."""

    exit_code = 4


class EngineError(HyperLlamaError):
    """The process that runs llama.cpp could not do what was asked, or died."""

    exit_code = 5


class ChildDied(HyperLlamaError):
    """A child process ended while something was expected of it."""

    exit_code = 6


def pip_install(package: str) -> str:
    """The command that installs a package where this Python runs, for a hint.

    With the whole path of this Python unless the `pip` that a shell finds belongs to it.
    """
    found, here = shutil.which("pip"), Path(sys.executable)
    ours = found is not None and Path(found).parent == here.parent
    return f'{"pip" if ours else f"{shlex.quote(str(here))} -m pip"} install "{package}"'
