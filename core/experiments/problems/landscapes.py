"""The paper's six functions of two variables: shifted and rotated at random, so that having read a
textbook is of no use. Domains, constants and the shift (0.93, 0.59) are those of the paper's code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.errors import StudyError
from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.space import Config, Float, Param, SearchSpace

Floats = NDArray[np.float64]
PAPER_SHIFT = (0.93, 0.59)
VARIANTS = ("random", "shifted", "paper", "plain")
"""random: seed 0 as in the paper's shifted experiments, each other seed with a shift and a rotation
of its own; shifted: the same without rotation; paper: the paper's shift under every seed; plain:
as in the textbooks."""


@dataclass(frozen=True)
class Function:
    """A function of two variables.

    Attributes:
        bounds: ((low, high), (low, high)) of x1 and x2.
        optima: shape (n, 2), where the least loss is reached.
        least: that loss.
        formula: x of shape (..., 2) -> losses of shape (...).
        moved: whether the paper shifts it as well (the quadratics stand off the centre anyway).
    """

    bounds: tuple[tuple[float, float], tuple[float, float]]
    optima: tuple[tuple[float, float], ...]
    least: float
    formula: Callable[[Floats], Floats]
    moved: bool = True


def _quadratic(x: Floats) -> Floats:
    return np.asarray((x[..., 0] + 4.15) ** 2 + (x[..., 1] - 3.35) ** 2)


def _narrow(x: Floats) -> Floats:
    return np.asarray((x[..., 0] + 4.15) ** 2 + 10 * (x[..., 1] - 3.35) ** 2)


def _rosenbrock(x: Floats) -> Floats:
    return np.asarray((1 - x[..., 0]) ** 2 + 100 * (x[..., 1] - x[..., 0] ** 2) ** 2)


def _branin(x: Floats) -> Floats:
    a, b = x[..., 0], x[..., 1]
    bowl = b - 5.1 / (4 * math.pi**2) * a**2 + 5 / math.pi * a - 6
    return np.asarray(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * np.cos(a) + 10)


def _himmelblau(x: Floats) -> Floats:
    a, b = x[..., 0], x[..., 1]
    return np.asarray((a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2)


def _ackley(x: Floats) -> Floats:
    radius = np.sqrt(0.5 * (x**2).sum(-1))
    waves = 0.5 * np.cos(2 * math.pi * x).sum(-1)
    return np.asarray(-20 * np.exp(-0.2 * radius) - np.exp(waves) + math.e + 20)


_FIVE = ((-5.0, 5.0), (-5.0, 5.0))
FUNCTIONS = {
    "quadratic": Function(_FIVE, ((-4.15, 3.35),), 0.0, _quadratic, moved=False),
    "quadratic-1-10": Function(_FIVE, ((-4.15, 3.35),), 0.0, _narrow, moved=False),
    "rosenbrock": Function(((-5.0, 10.0), (-5.0, 10.0)), ((1.0, 1.0),), 0.0, _rosenbrock),
    "branin": Function(
        ((-5.0, 10.0), (0.0, 15.0)),
        ((-math.pi, 12.275), (math.pi, 2.275), (9.42478, 2.475)),
        0.39788735772973816,
        _branin,
    ),
    "himmelblau": Function(
        _FIVE,
        ((3.0, 2.0), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126)),
        0.0,
        _himmelblau,
    ),
    "ackley": Function(_FIVE, ((0.0, 0.0),), 0.0, _ackley),
}
_MARGIN = 0.05
"""An optimum stays at least this share of the domain away from its edge."""
_GRID = 128


@dataclass(frozen=True)
class Placement:
    """Where a function was put: `shift` moves its optima, `angle` (radians) turns it about the
    middle of the domain; `optima` are where they came to lie inside the domain."""

    shift: tuple[float, float]
    angle: float
    optima: tuple[tuple[float, float], ...]


def place(name: str, variant: str, seed: int) -> Placement:
    """Shift and rotation of function `name` under `seed`; at least one optimum stays inside."""
    f = FUNCTIONS[name]
    if variant == "plain" or ((seed == 0 or variant == "paper") and not f.moved):
        return Placement((0.0, 0.0), 0.0, f.optima)
    if seed == 0 or variant == "paper":
        return _placed(f, PAPER_SHIFT, 0.0)
    low, high = np.array(f.bounds).T
    rng = np.random.default_rng([seed, *name.encode()])
    while True:
        shift = rng.uniform(-0.3, 0.3, 2) * (high - low)
        angle = float(rng.uniform(0, 2 * math.pi)) if variant == "random" else 0.0
        found = _placed(f, (float(shift[0]), float(shift[1])), angle)
        if found.optima:
            return found


def _placed(f: Function, shift: tuple[float, float], angle: float) -> Placement:
    low, high = np.array(f.bounds).T
    middle = (low + high) / 2
    moved = (np.array(f.optima) - middle) @ _turn(angle).T + middle + np.array(shift)
    margin = _MARGIN * (high - low)
    inside = ((moved >= low + margin) & (moved <= high - margin)).all(1)
    return Placement(shift, angle, tuple((float(a), float(b)) for a, b in moved[inside]))


def _turn(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


class Landscape(BenchProblem):
    """One function; the seed decides where it lies. The default configuration is the middle."""

    suite = "landscapes"
    seeded = True

    def __init__(self, function: str, variant: str = "random") -> None:
        if function not in FUNCTIONS:
            raise StudyError(f"no landscape {function!r}", f"known: {', '.join(FUNCTIONS)}")
        if variant not in VARIANTS:
            raise StudyError(f"no variant {variant!r}", f"known: {', '.join(VARIANTS)}")
        self.function, self.variant = function, variant
        self.name = function if variant == "random" else f"{function}, {variant}"
        self.group = function
        self.f = FUNCTIONS[function]
        self.best = self.f.least
        self.loss_name = "value of the function"
        self.space = SearchSpace(
            Param(n, Float(*b)) for n, b in zip(("x1", "x2"), self.f.bounds, strict=True)
        )
        self.spec = {"suite": "landscapes", "function": function, "variant": variant}
        # where textbooks put Ackley's optimum, guessing the origin finds it
        self.evidence = (function, variant) != ("ackley", "plain")

    def placement(self, seed: int) -> Placement:
        """Where the function lies under `seed`."""
        return _cached_place(self.function, self.variant, seed)

    def losses(self, x: Floats, seed: int) -> Floats:
        """Losses at points `x`, shape (..., 2); returns shape (...)."""
        p = self.placement(seed)
        low, high = np.array(self.f.bounds).T
        middle = (low + high) / 2
        return self.f.formula((x - middle - np.array(p.shift)) @ _turn(p.angle) + middle)

    def observe(self, config: Config, seed: int) -> float:
        return float(self.losses(np.array([config["x1"], config["x2"]], dtype=float), seed))

    def failed_loss(self, seed: int) -> float:
        return float(self.grid(seed, _GRID).max())

    def grid(self, seed: int, n: int) -> Floats:
        """Losses at the middles of n by n cells, shape (n, n): rows along x2, columns along x1."""
        low, high = np.array(self.f.bounds).T
        steps = (np.arange(n) + 0.5)[:, None] / n * (high - low) + low
        x1, x2 = np.meshgrid(steps[:, 0], steps[:, 1])
        return self.losses(np.stack([x1, x2], -1), seed)

    def random_search(self, seed: int) -> RandomSearch:
        losses = self.grid(seed, _GRID).ravel()
        start = self.observe(self.space.default(), seed)
        return RandomSearch.of(losses, weights=np.ones(len(losses)), default=(start, start))


@lru_cache(maxsize=4096)
def _cached_place(name: str, variant: str, seed: int) -> Placement:
    return place(name, variant, seed)


def landscape_problems(
    functions: Sequence[str] | None = None, variant: str = "random"
) -> list[Landscape]:
    """All six functions, or some of them.

    Raises:
        StudyError: an unknown function or variant.
    """
    return [Landscape(name, variant) for name in (functions or tuple(FUNCTIONS))]
