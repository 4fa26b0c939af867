"""Tasks to learn from: random functions of nameless hyperparameters."""

from __future__ import annotations

import math

import numpy as np

from hyperllama.core.space import Categorical, Integer, Param
from hyperllama.models.embedded import dialect
from workshop.draws import Rng, waves
from workshop.surfaces import Floats
from workshop.tasks import Cut, Task, axis_of


class SyntheticTask(Task):
    """A random function of nameless hyperparameters: nothing helps here but the history."""

    def __init__(self, rng: Rng) -> None:
        d = int(rng.integers(1, 9)) if rng.random() < 0.7 else 2
        cuts, axes = [], []
        taken: set[int] = set()
        for j in range(d):
            style = rng.random()
            if style < 0.12:
                k = int(rng.integers(2, 7))
                p = Param(f"x{j}", Categorical(tuple(range(k))))
                c = Cut(j, p, 0, 0, False, False, k)
            else:
                log = rng.random() < 0.4
                low = 10 ** rng.uniform(-6, 1) if log else rng.choice([0.0, -5.0, -10.0, 0.1, 1.0])
                high = low * 10 ** rng.uniform(1, 6) if log else low + 10 ** rng.uniform(-0.5, 2)
                integer = bool(rng.random() < 0.2 and high - low > 3 and low >= 1)
                if integer:
                    low, high = float(round(low)), float(round(high))
                c = Cut(j, Param(f"x{j}", Integer(1, 2)), low, high, bool(log), integer, 0)
            cuts.append(c)
            axes.append(axis_of(c, taken, False))
        super().__init__("?", dialect.TableFacts(), cuts, axes)
        self.f = _random_function(rng, d)

    def score(self, u: Floats) -> Floats:
        return self.f(u)


def _random_function(rng: Rng, d: int):  # type: ignore[no-untyped-def]
    style = rng.random()
    centre = rng.uniform(0.02, 0.98, d)
    mix = np.linalg.qr(rng.standard_normal((d, d)))[0] if rng.random() < 0.5 else np.eye(d)
    stretch = np.exp(rng.normal(0, 0.8, d))
    wavy = waves(rng, np.exp(rng.normal(math.log(0.45 * math.sqrt(d)), 0.5, size=d)))
    power = float(rng.choice([0.5, 1.0, 2.0, 3.0]))

    def bowl(u: Floats) -> Floats:
        z = ((u - centre) @ mix) * stretch
        return np.asarray((np.square(z).sum(1) + 1e-12) ** (power / 2))

    if style < 0.35:
        return wavy
    if style < 0.7:
        return bowl
    amount = rng.uniform(0.05, 0.5)
    return lambda u: bowl(u) + amount * wavy(u)
