"""A GPU without enough memory: fewer layers, the processor, or an error that says what to do.

llama.cpp itself runs; only what it answers about a GPU, which is not here, is put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.propose.engine_session import unmet
from hyperllama.models.engine import EngineSettings, client, loading
from hyperllama.models.engine.connection import EngineDied
from hyperllama.models.engine.context import Context
from hyperllama.models.engine.library import last_errors, load_library
from hyperllama.models.engine.messages import Load
from hyperllama.models.errors import EngineError
from hyperllama.models.gguf import Gpu, Machine, fit, resolve_model
from tests.models.tiny_gguf import write_tiny

pytest.importorskip("llama_cpp")

LAYERS = 3
"""Of the tiny model, its output layer counted."""


class SmallGpu:
    """llama.cpp with a GPU on which `weights` layers load and `context` layers run."""

    def __init__(self, weights: int, context: int) -> None:
        self.library, self.weights, self.context = load_library(), weights, context
        self.layers: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def llama_supports_gpu_offload(self) -> bool:
        return True

    def llama_model_load_from_file(self, path: bytes, params: Any) -> Any:
        self.layers.append(params.n_gpu_layers)
        assert bool(params.devices) == (params.n_gpu_layers == 0)
        return self._room(self.weights) and self.library.llama_model_load_from_file(path, params)

    def llama_init_from_model(self, model: Any, params: Any) -> Any:
        return self._room(self.context) and self.library.llama_init_from_model(model, params)

    def _room(self, most: int) -> bool | None:
        if self.layers[-1] <= most:
            return True
        last_errors.append("cudaMalloc failed: out of memory")
        return None


@pytest.fixture(autouse=True)
def _no_errors_left() -> Iterator[None]:
    yield
    last_errors.clear()


@pytest.mark.parametrize(("weights", "context", "found"), [(3, 3, 3), (2, 1, 1), (3, 0, 0)])
def test_auto_goes_down_to_what_weights_and_context_have_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: int, context: int, found: int
) -> None:
    gpu = SmallGpu(weights, context)
    monkeypatch.setattr(loading, "load_library", lambda: gpu)
    path = write_tiny(tmp_path / "tiny.gguf")
    loaded = Context(path, EngineSettings(256, threads=1))
    info = loaded.info("", ())
    loaded.close()
    assert gpu.layers == [n for n in (3, 2, 1, 0) if n >= found]
    assert (info.gpu_layers, loaded.gpu_layers) == (found, found)
    told = [note.text for note in unmet(loaded.settings, info, path)]
    some = f"{found} of {LAYERS} layers found room on the GPU; the others run on the processor"
    none = "no layer found room on the GPU; the model runs on the processor"
    assert told == ([] if found == LAYERS else [some if found else none])


def test_an_embedded_model_is_left_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, embedded = SmallGpu(99, 99), resolve_model("embedded")
    monkeypatch.setattr(loading, "load_library", lambda: gpu)
    loaded = Context(embedded, EngineSettings(threads=1))
    info = loaded.info("", ())
    loaded.close()
    assert gpu.layers == [0] and info.gpu_offload
    assert list(unmet(loaded.settings, info, embedded)) == []
    here = Machine(32_000, (Gpu("one", 80_000, 80_000),), ("CUDA",))
    placed = fit(loaded.file, info.context_length, here)
    assert (placed.gpu_layers, placed.gpu_mb) == (0, 0.0)


@pytest.mark.parametrize(("layers", "weights"), [("all", 1), ("all", 3), (2, 0)])
def test_layers_that_were_asked_for_are_an_error_that_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layers: str | int, weights: int
) -> None:
    monkeypatch.setattr(loading, "load_library", lambda: SmallGpu(weights, 0))
    with pytest.raises(EngineError) as error:
        Context(write_tiny(tmp_path / "tiny.gguf"), EngineSettings(256, layers, threads=1))
    asked = LAYERS if layers == "all" else layers
    assert f"with {asked} of {LAYERS} layers on the GPU" in error.value.message
    assert "out of memory" in error.value.message and "--gpu-layers auto" in error.value.hint


def test_the_memory_of_the_machine_is_looked_at_where_no_layer_finds_room_on_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "load_library", lambda: SmallGpu(0, 0))
    monkeypatch.setattr(loading, "estimate_memory_mb", lambda *_: 1e9)
    with pytest.raises(EngineError, match="MB of memory"):
        Context(write_tiny(tmp_path / "tiny.gguf"), EngineSettings(256, threads=1))


def test_after_an_abort_while_loading_the_gpu_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Load] = []

    def ask(self: Any, request: Load, *_: object) -> Any:
        asked.append(request)
        if len(asked) == 1:
            raise EngineDied("the engine was ended by SIGABRT; its log ends: CUDA error")
        return "loaded"

    monkeypatch.setattr(client.Engine, "ask", ask)
    engine = client.Engine(log=tmp_path / "log")
    engine.load(write_tiny(tmp_path / "tiny.gguf"), EngineSettings(256))
    assert [r.settings.gpu_layers for r in asked] == ["auto", "none"]
    assert asked[1].notes[0].startswith("loaded on the processor alone")
    assert "no memory for its working space" in asked[1].notes[0]


def test_a_process_that_is_started_again_may_find_less_memory_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program took the GPU's memory meanwhile: the study goes on, on the processor."""
    asked: list[object] = []

    def ask(self: Any, request: object, *_: object) -> Any:
        asked.append(request)
        if isinstance(request, Load) and request.settings.gpu_layers == "auto" and len(asked) > 1:
            raise EngineDied("the engine was ended by SIGABRT; its log ends: CUDA error")
        return [1, 2]

    monkeypatch.setattr(client.Engine, "ask", ask)
    engine = client.Engine(log=tmp_path / "log")
    engine.load(write_tiny(tmp_path / "tiny.gguf"), EngineSettings(256))
    assert engine.tokenize("a") == [1, 2]
    loads = [r.settings.gpu_layers for r in asked if isinstance(r, Load)]
    assert loads == ["auto", "auto", "none"]
