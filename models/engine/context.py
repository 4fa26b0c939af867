"""One llama.cpp context of a loaded model: evaluate tokens, re-use the cache.

Rows of logits are float32 of shape (n_vocab,), views that the next evaluation overwrites.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from hyperllama.models.engine.generation import MAX_SAMPLES
from hyperllama.models.engine.library import last_error
from hyperllama.models.engine.loading import LoadedModel
from hyperllama.models.engine.settings import EngineSettings, ModelInfo
from hyperllama.models.errors import EngineError, ModelFileError

Row = NDArray[np.float32]
Run = tuple[int, int, Sequence[int]]

SEQUENCES = MAX_SAMPLES + 1
"""Parallel sequences of a context; the last is scratch for beliefs and scores."""
SCRATCH = SEQUENCES - 1
_KV = {"f16": 1, "q8_0": 8, "q4_0": 2}


class RequestCancelled(Exception):
    """The parent has cancelled the request."""


class Context(LoadedModel):
    """A model ready to run: its weights with one llama.cpp context.

    Args and errors are those of `LoadedModel`.
    """

    def __init__(
        self,
        path: Path,
        settings: EngineSettings,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        begin = time.perf_counter()
        super().__init__(path, settings, on_progress)
        self.pointer: Any = None  # the llama_context, for llama.cpp's own functions
        self.tokens: list[int] = []  # what sequence 0 holds, and where its pieces end
        self.ends: list[int] = []
        self.native_s = 0.0
        self.evaluated = 0
        while True:
            try:
                self._check_model()
                self._open()
                self._prepare_batch()
                self._warm_up()
                break
            except BaseException as error:
                self.close()
                if not (isinstance(error, EngineError) and self.untried):
                    raise
                self.place(on_progress)  # the GPU had room for the weights alone
        self.load_s = time.perf_counter() - begin

    def _open(self) -> None:
        lib, settings = self.library, self.settings
        params = lib.llama_context_default_params()
        params.n_ctx = self.length
        params.n_batch = params.n_ubatch = settings.batch
        params.n_seq_max = SEQUENCES
        params.kv_unified = True
        params.n_outputs_max = SEQUENCES
        params.n_threads = params.n_threads_batch = self.threads
        params.type_k = params.type_v = _KV[settings.kv_type]
        if self.flash_attention is not None:
            params.flash_attn_type = int(self.flash_attention)
        self.pointer = lib.llama_init_from_model(self.model, params)
        if not self.pointer:
            raise self.no_context()
        self._memory = lib.llama_get_memory(self.pointer)
        if not self._memory:
            raise ModelFileError(f"{self.file.path}: the model keeps no context")
        self.length = int(lib.llama_n_ctx_seq(self.pointer))

    def _prepare_batch(self) -> None:
        n = self.settings.batch
        self._token = np.zeros(n, np.int32)
        self._position = np.zeros(n, np.int32)
        self._sequence = np.zeros(n, np.int32)
        self._wanted = np.zeros(n, np.int8)
        ones = np.ones(n, np.int32)
        pointers = (self._sequence.ctypes.data + 4 * np.arange(n)).astype(np.uintp)
        self._held = (ones, pointers)  # llama.cpp reads them at every call
        batch = self.library.llama_batch()
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
        """Run batches, so that a model that crashes or lacks memory on the GPU does so now."""
        bos = max(self.vocabulary.bos, 0)
        most = [min(self.settings.batch, self.length)] if self.gpu_layers else []
        for count in (*most, 2, 1):
            self.evaluate([(0, 0, [bos] * count)])
            self.forget()
        self.native_s = 0.0
        self.evaluated = 0

    def info(self, sha256: str, notes: Sequence[str]) -> ModelInfo:
        """What was loaded, as it really is."""
        lib, file = self.library, self.file
        flash = {None: "auto", True: "on", False: "off"}[self.flash_attention]
        return ModelInfo(
            name=file.name,
            architecture=file.architecture,
            quantisation=file.quantisation,
            parameters=int(lib.llama_model_n_params(self.model)),
            path=str(file.path.resolve()),
            size_mb=file.size_mb,
            sha256=sha256,
            context_length=self.length,
            trained_context=int(lib.llama_model_n_ctx_train(self.model)),
            layers=int(lib.llama_model_n_layer(self.model)),
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

    def close(self) -> None:
        """Free context and weights. Idempotent."""
        if self.pointer:
            self.library.llama_free(self.pointer)
        self.pointer = None
        super().close()

    # -- evaluating ----------------------------------------------------------------------------

    def evaluate(self, runs: Sequence[Run]) -> list[Row]:
        """Evaluate some tokens, in one call of llama_decode or, where that is quicker, one by one.

        Args:
            runs: sequence, position of the first token, tokens; together at most a batch.

        Returns:
            Logits after the last token of each run; valid until the next call.

        Raises:
            EngineError: the context is full, or llama.cpp fails; the cache is empty then.
        """
        if len(runs) == 1 and 1 < len(runs[0][2]) <= self.one_by_one:
            runs = [self._evaluate_first(runs[0], len(runs[0][2]) - 1)]
        return [self._logits(i) for i in self._decode(runs)]

    def _evaluate_unseen(self, run: Run) -> None:
        """Like `evaluate`, for tokens whose logits are not needed."""
        if len(run[2]) > self.one_by_one:
            self._decode([run], logits=False)
        else:
            self._evaluate_first(run, len(run[2]))

    def _evaluate_first(self, run: Run, count: int) -> Run:
        """Evaluate the first `count` tokens one by one; the rest of the run."""
        sequence, position, tokens = run
        for i in range(count):
            self._decode([(sequence, position + i, tokens[i : i + 1])], logits=False)
        return sequence, position + count, tokens[count:]

    def _decode(self, runs: Sequence[Run], logits: bool = True) -> list[int]:
        """One call of llama_decode; the places in the batch where the runs end."""
        at = 0
        last: list[int] = []
        for sequence, position, tokens in runs:
            end = at + len(tokens)
            self._token[at:end] = tokens
            self._position[at:end] = np.arange(position, position + len(tokens))
            self._sequence[at:end] = sequence
            self._wanted[at:end] = False
            self._wanted[end - 1] = logits
            last.append(end - 1)
            at = end
        self._batch.n_tokens = at
        begin = time.perf_counter()
        failed = self.library.llama_decode(self.pointer, self._batch)
        self.native_s += time.perf_counter() - begin
        if failed:
            self.forget()
            if failed == 1:
                raise EngineError(
                    f"the context of {self.length} tokens is full",
                    "a larger context length, a shorter history, or fewer samples",
                )
            raise EngineError(f"llama.cpp could not evaluate {at} tokens: {last_error()}")
        self.evaluated += at
        return last

    def _logits(self, index: int) -> Row:
        pointer = self.library.llama_get_logits_ith(self.pointer, index)
        address = ctypes.addressof(pointer.contents)
        row: Row = np.frombuffer(self._row.from_address(address), np.float32)  # type: ignore[call-overload]
        return row

    def forget(self) -> None:
        """Empty the cache."""
        self.library.llama_memory_clear(self._memory, False)
        self.tokens, self.ends = [], []

    def start(
        self,
        tokens: Sequence[int],
        ends: Sequence[int],
        cancelled: Callable[[], bool],
        on_reading: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Row, int]:
        """Bring sequence 0 to hold exactly `tokens`; the logits after them, and how many it held.

        `ends` says where the pieces end that are evaluated together, the last at len(tokens). A
        piece is taken from the cache only if it was evaluated as the same piece. `on_reading` is
        called with the tokens evaluated so far, and all that were not in the cache.

        Raises:
            RequestCancelled: `cancelled` became true between two pieces.
        """
        kept = in_common(tokens, ends, self.tokens, self.ends)
        pieces = ends.index(kept) + 1 if kept else 0
        for sequence in range(1, SEQUENCES):
            self.drop(sequence)
        if not self.library.llama_memory_seq_rm(self._memory, 0, kept, -1):
            self.forget()  # a recurrent model cannot go back
            kept = pieces = 0
        self.tokens, self.ends = list(tokens[:kept]), list(ends[:pieces])
        row, at = None, kept
        on_reading(0, len(tokens) - kept)
        for end in ends[pieces:]:
            if cancelled():
                raise RequestCancelled
            run: Run = (0, at, tokens[at:end])
            if end == len(tokens):
                (row,) = self.evaluate([run])
            else:
                self._evaluate_unseen(run)
            self.tokens += tokens[at:end]
            self.ends.append(end)
            at = end
            on_reading(at - kept, len(tokens) - kept)
        assert row is not None
        return row, kept

    def fork(self, sequence: int, other: int) -> None:
        """Let `other` hold what `sequence` holds, without evaluating anything."""
        self.drop(other)
        self.library.llama_memory_seq_cp(self._memory, sequence, other, -1, -1)

    def drop(self, sequence: int) -> None:
        """Let `sequence` hold nothing."""
        self.library.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def cut(self, sequence: int, length: int) -> bool:
        """Drop what `sequence` holds from position `length` on; False if the model cannot."""
        return bool(self.library.llama_memory_seq_rm(self._memory, sequence, length, -1))


def in_common(
    tokens: Sequence[int], ends: Sequence[int], held: Sequence[int], held_ends: Sequence[int]
) -> int:
    """How many of `tokens` are held and were evaluated in the same pieces; the last piece counts
    never, because its logits are wanted."""
    kept = 0
    for mine, other in zip(ends[:-1], held_ends, strict=False):
        if mine != other or tokens[kept:mine] != held[kept:mine]:
            break
        kept = mine
    return kept
