"""A study none of whose trials beats a model that looks at no column: it says so, once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hyperllama.core.events import Noted
from hyperllama.core.study.state import StudyState

FEWEST = 8
"""Scored trials before it is said, or all of a smaller budget."""
_ERRORS = 3.0  # of the best of several trials; 2 would be for one that was chosen beforehand


def chance_note(state: StudyState) -> Noted | None:
    """What to tell people of a study whose scores are all at chance; None where they are not, or
    where that cannot be told yet."""
    opened = state.opened
    scored = [t.fold_scores for t in state.trials if t.value is not None and t.fold_scores]
    if opened is None or not opened.chance:
        return None
    if len(scored) < min(FEWEST, opened.budget_trials or FEWEST):
        return None
    if any(beats_chance(scores, opened.chance) for scores in scored):
        return None
    simple = "the most frequent class" if opened.kind == "classification" else "the mean"
    level = sum(opened.chance) / len(opened.chance)
    return Noted(
        "warning",
        f"all {len(scored)} trials score at chance: always answering {simple} gives a "
        f"{opened.metric} of {level:.4g}, and no trial is better beyond noise",
        "a gain here is luck; look whether the target is right and the columns say anything of it",
    )


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
