"""How many processors this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def default_threads() -> int:
    """Threads where nobody asked for a number: one processor is left to the rest of the machine.

    `OMP_NUM_THREADS` lowers it: workers that share the processors have 1 there, so that their
    number and that of their threads do not multiply.
    """
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    most = int(said) if said.isdecimal() and int(said) else usable_processors()
    return max(1, min(usable_processors() - 1, most))


def usable_processors(cgroup: Path = _CGROUP, own: Path = _OWN) -> int:
    """Processors by affinity and by the container's limit, at least 1.

    `os.cpu_count()` is the machine's number: in a container or under `taskset` it is too large, and
    more threads than processors make training slower, not faster.

    Args:
        cgroup: where the limits of control groups are mounted (Linux; version 2, then 1).
        own: the file that names this process's control groups, one a line, `id:controllers:path`.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    limits = [limit for g in _groups(cgroup, own) if (limit := _limit(g)) is not None]
    return max(1, min([allowed, *map(math.ceil, limits)]))


def _groups(cgroup: Path, own: Path) -> set[Path]:
    """The folders of this process's control groups and of those around them, which limit it too."""
    found = {cgroup, cgroup / "cpu"}
    try:
        lines = own.read_text("utf8").splitlines()
    except (OSError, ValueError):
        return found
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroup / "cpu" if controllers else cgroup
        inner = Path(path.lstrip("/"))
        if ".." not in inner.parts:
            found |= {root / part for part in (inner, *inner.parents)}
    return found


def _limit(group: Path) -> float | None:
    """A control group's share of processors, or None where it has no limit."""
    try:
        quota, period = (group / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        try:
            quota = (group / "cpu.cfs_quota_us").read_text("ascii")
            period = (group / "cpu.cfs_period_us").read_text("ascii")
        except OSError:
            return None
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return None
    return limit if limit > 0 else None
