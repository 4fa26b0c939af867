"""Data sets to learn from: generated ones of many kinds, and any folder of CSV tables.

A generated data set is a pure function of its seed. Seeds below 10,000 are for pretraining; those
above are reserved for the bench, as are scikit-learn's bundled data sets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Dataset:
    """A typed table.

    Attributes:
        name: unique; what the corpus is split by.
        x: shape (n_rows, n_features); NaN where empty, codes 0..k-1 in categorical columns.
        y: shape (n_rows,); class codes, or numbers.
        categorical: indices of the categorical columns.
        classes: number of classes; 0 for regression.
    """

    name: str
    x: Floats
    y: Floats
    categorical: tuple[int, ...]
    classes: int

    @property
    def kind(self) -> str:
        return "classification" if self.classes else "regression"


def generate(seed: int) -> Dataset:
    """A data set drawn from a broad prior: 150 to 2,500 rows, 2 to 60 columns."""
    rng = np.random.default_rng([seed, 7])
    rows = int(np.exp(rng.uniform(math.log(300), math.log(2500))))
    features = int(np.exp(rng.uniform(math.log(2), math.log(60))))
    useful = max(1, round(features * rng.uniform(0.2, 1.0)))
    x = _columns(rng, rows, features)
    order = rng.permutation(features)[:useful]
    signal = _signal(rng, _standard(x[:, order]))
    noise = float(np.exp(rng.uniform(math.log(0.02), math.log(2.0))))
    target = signal + noise * _noise(rng, rows)
    x, categorical = _categories(rng, x)
    if rng.random() < 0.25:
        x[rng.random(x.shape) < rng.uniform(0.01, 0.25)] = np.nan
    if rng.random() < 0.4:
        if rng.random() < 0.3:
            target = np.exp(_standard(target) * rng.uniform(0.3, 1.0))
        return Dataset(f"generated-{seed}", x, target, categorical, 0)
    classes = 2 if rng.random() < 0.6 else int(rng.integers(3, 8))
    y = _classes(rng, target, signal, classes)
    return Dataset(f"generated-{seed}", x, y.astype(float), categorical, classes)


def _columns(rng: Rng, rows: int, features: int) -> Floats:
    style = rng.integers(4)
    if style == 0:
        x = rng.standard_normal((rows, features))
    elif style == 1:  # correlated
        mix = rng.standard_normal((features, features)) / math.sqrt(features)
        x = rng.standard_normal((rows, features)) @ mix
    elif style == 2:  # clusters
        centres = rng.standard_normal((int(rng.integers(2, 10)), features)) * rng.uniform(0.5, 3)
        x = centres[rng.integers(len(centres), size=rows)] + rng.standard_normal((rows, features))
    else:  # few factors behind many columns
        factors = rng.standard_normal((rows, max(1, features // 4)))
        x = factors @ rng.standard_normal((factors.shape[1], features))
        x += rng.uniform(0.05, 0.7) * rng.standard_normal(x.shape)
    for j in range(features):  # heavy tails, steps, counts
        shape = rng.integers(6)
        if shape == 0:
            x[:, j] = np.exp(_standard(x[:, j]))
        elif shape == 1:
            x[:, j] = np.round(x[:, j] * rng.uniform(0.5, 4))
        elif shape == 2:
            x[:, j] = np.abs(x[:, j])
    return np.asarray(x, dtype=float)


def _signal(rng: Rng, x: Floats) -> Floats:
    parts = rng.choice(5, size=int(rng.integers(1, 3)), replace=False)
    total = np.zeros(len(x))
    for part in parts:
        total += rng.uniform(0.3, 1.0) * _standard(_SIGNALS[int(part)](rng, x))
    return _standard(total)


def _linear(rng: Rng, x: Floats) -> Floats:
    w = rng.standard_normal(x.shape[1]) * (rng.random(x.shape[1]) < rng.uniform(0.2, 1))
    return np.asarray(x @ w + 1e-3 * x[:, 0])


def _trees(rng: Rng, x: Floats) -> Floats:
    total = np.zeros(len(x))
    depth = int(rng.integers(1, 7))
    for _ in range(int(rng.integers(1, 25))):
        leaf = np.zeros(len(x), dtype=int)
        for _ in range(depth):
            j = rng.integers(x.shape[1])
            leaf = leaf * 2 + (x[:, j] > rng.choice(x[:, j]))
        total += rng.standard_normal(2**depth)[leaf]
    return total


def _network(rng: Rng, x: Floats) -> Floats:
    h = x
    for _ in range(int(rng.integers(1, 4))):
        w = rng.standard_normal((h.shape[1], int(rng.integers(4, 32)))) / math.sqrt(h.shape[1])
        h = np.tanh(h @ w * rng.uniform(0.7, 2.5) + rng.standard_normal(w.shape[1]) * 0.5)
    return np.asarray(h @ rng.standard_normal(h.shape[1]))


def _smooth(rng: Rng, x: Floats) -> Floats:
    w = rng.standard_normal((x.shape[1], 64)) * rng.uniform(0.2, 1.5) / math.sqrt(x.shape[1])
    waves = np.cos(x @ w + rng.uniform(0, 2 * math.pi, 64))
    return np.asarray(waves @ rng.standard_normal(64))


def _interactions(rng: Rng, x: Floats) -> Floats:
    total = np.zeros(len(x))
    for _ in range(int(rng.integers(1, 6))):
        chosen = rng.integers(x.shape[1], size=int(rng.integers(1, 4)))
        total += rng.standard_normal() * np.prod(np.clip(x[:, chosen], -3, 3), axis=1)
    return total + 1e-3 * x[:, 0]


_SIGNALS = (_linear, _trees, _network, _smooth, _interactions)


def _noise(rng: Rng, rows: int) -> Floats:
    if rng.random() < 0.2:
        return np.asarray(rng.standard_t(3, rows))
    return np.asarray(rng.standard_normal(rows))


def _classes(rng: Rng, target: Floats, signal: Floats, classes: int) -> NDArray[np.int64]:
    if classes == 2:
        share = rng.uniform(0.08, 0.5) if rng.random() < 0.5 else 0.5
        return (target > np.quantile(target, 1 - share)).astype(np.int64)
    weights = rng.dirichlet(np.full(classes, 3.0))
    edges = np.quantile(target, np.clip(np.cumsum(weights)[:-1], 0.03, 0.97))
    codes = np.searchsorted(edges, target)
    return np.asarray(rng.permutation(classes)[codes], dtype=np.int64)


def _categories(rng: Rng, x: Floats) -> tuple[Floats, tuple[int, ...]]:
    """Turn some columns into unordered codes by cutting them at quantiles."""
    if rng.random() < 0.5:
        return x, ()
    share = rng.uniform(0.1, 0.9)
    chosen = tuple(int(j) for j in np.flatnonzero(rng.random(x.shape[1]) < share))
    for j in chosen:
        levels = int(rng.integers(2, 13))
        edges = np.quantile(x[:, j], np.sort(rng.random(levels - 1)))
        x[:, j] = rng.permutation(levels)[np.searchsorted(edges, x[:, j])]
    return x, chosen


def _standard(x: Floats) -> Floats:
    return np.asarray((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9))


def from_table(path: Path, target: str, seed: int) -> Dataset:
    """A CSV table, at most 5,000 of its rows, encoded as HyperLlama does.

    Raises:
        HyperLlamaError: the table cannot be read or has no such target.
    """
    from hyperllama.core.data import DataSpec, TableSource, load_table

    table = load_table(TableSource(DataSpec(path=path, target=target)))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(table.n_rows)[:5000]
    codes = tuple(j for j, c in enumerate(table.columns) if c.kind == "category")
    y = table.y[rows].astype(float)
    if table.classes:
        y = np.unique(y, return_inverse=True)[1].astype(float)
    return Dataset(f"table-{path.stem}", table.x[rows], y, codes, len(np.unique(y))
                   if table.classes else 0)
