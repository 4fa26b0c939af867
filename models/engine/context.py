"""One loaded model with one llama.cpp context: load, evaluate tokens, re-use the cache.

Rows of logits are float32 of shape (n_vocab,), views that the next evaluation overwrites.
"""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from hyperllama.models.engine.generation import MAX_SAMPLES
from hyperllama.models.engine.library import last_complaints, load_library
from hyperllama.models.engine.settings import EngineSettings, ModelInfo
from hyperllama.models.engine.vocabulary import Vocabulary
from hyperllama.models.errors import EngineError, ModelFileError
from hyperllama.models.gguf import (
    ModelFile,
    check_model,
    default_context,
    estimate_memory_mb,
)

Row = NDArray[np.float32]
Run = tuple[int, int, Sequence[int]]

SEQUENCES = MAX_SAMPLES + 1
"""Parallel sequences of a context; the last is scratch for beliefs and scores."""
SCRATCH = SEQUENCES - 1
PIECE = 64
"""Tokens of a prompt that are evaluated together, see `EngineSettings.chunk`."""
OUTPUTS = 64
"""Most rows of logits in one call; buffers are as large as this asks."""
_KV = {"f16": 1, "q8_0": 8, "q4_0": 2}
_FEW = 6
"""So many tokens or fewer are evaluated one by one, see `Context.few`."""


class RequestCancelled(Exception):
    """The parent no longer wants the result."""


