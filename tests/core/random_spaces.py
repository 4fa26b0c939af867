"""Search spaces drawn at random, as awkward as users make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperllama.core.space import Categorical, Condition, Domain, Float, Integer, Param, SearchSpace

_WORDS = (
    "lr", "max_depth", "C", "über groß", "学习率", 'say "hi"', "it's", "a,b", "x{y}", "naïve ☃",
    "λ₁", "n estimators", "💡 idea", "back\\slash", "0", "1e5", "-", "None", "true", "<|im_end|>",
    "</s>", "tab\there", "ключ", "مفتاح", "a" * 60, "[INST]", "{{x}}", "'quoted'", "50%", "e",
)  # fmt: skip
_VALUES = (True, False, None, 1, 2.5, -3, 1e-12, *_WORDS)


def random_space(rng: np.random.Generator, most: int = 20) -> SearchSpace:
    """Between 1 and `most` hyperparameters: conditional, log, stepped, huge and tiny ranges."""
    names = [_WORDS[i] for i in rng.permutation(len(_WORDS))]
    params: list[Param] = []
    for name in names[: int(rng.integers(1, most + 1))]:
        domain = _domain(rng)
        parents = [p for p in params if isinstance(p.domain, Categorical)]
        when = None
        if parents and rng.random() < 0.3:
            parent = parents[int(rng.integers(len(parents)))]
            choices = parent.domain.choices  # type: ignore[union-attr]
            when = Condition(parent.name, choices[: int(rng.integers(1, len(choices) + 1))])
        start: Any = domain.from_unit(float(rng.random()))
        params.append(Param(name, domain, start, when=when))
    return SearchSpace(params)


def _domain(rng: np.random.Generator) -> Domain:
    kind = int(rng.integers(7))
    if kind == 0:
        chosen = rng.permutation(len(_VALUES))[: int(rng.integers(1, 9))]
        # True equals 1 for Python and for a search space
        by_key = {(str(float(v)) if isinstance(v, (bool, int, float)) else repr(v)): v
                  for v in (_VALUES[i] for i in chosen)}
        return Categorical(tuple(by_key.values()))
    if kind == 1:
        low = int(10.0 ** rng.uniform(0, 6)) * int(rng.choice((1, -1, 0)))
        return Integer(low, low + int(10.0 ** rng.uniform(0, 9)))
    if kind == 2:
        low = int(10.0 ** rng.uniform(0, 3))
        return Integer(low, low * int(10.0 ** rng.uniform(0.4, 6)), log=True)
    if kind == 3:
        low = float(10.0 ** rng.uniform(-30, 3))
        return Float(low, low * float(10.0 ** rng.uniform(0.1, 30)), log=True)
    if kind == 4:  # a narrow range far from zero
        low = float(rng.uniform(-1e6, 1e6))
        return Float(low, low + float(10.0 ** rng.uniform(-9, 0)))
    if kind == 5:
        step = float(10.0 ** rng.integers(-3, 3))
        low = step * int(rng.integers(-5, 5))
        return Float(low, low + step * int(rng.integers(1, 200)), step=step)
    low = float(rng.choice((-1, 1))) * float(10.0 ** rng.uniform(-12, 12))
    return Float(low, low + float(10.0 ** rng.uniform(-9, 15)))
