"""The data sets that the tabular bench trains on. None of them is used in pretraining.

Bundled with scikit-learn, or generated: "made-10003" is a pure function of its number. Numbers from
10,000 on are the bench's own; the recipes here are not those that pretraining draws from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.errors import DataError
from hyperllama.core.estimators import Facts

Floats = NDArray[np.float64]
Rng = np.random.Generator
FIRST_MADE = 10_000
BUNDLED = ("breast_cancer", "wine", "digits", "diabetes")
_MOST_ROWS = 400


@dataclass(frozen=True)
class Dataset:
    """A table.

    Attributes:
        x: shape (n_rows, n_features); NaN where empty, codes in categorical columns.
        y: shape (n_rows,); class codes (int) or numbers.
        categorical: per column of x, whether it holds codes.
        classes: number of classes; 0 for regression.
    """

    x: Floats
    y: NDArray[Any]
    categorical: tuple[bool, ...]
    classes: int

    @property
    def kind(self) -> str:
        return "classification" if self.classes else "regression"

    @property
    def digest(self) -> str:
        """Changes with the data."""
        content = hashlib.sha256(self.x.round(9).tobytes() + self.y.round(9).tobytes())
        return content.hexdigest()[:8]

    @property
    def facts(self) -> Facts:
        """What contenders know of it."""
        shares = np.unique(self.y, return_counts=True)[1] / len(self.y) if self.classes else [0.0]
        return Facts(
            rows=len(self.y),
            features=self.x.shape[1],
            classes=self.classes,
            minority_share=float(min(shares)),
            categorical_share=float(np.mean(self.categorical)),
            missing_share=float(np.isnan(self.x).mean()),
        )


def load(name: str) -> Dataset:
    """A data set by name: one of `BUNDLED`, or "made-NUMBER".

    Raises:
        DataError: there is none of this name.
    """
    if name in BUNDLED:
        return _bundled(name)
    number = name.removeprefix("made-")
    if number == name or not number.isdigit() or int(number) < FIRST_MADE:
        allowed = f"allowed: {', '.join(BUNDLED)}, made-{FIRST_MADE} and above"
        raise DataError(f"the bench has no data set {name!r}", allowed)
    rng = np.random.default_rng(int(number))
    x, y, categorical, classes = RECIPES[int(number) % len(RECIPES)](rng)
    return Dataset(x, y, categorical, classes)


def _bundled(name: str) -> Dataset:
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    x, y = np.asarray(found.data, dtype=float), found.target
    if len(y) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:_MOST_ROWS])
        x, y = x[rows], y[rows]
    classes = 0 if name == "diabetes" else len(np.unique(y))
    return Dataset(x, y, (False,) * x.shape[1], classes)


Made = tuple[Floats, NDArray[Any], tuple[bool, ...], int]


def _numbers(x: Floats) -> tuple[bool, ...]:
    return (False,) * len(x[0])


def _mixture(rng: Rng) -> Made:
    """Two classes, each of a few Gaussian clumps, with redundant and useless columns."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        n_samples=400, n_features=16, n_informative=6, n_redundant=4, n_clusters_per_class=3,
        flip_y=0.04, class_sep=0.9, random_state=int(rng.integers(1 << 30)),
    )  # fmt: skip
    return x, y, _numbers(x), 2


def _shells(rng: Rng) -> Made:
    """Three classes by distance from the middle, in six columns and four useless ones."""
    from sklearn.datasets import make_gaussian_quantiles

    x, y = make_gaussian_quantiles(
        n_samples=400, n_features=6, n_classes=3, random_state=int(rng.integers(1 << 30))
    )
    x = np.hstack([x, rng.standard_normal((len(x), 4))])
    return x, y, _numbers(x), 3


def _moons(rng: Rng) -> Made:
    """Two interleaved half circles, on two columns out of six."""
    from sklearn.datasets import make_moons

    x, y = make_moons(n_samples=350, noise=0.28, random_state=int(rng.integers(1 << 30)))
    x = np.hstack([x, rng.standard_normal((len(x), 4))])
    return x[:, rng.permutation(6)], y, (False,) * 6, 2


def _friedman(rng: Rng) -> Made:
    """Friedman's first function: smooth, one interaction; ten columns, five useful."""
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(350, noise=1.0, random_state=int(rng.integers(1 << 30)))
    return x, y, _numbers(x), 0


def _circuit(rng: Rng) -> Made:
    """Friedman's second function: a ratio and products on very different scales, heavy tails."""
    from sklearn.datasets import make_friedman2

    x, y = make_friedman2(300, noise=0.0, random_state=int(rng.integers(1 << 30)))
    y = y + 0.15 * y.std() * rng.standard_t(3, len(y))
    return x, y, _numbers(x), 0


def _rules(rng: Rng) -> Made:
    """Two classes by rules over codes and numbers, one cell in fifteen empty."""
    codes = rng.integers(0, [3, 4, 5, 6, 8], size=(400, 5)).astype(float)
    numbers = rng.standard_normal((400, 4))
    effects = [rng.standard_normal(k) for k in (3, 4, 5, 6, 8)]
    score = sum(e[c.astype(int)] for e, c in zip(effects, codes.T, strict=True))
    score = score + 1.5 * numbers[:, 0] * (codes[:, 0] == 1) + np.abs(numbers[:, 1])
    score = score + 0.7 * rng.standard_normal(400)
    x = np.hstack([codes, numbers])
    x[rng.random(x.shape) < 1 / 15] = np.nan
    y = (score > np.quantile(score, 0.6)).astype(int)
    return x, y, (True,) * 5 + (False,) * 4, 2


def _wide(rng: Rng) -> Made:
    """A number from eight of sixty correlated columns, with few rows."""
    mix = rng.standard_normal((60, 60)) / 8 + np.eye(60)
    x = rng.standard_normal((180, 60)) @ mix
    weights = np.zeros(60)
    weights[rng.permutation(60)[:8]] = rng.standard_normal(8)
    signal = x @ weights
    y = signal + 0.5 * signal.std() * rng.standard_normal(180)
    return x, y, _numbers(x), 0


def _rare(rng: Rng) -> Made:
    """One case in eight."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        n_samples=400, n_features=10, n_informative=5, n_redundant=2, weights=[0.875],
        flip_y=0.02, class_sep=1.0, random_state=int(rng.integers(1 << 30)),
    )  # fmt: skip
    return x, y, _numbers(x), 2


def _five(rng: Rng) -> Made:
    """Five overlapping classes."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        n_samples=400, n_features=12, n_informative=6, n_redundant=2, n_classes=5,
        n_clusters_per_class=1, flip_y=0.02, class_sep=1.1,
        random_state=int(rng.integers(1 << 30)),
    )  # fmt: skip
    return x, y, _numbers(x), 5


def _steps(rng: Rng) -> Made:
    """A number that jumps with codes and thresholds, and a slope on top."""
    codes = rng.integers(0, [4, 7, 3], size=(350, 3)).astype(float)
    numbers = rng.uniform(-1, 1, (350, 5))
    level = rng.standard_normal((4, 7))[codes[:, 0].astype(int), codes[:, 1].astype(int)]
    y = 2 * level + 1.5 * (numbers[:, 0] > 0.2) * (codes[:, 2] == 1) + numbers[:, 1]
    y = y + 0.4 * rng.standard_normal(350)
    x = np.hstack([numbers, codes])
    return x, y, (False,) * 5 + (True,) * 3, 0


RECIPES: tuple[Callable[[Rng], Made], ...] = (
    _mixture, _shells, _moons, _friedman, _circuit, _rules, _wide, _rare, _five, _steps,
)  # fmt: skip