class Context:
    """A model ready to run.

    Args:
        path: a file that `check_model` accepts.
        settings: how to load it.
        on_progress: called with 0 to 1 while weights are read.

    Raises:
        ModelFileError: llama.cpp refuses the file.
        EngineError: it does not fit, or the settings do not.
    """

    def __init__(
        self,
        path: Path,
        settings: EngineSettings,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        begin = time.perf_counter()
        self.file = check_model(path)
        self.settings = settings
        self.library = self._lib = lib = load_library()
        self._model: Any = None
        self._context: Any = None
        self.can_offload = bool(lib.llama_supports_gpu_offload())
        self.threads = settings.threads or sensible_threads()
        self.length = default_context(self.file, settings.context_length)
        whole = self.file.is_embedded_dialect or settings.batch < PIECE
        self.chunk = settings.chunk or (settings.batch if whole else PIECE)
        self.flash_attention = settings.flash_attention
        self._check_memory()
        self.gpu_layers = self._load(on_progress)
        self.few = self._few()
        if self.flash_attention is None and settings.kv_type != "f16":
            self.flash_attention = True
        elif self.flash_attention is None and not self.gpu_layers and not whole:
            # on a processor it takes up to twice as long for fewer than 64 tokens at once
            self.flash_attention = False
        try:
            self.vocabulary = Vocabulary(lib, self._model)
            self._check_model()
            self._open_context()
            self._prepare_batch()
            self._warm_up()
        except BaseException:
            self.close()
            raise
        self.load_s = time.perf_counter() - begin

    # -- loading -------------------------------------------------------------------------------

    def _check_memory(self) -> None:
        settings = self.settings
        if settings.ignore_memory or (self.can_offload and settings.gpu_layers != "none"):
            return
        needed = estimate_memory_mb(self.file, self.length, settings.kv_type, settings.batch)
        free = psutil.virtual_memory().available / 2**20
        if needed > free:
            raise EngineError(
                f"{self.file.path.name} needs about {needed:,.0f} MB of memory with a context of "
                f"{self.length} tokens; {free:,.0f} MB are free",
                "a smaller model, a stronger quantisation, or a smaller context length",
            )

    def _load(self, on_progress: Callable[[float], None]) -> int:
        lib, wanted = self._lib, self.settings.gpu_layers
        most = self.file.layers + 1
        if not self.can_offload or wanted == "none":
            tries = [0]
        elif wanted == "auto":
            tries = [most, most * 3 // 4, most // 2, most // 4, 0]
        else:
            tries = [most if wanted == "all" else int(wanted)]
        last_complaints.clear()

        @lib.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(share: float, _data: object) -> bool:
            on_progress(float(share))
            return True

        for layers in tries:
            params = lib.llama_model_default_params()
            params.n_gpu_layers = layers
            params.progress_callback = progress
            params.use_extra_bufts = self.settings.repack
            self._model = lib.llama_model_load_from_file(os.fsencode(self.file.path), params)
            if self._model:
                return min(layers, most)
        raise ModelFileError(
            f"llama.cpp cannot load {self.file.path}: {_complaint()}",
            "the file may be damaged, or newer than this llama.cpp; the engine's log has more",
        )

    def _few(self) -> int:
        """Up to how many tokens are quicker one by one than together; always the same here.

        llama.cpp's kernel for several tokens and weights of Q8_0 takes on x86 as long for two
        tokens as for three alone (59 ms and 20 ms each, of them 5 for logits that only the last
        one needs), until at 8 it overtakes; with many threads memory is the limit and it wins.
        """
        x86 = platform.machine().lower() in ("x86_64", "amd64")
        slow = x86 and self.file.quantisation == "Q8_0" and not self.gpu_layers
        return _FEW if slow and self.threads <= 2 else 1

    def _check_model(self) -> None:
        lib = self._lib
        if lib.llama_model_has_encoder(self._model) or not lib.llama_model_has_decoder(self._model):
            raise ModelFileError(
                f"{self.file.path}: it does not continue text", "choose a decoder-only model"
            )
        if lib.llama_model_is_diffusion(self._model):
            raise ModelFileError(f"{self.file.path}: diffusion models are not supported")
        if self.vocabulary.size < 2:
            raise ModelFileError(f"{self.file.path}: it has no vocabulary")

    def _open_context(self) -> None:
        lib, settings = self._lib, self.settings
        params = lib.llama_context_default_params()
        params.n_ctx = self.length
        params.n_batch = params.n_ubatch = settings.batch
        params.n_seq_max = SEQUENCES
        params.kv_unified = True
        params.n_outputs_max = OUTPUTS
        params.n_threads = params.n_threads_batch = self.threads
        params.type_k = params.type_v = _KV[settings.kv_type]
        if self.flash_attention is not None:
            params.flash_attn_type = int(self.flash_attention)
        self._context = lib.llama_init_from_model(self._model, params)
        if not self._context:
            raise EngineError(
                f"llama.cpp cannot make a context of {self.length} tokens: {_complaint()}",
                "try a smaller context length, kv_type f16, or fewer gpu_layers",
            )
        self._memory = lib.llama_get_memory(self._context)
        if not self._memory:
            raise ModelFileError(f"{self.file.path}: the model keeps no context")
        self.length = int(lib.llama_n_ctx_seq(self._context))
        self.tokens: list[int] = []
        self.ends: list[int] = []
        self.native_s = 0.0
        self.evaluated = 0

    def _prepare_batch(self) -> None:
        n = self.settings.batch
        self._token = np.zeros(n, np.int32)
        self._position = np.zeros(n, np.int32)
        self._sequence = np.zeros(n, np.int32)
        self._wanted = np.zeros(n, np.int8)
        ones = np.ones(n, np.int32)
        pointers = (self._sequence.ctypes.data + 4 * np.arange(n)).astype(np.uintp)
        self._held = (ones, pointers)  # llama.cpp reads them at every call
        batch = self._lib.llama_batch()
        for name, array in (
            ("token", self._token),
            ("pos", self._position),
            ("n_seq_id", ones),
            ("seq_id", pointers),
            ("logits", self._wanted),
        ):
            kind = dict(batch._fields_)[name]
            setattr(batch, name, ctypes.cast(array.ctypes.data, kind))
        self._batch = batch
        self._row = ctypes.c_float * self.vocabulary.size

    def _warm_up(self) -> None:
        """Run two batches, so that a model that crashes does so now."""
        bos = max(self.vocabulary.bos, 0)
        for count in (2, 1):
            self.evaluate([(0, 0, [bos] * count)])
            self.forget()
        self.native_s = 0.0
        self.evaluated = 0

    def info(self, sha256: str, notes: Sequence[str]) -> ModelInfo:
        """What was loaded, as it really is."""
        lib, file = self._lib, self.file
        flash = {None: "auto", True: "on", False: "off"}[self.flash_attention]
        return ModelInfo(
            name=file.name,
            architecture=file.architecture,
            quantisation=file.quantisation,
            parameters=int(lib.llama_model_n_params(self._model)),
            path=str(file.path.resolve()),
            size_mb=file.size_mb,
            sha256=sha256,
            context_length=self.length,
            trained_context=int(lib.llama_model_n_ctx_train(self._model)),
            layers=int(lib.llama_model_n_layer(self._model)),
            gpu_layers=self.gpu_layers,
            threads=self.threads,
            kv_type=self.settings.kv_type,
            flash_attention=flash,
            memory_mb=psutil.Process().memory_info().rss / 2**20,
            load_s=self.load_s,
            has_chat_template=file.has_chat_template,
            embedded_dialect=file.dialect_version,
            vocabulary=self.vocabulary.size,
            backend=lib.llama_print_system_info().decode("utf-8", "replace").strip(" |"),
            gpu_offload=self.can_offload,
            mmap=bool(lib.llama_supports_mmap()),
            notes=tuple(notes),
            metadata=dict(file.metadata),
        )

    @property
    def pointer(self) -> Any:
        """The llama_context, for llama.cpp's own functions."""
        return self._context

    def close(self) -> None:
        """Free context and weights. Idempotent."""
        if self._context:
            self._lib.llama_free(self._context)
        if self._model:
            self._lib.llama_model_free(self._model)
        self._context = self._model = None

    # -- evaluating ----------------------------------------------------------------------------

    def evaluate(self, runs: Sequence[Run], *, every: bool = False) -> list[Row]:
        """Evaluate some tokens, in one call of llama_decode or, where that is quicker, one by one.

        Args:
            runs: sequence, position of the first token, tokens; together at most a batch.
            every: give the logits after every token, not only after the last of each run; for at
                most OUTPUTS tokens.

        Returns:
            Logits, in the order of the tokens; valid until the next call.

        Raises:
            EngineError: the context is full, or llama.cpp fails; the cache is empty then.
        """
        if len(runs) == 1 and not every and 1 < len(runs[0][2]) <= self.few:
            ((sequence, position, tokens),) = runs
            for i, token in enumerate(tokens[:-1]):
                self._decode([(sequence, position + i, [token])], logits=False)
            runs = [(sequence, position + len(tokens) - 1, tokens[-1:])]
        return [self._logits(i) for i in self._decode(runs, every=every)]

    def _pass_over(self, run: Run) -> None:
        """Like `evaluate`, for tokens whose logits nobody wants."""
        sequence, position, tokens = run
        if len(tokens) > self.few:
            self._decode([run], logits=False)
            return
        for i, token in enumerate(tokens):
            self._decode([(sequence, position + i, [token])], logits=False)

    def _decode(
        self, runs: Sequence[Run], *, every: bool = False, logits: bool = True
    ) -> list[int]:
        """One call of llama_decode; the places in the batch that have logits."""
        at = 0
        wanted: list[int] = []
        for sequence, position, tokens in runs:
            end = at + len(tokens)
            self._token[at:end] = tokens
            self._position[at:end] = np.arange(position, position + len(tokens))
            self._sequence[at:end] = sequence
            self._wanted[at:end] = every
            self._wanted[end - 1] = logits
            wanted += range(at, end) if every else [end - 1]
            at = end
        self._batch.n_tokens = at
        begin = time.perf_counter()
        failed = self._lib.llama_decode(self._context, self._batch)
        self.native_s += time.perf_counter() - begin
        if failed:
            self.forget()
            if failed == 1:
                raise EngineError(
                    f"the context of {self.length} tokens is full",
                    "a larger context length, a shorter history, or fewer samples",
                )
            raise EngineError(f"llama.cpp could not evaluate {at} tokens: {_complaint()}")
        self.evaluated += at
        return wanted

    def _logits(self, index: int) -> Row:
        pointer = self._lib.llama_get_logits_ith(self._context, index)
        address = ctypes.addressof(pointer.contents)
        row: Row = np.frombuffer(self._row.from_address(address), np.float32)  # type: ignore[call-overload]
        return row

    def forget(self) -> None:
        """Empty the cache."""
        self._lib.llama_memory_clear(self._memory, False)
        self.tokens, self.ends = [], []

    def start(
        self, tokens: Sequence[int], ends: Sequence[int], cancelled: Callable[[], bool]
    ) -> tuple[Row, int]:
        """Bring sequence 0 to hold exactly `tokens`; the logits after them, and how many it held.

        `ends` says where the pieces end that are evaluated together, the last at len(tokens). A
        piece is taken from the cache only if it was evaluated as the same piece.

        Raises:
            RequestCancelled: `cancelled` became true between two pieces.
        """
        kept = pieces = 0
        for mine, other in zip(ends[:-1], self.ends, strict=False):
            if mine != other or tokens[kept:mine] != self.tokens[kept:mine]:
                break
            kept, pieces = mine, pieces + 1
        for sequence in range(1, SEQUENCES):
            self.drop(sequence)
        if not self._lib.llama_memory_seq_rm(self._memory, 0, kept, -1):
            self.forget()  # a recurrent model cannot go back
            kept = pieces = 0
        self.tokens, self.ends = list(tokens[:kept]), list(ends[:pieces])
        row, at = None, kept
        for end in ends[pieces:]:
            if cancelled():
                raise RequestCancelled
            run: Run = (0, at, tokens[at:end])
            if end == len(tokens):
                (row,) = self.evaluate([run])
            else:
                self._pass_over(run)
            self.tokens += tokens[at:end]
            self.ends.append(end)
            at = end
        assert row is not None
        return row, kept

    def fork(self, sequence: int, other: int) -> None:
        """Let `other` hold what `sequence` holds, without evaluating anything."""
        self.drop(other)
        self._lib.llama_memory_seq_cp(self._memory, sequence, other, -1, -1)

    def drop(self, sequence: int) -> None:
        """Let `sequence` hold nothing."""
        self._lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def cut(self, sequence: int, length: int) -> bool:
        """Drop what `sequence` holds from position `length` on; False if the model cannot."""
        return bool(self._lib.llama_memory_seq_rm(self._memory, sequence, length, -1))


def sensible_threads() -> int:
    """Physical cores, but one of them left to the rest of the machine; at most 16."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    physical = psutil.cpu_count(logical=False) or allowed or 1
    return max(min(physical, allowed or 1, 17) - 1, 1)


def memory_estimate_mb(file: ModelFile, settings: EngineSettings) -> float:
    """Memory that `file` would take with `settings`; MiB."""
    length = default_context(file, settings.context_length)
    return estimate_memory_mb(file, length, settings.kv_type, settings.batch)


def _complaint() -> str:
    return "; ".join(list(last_complaints)[-2:]) or "it gave no reason"
