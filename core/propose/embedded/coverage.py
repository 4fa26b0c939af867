"""Which of a model's samples to try first: the one that covers most of what it believes in.

Samples are draws of where the optimum may lie. A trial covers what lies near it; the sample whose
trial would add most coverage is next. One after the other, that is the greedy solution of a
facility-location problem: first the middle of the largest cluster, then what is far from all tried.
Shapes: n samples, m trials, d coordinates in the unit cube.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REACH = 0.2
"""Root mean square distance, in units of the cube's edge, at which a trial covers 0.6."""


def most_covering(samples: Floats, allowed: NDArray[np.bool_], tried: Floats) -> int:
    """Index of the allowed sample that covers most of what no trial covers yet.

    Args:
        samples: shape (n, d).
        allowed: shape (n,), at least one True.
        tried: shape (m, d); m may be 0.
    """
    covered = _near(tried, samples).max(axis=0) if len(tried) else np.zeros(len(samples))
    gain = np.maximum(_near(samples, samples) - covered, 0.0).sum(axis=1)
    return int(np.argmax(np.where(allowed, gain, -1.0)))


def _near(a: Floats, b: Floats) -> Floats:
    """How much a trial at each of `a` covers each of `b`, shape (len(a), len(b)), in [0, 1]."""
    squared = np.square(a[:, None, :] - b[None, :, :]).mean(axis=2)
    return np.asarray(np.exp(-0.5 * squared / REACH**2))
