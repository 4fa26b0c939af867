"""Whether proposals move: what is too near a trial, has the effect of one, or never changes.

Distances are taken in the unit cube, where each hyperparameter's range has length 1 after its own
log scale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from hyperllama.core.space import Categorical, Config, Param, SearchSpace, Value
from hyperllama.core.trials.history import project, succeeded
from hyperllama.core.trials.protocol import Observed

NEAR = 0.03
"""Two configurations no hyperparameter of which differs by more than this share of its range are
taken for one."""
SAME = 0.01
"""The same for two values of one hyperparameter."""
MOST_IDLE = 2
"""Hyperparameters in which trials of equal scores may differ for these to count as without effect;
trials that differ in more may be equal because both learned nothing."""
STILL = 4
"""Trials in which a hyperparameter had one value before that is said."""
MOST_MOVED = 2
"""Hyperparameters that a proposal moves away from the best trial, after a turn that brought no new
best. On four exhaustive tables, with made-up models that draw at random or mostly repeat the
default, 12 trials came 1 to 5 % of the way from the default to the optimum nearer than with
whatever they say."""
_FARTHEST = 0.3  # of a range, that such a hyperparameter is moved
_MOVED = 0.1  # of a range, from which on a hyperparameter counts as moved
_JITTER = 0.05  # standard deviation of what is held near the best trial, of a range
_CATEGORY = 0.5  # how far another category counts to be
_SHARE = 1 / 3  # of the model's turns in which a hyperparameter may have one value
_FEW = 4  # values of a range that has to be shared out


def near(space: SearchSpace, trials: Sequence[Observed], config: Config) -> Observed | None:
    """The nearest trial where that is within `NEAR`; None where all are farther away."""
    inside = [(t, c) for t in trials if (c := project(space, t.config)) is not None
              and c.keys() == config.keys()]  # fmt: skip
    if not inside or not space.free:
        return None
    x = np.array([space.to_unit(c) for _, c in inside])
    distance = np.abs(x - space.to_unit(config))
    category = np.array([isinstance(p.domain, Categorical) for p in space.free])
    distance[:, category] = np.where(distance[:, category] > 1e-9, 1.0, 0.0)
    farthest = distance.max(axis=1)
    i = int(farthest.argmin())
    return inside[i][0] if farthest[i] < NEAR else None


def alike(
    space: SearchSpace, trials: Sequence[Observed], config: Config, rounds: Sequence[str] = ()
) -> tuple[Observed, tuple[str, ...]] | None:
    """A trial with the same effective configuration, and what differs without effect; else None.

    Differences have no effect where trials had equal scores in every fold in spite of them, and
    in a number of boosting rounds beyond the one at which early stopping ended.

    Args:
        rounds: hyperparameters that are numbers of boosting rounds.
    """
    groups: dict[tuple[float, ...], list[Observed]] = defaultdict(list)
    for t in trials:
        if succeeded(t) and len(t.fold_scores) > 1:
            groups[t.fold_scores].append(t)
    for t in trials:
        differing = _differing(space, t.config, config)
        if not differing:
            return t, ()
        stopped = t.facts.get("iterations")
        if (
            len(differing) == 1
            and (name := next(iter(differing))) in rounds
            and isinstance(stopped, (int, float))
            and t.config.get(name, 0) > stopped
            and config.get(name, 0) > stopped
        ):
            return t, tuple(differing)
        for other in groups.get(t.fold_scores, ()):
            idle = _differing(space, t.config, other.config)
            if other is not t and len(idle) <= MOST_IDLE and differing <= idle:
                return t, tuple(sorted(differing))
    return None


def unmoved(
    space: SearchSpace, trials: Sequence[Observed], count: int = STILL
) -> dict[str, Value]:
    """Hyperparameters with one value in all of the last `count` trials that had them."""
    found: dict[str, Value] = {}
    for p in space.free:
        values = [t.config[p.name] for t in trials if p.domain.contains(t.config.get(p.name))]
        last = values[-count:]
        if len(last) == count and all(_same(p, v, last[-1]) for v in last):
            found[p.name] = last[-1]
    return found


def held_near_best(
    space: SearchSpace, trials: Sequence[Observed], config: Config, rng: np.random.Generator
) -> tuple[Config, tuple[str, ...]]:
    """The configuration with no more than its largest moves away from the best trial, and these.

    A number goes at most `_FARTHEST`. The others are a little beside the best trial's values. It
    stays as it is, and nothing is named, where it moves `MOST_MOVED` hyperparameters at most, or
    has other ones than the best trial.
    """
    scored = [(float(t.value or 0.0), c) for t in trials
              if succeeded(t) and (c := project(space, t.config)) is not None]  # fmt: skip
    best = max(scored, key=lambda pair: pair[0])[1] if scored else None
    if best is None or best.keys() != config.keys():
        return config, ()
    there, here = space.to_unit(best), space.to_unit(config)
    category = np.array([isinstance(p.domain, Categorical) for p in space.free])
    distance = np.abs(here - there)
    distance[category] = np.where(distance[category] > 1e-9, _CATEGORY, 0.0)
    if int((distance > _MOVED).sum()) <= MOST_MOVED:
        return config, ()
    kept = np.argsort(-distance, kind="stable")[:MOST_MOVED]
    beside = np.where(category, there, there + _JITTER * rng.standard_normal(len(there)))
    at = np.clip(beside, 0.0, 1.0)
    at[kept] = there[kept] + np.clip(here - there, -_FARTHEST, _FARTHEST)[kept]
    at[category] = np.where(np.isin(np.arange(len(at)), kept), here, there)[category]
    return space.from_unit(at), tuple(space.free[int(j)].name for j in kept)


def worn(space: SearchSpace, own: Sequence[Observed], config: Config) -> list[str]:
    """Numbers whose value in `config` was in a third of the model's turns already.

    Args:
        own: the model's turns so far.
    """
    most = max(2, int(_SHARE * (len(own) + 1)))
    return [
        p.name for p in space.free
        if p.name in config and _many(p)
        and sum(_same(p, t.config.get(p.name), config[p.name]) for t in own) >= most
    ]  # fmt: skip


def redrawn(
    space: SearchSpace, config: Config, names: Sequence[str], given: Mapping[str, Value],
    rng: np.random.Generator,
) -> Config:  # fmt: skip
    """The configuration with other values of these: those given, or where they are the same too,
    values drawn at random."""
    values: dict[str, Value] = dict(config)
    for name in names:
        p, other = space[name], given.get(name)
        for _ in range(16):
            if p.domain.contains(other) and not _same(p, other, config[name]):
                break
            other = p.domain.from_unit(float(rng.random()))
        values[name] = other
    return space.complete(values)


def _many(p: Param) -> bool:
    """Whether a hyperparameter is a number with more than a few values."""
    return not isinstance(p.domain, Categorical) and (
        len({p.domain.from_unit(u) for u in np.linspace(0, 1, 4 * _FEW)}) >= _FEW
    )


def _same(p: Param, a: object, b: object) -> bool:
    if not p.domain.contains(a) or not p.domain.contains(b):
        return False
    if isinstance(p.domain, Categorical):
        return p.domain.index(a) == p.domain.index(b)
    return abs(p.domain.to_unit(a) - p.domain.to_unit(b)) < SAME


def _differing(space: SearchSpace, a: Config, b: Config) -> set[str]:
    """The hyperparameters in which two configurations differ, to six digits."""
    one, other = dict(space.key(a)), dict(space.key(b))
    return {n for n in one.keys() | other.keys() if one.get(n) != other.get(n)}
