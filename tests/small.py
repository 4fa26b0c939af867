"""A task that trains in milliseconds, and the program as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]

TASK = """\
name = "quick"
kind = "classification"
metric = "accuracy"
estimator = "decision_tree"

[data]
path = "quick.csv"
target = "y"

[validation]
folds = 2
test_share = 0.25

[budget]
trials = 4
"""


def write_task(folder: Path, text: str = TASK) -> Path:
    """A task file and its table of 80 rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).round(4)
    y = (x[:, 0] + 0.5 * rng.normal(size=80) > 0).astype(int)
    lines = ["a,b,c,y"]
    lines += [",".join(map(str, row)) + f",{['no', 'yes'][t]}" for row, t in zip(x, y, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quick.csv").write_text("\n".join(lines) + "\n")
    task = folder / "quick.toml"
    task.write_text(text)
    return task


def environment(extra: Mapping[str, str] = {}) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **extra}


def with_plug_in(site: Path, module: str, text: str, entry_points: str) -> dict[str, str]:
    """The environment in which a package of one module is installed, with its entry points."""
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / f"{module}.py").write_text(text)
    (metadata / "METADATA").write_text(f"Name: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)
    return environment({"PYTHONPATH": f"{ROOT}{os.pathsep}{site}"})


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "hyperllama", *map(str, arguments)]


def hyperllama(
    *arguments: object, env: Mapping[str, str] = {}, **more: object
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(env),
        **more,
    )
