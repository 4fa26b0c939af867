"""The public face: `from hyperllama import LlamaSampler, SearchSpace, load_task`, and the program.

Names are imported when they are used, so that `hyperllama --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.sampler import LlamaSampler
    from core.space import SearchSpace
    from core.task import load_task

__version__ = "0.1.0"
__all__ = ["LlamaSampler", "SearchSpace", "load_task", "main"]

_HOMES = {"LlamaSampler": "core.sampler", "SearchSpace": "core.space", "load_task": "core.task"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperllama' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; without a command, the interface. Returns the exit code."""
    from tui.commands import run_command_line

    return run_command_line(arguments)


if __name__ == "__main__":
    sys.exit(main())
