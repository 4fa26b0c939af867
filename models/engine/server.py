"""The engine's process: the one owner of one llama.cpp context. Its requests are in `messages`."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hyperllama.models.engine import messages
from hyperllama.models.engine.cache import restore_cache, save_cache, set_aside
from hyperllama.models.engine.chat import RENDERER, render
from hyperllama.models.engine.context import Context
from hyperllama.models.engine.generation import Generated
from hyperllama.models.engine.later import LaterPrompt
from hyperllama.models.engine.programme import read, run
from hyperllama.models.engine.settings import ModelInfo
from hyperllama.models.errors import EngineError, HyperLlamaError
from hyperllama.models.gguf import file_sha256
from hyperllama.models.process.serve import ChildRequest, serve

HASH_AT_ONCE_BYTES = 64 << 20
REPORT_S = 0.03
"""Shortest time between two reports of progress, or of text."""
ALIVE_S = 1.0
"""Longest time without a report while a reply is made."""
_LOWEST_PRIORITY = 19
_LEAVE_CONTEXT = (
    messages.Tokenize, messages.Detokenize, messages.CountTokens, messages.RenderChat,
    messages.Sha256, messages.ReadAhead, messages.FinishReading,
)  # fmt: skip
"""Requests that leave the context alone; others end what is read ahead."""


class Server:
    """Holds what is loaded; one request at a time."""

    def __init__(self) -> None:
        self._context: Context | None = None
        self._hash: str | HyperLlamaError = ""
        self._hashing: threading.Thread | None = None
        self._reading: threading.Thread | None = None
        self._tokens_read = 0
        self._parts: Sequence[str] = ()  # what is being read ahead, or was when it was ended
        self._stop_reading = threading.Event()
        self._later: LaterPrompt | None = None

    def handle(self, call: ChildRequest) -> Iterator[dict[str, Any]]:
        """Answer one request."""
        request = messages.request_of(call)
        if not isinstance(request, _LEAVE_CONTEXT):
            self._end_reading()
            if self._later is not None and not _is_reply(request):
                self._later.leave(self.context)
        yield {"done": self.answer(request, call)}

    @functools.singledispatchmethod
    def answer(self, request: Any, call: ChildRequest) -> Any:
        """The answer to a request; `call` reports events and knows whether it was cancelled."""
        raise EngineError(f"the engine has no request {type(request).__name__}")

    @property
    def context(self) -> Context:
        if self._context is None:
            raise EngineError("no model is loaded", "load one first")
        return self._context

    @answer.register
    def _load(self, request: messages.Load, call: ChildRequest) -> ModelInfo:
        if self._context is not None:
            self._context.close()
            self._context = self._later = None
        path = Path(request.path)
        last_s = 0.0

        def progress(share: float) -> None:
            nonlocal last_s
            if share >= 1 or time.monotonic() - last_s > REPORT_S:
                last_s = time.monotonic()
                call.send("progress", share=share)

        self._context = Context(path, request.settings, progress)
        if self._context.file.chat_template:
            RENDERER.start()
        self._hash, self._hashing = "", None
        if self._context.file.size_bytes <= HASH_AT_ONCE_BYTES:
            self._read_hash(path)
        else:
            self._hashing = threading.Thread(target=self._read_hash, args=(path,), daemon=True)
            self._hashing.start()
        known = self._hash if isinstance(self._hash, str) else ""
        return self._context.info(known, request.notes)

    @answer.register
    def _sha256(self, request: messages.Sha256, call: ChildRequest) -> str:
        _wait_for(self._hashing, call)
        if isinstance(self._hash, HyperLlamaError):
            raise self._hash
        return self._hash

    def _read_hash(self, path: Path) -> None:
        try:
            self._hash = file_sha256(path)
        except HyperLlamaError as error:
            self._hash = error

    # -- text ----------------------------------------------------------------------------------

    @answer.register
    def _tokenize(self, request: messages.Tokenize, call: ChildRequest) -> list[int]:
        special = request.special
        return self.context.vocabulary.tokenize(request.text, begin=special, special=special)

    @answer.register
    def _detokenize(self, request: messages.Detokenize, call: ChildRequest) -> str:
        v = self.context.vocabulary
        if not all(0 <= i < v.size for i in request.ids):
            raise EngineError(f"the vocabulary has {v.size} tokens; others were asked for")
        return v.detokenize(request.ids)

    @answer.register
    def _count(self, request: messages.CountTokens, call: ChildRequest) -> list[int]:
        tokenize = self.context.vocabulary.tokenize
        return [len(tokenize(text, begin=False, special=True)) for text in request.texts]

    @answer.register
    def _render(self, request: messages.RenderChat, call: ChildRequest) -> str:
        v = self.context.vocabulary
        return render(
            self.context.file.chat_template,
            request.messages,
            bos=v.detokenize([v.bos]) if v.bos >= 0 else "",
            eos=v.detokenize([v.eos]) if v.eos >= 0 else "",
            add_generation_prompt=request.add_generation_prompt,
            variables=request.variables,
        )

    # -- generating ----------------------------------------------------------------------------

    @answer.register
    def _generate(self, request: messages.Generate, call: ChildRequest) -> Generated:
        unsent = ""
        last_s = 0.0

        def send(text: str, after_s: float) -> None:
            nonlocal unsent, last_s
            unsent += text
            now = time.monotonic()
            if now - last_s > after_s:
                call.send("text", text=unsent)
                unsent, last_s = "", now

        def on_text(text: str) -> None:
            if unsent or text:
                send(text, REPORT_S)

        def on_reading(done: int, total: int) -> None:
            nonlocal last_s
            if not done or time.monotonic() - last_s > REPORT_S:
                last_s = time.monotonic()
                call.send("reading", tokens=done, of_tokens=total)

        def cancelled() -> bool:
            send("", ALIVE_S)
            return call.cancelled

        seed = request.generation.seed
        if seed is None:
            seed = self.context.settings.seed
        aside, parts = request.generation.aside, self._parts
        if self._later is not None and not aside:
            with contextlib.suppress(EngineError):  # the prompt that has it for its own says so
                self._later.read(self.context, cancelled, True, on_reading)
            self._later.leave(self.context)
            self._later.take(self.context, request.generation.prompt)
        with set_aside(self.context, Path(aside)) if aside else contextlib.nullcontext():
            result = run(self.context, request.generation, seed, cancelled, on_text, on_reading)
        if unsent:
            call.send("text", text=unsent)
        if aside and parts:
            self._begin_reading(parts)  # the question came while they were being read
        return result

    # -- the cache -----------------------------------------------------------------------------

    @answer.register
    def _read_ahead(self, request: messages.ReadAhead, call: ChildRequest) -> None:
        if self.context.gpu_layers:  # it reads in no time, and a trial may need it
            return
        self._end_reading()
        self._tokens_read = 0
        if request.aside:
            self._later = self._later or LaterPrompt(Path(request.aside))
            self._later.leave(self.context)
            self._later.due(request.later, request.turns)
        self._begin_reading(request.parts)

    def _begin_reading(self, parts: Sequence[str]) -> None:
        self._stop_reading.clear()
        self._parts = parts
        self._reading = threading.Thread(
            target=self._read, args=(self.context, parts), daemon=True
        )
        self._reading.start()

    def _read(self, context: Context, parts: Sequence[str]) -> None:
        if sys.platform.startswith("linux"):  # niceness is a thread's there, elsewhere a process's
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        before = context.evaluated
        stopped, later = self._stop_reading.is_set, self._later
        try:
            if parts:
                if later is not None:
                    later.take(context, parts)
                read(context, parts, stopped)
            if not stopped():
                self._parts = ()
                if later is not None:
                    later.read(context, stopped)
            self._tokens_read += context.evaluated - before
        except HyperLlamaError as error:  # the request that needs it raises the same
            print(f"nothing was read ahead: {error.message}", file=sys.stderr, flush=True)

    def _end_reading(self) -> None:
        """Let no thread but this one use the context: what is being read ahead ends soon."""
        self._stop_reading.set()
        if self._reading is not None:
            self._reading.join()
            self._reading = None

    @answer.register
    def _finish_reading(self, request: messages.FinishReading, call: ChildRequest) -> int:
        _wait_for(self._reading, call)
        return self._tokens_read

    @answer.register
    def _save_cache(self, request: messages.SaveCache, call: ChildRequest) -> int:
        return save_cache(self.context, Path(request.path), request.max_bytes)

    @answer.register
    def _restore_cache(self, request: messages.RestoreCache, call: ChildRequest) -> int:
        return restore_cache(self.context, Path(request.path))


def _is_reply(request: Any) -> bool:
    """Whether a request goes on with the prompts of proposals."""
    return isinstance(request, messages.Generate) and not request.generation.aside


def _wait_for(thread: threading.Thread | None, call: ChildRequest) -> None:
    """Wait until a thread has ended or the request is cancelled, with signs of life."""
    while thread is not None and thread.is_alive() and not call.cancelled:
        thread.join(0.5)
        call.send("alive")


if __name__ == "__main__":
    serve(Server().handle)
