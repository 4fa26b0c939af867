"""The family prior, for `models/embedded/family_prior.json`: length scales and mean loss.

Length scales by empirical Bayes: a Gaussian process is fitted to the scores of every case, with the
prior that all of them together give, in turns (expectation maximisation, each posterior taken as
a normal one around its mode). The mean is a ridge regression, see `core.propose.gp.family_prior`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.estimators import Facts
from hyperllama.core.propose.gp import surrogate
from hyperllama.core.propose.gp.family_prior import FamilyPrior, Features
from hyperllama.core.propose.gp.surrogate import GaussianProcess, LengthPrior, compress_tail
from hyperllama.core.space import Categorical, Param, SearchSpace
from workshop.corpus import read
from workshop.pooled import scored
from workshop.spaces import FAMILY, wide_space
from workshop.surfaces import Floats, is_held_out
from workshop.survey import all_units
from workshop.targets import is_reserved, load

METRICS = {"error": "accuracy", "log_loss": "neg_log_loss", "rmse": "neg_root_mean_squared_error",
           "auc_loss": "roc_auc"}  # fmt: skip
"""Losses that are learnt from -> what the project calls the metric."""
TURNS, TRIALS, CASES = 6, 24, 80
"""Turns, the most trials of a case, and the most cases of a family that give length scales."""
FEWEST = 8
RIDGE, USUAL_TRIALS = 3.0, 16
"""Penalty of the regression, and the trials that each case counts as in it."""
_NARROWEST, _STEP = 0.25, 1e-3


@dataclass(frozen=True)
class Case:
    """Losses of a family on a target.

    Attributes:
        x: coordinates in the wide space, shape (n, d).
        y: losses with the bad tail pulled in, shape (n,).
        family_prior: facts and metric, and by what name the family goes.
    """

    family: str
    kind: str
    space: SearchSpace
    x: Floats
    y: Floats
    family_prior: FamilyPrior


def cases(corpus: Path, survey: Path | None = None, held_out: bool = False) -> Iterator[Case]:
    """Those of both corpora that may be learnt from, or those that are held out."""
    for path in sorted(corpus.glob("*.jsonl.gz")):
        for s in read(path):
            if is_held_out(s.dataset) != held_out:
                continue
            space = wide_space(s.family, s.kind)
            x = np.array([space.to_unit(c) for c in s.configs])
            for metric, losses in s.losses.items():
                known = np.array([v is not None for v in losses])
                if metric in METRICS and known.sum() >= 12:
                    y = compress_tail(np.array([v for v in losses if v is not None]))
                    if y.std() > 1e-6:
                        family_prior = _family_prior(s.family, s.kind, s.facts, metric)
                        yield Case(s.family, s.kind, space, x[known], y, family_prior)
    if survey is None:
        return
    held = {t.name for t in load(survey / "targets.jsonl") if is_reserved(t.group)}
    for unit in all_units(survey).values():
        if unit.family != "pipeline" and (unit.target in held) == held_out:
            kind = "regression" if unit.kind == "regression" else "classification"
            for u in scored(unit):
                if u.metric in METRICS:
                    family_prior = _family_prior(unit.family, kind, unit.facts, u.metric)
                    yield Case(unit.family, kind, u.space, u.x, u.y, family_prior)


def _family_prior(name: str, kind: str, facts: Mapping[str, Any], metric: str) -> FamilyPrior:
    return FamilyPrior((FAMILY.get(name, name),), kind, Facts(**facts), METRICS[metric])


def learn(all_of_them: list[Case]) -> list[dict[str, Any]]:
    """What is written for each family; classification and regression together where both have the
    same hyperparameters."""
    groups: dict[tuple[str, tuple[str, ...]], list[Case]] = defaultdict(list)
    for c in all_of_them:
        groups[c.family, c.space.names].append(c)
    found = []
    for (name, _), mine in sorted(groups.items()):
        if len(mine) < FEWEST:
            continue
        lengths = length_prior(mine)
        free = mine[0].space.free
        default = mine[0].space.to_unit(mine[0].space.default())
        axes = [_written(p, at, (mean, sd)) for p, at, mean, sd in
                zip(free, default, lengths.centre, lengths.spread, strict=True)]  # fmt: skip
        weights = _mean(mine, Features([axis["length"][0] for axis in axes]))
        found.append({"family": FAMILY.get(name, name), "kinds": sorted({c.kind for c in mine}),
                      "axes": axes, "weights": [float(f"{w:.4g}") for w in weights]})
    return found


def write(corpus: Path, survey: Path | None, path: Path) -> None:
    """Learn from both corpora; one family a line."""
    found = learn(list(cases(corpus, survey)))
    path.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n", encoding="utf-8")


def length_prior(mine: list[Case], seed: int = 0) -> LengthPrior:
    """The prior that all cases of a family together give."""
    rng = np.random.default_rng(seed)
    trials = []
    for i in rng.permutation(len(mine))[:CASES]:
        kept = rng.permutation(len(mine[i].y))[:TRIALS]
        categorical = np.array([isinstance(p.domain, Categorical) for p in mine[i].space.free])
        trials.append((mine[i].x[kept], mine[i].y[kept], categorical))
    prior = LengthPrior.usual(trials[0][0].shape[1])
    for _ in range(TURNS):
        fits = [GaussianProcess.fit(*t, lengths=prior) for t in trials]
        modes = np.log([f.length for f in fits])
        variances = [_variance(f, t[1], prior) for f, t in zip(fits, trials, strict=True)]
        mean = modes.mean(axis=0)
        sd = np.sqrt((np.square(modes - mean) + variances).mean(axis=0))
        prior = LengthPrior(mean, np.maximum(sd, _NARROWEST))
    return prior


def _mean(mine: list[Case], features: Features) -> Floats:
    """Weights of the features, fitted to losses standardised within each case."""
    gram, right = RIDGE * np.eye(len(features.shifts)), np.zeros(len(features.shifts))
    for c in mine:
        phi = features(c.x, c.family_prior.about).astype(float)
        share = USUAL_TRIALS / len(c.y)
        gram += share * phi.T @ phi
        right += share * phi.T @ ((c.y - c.y.mean()) / c.y.std())
    return np.asarray(np.linalg.solve(gram, right))


def _written(p: Param, default: float, length: tuple[float, float]) -> dict[str, Any]:
    d = p.domain
    found: dict[str, Any] = {"name": p.name}
    if isinstance(d, Categorical):
        found["choices"] = list(d.choices)
    else:
        found |= {"low": d.low, "high": d.high, "log": d.log, "whole": isinstance(d.low, int)}
    return found | {"default": round(float(default), 3), "length": [round(float(v), 2)
                                                                    for v in length]}


def _variance(gp: GaussianProcess, y: Floats, prior: LengthPrior) -> Floats:
    """Variance of each log length scale around its mode, the others held, shape (d,)."""
    d = len(gp.length)
    distances = surrogate._squared_differences(gp.x, gp.x, gp.categorical)
    centre, spread = np.append(prior.centre, 0.0), np.append(prior.spread, 1e6)
    mode, z = np.log(np.append(gp.length, gp.noise)), (y - gp.mean) / gp.std

    def slope(theta: Floats) -> Floats:
        return surrogate._negative_log_posterior(
            theta, distances, z, gp.shares, centre, spread)[1]  # fmt: skip

    steps = _STEP * np.eye(d + 1)[:d]
    bend = [(slope(mode + s) - slope(mode - s))[j] / (2 * _STEP) for j, s in enumerate(steps)]
    return np.asarray(1.0 / np.maximum(bend, 0.5 / prior.spread**2))
