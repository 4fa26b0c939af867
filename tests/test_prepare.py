"""scripts/prepare.py and the Makefile: what is kept where, made again when, and said meanwhile."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "prepare.py"


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_wheel_is_kept_for_its_version_options_and_processor(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = prepare.cache_folder("cpu", "")
    assert kept.is_relative_to(tmp_path / "hyperllama") and prepare.pinned() in kept.name
    others = [("cuda", ""), ("cpu", "-DGGML_BLAS=on"), ("cpu", "-DGGML_NATIVE=OFF")]
    assert kept not in {prepare.cache_folder(*options) for options in others}
    portable = prepare.cache_folder("cpu", "-DGGML_NATIVE=OFF")
    monkeypatch.setattr(prepare, "processor", lambda: "another")
    assert prepare.cache_folder("cpu", "") != kept
    assert prepare.cache_folder("cpu", "-DGGML_NATIVE=OFF") == portable


@pytest.mark.parametrize(
    ("line", "stage"),
    [
        ("  [41/131] Building CXX object vendor/x.o\n", "compiling, step 41 of 131"),
        ("  *** Configuring CMake...\n", "configuring"),
        (
            "  Downloading xgboost-3.2.0-py3-none-any.whl (131.7 MB)\n",
            "downloading xgboost (131.7 MB)",
        ),
        ("  warning: unused variable\n", None),
    ],
)
def test_the_stage_is_read_from_the_output(
    prepare: ModuleType, line: str, stage: str | None
) -> None:
    assert prepare.build_stage(line) == stage


def test_a_failed_command_shows_its_last_lines(prepare: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "build.log"
    command = [sys.executable, "-c", "for n in range(40): print('line', n)\nraise SystemExit(3)"]
    with pytest.raises(prepare.Failed) as caught:
        prepare.watch(command, log, prepare.build_stage)
    assert "line 39" in str(caught.value) and "line 3\n" not in str(caught.value)
    assert str(log) in str(caught.value) and "line 0\n" in log.read_text()


def test_a_missing_compiler_is_said_before_anything_is_fetched(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(prepare.Failed, match="no compiler"):
        prepare.build("cpu", "", tmp_path / "wheels")
    assert list(tmp_path.iterdir()) == []


def test_packages_for_another_python_are_refused_by_name(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / prepare.MADE_FOR
    kept.write_text("Python 3.99 on linux x86_64\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    prepare.refuse_another_python()  # pip may look elsewhere, too
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(prepare.Failed, match=r"are for Python 3\.99 (?s:.*) PYTHON=python3\.99"):
        prepare.refuse_another_python()
    kept.write_text(f"{prepare.made_for()}\n")
    prepare.refuse_another_python()


def test_an_environment_that_was_carried_elsewhere_is_made_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    shutil.copy2(SCRIPT.parent.parent / "Makefile", first)
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        '[ "$2" = venv ] || exit 0\n'
        f'rm -rf "$4"; mkdir -p "$4/bin"; cp {python} "$4/bin/python"\n'
        f"echo made >> {tmp_path}/log\n"
    )
    python.chmod(0o755)

    def make(folder: Path) -> int:
        command = ["make", "-s", f"PYTHON={python}", "VENV=.venv", ".venv/ready/venv"]
        subprocess.run(command, cwd=folder, check=True)
        return (tmp_path / "log").read_text().count("made")

    assert [make(first), make(first)] == [1, 1]
    (first / ".venv" / "ready" / "packages").touch()
    first.rename(second)
    assert [make(second), make(second)] == [2, 2]
    assert not (second / ".venv" / "ready" / "packages").exists()
    (second / ".venv" / "bin" / "python").unlink()  # as after an upgrade of the system
    assert make(second) == 3
