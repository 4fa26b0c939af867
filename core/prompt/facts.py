"""A history in a few computed sentences, in place of trials that are not listed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.prompt.wording import Names, failure_text, number_text, score_text
from hyperllama.core.space import Categorical, Config, Param, SearchSpace
from hyperllama.core.trials import Observed
from hyperllama.core.trials.history import project, succeeded

Floats = NDArray[np.float64]
_FEWEST = 6  # scored trials below which nothing is said of a hyperparameter
_CLEAR = 0.3  # rank correlations below this are called no clear trend


@dataclass(frozen=True)
class Fact:
    """A sentence, and how much it matters: greater is more."""

    text: str
    weight: float


def facts_of(space: SearchSpace, trials: Sequence[Observed], names: Names) -> list[Fact]:
    """Facts on a history, most important first: scores, failures, one a hyperparameter."""
    scored = [t for t in trials if succeeded(t)]
    found = [*_scores(scored), *_failures(space, trials, names)]
    inside = [(project(space, t.config), float(t.value or 0.0)) for t in scored]
    pairs = [(c, v) for c, v in inside if c is not None]
    if len(pairs) < len(scored):
        outside = len(scored) - len(pairs)
        found.append(Fact(f"{outside} trials lie outside the present search space", 1.5))
    for p in space.free:
        fact = _trend(p, pairs, names)
        if fact is not None:
            found.append(fact)
    return sorted(found, key=lambda f: -f.weight)


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean, shape (n,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[inverse])


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's correlation in [-1, 1]; 0 where one of both does not vary."""
    ra, rb = _ranks(a), _ranks(b)
    ra, rb = ra - ra.mean(), rb - rb.mean()
    scale = float(np.sqrt((ra @ ra) * (rb @ rb)))
    return float(ra @ rb) / scale if scale > 0 else 0.0


def _scores(scored: Sequence[Observed]) -> list[Fact]:
    if not scored:
        return []
    values = np.array([float(t.value or 0.0) for t in scored])
    best = scored[int(values.argmax())]
    return [
        Fact(
            f"scores of {len(scored)} trials: best {score_text(best.value)} (trial {best.number}), "
            f"median {score_text(float(np.median(values)))}, "
            f"worst {score_text(float(values.min()))}",
            4.0,
        )
    ]


def _failures(space: SearchSpace, trials: Sequence[Observed], names: Names) -> list[Fact]:
    """One fact for each kind of failure, numbers in the reason aside; at most five kinds."""
    groups: dict[str, list[Observed]] = defaultdict(list)
    for t in trials:
        if not succeeded(t):
            groups[re.sub(r"\d+(?:\.\d+)?", "#", failure_text(t, 60))].append(t)
    ordered = sorted(groups.values(), key=lambda g: (-len(g), g[0].number))
    facts = []
    for i, group in enumerate(ordered):
        if i == 4 and len(ordered) > 5:
            rest = sum(len(g) for g in ordered[4:])
            facts.append(Fact(f"{rest} trials failed for {len(ordered) - 4} other reasons", 2.0))
            break
        why = "" if names.neutral else f": {failure_text(group[-1], 60)}"
        common = _common(space, group, names)
        facts.append(Fact(f"{len(group)} failed{why}{common}", 3.0))
    return facts


def _common(space: SearchSpace, group: Sequence[Observed], names: Names) -> str:
    """What the configurations of a group have in common, up to three hyperparameters."""
    if len(group) < 2:
        return ""
    found = []
    for p in space.free:
        values = [t.config[p.name] for t in group if p.name in t.config]
        values = [v for v in values if p.domain.contains(v)]
        if len(values) < len(group):
            continue
        u = [p.domain.to_unit(v) for v in values]
        width = max(u) - min(u)
        if isinstance(p.domain, Categorical):
            if width == 0.0:
                found.append((0.0, f"{names.name(p.name)} {names.bare(p.name, values[0])}"))
        elif width < 0.4:
            span = f"{number_text(min(values))} to {number_text(max(values))}"
            found.append((width, f"{names.name(p.name)} {span}"))
    return " (" + ", ".join(text for _, text in sorted(found)[:3]) + ")" if found else ""


def _trend(p: Param, pairs: Sequence[tuple[Config, float]], names: Names) -> Fact | None:
    active = [(c[p.name], v) for c, v in pairs if p.name in c]
    if len(active) < _FEWEST:
        return None
    scores = np.array([v for _, v in active])
    name = names.name(p.name)
    if isinstance(p.domain, Categorical):
        by_choice: dict[int, list[float]] = defaultdict(list)
        for value, v in active:
            by_choice[p.domain.index(value) or 0].append(v)
        if len(by_choice) < 2:
            return None
        order = sorted(by_choice, key=lambda i: -max(by_choice[i]))
        parts = [
            f"{names.bare(p.name, p.domain.choices[i])} {score_text(max(by_choice[i]))} "
            f"({len(by_choice[i])}x)"
            for i in order[:6]
        ]
        return Fact(f"{name}, best score of each: {', '.join(parts)}", 1.0)
    u = np.array([p.domain.to_unit(value) for value, _ in active])
    rho = rank_correlation(u, scores)
    top = np.argsort(-scores, kind="stable")[: min(max(3, len(active) // 10), 20)]
    best = [active[int(i)][0] for i in top]
    trend = "no clear trend"
    if abs(rho) >= _CLEAR:
        trend = f"higher is {'better' if rho > 0 else 'worse'} on the whole ({rho:+.2f})"
    return Fact(
        f"{name}: best {len(best)} trials at {number_text(min(best))} to "
        f"{number_text(max(best))}; {trend}",
        abs(rho),
    )
