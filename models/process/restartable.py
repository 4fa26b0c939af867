"""A child process that is started again whenever it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hyperllama.models.process.child import Child
from hyperllama.models.process.command import python_argv


class RestartableChild:
    """At most one child process at a time.

    Args:
        module: what the process runs; see `python_argv`.
        name: what messages call it.
        log: file that its stderr is appended to.
        env: added to the environment of this process.

    Attributes:
        starts: how often a process was started; every one after the first is a restart.
    """

    def __init__(self, module: str, name: str, log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        self.starts = 0
        self._argv, self._name, self._env = python_argv(module), name, env
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the living process; None without one."""
        return self._child.pid if self._child is not None and self._child.alive else None

    def living(self) -> Child:
        """The process, a new one if none lives.

        Raises:
            ChildDied: it could not be started.
        """
        if self._child is None or not self._child.alive:
            self.kill()
            self._child = Child(self._argv, name=self._name, log=self.log, env=self._env)
            self.starts += 1
        return self._child

    def stop(self) -> None:
        """End the process, which may finish what it is doing for two seconds. Idempotent."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """End the process at once. Idempotent."""
        if self._child is not None:
            self._child.kill()
            self._child = None
