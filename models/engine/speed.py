"""How fast a model reads a prompt and writes a reply here, measured as llama-bench does.

"pp512": a prompt of 512 random tokens in batches of 512, nothing of it cached. "tg128": 128 tokens
one after the other after an almost empty context. Both count the time inside llama_decode, through
the same process that studies use.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hyperllama.models.engine.client import Engine
from hyperllama.models.engine.generation import Generation, Tokens
from hyperllama.models.engine.settings import EngineSettings, ModelInfo
from hyperllama.models.process.usage import peak_memory_mb

_BATCH = 512


@dataclass(frozen=True)
class Rate:
    """Tokens a second of one test, by repetition."""

    name: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        """Standard deviation (n - 1 in the denominator); 0 of a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


@dataclass(frozen=True)
class Speed:
    """A model's speed: `rates` of the tests, the model as loaded, the engine's peak memory."""

    info: ModelInfo
    rates: tuple[Rate, ...]
    peak_mb: float


def measure(
    path: Path,
    settings: EngineSettings,
    *,
    prompt: int = 512,
    generate: int = 128,
    repetitions: int = 5,
    log: Path,
    on_step: Callable[[str, float], None] = lambda test, rate: None,
) -> Speed:
    """Measure a model; one run of each test to warm up is not counted.

    Args:
        settings: how to load it; its context length and batch follow from the tests.
        prompt, generate: tokens of the two tests; 0 leaves a test out.
        repetitions: at least 1.
        log: where the engine's process writes its messages.
        on_step: told of each counted repetition, with tokens per second.

    Raises:
        ModelFileError, EngineError: it cannot be loaded or run.
    """
    settings = replace(
        settings, context_length=max(prompt, generate) + 16, batch=_BATCH, chunk=_BATCH
    )
    rng = random.Random(0)
    with Engine(log=log) as engine:
        info = engine.load(path, settings)

        def read() -> float:
            made = engine.generate(Generation(_tokens(rng, info, prompt), ()))
            return prompt / made.prompt_s

        def write() -> float:
            made = engine.generate(Generation(_tokens(rng, info, 1), _one_by_one(info, generate)))
            return generate / made.decode_s

        tests = [(f"pp{prompt}", read)] if prompt else []
        tests += [(f"tg{generate}", write)] if generate else []
        rates = []
        for name, once in tests:
            once()
            values = []
            for _ in range(repetitions):
                values.append(once())
                on_step(name, values[-1])
            rates.append(Rate(name, tuple(values)))
        return Speed(info, tuple(rates), peak_memory_mb(engine.pid))


def _tokens(rng: random.Random, info: ModelInfo, count: int) -> Sequence[int]:
    return [rng.randrange(info.vocabulary) for _ in range(count)]


def _one_by_one(info: ModelInfo, count: int) -> Sequence[Tokens]:
    """Segments that take `count` decoding steps: the first token comes of the prompt's logits."""
    pair = (0, info.vocabulary - 1)  # of a single allowed token nothing would be decoded
    return [Tokens(f"t{i}", pair) for i in range(count + 1)]
