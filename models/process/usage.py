"""What processes use: memory, processor time, and energy where the machine reports it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import psutil

POWERCAP = Path("/sys/class/powercap")


def peak_memory_mb(pid: int | None) -> float:
    """The most memory a process had at once so far, MiB.

    From Linux's own record (VmHWM); elsewhere what it holds now. 0 if it is gone.
    """
    if pid is None:
        return 0.0
    try:
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # no /proc on this system, or the process has ended
    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.Error:
        return 0.0


def family_cpu_s(pid: int) -> float:
    """CPU seconds of a process and all that it started; 0 when it is gone."""
    cpu_s = 0.0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                cpu_s += sum(process.cpu_times()[:2])
    return cpu_s


class EnergyMeter:
    """Joules that the processor packages drew since the meter was made (Intel's and AMD's RAPL).

    The counters are of the whole machine. They are often readable by the administrator alone; then
    there is no figure.

    Args:
        root: where the kernel shows them.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._zones = [z for z in sorted(root.glob("intel-rapl:*")) if z.name.count(":") == 1]
        self._first = self._read()

    def joules(self) -> float | None:
        """Energy so far; None where the machine reports none or the counters may not be read."""
        now = self._read()
        if not now or len(now) != len(self._first):
            return None
        total = 0
        for zone, before, after in zip(self._zones, self._first, now, strict=True):
            if after < before:  # the counter has wrapped around
                after += _number(zone / "max_energy_range_uj") or 0
            total += after - before
        return total / 1e6

    def _read(self) -> Sequence[int]:
        values = [_number(z / "energy_uj") for z in self._zones]
        return [v for v in values if v is not None]


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None
