"""Thread budgets follow affinity and container limits."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from hyperllama.models.process.processors import default_threads, usable_processors
from tests.small import ROOT, TASK, write_task


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "0"}, 8),
        ({"own": "0::/user.slice/job\n", "user.slice/job/cpu.max": "200000 100000"}, 2),
        ({"own": "0::/a/b\n", "a/b/cpu.max": "max 100000", "a/cpu.max": "500000 100000"}, 5),
        ({"own": "0::/a/b\n", "a/b/cpu.max": "600000 100000", "cpu.max": "300000 100000"}, 3),
        ({"own": "4:cpu,cpuacct:/d\n1:name=systemd:/d\n", "cpu/d/cpu.cfs_quota_us": "300000",
          "cpu/d/cpu.cfs_period_us": "100000", "d/cpu.max": "100000 100000"}, 3),
        ({"own": "0::/../other\n", "../other/cpu.max": "100000 100000"}, 8),
    ],
)
def test_limits_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    folder = _write(tmp_path / "cgroup", files)
    assert usable_processors(folder, folder / "own") == expected


@pytest.mark.parametrize(("said", "threads"), [("", 5), ("1", 1), ("3,2", 3), ("64", 5), ("x", 5)])
def test_threads_leave_a_processor_and_keep_to_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, said: str, threads: int
) -> None:
    monkeypatch.setattr("hyperllama.models.process.processors.usable_processors", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert default_threads() == threads


@pytest.mark.parametrize(("asked", "limit", "threads"), [
    (0, "", 5), (0, "threads = 2", 2), (0, "threads = 64", 6), (3, "threads = 2", 3),
])
def test_training_uses_the_processors_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int, limit: str, threads: int
) -> None:
    from hyperllama.core.evaluate.runner.client import TrialRunner

    for name in ("core.evaluate.runner.client", "models.process.processors"):
        monkeypatch.setattr(f"hyperllama.{name}.usable_processors", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    task = write_task(tmp_path, f"{TASK}\n[limits]\n{limit}\n")
    assert TrialRunner(task, log=tmp_path / "log", threads=asked).threads == threads


def test_processes_that_evaluate_side_by_side_have_one_thread_each(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    from hyperllama.core.experiments.running.workers import ONE_THREAD

    for name, value in ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("hyperllama.models.process.processors.usable_processors", lambda: 8)
    assert default_threads() == 1


def test_nobody_counts_the_processors_of_the_machine() -> None:
    folders = ("core", "models", "tui", "workshop", "scripts", "benchmarks")
    counting = {
        path.name for folder in folders for path in (ROOT / folder).rglob("*.py")
        if re.search(r"cpu_count\((?!logical=False)|n_jobs=-1", path.read_text("utf8"))
    }
    assert counting == {"processors.py"}
