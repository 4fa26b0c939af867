"""Validation by whole groups where there are few: no more folds than groups, no repeats that repeat
nothing, and enough groups for early stopping."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hyperllama.core.errors import TaskError
from hyperllama.core.estimators import family

if TYPE_CHECKING:
    from hyperllama.core.evaluate.scoring.crossval import Data
    from hyperllama.core.evaluate.scoring.splits import Rows


def count_groups(data: Data, rows: Rows) -> int:
    """The number of groups that some rows belong to."""
    groups = data.labels(rows)[1]
    return 0 if groups is None else len(set(groups.tolist()))


def suited_to_groups(data: Data, groups: int) -> tuple[Data, list[str]]:
    """What is trained on, with the folds and repeats that the groups allow; what changed, in words.

    Args:
        groups: how many there are beside those of the test rows.

    Raises:
        TaskError: early stopping would leave a fold no group to train on.
    """
    d, warnings = data, []
    if 1 < groups < d.folds:
        warnings.append(
            f"{groups} folds instead of {d.folds}: so many groups are left beside the test rows"
        )
        d = replace(d, folds=groups)
    if d.repeats > 1 and groups == d.folds:
        warnings.append("repeats has no effect: each group is a fold, there are no other folds")
        d = replace(d, repeats=1)
    needed = 3 if d.folds > 2 else 4  # so that two are left to train on in every fold
    if d.rounds and groups < needed and any(family(n).fit_watched for n in d.estimators):
        raise TaskError(
            f"early_stopping_rounds sets whole groups apart: {d.folds} folds need at least "
            f"{needed} groups beside those of the test rows, and there are {groups}",
            "leave early_stopping_rounds out, or lower test_share or choose another method in "
            "[validation]",
        )
    return d, warnings
