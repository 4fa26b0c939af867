"""Progress on standard error: one line that is rewritten, or a line now and then."""

from __future__ import annotations

import shutil
import sys
import time


class ProgressLine:
    """Rewrites a line on a terminal; elsewhere it writes one now and then.

    Args:
        every_s: how often, in seconds, where there is no terminal.
    """

    def __init__(self, every_s: float = 30.0) -> None:
        self._terminal = sys.stderr.isatty()
        self._every_s = 0.2 if self._terminal else every_s
        self._last_s = 0.0

    def show(self, text: str, at_once: bool = False) -> None:
        """Show `text`, unless another was shown just now.

        Args:
            at_once: show it anyway.
        """
        now = time.monotonic()
        if now - self._last_s < self._every_s and not at_once:
            return
        self._last_s = now
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:width]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.end()
        print(text, file=sys.stderr)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._last_s:
            print(file=sys.stderr)
