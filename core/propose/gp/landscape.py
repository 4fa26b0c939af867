"""What the GP expects over one or two hyperparameters, the others as in the best trial: for plots.

Shapes: n trials, d coordinates, all in [0, 1]; the grid has len(up) rows and len(across) columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.propose.gp.surrogate import Floats, GaussianProcess, compress_tail

MOST_TRIALS = 150
LEAST_TRIALS = 5


@dataclass(frozen=True)
class GPMean:
    """The GP's posterior over a grid.

    Attributes:
        mean: expected score, greater is better, shape (rows, columns).
        low, high: mean minus and plus one standard deviation, without noise, same shape.
    """

    mean: Floats
    low: Floats
    high: Floats


def landscape(
    x: Sequence[Sequence[float]],
    y: Sequence[float],
    categorical: Sequence[bool],
    base: Sequence[float],
    across: tuple[int, Sequence[float]],
    up: tuple[int, Sequence[float]] | None = None,
) -> GPMean:
    """Fit the GP and evaluate it on a grid.

    Args:
        x: shape (n, d), places of the trials.
        y: shape (n,), their scores, greater is better.
        categorical: shape (d,), True where places are only equal or different.
        base: shape (d,), where the other coordinates are held.
        across: a coordinate and its places along the columns; `up`: the same for the rows.
    """
    values = np.asarray(y, float)
    order = np.argsort(-values)[:MOST_TRIALS]  # the worst of very many add little to see
    places, losses = np.asarray(x, float)[order], -values[order]
    targets = -compress_tail(losses)
    gp = _fitted(places.tobytes(), targets.tobytes(), tuple(bool(c) for c in categorical))
    rows = up[1] if up is not None else (0.0,)
    grid = np.tile(np.asarray(base, float), (len(rows) * len(across[1]), 1))
    if up is not None:
        grid[:, up[0]] = np.repeat(np.asarray(rows, float), len(across[1]))
    grid[:, across[0]] = np.tile(np.asarray(across[1], float), len(rows))
    mean, std = gp.predict(grid)
    shape = len(rows), len(across[1])
    spread = (_expanded(-m, losses).reshape(shape) for m in (mean, mean - std, mean + std))
    return GPMean(*spread)


@functools.lru_cache(maxsize=2)
def _fitted(places: bytes, targets: bytes, categorical: tuple[bool, ...]) -> GaussianProcess:
    """The GP of these floats: one fit for all plots of the same trials."""
    x = np.frombuffer(places).reshape(-1, len(categorical))
    return GaussianProcess.fit(x, np.frombuffer(targets), np.asarray(categorical, bool))


def _expanded(compressed: Floats, losses: Floats) -> Floats:
    """The scores of compressed losses: `compress_tail` turned round."""
    best, middle = float(losses.min()), float(np.median(losses))
    scale = middle - best
    if scale <= 0:
        scale = float(losses.std()) or 1.0
    beyond = np.maximum(compressed - middle, 0.0) / scale
    restored = np.minimum(compressed, middle) + scale * np.expm1(np.minimum(beyond, 20.0))
    return np.asarray(-np.minimum(restored, float(losses.max())))


def levels_of(mean: Floats, most: int = 6) -> list[float]:
    """Scores that part the grid into at most `most` + 1 bands: quantiles of its upper half.

    The lower half is one band, because what happens far from the best decides nothing. They are
    rounded to a fiftieth of the span or less.
    """
    low, high = float(mean.min()), float(mean.max())
    if not high - low > 1e-12:
        return []
    shares = np.linspace(0.5, 1.0, most + 1)[:-1]
    digits = math.ceil(-math.log10((high - low) / 50))
    found = np.unique(np.quantile(mean, shares).round(digits))
    return [float(v) for v in found if low < v < high]


def drawn(mean: Floats, levels: Sequence[float], columns: int, rows: int) -> tuple[
    list[list[int]], list[str]
]:
    """A grid as cells of a terminal: the band of each, and the lines between bands in braille.

    Args:
        mean: shape (any, any), the lowest row first; it is interpolated.
        columns, rows: cells; each has 2 x 4 dots.

    Returns:
        Bands (0: below all levels) and braille characters, both top row first.
    """
    dots = _resized(_resized(mean, 4 * rows, 0), 2 * columns, 1)[::-1]
    bands = np.digitize(dots, levels)
    edge = np.zeros(bands.shape, dtype=bool)
    edge[:, 1:] |= bands[:, 1:] != bands[:, :-1]
    edge[1:] |= bands[1:] != bands[:-1]
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    cells = edge.reshape(rows, 4, columns, 2)
    codes = (cells * bits[None, :, None, :]).sum(axis=(1, 3))
    middle = bands[2::4, 1::2]
    lines = ["".join(chr(0x2800 + int(c)) if c else " " for c in row) for row in codes]
    return [[int(b) for b in row] for row in middle], lines


def _resized(grid: Floats, size: int, axis: int) -> Floats:
    """A grid interpolated linearly to `size` along an axis; what has one entry is repeated."""
    old = np.linspace(0.0, 1.0, grid.shape[axis])
    new = np.linspace(0.0, 1.0, size)

    def line(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(new, old, values)

    return np.asarray(np.apply_along_axis(line, axis, grid))
