"""The Gaussian process on scores that were really measured: what it foresees, and what it chooses.

A case of the corpora that nothing was learnt from has losses of 12 to 64 configurations. Some of
them are told; the others are predicted, or the next is chosen among them, step by step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hyperllama.core.propose.gp.acquisition import fitted
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.family_prior import FamilyPrior
from hyperllama.core.propose.gp.surrogate import GaussianProcess, log_expected_improvement
from hyperllama.core.trials import Observed
from hyperllama.core.trials.history import TrialHistory
from workshop.family_prior import Case, cases
from workshop.surfaces import Floats

KNOWN, FIRST = (5, 10), 3
"""Trials after which the rest is predicted, and random ones before the first that is chosen."""
LEFT = 6
"""Configurations that have to be left over."""


def compare(corpus: Path, survey: Path | None, tasks: int, budget: int = 15) -> None:
    """Print what a GP makes of held-out cases without and with the family prior.

    Both and the difference with a 90 % interval: mean log density, in standard deviations the
    error, rank correlation; and the loss above the least of the best chosen one, in standard
    deviations of the losses of the case.
    """
    found: dict[str, list[list[Floats]]] = defaultdict(list)
    kept = list(cases(corpus, survey, held_out=True))
    for number in np.random.default_rng(0).permutation(len(kept))[:tasks]:
        case = kept[number]
        for count in KNOWN:
            if len(case.y) >= count + LEFT:
                found[f"foreseen after {count}"].append(
                    [foreseen(case, h, count, number) for h in (None, case.family_prior)])
        if len(case.y) >= budget + LEFT:
            found["chosen"].append(
                [chosen(case, h, budget, number) for h in (None, case.family_prior)])
    for name, both in found.items():
        without, with_ = np.array(both).transpose(1, 0, 2)
        half = 1.645 * (with_ - without).std(axis=0) / np.sqrt(len(both))
        rows = zip(without.mean(axis=0), with_.mean(axis=0), half, strict=True)
        print(name, len(both), "  ".join(f"{a:.3f} {b:.3f} ({b - a:+.3f} ± {h:.3f})"
                                         for a, b, h in rows))  # fmt: skip


def foreseen(case: Case, family_prior: FamilyPrior | None, count: int, seed: int) -> Floats:
    """Mean log density, mean squared error's root and rank correlation of what was not told."""
    order = np.random.default_rng(seed).permutation(len(case.y))
    told, rest = order[:count], order[count:]
    gp = _fitted(case, family_prior, told)
    mean, std = gp.predict(case.x[rest])
    variance, scale = std**2 + gp.noise * gp.std**2, float(case.y.std())
    error = (mean + case.y[rest]) / scale
    density = -0.5 * (np.log(2 * np.pi * variance / scale**2) + error**2 * scale**2 / variance)
    rank = spearmanr(-mean, case.y[rest]).statistic if np.ptp(mean) and np.ptp(case.y[rest]) else 0
    return np.array([max(density.mean(), -10.0), np.sqrt(np.square(error).mean()), rank])


def chosen(case: Case, family_prior: FamilyPrior | None, budget: int, seed: int) -> Floats:
    """The loss of the best, above the least, after 5, 7, 10 and all trials."""
    told = list(np.random.default_rng(seed).permutation(len(case.y))[:FIRST])
    while len(told) < budget:
        gp = _fitted(case, family_prior, told)
        rest = np.setdiff1d(np.arange(len(case.y)), told)
        best = float(gp.predict_mean(gp.x).max())
        told.append(rest[np.argmax(log_expected_improvement(*gp.predict(case.x[rest]), best))])
    above = np.minimum.accumulate(case.y[told] - case.y.min()) / case.y.std()
    return np.asarray(above[[4, 6, 9, budget - 1]])


def _fitted(case: Case, family_prior: FamilyPrior | None, told: Iterable[int]) -> GaussianProcess:
    history = TrialHistory()
    for i in told:
        config = case.space.from_unit(case.x[i])
        history.tell(Observed(len(history), config, -float(case.y[i])))
    return fitted(case.space, history, EarlierTrials((), family_prior))[0]
