"""The weights of one model, loaded by llama.cpp, and how they are to be run on this machine."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from hyperllama.models.engine.library import (
    last_error,
    last_errors,
    load_library,
    out_of_memory,
)
from hyperllama.models.engine.settings import EngineSettings
from hyperllama.models.engine.vocabulary import Vocabulary
from hyperllama.models.errors import EngineError, ModelFileError
from hyperllama.models.gguf import check_model, default_context, estimate_memory_mb
from hyperllama.models.process.processors import default_threads, usable_processors

CHUNK, EMBEDDED_CHUNK = 64, 32
"""Tokens of a prompt that are evaluated together, see `EngineSettings.chunk`. Without flash
attention a prompt of the embedded model, 270 tokens, takes 25 ms as one piece and 15 in 32s."""
_ONE_BY_ONE = 6
"""So many tokens or fewer are evaluated one by one, where that is quicker."""


class LoadedModel:
    """Weights and vocabulary of a model.

    Args:
        path: a file that `check_model` accepts.
        settings: how to load it.
        on_progress: called with 0 to 1 while weights are read.

    Raises:
        ModelFileError: llama.cpp refuses the file.
        EngineError: it does not fit into memory.
    """

    def __init__(
        self, path: Path, settings: EngineSettings, on_progress: Callable[[float], None]
    ) -> None:
        self.file = check_model(path)
        self.settings = settings
        self.library = load_library()
        self.model: Any = None
        self.can_offload = bool(self.library.llama_supports_gpu_offload())
        self.threads = settings.threads or engine_threads()
        self.length = default_context(self.file, settings.context_length)
        self.untried = self._placements()
        self.place(on_progress)

    def place(self, on_progress: Callable[[float], None]) -> None:
        """Load the weights, with the next number of layers on the GPU that has not been tried."""
        settings = self.settings
        self.gpu_layers = self._load(on_progress)
        self.vocabulary = Vocabulary(self.library, self.model)
        chunk = EMBEDDED_CHUNK if self.file.is_embedded_dialect else CHUNK
        self.chunk = settings.chunk or min(settings.batch, chunk)
        self.one_by_one = self._one_by_one()
        self.flash_attention = settings.flash_attention
        if self.flash_attention is None and settings.kv_type != "f16":
            self.flash_attention = True
        elif self.flash_attention is None and not self.gpu_layers:
            # on a processor it takes up to twice as long for fewer than 64 tokens at once
            self.flash_attention = False

    def _one_by_one(self) -> int:
        """Up to how many tokens are quicker one by one than together.

        llama.cpp's kernel for several tokens and weights of Q8_0 takes on x86 as long for two
        tokens as for three alone (59 ms and 20 ms each, of them 5 for logits that only the last
        one needs), until at 8 it overtakes; with many threads memory is the limit and it wins.
        """
        x86 = platform.machine().lower() in ("x86_64", "amd64")
        slow = x86 and self.file.quantisation == "Q8_0" and not self.gpu_layers
        return _ONE_BY_ONE if slow and self.threads <= 2 else 1

    def _check_memory(self) -> None:
        settings = self.settings
        if settings.ignore_memory:
            return
        needed = estimate_memory_mb(self.file, self.length, settings.kv_type, settings.batch)
        free = psutil.virtual_memory().available / 2**20
        if needed > free:
            raise EngineError(
                f"{self.file.path.name} needs about {needed:,.0f} MB of memory with a context of "
                f"{self.length} tokens; {free:,.0f} MB are free",
                "a smaller model, a stronger quantisation, or a smaller context length",
            )

    def _placements(self) -> list[int]:
        """How many layers to try on the GPU, in this order."""
        wanted, most = self.settings.gpu_layers, self.file.layers + 1
        if not self.can_offload or wanted == "none":
            return [0]
        if wanted == "auto" and self.file.is_embedded_dialect:
            return [0]  # milliseconds there; a GPU takes a second and 800 MB before it begins
        if wanted == "auto":
            return list(dict.fromkeys([most, most * 3 // 4, most // 2, most // 4, 0]))
        return [most if wanted == "all" else min(int(wanted), most)]

    def _load(self, on_progress: Callable[[float], None]) -> int:
        lib = self.library
        last_errors.clear()

        @lib.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(share: float, _data: object) -> bool:
            on_progress(float(share))
            return True

        layers, nowhere = 0, (ctypes.c_void_p * 1)()
        while self.untried:
            layers = self.untried.pop(0)
            params = lib.llama_model_default_params()
            params.n_gpu_layers = layers
            if not layers:  # else llama.cpp takes memory on the GPU even so, and ends without it
                self._check_memory()
                params.devices = ctypes.cast(nowhere, ctypes.c_void_p)
            params.progress_callback = progress
            params.use_extra_bufts = self.settings.repack
            self.model = lib.llama_model_load_from_file(os.fsencode(self.file.path), params)
            if self.model:
                return layers
        if out_of_memory():
            raise self._no_room(layers)
        raise ModelFileError(
            f"llama.cpp cannot load {self.file.path}: {last_error()}",
            "the file may be damaged, or newer than this llama.cpp; the engine's log has more",
        )

    def no_context(self) -> EngineError:
        """What to say where llama.cpp makes no context for the weights that are loaded."""
        if out_of_memory():
            return self._no_room(self.gpu_layers)
        return EngineError(
            f"llama.cpp cannot make a context of {self.length} tokens: {last_error()}",
            "try a smaller context length, kv_type f16, or fewer gpu_layers",
        )

    def _no_room(self, layers: int) -> EngineError:
        """What to say where memory does not suffice for a model with so many layers on the GPU."""
        if layers:
            return EngineError(
                f"{self.file.path.name} with {layers} of {self.file.layers + 1} layers on the GPU "
                f"and a context of {self.length} tokens needs more memory than the GPU has free: "
                f"{last_error()}",
                "--gpu-layers auto puts as many there as fit, none leaves it out; or end other "
                "programs that use the GPU, or a smaller --context",
            )
        return EngineError(
            f"{self.file.path.name} needs more memory than is free: {last_error()}",
            "a smaller model, a stronger quantisation, or a smaller context length",
        )

    def _check_model(self) -> None:
        lib = self.library
        if lib.llama_model_has_encoder(self.model) or not lib.llama_model_has_decoder(self.model):
            raise ModelFileError(
                f"{self.file.path}: it does not continue text", "choose a decoder-only model"
            )
        if lib.llama_model_is_diffusion(self.model):
            raise ModelFileError(f"{self.file.path}: diffusion models are not supported")
        if self.vocabulary.size < 2:
            raise ModelFileError(f"{self.file.path}: it has no vocabulary")

    def close(self) -> None:
        """Free the weights. Idempotent."""
        if self.model:
            self.library.llama_model_free(self.model)
        self.model = None


def engine_threads() -> int:
    """Physical cores, but one of them left to the rest of the machine; at most 16."""
    physical = psutil.cpu_count(logical=False) or usable_processors()
    return max(min(physical - 1, 16, default_threads()), 1)
