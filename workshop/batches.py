"""Training sequences packed into arrays: one prompt, its continuations side by side.

A continuation sees the prompt and itself, not its neighbours, and stands at the same positions, so
that one pass over the prompt serves them all. Shapes: B sequences, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperllama.models.embedded import dialect
from workshop.sequences import Example, Source

HISTORY_WEIGHT = 0.1
PLAN_WEIGHT = 0.5
STEPS = 8
"""Batches in a group, whose sequences are sorted by length, so that little is padded."""
_SPREAD = 1.0  # standard deviation of the soft targets, in bins


@dataclass(frozen=True)
class Batch:
    """Arrays of one step.

    Attributes:
        tokens, positions: shape (B, T); whole numbers of any width.
        segments: shape (B, T); 0 the prompt, 1.. the continuations, -1 padding.
        targets: the token that should follow each, shape (B, T).
        weights: of each prediction in the loss, shape (B, T).
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    segments: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]


def soft_targets() -> NDArray[np.float32]:
    """Rows of neighbouring values' shares, shape (BINS, BINS)."""
    i = np.arange(dialect.BINS)
    share = np.exp(-0.5 * np.square((i[:, None] - i[None, :]) / _SPREAD))
    return np.asarray(share / share.sum(1, keepdims=True), dtype=np.float32)


def pack(examples: list[Example]) -> Batch:
    """Pad examples to the longest of them."""
    lengths = [len(e.prompt) + sum(len(c) for c in e.continuations) for e in examples]
    shape = (len(examples), -(-max(lengths) // 8) * 8)
    tokens, positions, targets = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    segments, weights = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.float32)
    for row, e in enumerate(examples):
        n = len(e.prompt)
        tokens[row, :n], positions[row, :n], segments[row, :n] = e.prompt, np.arange(n), 0
        targets[row, : n - 1] = e.prompt[1:]
        start = e.prompt.index(_TRIAL) if _TRIAL in e.prompt else n
        weights[row, start : n - 1] = HISTORY_WEIGHT * _is_value(targets[row, start : n - 1])
        at = n
        for k, c in enumerate(e.continuations):
            end = at + len(c)
            tokens[row, at:end], segments[row, at:end] = c, k + 1
            positions[row, at:end] = n + np.arange(len(c))
            targets[row, at : end - 1] = c[1:]
            split = c.index(_CONFIG)
            weights[row, at : end - 1] = _is_value(targets[row, at : end - 1])
            weights[row, at : at + split - 1] = PLAN_WEIGHT
            at = end
    return Batch(tokens, positions, segments, targets, weights)


_TRIAL, _CONFIG = dialect.INDEX["<trial>"], dialect.INDEX["<config>"]


def _is_value(tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (tokens >= dialect.VALUE_0) & (tokens <= dialect.LAST_VALUE)


def batches(source: Source, batch: int, start: int, stride: int, offset: int) -> Iterator[Batch]:
    """Batches without end, from step `start`: every `stride`-th group of `STEPS` from `offset`
    on."""
    group = start // STEPS + offset
    while True:
        first = group * STEPS * batch
        drawn = [source.draw(i) for i in range(first, first + STEPS * batch)]
        drawn.sort(key=lambda e: len(e.prompt))
        rng = np.random.default_rng([source.seed, group, 3])
        for k in rng.permutation(STEPS):
            yield pack(drawn[k * batch : (k + 1) * batch])
        group += stride
