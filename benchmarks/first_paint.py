"""How long until the first screen stands: wall and processor time, in a pseudo-terminal.

    python benchmarks/first_paint.py [--repetitions 9] [--studies 20]

A run counts from the start of the process to the moment when the list of tasks is drawn; the
first one warms the caches and is not counted. The processor time is that of the program itself
until then: what an idle machine would need, while this one may be busy.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=9, metavar="N")
    parser.add_argument("--studies", type=int, default=20, metavar="N", help="on the first screen")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for number in range(arguments.studies):
            place = home / "studies" / f"study-{number}"
            place.mkdir(parents=True)
            summary = {
                "study": place.name, "state": "finished", "task": "task", "metric": "roc_auc",
                "best_value": 0.9, "default_value": 0.8, "trials": 20, "updated_t": number,
            }  # fmt: skip
            (place / "summary.json").write_text(json.dumps(summary))
        runs = [_one(home) for _ in range(arguments.repetitions + 1)][1:]
    for name, values in zip(("wall", "processor"), zip(*runs, strict=True), strict=True):
        print(f"{name:9}  median {statistics.median(values):.3f} s  best {min(values):.3f} s")
    return 0


def _one(home: Path) -> tuple[float, float]:
    """Seconds of wall and processor time until the first screen stands."""
    begun = time.monotonic()
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(
            TERM="xterm-256color", HYPERLLAMA_HOME=str(home), HYPERLLAMA_CONFIG=str(home),
            PYTHONPATH=str(ROOT), PYTHONUTF8="1",
        )  # fmt: skip
        os.execv(sys.executable, [sys.executable, "-m", "hyperllama"])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen = b""
    while b"breast_cancer" not in seen:
        if time.monotonic() - begun > LIMIT_S:
            raise SystemExit(f"nothing was drawn within {LIMIT_S:.0f} s: {seen[-500:]!r}")
        if select.select([fd], [], [], 0.05)[0]:
            seen += os.read(fd, 65_536)
    wall = time.monotonic() - begun
    used = _processor_s(pid)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    os.close(fd)
    return wall, used


def _processor_s(pid: int) -> float:
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    raise SystemExit(main())
