"""A few `kill -9` of real studies; `benchmarks/kill_storm.py --kills 50` is the full storm."""

from __future__ import annotations

from pathlib import Path

from benchmarks.kill_storm import Storm


def test_kills_lose_nothing_repeat_nothing_and_leave_nobody(tmp_path: Path) -> None:
    storm = Storm(tmp_path, seed=2, trials=8)
    report = storm.run(6)
    assert report.wrong == [], "\n".join(report.lines())
    assert sum(report.kills.values()) >= 6
