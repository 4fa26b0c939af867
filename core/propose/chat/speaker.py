"""Asks an embedded model for configurations: one prompt in its dialect, several completions.

Used by the proposers `llama` (with an embedded model) and `hybrid`. It holds the engine and nothing
else, so the same question always has the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperllama.core.estimators.base import Facts
from hyperllama.core.events import ModelLoaded, ModelLoading
from hyperllama.core.propose.embedded import dialect_axes
from hyperllama.core.propose.embedded.dialect_axes import Spoken
from hyperllama.core.space import Config, SearchSpace, Value
from hyperllama.core.storage.paths import home
from hyperllama.core.trials import ProposerSetting
from hyperllama.models.embedded import dialect


@dataclass(frozen=True)
class Told:
    """A trial as the model is told it: an active configuration and its loss, None if it failed."""

    config: Config
    loss: float | None


@dataclass(frozen=True)
class Spoke:
    """What the model said to one question.

    Attributes:
        configs: one per completion, in the order of the samples; repeats are possible.
        plans: (size, hyperparameter, move) of each; size "open" and the rest empty without history.
        beliefs: per hyperparameter, (value, probability) pairs from the first completion.
        shares: per hyperparameter, the probability below, at, and above the incumbent's value;
            absent for categories and without history.
        incumbent: the best configuration told, or None.
        record: what makes the question replayable, JSON-able.
    """

    configs: tuple[Config, ...]
    plans: tuple[tuple[str, str, str], ...]
    beliefs: dict[str, list[tuple[Value, float]]]
    shares: dict[str, tuple[float, float, float]]
    incumbent: Config | None
    record: dict[str, Any] = field(default_factory=dict)


class Speaker:
    """An engine with an embedded model, loaded at the first question.

    Args:
        setting: names the model and the engine's settings.
    """

    def __init__(self, setting: ProposerSetting) -> None:
        self._setting = setting
        self._engine: Any = None
        self._info: Any = None

    def ask(
        self,
        space: SearchSpace,
        estimator: str,
        kind: str,
        facts: Facts | None,
        told: Sequence[Told],
        seed: int,
        samples: int = 1,
    ) -> Spoke:
        """Configurations of `space`, drawn at the setting's temperature, otherwise at 1.

        Raises:
            EngineError: the engine died, twice.
            ModelFileError: the model cannot be loaded.
        """
        from hyperllama.models.engine import MAX_SAMPLES, Fixed, Generation, Tokens

        spoken = dialect_axes.speak(space, estimator)
        axes = [s.axis for s in spoken]
        prompt = dialect_axes.header(estimator, kind, facts, spoken)
        scored = [t for t in told if t.loss is not None]
        incumbent = min(scored, key=lambda t: float(t.loss or 0.0)).config if scored else None
        if scored:
            points = [dialect_axes.point(spoken, t.config) for t in told]
            prompt += dialect.history(axes, points, [t.loss for t in told])
        prompt.append(dialect.INDEX["<propose>"])
        plan = dialect.plan_tokens(axes, bool(scored))
        segments: list[Any] = [Tokens(f"plan{i}", tuple(a)) for i, a in enumerate(plan)]
        lead = dialect.VOCABULARY[dialect.INDEX["<config>"]]
        for i, axis in enumerate(axes):
            segments.append(Fixed(lead + dialect.VOCABULARY[axis.token], special=True))
            segments.append(Tokens(f"value{i}", tuple(axis.allowed), belief=True))
            lead = ""
        wanted = self._setting.temperature
        temperature = 1.0 if wanted is None else wanted
        if temperature == 0:
            samples = 1
        completions: list[Any] = []
        while len(completions) < samples:  # rounds of as many as are decoded side by side
            request = Generation(
                prompt, segments, temperature=temperature,
                seed=(seed + len(completions)) % 2**31,
                samples=min(samples - len(completions), MAX_SAMPLES),
            )  # fmt: skip
            result = self._generate(request)
            completions += result.completions
        configs = tuple(
            _config(space, spoken, c.values, seed + i) for i, c in enumerate(completions)
        )
        first = completions[0]
        beliefs = {
            s.param.name: [
                (s.value(s.axis.index_of(int(t)), 0.5), p) for t, p in first.beliefs[f"value{i}"]
            ]
            for i, s in enumerate(spoken)
        }
        shares = _shares(spoken, incumbent, first.beliefs) if incumbent else {}
        record = {
            "prompt": _text(prompt),
            "reply": first.text,
            "dialect_version": dialect.VERSION,
            "seed": seed,
            "temperature": temperature,
            "samples": samples,
            "model": self._info.path,
            "model_name": self._info.name,
            "sha256": self._info.sha256,
            "threads": self._info.threads,
            "tokens": {
                "prompt": result.prompt_tokens,
                "cached": result.cached_tokens,
                "evaluated": result.evaluated_tokens,
                "generated": result.generated_tokens // max(len(result.completions), 1),
                "context_used": result.context_used,
                "context_length": result.context_length,
                "per_s": result.tokens_per_s,
            },
            "seconds": result.seconds,
        }
        plans = tuple(_plan(axes, spoken, c.values, len(plan)) for c in completions)
        return Spoke(configs, plans, beliefs, shares, incumbent, record)

    def close(self) -> None:
        """End the engine. Idempotent."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _generate(self, request: Any) -> Any:
        from hyperllama.models.errors import EngineError

        try:
            return self._loaded().generate(request)
        except EngineError:
            self.close()  # once more with a new process; a second failure is the caller's
            return self._loaded().generate(request)

    def _loaded(self) -> Any:
        if self._engine is not None:
            return self._engine
        from hyperllama.models.engine import Engine, EngineSettings
        from hyperllama.models.gguf import resolve_model

        setting = self._setting
        make = setting.make_engine
        log = setting.log or home() / "engine.log"
        engine = make() if make is not None else Engine(log=log)
        path = resolve_model(setting.model)
        wanted = setting.engine or EngineSettings(context_length=2048, gpu_layers="none", threads=1)
        setting.report(ModelLoading(setting.model, 0.0))
        self._info = engine.load(path, wanted)
        self._engine = engine
        facts = {
            "architecture": self._info.architecture,
            "parameters": self._info.parameters,
            "quantisation": self._info.quantisation,
            "context_length": self._info.context_length,
            "gpu_layers": self._info.gpu_layers,
            "threads": self._info.threads,
            "file_mb": self._info.size_mb,
            "memory_mb": self._info.memory_mb,
            "sha256": self._info.sha256,
            "backend": self._info.backend,
        }
        setting.report(ModelLoaded(self._info.name, self._info.load_s, facts))
        return engine


