"""The installed package: one import name, whatever stands in the folder it is used from."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import pytest

from tests.small import ROOT, write_task

SAMPLER = """
import optuna
import core, models, tui
from hyperllama import LlamaSampler
from optuna.distributions import FloatDistribution

assert (core.OWN, models.OWN, tui.OWN) == (1, 2, 3)
optuna.logging.set_verbosity(optuna.logging.ERROR)
space = {"learning_rate": FloatDistribution(1e-3, 0.3, log=True)}
with LlamaSampler(space, estimator="xgboost", direction="minimize", seed=0) as sampler:
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: t.suggest_float("learning_rate", 1e-3, 0.3, log=True), n_trials=3)
print("proposed", len(study.trials))
"""


def _built(hook: str, source: Path, target: Path) -> Path:
    """Run a build hook of pyproject.toml's back end; the file that it made."""
    target.mkdir(parents=True, exist_ok=True)
    code = f"import setuptools.build_meta as b; print(b.{hook}({str(target)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files, so that building leaves nothing in the clone."""
    folder = tmp_path_factory.mktemp("source")
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git clone")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def python(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel (built from the sdist), and a path to what it needs."""
    folder = tmp_path_factory.mktemp("fresh")
    sdist = _built("build_sdist", source, folder)
    shutil.unpack_archive(sdist, folder / "unpacked")
    (unpacked,) = (folder / "unpacked").iterdir()
    wheel = _built("build_wheel", unpacked, folder)
    venv.create(folder / "venv", with_pip=False)
    fresh = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(fresh)]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "venv" / "lib" / version / "site-packages"
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return fresh


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A user's folder, with names that once were ours and one of the standard library's."""
    folder = tmp_path / "place"
    write_task(folder)
    for name in ("core", "tests"):
        (folder / name).mkdir()
    (folder / "core" / "__init__.py").write_text("OWN = 1\n")
    (folder / "tests" / "__init__.py").write_text("raise SystemExit('the wrong tests')\n")
    (folder / "models.py").write_text("OWN = 2\n")
    (folder / "tui.py").write_text("OWN = 3\n")
    (folder / "hyperllama.csv").write_text("a,b\n1,2\n")
    return folder


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


def test_one_name_is_installed(python: Path) -> None:
    packages = next((python.parent.parent / "lib").glob("python3*/site-packages"))
    names = {p.name for p in packages.iterdir() if p.is_dir() and "-" not in p.name}
    assert names - {"__pycache__"} == {"hyperllama"}
    for inside in ("models/embedded", "sample_tasks/data", "core/prompt/variants/short", "tui"):
        assert any((packages / "hyperllama" / inside).iterdir())


def test_the_sampler_beside_a_users_own_modules(python: Path, place: Path) -> None:
    pytest.importorskip("llama_cpp")
    (place / "script.py").write_text(SAMPLER)
    done = subprocess.run(
        [python, "script.py"], cwd=place, env=_environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "proposed 3\n"), done.stderr


def test_the_program_beside_a_users_own_modules(python: Path, place: Path) -> None:
    """Here a module of the standard library is shadowed, too."""
    (place / "random.py").write_text("raise SystemExit('the wrong random')\n")
    runs = ["run", "quick.toml", "--proposer", "tpe", "--budget", "2"]
    for command in (
        [python, "-m", "hyperllama", "--help"],
        [python.with_name("hyperllama"), *runs],
        [python, "-m", "hyperllama", *runs, "--study", "again"],
    ):
        done = subprocess.run(
            command, cwd=place, env=_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_the_interface_starts_beside_a_users_own_modules(python: Path, place: Path) -> None:
    (place / "random.py").write_text("raise SystemExit('the wrong random')\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        env = {**_environment(), "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        os.execve(python, [str(python), "-m", "hyperllama"], env)
    shown = b""
    end = time.monotonic() + 60
    try:
        while b"breast_cancer" not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 1.0)[0]:
                try:
                    shown += os.read(terminal, 65536)
                except OSError:
                    break
        assert b"breast_cancer" in shown, shown.decode(errors="replace")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
