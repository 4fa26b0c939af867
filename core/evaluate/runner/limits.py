"""How much memory a process uses, and a limit on what it may ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

MEMORY_SLACK_MB = 512
"""Address space granted beyond the limit: reserved by threads and allocators, not used. What stays
below it is caught by the parent, which watches resident memory."""
_MB = 1 << 20


def rss_mb(pid: int | None = None) -> float:
    """Resident memory of a process (None: of this one), 0 when it is gone."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / _MB
    except psutil.Error:
        return 0.0


def free_mb() -> float:
    """Memory that is available on this machine."""
    return float(psutil.virtual_memory().available) / _MB


@contextlib.contextmanager
def memory_limit(limit_mb: float) -> Iterator[None]:
    """Let allocations far beyond `limit_mb` of resident memory fail with a MemoryError (Unix)."""
    try:
        import resource
    except ImportError:  # Windows has no such limit: the parent's watch has to do
        yield
        return
    now = psutil.Process().memory_info()
    before = resource.getrlimit(resource.RLIMIT_AS)
    wanted = int(now.vms + max(limit_mb * _MB - now.rss, 0) + MEMORY_SLACK_MB * _MB)
    ceiling = wanted if before[1] == resource.RLIM_INFINITY else min(wanted, before[1])
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, before)
