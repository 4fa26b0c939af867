"""Progress on standard error: one line that is rewritten, or a line now and then."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperllama.core.experiments.running.runner import RunProgress


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


def show_run(line: ProgressLine, progress: RunProgress) -> None:
    """How far the bench is, and which run failed."""
    from hyperllama.core.text import plain
    from hyperllama.tui.text.wording import duration

    if progress.error:
        line.say(f"{plain(progress.label)}: {plain(progress.error)}")
    text = f"{progress.done} of {progress.total}, {duration(progress.left_s)} left"
    line.show(f"{text}  {plain(progress.label)}", at_once=progress.done == progress.total)
