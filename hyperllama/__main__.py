"""The program: `hyperllama` and `python -m hyperllama`; without a command, the interface."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    from hyperllama.tui.cli import run_command_line

    return run_command_line(arguments)


if __name__ == "__main__":
    # `python -m` puts the current folder first, where a user may keep a `random.py` of their own.
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    if sys.path[0] == os.getcwd() != root:  # noqa: PTH109
        del sys.path[0]
    sys.exit(main())
