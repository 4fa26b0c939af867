"""An engine without a model: fills in segments at random, and answers as the real one does."""

from __future__ import annotations

import math
import random
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyperllama.models.engine import (
    Completion,
    EngineSettings,
    Fixed,
    Free,
    Generated,
    Generation,
    ModelInfo,
    Number,
    OneOf,
    Tokens,
)
from hyperllama.models.errors import EngineError

_TEXT = "the score rises with a lower rate so try a smaller depth and more trees next time"


class FakeEngine:
    """Draws every value by (seed, prompt); `script` decides instead where it returns a value.

    Args:
        script: (segment's name, prompt) -> value, or None for a random one.
        context_length: of the model that it pretends to load.
        die_at: calls of `generate`, counted from 1, at which it dies and starts again.
        dead: from the first call on it dies and stays so.
        loops: whether free text is ended because it repeats itself.
        parameters: weights that the model claims to have.
    """

    def __init__(
        self,
        script: Callable[[str, str], Any] | None = None,
        context_length: int = 4096,
        die_at: Sequence[int] = (),
        dead: bool = False,
        loops: bool = False,
        parameters: int = 6,
    ) -> None:
        self.requests: list[Generation] = []
        self.ahead: list[tuple[str, ...]] = []
        self.pid: int | None = 1  # None: it was killed
        self.restored: list[str] = []
        self.loads = self.closes = self.starts = 0
        self.info: ModelInfo | None = None
        self._dead, self._loops, self._parameters = dead, loops, parameters
        self._script, self._context_length, self._die_at = script, context_length, tuple(die_at)

    def load(
        self,
        path: Path,
        settings: EngineSettings,
        on_progress: Callable[[float], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> ModelInfo:
        self.loads += 1
        if on_progress is not None:
            on_progress(1.0)
        self.info = ModelInfo(
            name="fake", architecture="random", quantisation="F16",
            parameters=self._parameters, path=str(path), size_mb=0.1, sha256="0" * 64,
            context_length=self._context_length,
            trained_context=self._context_length, layers=1, gpu_layers=0, threads=1, kv_type="f16",
            flash_attention="off", memory_mb=1.0, load_s=0.0, has_chat_template=True,
            embedded_dialect=0, vocabulary=100, backend="none", gpu_offload=False, mmap=False,
        )  # fmt: skip
        return self.info

    def tokenize(self, text: str, special: bool = True) -> list[int]:
        return [zlib.crc32(t.encode()) for t in re.findall(r"\w{1,4}|[^\w\s]|\n", text)]

    def count_tokens(self, texts: Iterable[str]) -> list[int]:
        return [len(self.tokenize(t)) for t in texts]

    def sha256(self) -> str:
        return "0" * 64

    def render_chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        said = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        return f"{said}<|im_start|>assistant\n"

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_reading: Callable[[int, int], None] | None = None,
    ) -> Generated:
        self.requests.append(request)
        if self._dead:
            raise EngineError("the engine ended with signal SIGABRT", "see the log")
        self.starts += len(self.requests) in self._die_at
        parts = request.prompt
        prompt = parts if isinstance(parts, str) else "".join(str(p) for p in parts)
        made = [self._completed(request, prompt, n, on_text) for n in range(request.samples)]
        if should_stop is not None and should_stop():
            made = [replace(c, stop_reason="cancelled") for c in made]
        prompt_tokens = len(self.tokenize(prompt))
        replied = [len(self.tokenize(c.text)) for c in made]
        return Generated(
            tuple(made), prompt_tokens, 0, prompt_tokens + sum(replied), sum(replied), 0.01, 0.005,
            0.005, 100.0, prompt_tokens + max(replied), self._context_length,
        )  # fmt: skip

    def _completed(
        self, request: Generation, prompt: str, n: int, on_text: Callable[[str], None] | None
    ) -> Completion:
        rng = random.Random(f"{request.seed} {prompt}" + (f" {n}" if n else ""))
        values: dict[str, Any] = {}
        beliefs: dict[str, tuple[tuple[Any, float], ...]] = {}
        text = ""
        for segment in request.segments:
            if isinstance(segment, Fixed):
                text += segment.text
                continue
            chosen = self._script(segment.name, prompt) if self._script else None
            if isinstance(segment, Free):
                said = " ".join(rng.choices(_TEXT.split(), k=12))
                value: Any = said if chosen is None else chosen
                if on_text is not None and n == 0:
                    on_text(value)
                shown = value
            elif isinstance(segment, OneOf):
                value = rng.choice(segment.options) if chosen is None else chosen
                shown = value
                beliefs[segment.name] = tuple((o, 1 / len(segment.options))
                                              for o in segment.options)
            elif isinstance(segment, Number):
                value = self._number(segment, rng) if chosen is None else chosen
                shown = f"{value}"
                beliefs[segment.name] = ((value, 0.6), (segment.low, 0.4))
            elif isinstance(segment, Tokens):
                value = rng.choice(segment.allowed) if chosen is None else chosen
                shown = ""
                beliefs[segment.name] = tuple((t, 1 / len(segment.allowed))
                                              for t in segment.allowed)
            else:
                raise AssertionError(segment)
            values[segment.name] = value
            text += shown
        looped = self._loops and any(isinstance(s, Free) for s in request.segments)
        return Completion(values, text, beliefs, stop_reason="loop" if looped else "done")

    def read_ahead(
        self, parts: Sequence[str], later: Sequence[str] = (), turns: int = 0, aside: str = ""
    ) -> None:
        self.ahead.append(tuple(parts))

    def save_cache(self, path: Path) -> int:
        return 0

    def restore_cache(self, path: Path) -> int:
        self.restored.append(path.name)
        self.pid = 1
        return 0

    def close(self) -> None:
        self.closes += 1

    @staticmethod
    def _number(segment: Number, rng: random.Random) -> float | int:
        if segment.integer:
            return rng.randint(math.ceil(segment.low), math.floor(segment.high))
        value = float(f"{rng.uniform(segment.low, segment.high):.{segment.digits}g}")
        return min(max(value, segment.low), segment.high)
