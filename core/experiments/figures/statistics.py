"""The one place where an experiment's figures are defined: gain, spread, interval, rank, test.

NumPy and SciPy are imported in the functions that need them, so an interface may use `gain`.
Losses are lower-is-better. Shapes: n values, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
FEWEST_SEEDS = 3
"""With fewer there is no interval over seeds: resampling two values says nothing."""
_TIE = 1e-9
"""Losses this close, relatively, count as equal."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; without one (low = high = None) where there is too little.

    Attributes:
        value: the figure; low, high: the interval's ends, in the same unit.
    """

    value: float
    low: float | None = None
    high: float | None = None


def loss_of(score: float, negated: bool) -> float:
    """The loss of a score: 1 - score, or minus the score for scikit-learn's negated errors."""
    return -score if negated else 1.0 - score


def gain(loss: Any, reference: Any) -> Any:
    """Share of the reference's loss that was saved, at the same number of evaluations.

    gain = (reference - loss) / |reference|

    with losses as measured (see `loss_of`); 0.1 is a loss lower by 10 %, negative is worse. The
    reference is random search's expected loss, the default configuration's, or another
    contender's. Where the reference is 0: 0 for a loss of 0, else -1. Several tasks count
    alike: their gains are averaged, not their losses.

    Args:
        loss, reference: numbers, or arrays that broadcast.
    """
    if isinstance(loss, (int, float)) and isinstance(reference, (int, float)):
        scale = abs(reference) or abs(loss) or 1.0
        return (reference - loss) / scale
    import numpy as np

    scale = np.where(np.abs(reference) > 0, np.abs(reference), np.abs(loss))
    return np.asarray((reference - loss) / np.where(scale > 0, scale, 1.0))


def compared(a: float, b: float) -> int:
    """-1 where loss a is lower than b, 1 where it is higher, 0 where they are equal to 9 digits."""
    if abs(a - b) <= _TIE * max(abs(a), abs(b)):
        return 0
    return -1 if a < b else 1


def paired_gains(losses: Sequence[float], references: Sequence[float]) -> list[float]:
    """The gain under each seed of one task, as shares of the reference's mean loss there.

    So their mean is the gain of the mean losses. 0 where two losses tie.

    Args:
        losses, references: of two contenders under the same seeds, shape (n,).
    """
    scale = abs(fmean(references)) or abs(fmean(losses)) or 1.0
    return [
        (r - v) / scale if compared(v, r) else 0.0 for v, r in zip(losses, references, strict=True)
    ]


def holm(values: Sequence[float]) -> list[float]:
    """p values after Holm's correction (1979) for their number, in the order given."""
    rising = sorted(range(len(values)), key=lambda i: values[i])
    corrected, most = [0.0] * len(values), 0.0
    for place, i in enumerate(rising):
        most = max(most, min(1.0, values[i] * (len(values) - place)))
        corrected[i] = most
    return corrected


def over_units(values: Floats, figure: Callable[..., Any]) -> Estimate:
    """A figure of n independent units with its interval; NaN of none.

    Args:
        values: shape (n,).
        figure: as `numpy.mean`: takes `axis`.
    """
    n = len(values)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan)
    value = float(figure(values, axis=-1))
    low, high = (value, value) if n == 1 else _percentiles([values], figure)
    return Estimate(value, low, high)


def over_seeds(figure: Callable[..., Any], sizes: Sequence[int]) -> Estimate:
    """A figure of several tasks with its interval over seeds, resampled within each task.

    It says how much the figure would move with other seeds on these tasks, and nothing about other
    tasks. What belongs to one seed (two contenders on it, say) is resampled together.

    Args:
        figure: (index arrays, one a sample, each of shape (..., size)) -> figure, shape (...).
        sizes: of the samples: seeds of each task, and pools of random configurations.
    """
    import numpy as np

    whole = [np.arange(size) for size in sizes]
    value = float(figure(*whole))
    if min(sizes, default=0) < FEWEST_SEEDS:
        return Estimate(value)

    def resampled(*picked: Any, axis: int = -1) -> Any:
        return figure(*(p.astype(int) for p in picked))

    return Estimate(value, *_percentiles(whole, resampled))


def mean_with_other_seeds(losses: Floats, picked: NDArray[np.int_]) -> Floats:
    """Mean loss of resampled seeds.

    Deviations are stretched by sqrt(n / (n - 1)): resampling few values makes them too small.

    Args:
        losses: shape (n,); picked: indices, shape (..., n).

    Returns:
        Shape (...).
    """
    n, mean = len(losses), losses.mean()
    stretch = math.sqrt(n / (n - 1)) if n > 1 else 1.0
    return mean + stretch * (losses[picked].mean(-1) - mean)  # type: ignore[no-any-return]


def _percentiles(samples: Sequence[Any], figure: Callable[..., Any]) -> tuple[float, float]:
    """Ends of the bootstrap's percentile interval; the same at every call."""
    import numpy as np
    from scipy.stats import bootstrap

    found = bootstrap(
        samples, figure, n_resamples=RESAMPLES, confidence_level=LEVEL, method="percentile",
        vectorized=True, paired=False, random_state=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def ranks(losses: Floats) -> Floats:
    """Rank of each contender on each task or unit, 1 is best, ties share.

    Args:
        losses: shape (n_contenders, n_units); equal to 9 digits is equal.

    Returns:
        The same shape.
    """
    import numpy as np
    from scipy.stats import rankdata

    if not losses.size:
        return losses
    rounded = np.array([[float(f"{v:.9g}") for v in row] for row in losses])
    return np.asarray(rankdata(rounded, axis=0))


def wilcoxon_p(a: Floats, b: Floats) -> float:
    """Two-sided p of the signed ranks of log(a / b), or of a - b where a loss is not positive.

    Args:
        a, b: losses of two contenders on the same units, shape (n,). 1 where all are equal.
    """
    import numpy as np
    from scipy.stats import wilcoxon

    sign = np.array([compared(p, q) for p, q in zip(a, b, strict=True)])
    if not sign.any():
        return 1.0
    gap = np.log(a) - np.log(b) if (a > 0).all() and (b > 0).all() else a - b
    return float(wilcoxon(np.where(sign == 0, 0.0, gap), zero_method="zsplit").pvalue)
