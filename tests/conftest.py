"""Fixtures that every test uses: temporary home, config and cache; one thread; no colours. What
makes the suite quick: bytecode is kept, modules are no garbage, the longest files begin first."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each program started here would compile anew
sys.dont_write_bytecode = False
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


LONGEST = (
    "test_session", "test_command_line", "test_kill", "test_real_model", "test_proposers",
    "test_new_study", "test_cluster", "test_postgres", "test_study_screen", "test_resize",
    "test_steer", "test_looks", "test_panes", "test_looks_forms", "test_search_cv", "test_runner",
    "test_export", "test_objectives", "test_offline",
)
"""Files that take longest, in this order: with --dist loadfile a worker that is given one of them
last keeps the others waiting."""


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):  # xdist puts files with few tests last
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    """What was imported stays: looking through it for garbage took a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hyperllama" / "models"


def real_models() -> list[Path]:
    """The models that `make models` has fetched."""
    return sorted(_CACHE.glob("*.gguf"))


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct; tests that take it are marked `real_model`."""
    pytest.importorskip("llama_cpp")
    file = _CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not file.is_file():
        pytest.skip("no chat model here: `make models` fetches it")
    return file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("HYPERLLAMA_HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with foreign tables and models; tests that need it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder with foreign files is absent")
    return folder
