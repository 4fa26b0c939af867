"""The engine's child process: the one owner of one llama.cpp context.

Requests (see `models.child`): load, tokenize, detokenize, count, render, generate, score, sha256,
save_cache, restore_cache, read_ahead, settle.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperllama.models.engine.cache import restore_cache, save_cache
from hyperllama.models.engine.chat import render
from hyperllama.models.engine.context import Cancelled, Context
from hyperllama.models.engine.programme import read, run, score
from hyperllama.models.engine.protocol import EngineSettings, generated_to_wire, request_from_wire
from hyperllama.models.errors import EngineError, HyperLlamaError
from hyperllama.models.gguf.registry import file_sha256
from hyperllama.models.process.child import Request, serve

HASH_AT_ONCE_BYTES = 64 << 20
PROGRESS_S = TEXT_S = 0.03
"""Shortest time between two reports of progress, or of text."""
_AT_ONCE = ("tokenize", "detokenize", "count", "render", "sha256", "read_ahead", "settle")
"""Requests that leave the context alone; others end what is read ahead."""
_LOWEST = 19


class Server:
    """Holds what is loaded; one request at a time."""

    def __init__(self) -> None:
        self._context: Context | None = None
        self._hash: str | HyperLlamaError = ""
        self._hashing: threading.Thread | None = None
        self._reading: threading.Thread | None = None
        self._read_tokens = 0
        self._unwanted = threading.Event()

    def handle(self, request: Request) -> Iterator[dict[str, Any]]:
        """Answer one request."""
        if request["do"] not in _AT_ONCE:
            self._end_reading()
        answer = getattr(self, f"_{request['do']}")(request)
        yield {"done": True, **answer}

    @property
    def context(self) -> Context:
        if self._context is None:
            raise EngineError("no model is loaded", "load one first")
        return self._context

    def _load(self, request: Request) -> dict[str, Any]:
        if self._context is not None:
            self._context.close()
            self._context = None
        path = Path(request["path"])
        told = 0.0

        def progress(share: float) -> None:
            nonlocal told
            now = time.monotonic()
            if share >= 1 or now - told > PROGRESS_S:
                told = now
                request.send("progress", share=share)

        context = Context(path, EngineSettings(**request["settings"]), progress)
        self._context = context
        self._hash, self._hashing = "", None
        if context.file.size_bytes <= HASH_AT_ONCE_BYTES:
            self._read_hash(path)
        else:
            self._hashing = threading.Thread(target=self._read_hash, args=(path,), daemon=True)
            self._hashing.start()
        known = self._hash if isinstance(self._hash, str) else ""
        return {"info": asdict(context.info(known, request["notes"]))}

    def _read_hash(self, path: Path) -> None:
        try:
            self._hash = file_sha256(path)
        except HyperLlamaError as e:
            self._hash = e

    def _read_ahead(self, request: Request) -> dict[str, Any]:
        """Begin to read a prompt, and answer before it is read."""
        context = self.context
        if context.gpu_layers:  # it reads in no time, and a trial may need it
            return {}
        self._end_reading()
        self._unwanted.clear()
        self._read_tokens = 0
        self._reading = threading.Thread(
            target=self._read, args=(context, request["parts"]), daemon=True
        )
        self._reading.start()
        return {}

    def _read(self, context: Context, parts: Sequence[str]) -> None:
        if sys.platform.startswith("linux"):  # niceness is a thread's there, elsewhere a process's
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        before = context.evaluated
        try:
            read(context, parts, self._unwanted.is_set)
            self._read_tokens = context.evaluated - before
        except HyperLlamaError as e:  # the request that needs it will say so
            print(f"nothing was read ahead: {e.message}", file=sys.stderr, flush=True)

    def _end_reading(self) -> None:
        """Let no thread but this one use the context: what is being read ahead ends soon."""
        self._unwanted.set()
        if self._reading is not None:
            self._reading.join()
            self._reading = None

    def _settle(self, request: Request) -> dict[str, Any]:
        while self._reading is not None and self._reading.is_alive() and not request.cancelled:
            self._reading.join(0.5)
            request.send("alive")
        return {"tokens": self._read_tokens}

    def _sha256(self, request: Request) -> dict[str, Any]:
        while self._hashing is not None and self._hashing.is_alive() and not request.cancelled:
            self._hashing.join(0.5)
            request.send("alive")
        if isinstance(self._hash, HyperLlamaError):
            raise self._hash
        return {"sha256": self._hash}

    def _tokenize(self, request: Request) -> dict[str, Any]:
        v = self.context.vocabulary
        special = bool(request["special"])
        return {"ids": v.tokenize(request["text"], begin=special, special=special)}

    def _detokenize(self, request: Request) -> dict[str, Any]:
        v = self.context.vocabulary
        ids = [int(i) for i in request["ids"]]
        if not all(0 <= i < v.size for i in ids):
            raise EngineError(f"the vocabulary has {v.size} tokens; others were asked for")
        return {"text": v.detokenize(ids)}

    def _count(self, request: Request) -> dict[str, Any]:
        v = self.context.vocabulary
        return {"counts": [len(v.tokenize(t, begin=False, special=True)) for t in request["texts"]]}

    def _render(self, request: Request) -> dict[str, Any]:
        v = self.context.vocabulary
        text = render(
            self.context.file.chat_template,
            request["messages"],
            bos=v.detokenize([v.bos]) if v.bos >= 0 else "",
            eos=v.detokenize([v.eos]) if v.eos >= 0 else "",
            add_generation_prompt=bool(request["add_generation_prompt"]),
            variables=request["variables"],
        )
        return {"text": text}

    def _generate(self, request: Request) -> dict[str, Any]:
        waiting = ""
        told = 0.0

        def on_text(text: str) -> None:
            nonlocal waiting, told
            waiting += text
            now = time.monotonic()
            if waiting and now - told > TEXT_S:
                request.send("text", text=waiting)
                waiting, told = "", now

        def cancelled() -> bool:
            nonlocal told
            now = time.monotonic()
            if now - told > 1.0:  # a sign of life
                request.send("text", text=waiting_text())
                told = now
            return request.cancelled

        def waiting_text() -> str:
            nonlocal waiting
            text, waiting = waiting, ""
            return text

        wanted = request_from_wire(request["request"])
        seed = self.context.settings.seed if wanted.seed is None else wanted.seed
        result = run(self.context, wanted, seed, cancelled, on_text)
        if waiting:
            request.send("text", text=waiting)
        return {"result": generated_to_wire(result)}

    def _save_cache(self, request: Request) -> dict[str, Any]:
        most = int(request["most_bytes"])
        return {"tokens": save_cache(self.context, Path(request["path"]), most)}

    def _restore_cache(self, request: Request) -> dict[str, Any]:
        return {"tokens": restore_cache(self.context, Path(request["path"]))}

    def _score(self, request: Request) -> dict[str, Any]:
        try:
            logs = score(
                self.context,
                request["prompt"],
                request["continuations"],
                lambda: request.cancelled,
            )
        except Cancelled:
            raise EngineError("scoring was cancelled") from None
        return {"logprobs": logs}


if __name__ == "__main__":
    serve(Server().handle)
