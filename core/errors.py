"""The errors of tasks, data, search spaces and studies: the upper half of the one error tree."""

from __future__ import annotations

from hyperllama.models.errors import (
    ChildDied,
    EngineError,
    HyperLlamaError,
    ModelFileError,
    pip_install,
)

__all__ = [
    "ChildDied",
    "DataError",
    "EngineError",
    "HyperLlamaError",
    "ModelFileError",
    "SpaceError",
    "StudyError",
    "TaskError",
    "pip_install",
]


class TaskError(HyperLlamaError):
    """A task file is wrong: the message names the file and the key, the hint what is allowed.

    Attributes:
        faults: what is wrong by itself, for a form: (dotted key, problem, what is allowed) of each.
    """

    exit_code = 2
    faults: tuple[tuple[str, str, str], ...] = ()

    def about(self, copy: str, file: str) -> None:
        """Name the task file where the message names the copy that a study keeps of it."""
        if self.message.startswith(f"{copy}:"):
            self.message = file + self.message[len(copy) :]


class DataError(HyperLlamaError):
    """A table cannot be read, or cannot be used as the task says."""

    exit_code = 3


class SpaceError(HyperLlamaError):
    """A search space is malformed, or a configuration lies outside it."""

    exit_code = 2


class StudyError(HyperLlamaError):
    """A study cannot be opened, resumed, or written to."""

    exit_code = 7
