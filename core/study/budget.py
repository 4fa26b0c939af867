"""What a study may spend: trials, and seconds of proposing and training over all its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hyperllama.core.text import counted


class WorkClock:
    """Seconds spent on proposals and trials; it rests while the study does.

    Args:
        clock: seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self._spent_s = 0.0
        self._since: float | None = None

    @property
    def running(self) -> bool:
        return self._since is not None

    @property
    def spent_s(self) -> float:
        return self._spent_s + (0.0 if self._since is None else self.now() - self._since)

    def add(self, seconds: float) -> None:
        """Count what earlier sessions spent."""
        self._spent_s += seconds

    def start(self) -> None:
        self._since = self.now()

    def stop(self) -> None:
        self._spent_s, self._since = self.spent_s, None

    @contextmanager
    def resting(self) -> Iterator[None]:
        """While a person decides, no time is spent."""
        self.stop()
        try:
            yield
        finally:
            self.start()


def describe_budget(trials: int | None, seconds: float | None) -> str:
    """A budget in words: "40 trials and 5 minutes"."""
    parts = [counted(trials, "trial")] if trials is not None else []
    parts += [f"{seconds / 60:.3g} minutes"] if seconds is not None else []
    return " and ".join(parts) or "without limit"
