"""Surfaces of a corpus that can be asked anywhere: Gaussian processes through its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.propose.gp.surrogate import GaussianProcess, compress_tail
from hyperllama.core.space import Categorical, SearchSpace
from hyperllama.models.embedded import dialect
from workshop.corpus import Surface, read
from workshop.spaces import wide_space

Floats = NDArray[np.float64]
METRIC_KINDS = {"error": "error", "balanced_error": "error", "log_loss": "probability",
                "auc_loss": "rank", "rmse": "squared", "mae": "absolute"}  # fmt: skip
"""Losses of the corpora -> their kinds, elements of `dialect.METRICS`."""


@dataclass
class FittedSurface:
    """A surface that can be asked anywhere in its wide space.

    Attributes:
        models: one a metric.
        ahead: held-out loss minus training loss, one a metric; empty where it is not known.
        noises: of a score, one a metric, see `dialect.TableFacts`; empty where it is not known.
        metrics: the kind of each, see `dialect.METRICS`.
        lefts: of a constant's loss, what the default leaves, one a metric.
    """

    dataset: str
    family: str
    facts: dialect.TableFacts
    space: SearchSpace
    models: list[GaussianProcess] = field(default_factory=list)
    ahead: list[GaussianProcess] = field(default_factory=list)
    noises: list[float] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    lefts: list[float | None] = field(default_factory=list)

    def losses(self, which: int, units: Floats) -> Floats:
        return self.models[which].predict_mean(units)

    def told(self, which: int) -> dialect.TableFacts:
        """The facts of the table, with those of one of the metrics."""
        noise = self.noises[which] if self.noises else None
        return replace(self.facts, metric=self.metrics[which], default_left=self.lefts[which],
                       noise=noise)


def fit(surface: Surface) -> FittedSurface | None:
    """Gaussian processes through every loss of a surface; None where too few trials succeeded."""
    space = wide_space(surface.family, surface.kind)
    units = np.array([space.to_unit(c) for c in surface.configs])
    categorical = np.array([isinstance(p.domain, Categorical) for p in space.free])
    f = surface.facts
    kind = "regression" if surface.kind == "regression" else (
        "binary" if f["classes"] == 2 else "multiclass")
    facts = dialect.TableFacts(kind, f["rows"], f["features"], f["minority_share"],
                               f["categorical_share"], f["missing_share"], f["classes"])
    result = FittedSurface(surface.dataset, surface.family, facts, space)
    start = space.to_unit(space.default())[None]
    for metric, losses in surface.losses.items():
        known = np.array([v is not None for v in losses])
        if known.sum() < 12:
            continue
        y = compress_tail(np.array([v for v in losses if v is not None]))
        if y.std() < 1e-6:
            continue
        result.models.append(GaussianProcess.fit(units[known], y, categorical))
        result.metrics.append(METRIC_KINDS[metric])
        default = float(result.losses(-1, start)[0])
        result.lefts.append(_left(metric, surface.facts, default))
    return result if result.models else None


def _left(metric: str, facts: Mapping[str, Any], default: float) -> float | None:
    """The share of a constant's loss that the default leaves; None where that is not known."""
    share = facts["minority_share"]
    if metric == "rmse":
        constant = 1.0
    elif metric == "mae" or facts["classes"] != 2 or not 0 < share < 1:
        return None
    else:
        entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
        constant = {"error": share, "log_loss": entropy}.get(metric, 0.5)
    return max(default, 0.0) / constant


def load(paths: Sequence[Path], held_out: bool, every: int = 12) -> list[FittedSurface]:
    """Fitted surfaces of a corpus; one data set in `every` is held out."""
    found = []
    for path in paths:
        for surface in read(path):
            if is_held_out(surface.dataset, every) == held_out:
                fitted = fit(surface)
                if fitted is not None:
                    found.append(fitted)
    return found


def is_held_out(dataset: str, every: int = 12) -> bool:
    """Whether nothing is learnt from a data set of the first corpus."""
    digits = "".join(c for c in dataset if c.isdigit())
    return (sum(dataset.encode()) + int(digits or 0)) % every == 0
