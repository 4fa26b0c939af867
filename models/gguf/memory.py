"""Does a model fit this machine: free memory, GPUs, what the build can use. Loads nothing.

Answers take milliseconds and are estimates on the high side; only loading a model is exact.
"""

from __future__ import annotations

import csv
import functools
import importlib.util
import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperllama.models.gguf.metadata import ModelFile

_GPU_PROGRAM_MB = {"CUDA": 800.0}
_GPU_PROGRAM_USUAL_MB = 400.0
"""What each GPU in use holds beside layers and cache: the driver's part, and llama.cpp's buffers.
With CUDA 756 and 788 MB (H200, CUDA 13.0; benchmarks/gpu_offload.py); others were not measured."""
LOAD_OVERHEAD_MB = 60
"""Python, numpy and llama.cpp themselves, measured; a graph's own buffers come on top."""
_TOKEN_BYTES = 440
"""What each token of the vocabulary takes: its text, once in llama.cpp and once in Python, and its
logits in 16 rows, twice; from the peaks of two models (benchmarks/memory.py)."""
_KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
_QUERY_S = 5.0
_LIBRARIES = {"cuda": "CUDA", "hip": "ROCm", "vulkan": "Vulkan", "metal": "Metal", "sycl": "SYCL"}


@dataclass(frozen=True)
class Gpu:
    """A graphics processor; memory in MiB."""

    name: str
    free_mb: float
    total_mb: float


@dataclass(frozen=True)
class Machine:
    """What is there to load a model into.

    Attributes:
        free_mb: main memory that is available, MiB.
        gpus: those found, usable or not.
        backends: what this build of llama.cpp can offload to ("CUDA", ...); empty for CPU only.
    """

    free_mb: float
    gpus: tuple[Gpu, ...] = ()
    backends: tuple[str, ...] = ()

    @property
    def can_offload(self) -> bool:
        """Whether layers can go to a GPU: the build is able to, and there is one."""
        return bool(self.backends and self.gpus)

    @property
    def gpu_program_mb(self) -> float:
        """What llama.cpp takes of each GPU beside layers and cache, MiB."""
        known = [_GPU_PROGRAM_MB[b] for b in self.backends if b in _GPU_PROGRAM_MB]
        return max(known, default=_GPU_PROGRAM_USUAL_MB)


@dataclass(frozen=True)
class Fit:
    """How a model would lie in memory.

    Attributes:
        needed_mb: memory of the model and its context, at this length, in all.
        ram_mb, gpu_mb: what of it lies in main memory, and on GPUs; there with what each GPU in use
            holds beside it.
        layers: of the model, its output layer counted; gpu_layers: how many of them on GPUs.
        fits: whether main memory has room for its share.
    """

    needed_mb: float
    ram_mb: float
    gpu_mb: float
    layers: int
    gpu_layers: int
    fits: bool


def machine() -> Machine:
    """This machine, now."""
    import psutil

    return Machine(psutil.virtual_memory().available / 2**20, tuple(gpus()), build_backends())


def fit(model: ModelFile, context_length: int, here: Machine, kv_type: str = "f16") -> Fit:
    """Where the model's layers would lie with a context of so many tokens.

    Layers count as equally large, which they nearly are; the cache goes along with its layer. An
    embedded model stays on the processor, as it does when it is loaded.
    """
    needed = estimate_memory_mb(model, context_length, kv_type)
    layers = model.layers + 1
    a_layer = max(needed - LOAD_OVERHEAD_MB, 0.0) / layers
    on_gpu = 0
    if here.can_offload and a_layer > 0 and not model.is_embedded_dialect:
        room = [max(g.free_mb - here.gpu_program_mb, 0.0) for g in here.gpus]
        on_gpu = min(layers, sum(int(r // a_layer) for r in room))
    ram = needed - on_gpu * a_layer
    beside = here.gpu_program_mb * len(here.gpus) if on_gpu else 0.0
    return Fit(needed, ram, on_gpu * a_layer + beside, layers, on_gpu, ram <= here.free_mb)


def gpus() -> list[Gpu]:
    """The machine's GPUs with their memory, as the driver reports it; none without one."""
    return _nvidia() or _amd() or _apple()


@functools.lru_cache(maxsize=1)
def build_backends() -> tuple[str, ...]:
    """What the installed llama.cpp can offload to, from the names of its libraries."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or not spec.submodule_search_locations:
        return ()
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    try:
        names = [p.name.lower() for p in folder.iterdir()]
    except OSError:
        return ()
    return tuple(
        text for key, text in _LIBRARIES.items() if any(f"ggml-{key}" in n for n in names)
    )


def _nvidia() -> list[Gpu]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(
            query, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_QUERY_S,
            check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []  # the driver is not loaded, or hangs: no GPU that could be used
    return _table(output)


def _table(output: str) -> list[Gpu]:
    """GPUs from rows of name, free MiB, total MiB; rows that hold something else are left out."""
    found = []
    for row in csv.reader(io.StringIO(output), skipinitialspace=True):
        try:
            name, free, total = row
            found.append(Gpu(name, float(free), float(total)))
        except ValueError:
            continue
    return found


def _amd(root: Path = Path("/sys/class/drm")) -> list[Gpu]:
    found = []
    for card in sorted(root.glob("card[0-9]*")):
        numbers = _numbers([card / "device" / f"mem_info_vram_{w}" for w in ("total", "used")])
        if len(numbers) == 2:
            total, used = (n / 2**20 for n in numbers)
            found.append(Gpu(f"AMD {card.name}", total - used, total))
    return found


def _numbers(files: Sequence[Path]) -> list[int]:
    try:
        return [int(f.read_text("ascii")) for f in files]
    except (OSError, ValueError):
        return []


def _apple() -> list[Gpu]:
    """Apple's GPUs work in main memory, of which Metal gives them about two thirds."""
    if sys.platform != "darwin":
        return []
    import platform

    if platform.machine() != "arm64":
        return []
    import psutil

    memory = psutil.virtual_memory()
    share = 2 / 3 / 2**20
    return [Gpu("Apple", memory.available * share, memory.total * share)]


def estimate_memory_mb(
    model: ModelFile, context_length: int, kv_type: str = "f16", batch: int = 512
) -> float:
    """Memory that loading takes: weights, cache, buffers; MiB. Rough, on the high side."""
    return sum(memory_parts_mb(model, context_length, kv_type, batch).values())


def memory_parts_mb(
    model: ModelFile, context_length: int, kv_type: str = "f16", batch: int = 512
) -> dict[str, float]:
    """What the memory is taken by: "weights", "cache", "buffers", "program"; MiB."""
    cache = context_length * model.kv_values * _KV_BYTES.get(kv_type, 2.0)
    buffers = 4 * batch * (12 * model.width + 1024) + _TOKEN_BYTES * model.vocabulary
    return {
        "weights": model.size_bytes / 2**20,
        "cache": cache / 2**20,
        "buffers": buffers / 2**20,
        "program": float(LOAD_OVERHEAD_MB),
    }


def default_context(model: ModelFile, wanted: int = 0) -> int:
    """Tokens the context gets: `wanted`, or the model's own length, at most 8192."""
    return wanted or min(model.trained_context or 4096, 8192)
