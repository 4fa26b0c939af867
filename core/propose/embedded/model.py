"""Asks the embedded model for configurations: one prompt in its dialect, several completions.

It holds the engine and nothing else, so that the same question always has the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hyperllama.core.estimators import CHOICE
from hyperllama.core.propose.embedded import encoding
from hyperllama.core.propose.embedded.encoding import EncodedParam
from hyperllama.core.propose.engine_session import EngineSession, token_counts
from hyperllama.core.space import Config, Param, SearchSpace, Value
from hyperllama.core.trials import ProposerSetting
from hyperllama.models.embedded import dialect
from hyperllama.models.engine import (
    MAX_SAMPLES,
    Completion,
    EngineSettings,
    Fixed,
    Generated,
    Generation,
    Segment,
    Tokens,
)
from hyperllama.models.gguf import read_metadata, resolve_model

_SETTINGS = EngineSettings(gpu_layers="none", threads=1)

@dataclass(frozen=True)
class ShownTrials:
    """The trials that a question shows.

    Attributes:
        configs: active configurations.
        losses: of each, None if it failed.
        ahead: held-out loss minus training loss of each, None where that is unknown.
        running: configurations that have no score yet.
        default: score of the default configuration, greater is better, where it is known.
        noise: of a score, see `encoding.score_noise`.
    """

    configs: Sequence[Config] = ()
    losses: Sequence[float | None] = ()
    ahead: Sequence[float | None] = ()
    running: Sequence[Config] = ()
    default: float | None = None
    noise: float | None = None


@dataclass(frozen=True)
class MovePlan:
    """What the model wrote before a configuration; only the size where it knows no incumbent.

    Attributes:
        size: how far to go from the incumbent: "near", "mid" or "far"; "open" without one.
        name: of the hyperparameter to move most.
        move: "up", "down", "switch" or "keep".
    """

    size: str
    name: str = ""
    move: str = ""


@dataclass(frozen=True)
class Draws:
    """What the model generated for one question.

    Attributes:
        configs: one per completion, in the order of the samples; repeats are possible.
        plans: the plan of each.
        beliefs: per hyperparameter, (value, probability) pairs from the first completion.
        shares: per hyperparameter, the probability below, at, and above the incumbent's value;
            absent for categories and without an incumbent.
        incumbent: the best configuration of the history shown, or None.
        family: the one that they are for, where the space chooses among several; else "".
        record: what makes the question replayable, JSON-able.
    """

    configs: tuple[Config, ...]
    plans: tuple[MovePlan, ...]
    beliefs: Mapping[str, Sequence[tuple[Value, float]]]
    shares: Mapping[str, tuple[float, float, float]]
    incumbent: Config | None
    family: str
    record: Mapping[str, Any]


class EmbeddedModel:
    """An engine with an embedded model, loaded at the first question.

    Raises:
        ModelFileError: there is no such model.
    """

    def __init__(self, setting: ProposerSetting) -> None:
        # A cache of its short prompts would save nothing.
        setting = replace(setting, engine=setting.engine or _SETTINGS, cache=None)
        self._setting = setting
        path = resolve_model(setting.model)
        self.version = min(max(read_metadata(path).dialect_version, 1), dialect.VERSION)
        self._session = EngineSession(setting, path)

    def draw(
        self,
        space: SearchSpace,
        estimator: str,
        shown: ShownTrials,
        seed: int,
        samples: int = 1,
        chosen: bool = False,
    ) -> Draws:
        """Configurations of `space`, drawn at the setting's temperature, 1 by default.

        Args:
            estimator: the family's name; "" if unknown.
            chosen: whether the space chooses among families, and this one is to be chosen.

        Raises:
            EngineError: the engine died twice, or the model cannot be loaded.
        """
        params = encoding.encoded(space, estimator, f"{estimator}." if chosen else "",
                                  self.version)  # fmt: skip
        fixed: Config = {CHOICE: estimator} if chosen else {}
        axes = [p.axis for p in params]
        scored = [(loss, config) for config, loss in zip(shown.configs, shown.losses, strict=True)
                  if loss is not None]  # fmt: skip
        incumbent = min(scored, key=lambda pair: pair[0])[1] if scored else None
        prompt = self._prompt(estimator, params, shown)
        plan = dialect.plan_tokens(axes, bool(scored))
        runs = self._generated(prompt, _segments(axes, plan), seed, samples)
        completions = [c for run in runs for c in run.completions]
        beliefs = completions[0].beliefs
        asked = {p.param.name for p in params}
        others = [p for p in space.free if p.prior and p.name not in asked]
        return Draws(
            tuple(
                space.complete({
                    **fixed, **_drawn(others, seed + i), **_values(params, c.values, seed + i)
                })
                for i, c in enumerate(completions)
            ),
            tuple(_plan(params, c.values, len(plan)) for c in completions),
            {
                p.param.name: [
                    (p.value(p.axis.index_of(int(t)), 0.5), share)
                    for t, share in beliefs[f"value{i}"]
                ]
                for i, p in enumerate(params)
            }
            | {p.name: p.prior for p in others},
            _shares(params, incumbent, beliefs) if incumbent else {},
            incumbent,
            estimator if chosen else "",
            self._record(prompt, completions, runs[-1], seed),
        )

    def _prompt(
        self, estimator: str, params: Sequence[EncodedParam], shown: ShownTrials
    ) -> list[int]:
        """The question as tokens."""
        prompt = encoding.header(estimator, self._setting, params, self.version, shown.default,
                                 shown.noise)  # fmt: skip
        if any(loss is not None for loss in shown.losses):
            points, running = (
                [encoding.point(params, config) for config in configs]
                for configs in (shown.configs, shown.running)
            )
            prompt += dialect.history([p.axis for p in params], points, shown.losses,
                                      self.version, shown.ahead, running)  # fmt: skip
        return [*prompt, dialect.INDEX["<propose>"]]

    def close(self) -> None:
        """End the engine. Idempotent."""
        self._session.close()

    @property
    def _temperature(self) -> float:
        wanted = self._setting.temperature
        return 1.0 if wanted is None else wanted

    def _generated(
        self, prompt: list[int], segments: list[Segment], seed: int, samples: int
    ) -> list[Generated]:
        """Runs of as many completions as are decoded side by side."""
        runs: list[Generated] = []
        left = samples if self._temperature else 1
        while left > 0:
            done = sum(len(run.completions) for run in runs)
            request = Generation(
                prompt, segments, temperature=self._temperature, seed=(seed + done) % 2**31,
                samples=min(left, MAX_SAMPLES),
            )  # fmt: skip
            runs.append(self._session.generate(request))
            left -= len(runs[-1].completions)
        return runs

    def _record(
        self, prompt: list[int], completions: Sequence[Completion], run: Generated, seed: int
    ) -> dict[str, Any]:
        info = self._session.info
        return {
            "prompt": " ".join(dialect.VOCABULARY[t] for t in prompt),
            "reply": completions[0].text,
            "dialect_version": self.version,
            "seed": seed,
            "temperature": self._temperature,
            "samples": len(completions),
            "model": info.path,
            "model_name": info.name,
            "sha256": self._session.sha256,
            "threads": info.threads,
            "tokens": {
                **token_counts(run),
                "generated": run.generated_tokens // max(len(run.completions), 1),
            },
            "seconds": run.seconds,
        }


def _segments(axes: Sequence[dialect.DialectParam], plan: Sequence[Sequence[int]]) -> list[Segment]:
    """The reply: a plan, then each hyperparameter's name and one of its values."""
    segments: list[Segment] = [Tokens(f"plan{i}", tuple(a)) for i, a in enumerate(plan)]
    lead = "<config>"
    for i, axis in enumerate(axes):
        segments.append(Fixed(lead + dialect.VOCABULARY[axis.token], special=True))
        segments.append(Tokens(f"value{i}", tuple(axis.allowed), belief=True))
        lead = ""
    return segments


