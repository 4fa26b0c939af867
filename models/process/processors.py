"""How many processors this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_processors(cgroup: Path = _CGROUP) -> int:
    """Processors by affinity and by the container's limit, at least 1.

    `os.cpu_count()` is the machine's number: in a container or under `taskset` it is too large, and
    more threads than processors make training slower, not faster.

    Args:
        cgroup: where the limits of control groups are mounted (Linux; version 2, then 1).
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    limit = _limit(cgroup)
    return max(1, allowed if limit is None else min(allowed, math.ceil(limit)))


def _limit(cgroup: Path) -> float | None:
    """The container's share of processors, or None where there is no limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text("ascii")
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text("ascii")
        except OSError:
            return None
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return None
    return limit if limit > 0 else None
