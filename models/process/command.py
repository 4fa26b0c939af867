"""The commands that start our own modules in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

PARENT = "HYPERLLAMA_PARENT_PID"
DIE_WITH_THREAD = "HYPERLLAMA_DIE_WITH_PARENT"
"""Environment of a child: who started it, and whether the kernel may end it with that thread."""


def python_argv(module: str, *args: str) -> list[str]:
    """The command that runs one of our modules as a child, from where this one was loaded.

    Not `-m`: it would look in the current folder first, where a user may keep a `random.py`.
    """
    root = str(Path(__file__).absolute().parents[3])
    code = (
        f"import sys; sys.path[0] = {root!r}; import runpy; "
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-c", code, *args]


def program_argv(*args: str) -> list[str]:
    """The command that runs `hyperllama ARGS` in a process of its own."""
    return python_argv("hyperllama", *args)
