"""The process of the trial runner as its parent sees it: started, asked within limits, killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hyperllama.core.evaluate.runner.limits import free_mb, rss_mb
from hyperllama.core.evaluate.runner.messages import (
    FoldDone,
    Reply,
    RunnerRequest,
    as_message,
    read_reply,
)
from hyperllama.models.process import RestartableChild

POLL_S = 0.1
CANCEL_S = 0.5
"""How long a cancelled trial may take to reach the end of its fold before it is killed."""
SYSTEM_SHARE = 0.9
"""Without a limit of the task: share of the memory free at the start that the child may use."""
LEAST_MB = 512.0
"""Without a limit of the task: what a child may have however many there are. Libraries take 200."""


class RequestStopped(Exception):
    """A request was ended from outside: its state ("cancelled", "failed"), and why in one line."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class RunnerProcess(RestartableChild):
    """One child at a time. Limits are kept from outside, also while it is inside a C call.

    Args:
        log: where the child's stderr goes.
        threads: for training.
        memory_mb: most resident memory; None for a share of what is free now.
        share: how much of that share is this child's while others train, in (0, 1].
    """

    def __init__(
        self, log: Path, threads: int, memory_mb: float | None, share: float = 1.0
    ) -> None:
        env = {f"{n}_NUM_THREADS": str(threads) for n in ("OMP", "OPENBLAS", "MKL")}
        super().__init__("hyperllama.core.evaluate.runner.server", "the trial runner", log, env)
        self.alone_mb = memory_mb or free_mb() * SYSTEM_SHARE
        """What a request may use while no other child works."""
        self.memory_mb = memory_mb or min(self.alone_mb, max(self.alone_mb * share, LEAST_MB))
        """What a request may use beside those of the other children."""
        self.peak_mb = 0.0
        """Largest resident memory during the latest request."""
        self._requests = 0

    def start(self) -> None:
        """A fresh child, whatever became of the last one."""
        self.kill()
        self.living()

    def ask(
        self, request: RunnerRequest[Any], limit_s: float,
        should_stop: Callable[[], bool] | None = None, watch_memory: bool = True,
        spent_s: float = 0.0, most_mb: float = 0.0,
    ) -> Iterator[Reply]:
        """Send a request and yield its replies, the last one included.

        Args:
            spent_s: how much of the limit earlier requests have used.
            most_mb: most resident memory; 0 for what it may use beside others.

        Raises:
            RequestStopped: time or memory is used up, or `should_stop` said so.
            ChildDied: the child ended.
        """
        child = self._child
        assert child is not None
        self._requests += 1
        self.peak_mb = 0.0
        deadline = time.monotonic() + limit_s - spent_s
        give_up, most_mb = 0.0, most_mb or self.memory_mb
        child.send({**as_message(request), "id": self._requests})
        while True:
            message = child.receive(min(POLL_S, max(deadline - time.monotonic(), 0.0)))
            if message is not None and message.get("id") == self._requests:
                reply = read_reply(message)
                self.peak_mb = max(self.peak_mb, reply.rss_mb)
                last = not isinstance(reply, FoldDone)
                if give_up and last:
                    raise RequestStopped("cancelled", "cancelled")
                yield reply
                if last:
                    return
            if give_up and time.monotonic() >= give_up:
                self.kill()
                raise RequestStopped("cancelled", "cancelled")
            if not give_up and should_stop is not None and should_stop():
                give_up = time.monotonic() + CANCEL_S
                child.send({"do": "cancel", "id": self._requests})
            if time.monotonic() >= deadline:
                self.kill()
                raise RequestStopped("failed", f"took longer than the limit of {limit_s:g} s")
            self.peak_mb = max(self.peak_mb, rss_mb(child.pid))
            if watch_memory and self.peak_mb > most_mb:
                self.kill()
                used = f"used {self.peak_mb:.0f} MB"
                raise RequestStopped("failed", f"{used}, more than the limit of {most_mb:.0f} MB")
