"""A whole study opens no socket, and writes in the data folder and the one asked for alone."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.small import ROOT, command, environment, write_task

ALLOWED_DEVICES = ("/dev/null", "/dev/tty", "/dev/pts/")
PRIORITY = re.compile(r"/proc/\d+/autogroup")


class Watched:
    """Runs the program with every Python process in it reporting what it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.out = folder / "home", folder / "out"
        self.elsewhere = [folder / name for name in ("user", "tmp", "cwd")]
        for place in self.elsewhere:
            place.mkdir()
        self.log = folder / "audit.log"

    def run(self, *arguments: object) -> None:
        user, tmp, cwd = map(str, self.elsewhere)
        env = environment(
            {
                "HYPERLLAMA_HOME": str(self.home),
                "HYPERLLAMA_AUDIT": str(self.log),
                "PYTHONPATH": f"{ROOT / 'tests' / 'audit'}{os.pathsep}{ROOT}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "HOME": user,
                "TMPDIR": tmp,
                "XDG_CONFIG_HOME": f"{user}/.config",
                "XDG_CACHE_HOME": f"{user}/.cache",
                "XDG_DATA_HOME": f"{user}/.local/share",
            }
        )
        done = subprocess.run(
            command(*arguments), cwd=cwd, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=150,
        )
        assert done.returncode == 0, done.stderr

    def deeds(self) -> list[tuple[str, str, str]]:
        """(event, path or arguments, process) of everything that was reported."""
        return [tuple(line.split("\t")) for line in self.log.read_text().splitlines()]  # type: ignore[misc]


def check(watched: Watched, processes: int) -> None:
    deeds = watched.deeds()
    assert [d[0] for d in deeds].count("began") >= processes, "some process did not report"
    assert [d for d in deeds if d[0].startswith("socket.")] == []
    inside = (str(watched.home), str(watched.out), *ALLOWED_DEVICES)
    # a process's priority (models/priority.py) is no file on any disk
    written = [d for d in deeds if d[0] != "began" and not PRIORITY.fullmatch(d[1])]
    outside = [d for d in written if not d[1].startswith(inside)]
    assert outside == []
    for place in watched.elsewhere:
        assert list(place.rglob("*")) == [], "native code wrote here"


def test_a_classical_study_and_its_export(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    task = write_task(tmp_path / "work")
    before = sorted(task.parent.rglob("*"))
    watched.run("run", task, "--proposer", "tpe", "--budget", "3")
    watched.run("export", "quick", "-o", watched.out)
    check(watched, 4)  # study, trial runner; export, trial runner
    assert (watched.out / "best.toml").exists()
    assert sorted(task.parent.rglob("*")) == before


def test_a_study_with_a_language_model(tmp_path: Path, shared: Path) -> None:
    pytest.importorskip("llama_cpp")
    models = sorted((shared / "gguf").glob("*.gguf"))
    if not models:
        pytest.skip("no small model here")
    watched = Watched(tmp_path)
    task = write_task(tmp_path / "work")
    watched.run(
        "run", task, "--proposer", "llama", "--model", models[-1], "--budget", "2",
        "--context", "1024", "--threads", "1",
    )
    check(watched, 3)  # study, trial runner, engine
