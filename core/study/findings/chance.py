"""A study none of whose trials beats a model that looks at no column: it says so, once."""

from __future__ import annotations

from hyperllama.core.events import Noted
from hyperllama.core.study.state import StudyState
from hyperllama.core.trials.chance import beats_chance

FEWEST = 8
"""Scored trials before it is said, or all of a smaller budget."""


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
        f"all {len(scored)} trials score at chance: always answering {simple} has "
        f"{opened.metric} {level:.4g}, and no trial is better beyond noise",
        "a gain here is luck; look whether the target is right and the columns say anything of it",
    )
