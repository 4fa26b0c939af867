"""The priority of processes of ours: studies must not slow the interface down."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

STUDY_NICENESS = 5
"""Niceness of studies that were started from the interface, and of all they start.

Beside other work of the machine they still get a third of what that gets.
"""


def set_niceness(pid: int, nice: int) -> None:
    """Set a process's niceness and, on Linux, that of its session's group.

    Where the kernel schedules by session (`sched_autogroup`, usual on desktops) niceness counts
    within a session only, and our children have sessions of their own (man 7 sched). What is not
    allowed or not there changes nothing.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), "ascii")


def hand_on_niceness(pid: int) -> None:
    """Give a child with a session of its own the niceness of this process."""
    with contextlib.suppress(OSError):
        if nice := os.getpriority(os.PRIO_PROCESS, 0):
            set_niceness(pid, nice)