def _drawn(params: Sequence[Param], seed: int) -> Config:
    """Values that the model is not asked for, each by its prior."""
    rng = np.random.default_rng(seed % 2**32)
    found: Config = {}
    for p in params:
        shares = np.array([share for _, share in p.prior])
        found[p.name] = p.prior[rng.choice(len(shares), p=shares / shares.sum())][0]
    return found


def _values(params: Sequence[EncodedParam], values: Mapping[str, Any], seed: int) -> Config:
    """The values of a completion; within a bin they are spread evenly, by the seed."""
    return {
        p.param.name: p.value(
            p.axis.index_of(int(values[f"value{i}"])), (seed * 0.618 + i * 0.7548) % 1.0
        )
        for i, p in enumerate(params)
    }


def _plan(params: Sequence[EncodedParam], values: Mapping[str, Any], length: int) -> MovePlan:
    tokens = [int(values[f"plan{i}"]) for i in range(length)]
    words = [dialect.VOCABULARY[t].strip("<>") for t in tokens]
    if length < 3:
        return MovePlan(words[0])
    moved = next(p for p in params if p.axis.token == tokens[1])
    return MovePlan(words[0], moved.param.name, words[2])


def _shares(
    params: Sequence[EncodedParam], incumbent: Config, beliefs: Mapping[str, Any]
) -> dict[str, tuple[float, float, float]]:
    result = {}
    for i, p in enumerate(params):
        if p.axis.kind == "choice" or p.param.name not in incumbent:
            continue
        at = p.index(incumbent[p.param.name])
        pairs = [(p.axis.index_of(int(t)), share) for t, share in beliefs[f"value{i}"]]
        below = sum(share for index, share in pairs if index < at - 2)
        above = sum(share for index, share in pairs if index > at + 2)
        result[p.param.name] = (below, max(0.0, 1.0 - below - above), above)
    return result
