"""scripts/prepare.py: where a built llama.cpp is kept, and what a person sees while it is built."""

from __future__ import annotations

import importlib.util
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