def _config(space: SearchSpace, spoken: list[Spoken], values: Any, seed: int) -> Config:
    """The configuration of a completion; values within a bin are spread evenly, by the seed."""
    chosen = {}
    for i, s in enumerate(spoken):
        index = s.axis.index_of(int(values[f"value{i}"]))
        chosen[s.param.name] = s.value(index, math.modf((seed * 0.618 + i * 0.7548) % 1.0)[0])
    return space.complete(chosen)


def _plan(
    axes: list[dialect.DialectParam], spoken: list[Spoken], values: Any, length: int
) -> tuple[str, str, str]:
    words = [dialect.VOCABULARY[int(values[f"plan{i}"])].strip("<>") for i in range(length)]
    if length < 3:
        return words[0], "", ""
    which = next(i for i, a in enumerate(axes) if a.token == int(values["plan1"]))
    return words[0], spoken[which].param.name, words[2]


def _shares(
    spoken: list[Spoken], incumbent: Config, beliefs: Any
) -> dict[str, tuple[float, float, float]]:
    result = {}
    for i, s in enumerate(spoken):
        if s.axis.kind == "choice" or s.param.name not in incumbent:
            continue
        at = s.index(incumbent[s.param.name])
        below = sum(p for t, p in beliefs[f"value{i}"] if s.axis.index_of(int(t)) < at - 2)
        above = sum(p for t, p in beliefs[f"value{i}"] if s.axis.index_of(int(t)) > at + 2)
        result[s.param.name] = (below, max(0.0, 1.0 - below - above), above)
    return result


def _text(tokens: Sequence[int]) -> str:
    return " ".join(dialect.VOCABULARY[t] for t in tokens)
