"""Children have the niceness of their parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hyperllama.models.process import Child, hand_on_niceness, python_argv, set_niceness


def test_niceness_is_set_and_a_process_that_ended_is_ignored() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        set_niceness(process.pid, 7)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 7
        group = Path(f"/proc/{process.pid}/autogroup")
        assert not group.exists() or group.read_text("ascii").split()[-1] in ("7", "")
    finally:
        process.kill()
        process.wait()
    set_niceness(process.pid, 9)
    hand_on_niceness(process.pid)


def test_a_child_keeps_an_ordinary_niceness(tmp_path: Path) -> None:
    child = Child(python_argv("hyperllama.models.engine.server"), name="it", log=tmp_path / "log")
    try:
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == mine
    finally:
        child.kill()
