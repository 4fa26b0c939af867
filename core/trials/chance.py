"""Whether a trial beats a model that looks at no column, and which families never do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from hyperllama.core.space import Categorical, SearchSpace
from hyperllama.core.trials.protocol import Observed

LEAST = 4
"""Scored trials of a family before it is left."""
_ERRORS = 3.0  # of the best of several trials; 2 would be for one that was chosen beforehand


def beats_chance(scores: Sequence[float], chance: Sequence[float]) -> bool:
    """Whether the fold scores of a trial are above those of chance by three standard errors.

    The error is that of the paired differences, corrected for training parts that overlap (Nadeau
    and Bengio 2003, "Inference for the generalization error"), as in k-fold cross-validation.
    """
    if len(scores) != len(chance):
        return True  # scored on other folds: nothing is known
    differences = [s - c for s, c in zip(scores, chance, strict=True)]
    n, mean = len(differences), sum(differences) / len(differences)
    if n < 2:
        return mean > 0
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    return mean > _ERRORS * math.sqrt(variance * (1 / n + 1 / (n - 1)))


def all_at_chance(trials: Sequence[Observed], chance: Sequence[float]) -> bool:
    """Whether there are `LEAST` trials with fold scores, and none of them beats chance."""
    scored = [t.fold_scores for t in trials if t.value is not None and t.fold_scores]
    return bool(chance) and len(scored) >= LEAST and not any(
        beats_chance(s, chance) for s in scored
    )


def without_chance(
    space: SearchSpace, trials: Sequence[Observed], chance: Sequence[float], choice: str
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space without the families whose trials all score at chance, and these families.

    Where no other family would be left, the space stays as it is.

    Args:
        choice: the hyperparameter that chooses the family.
    """
    domain = space[choice].domain if choice in space else None
    if not isinstance(domain, Categorical) or not chance:
        return space, ()
    of_family: dict[object, list[Observed]] = defaultdict(list)
    for t in trials:
        of_family[t.config.get(choice)].append(t)
    left = [c for c in domain.choices if all_at_chance(of_family[c], chance)]
    kept = tuple(c for c in domain.choices if c not in left)
    if not left or not kept:
        return space, ()
    return space.with_domains({choice: replace(domain, choices=kept)}), tuple(map(str, left))
