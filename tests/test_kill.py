"""Some `kill -9` of a real study; `benchmarks/kill_storm.py --kills 100` is the full storm."""

from __future__ import annotations

from pathlib import Path

from benchmarks.kill_storm import Storm


def test_kills_lose_nothing_repeat_nothing_and_leave_nobody(tmp_path: Path) -> None:
    storm = Storm(tmp_path, seed=2, trials=3, phases=("training", "telling"))
    report = storm.run(2)
    assert report.wrong == [], "\n".join(report.lines())
    assert len(report.kills) >= 2
