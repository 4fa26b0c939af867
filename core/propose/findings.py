"""What the results so far show, and what a proposal does about it, in plain sentences.

Every sentence follows from figures of the history: training beside validation score, how far folds
deviate, and which hyperparameters went with the gap between the two scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hyperllama.core.space import Config
from hyperllama.core.trials.history import succeeded
from hyperllama.core.trials.protocol import Observed

_FITS_CLOSER = {
    **dict.fromkeys((
        "max_depth", "depth", "num_layers", "n_layers", "width", "hidden_size", "hidden_dim",
        "num_leaves", "max_leaf_nodes", "n_estimators", "max_iter", "iterations", "C", "gamma",
    ), 1),
    **dict.fromkeys((
        "min_samples_leaf", "min_samples_split", "min_child_weight", "min_child_samples",
        "reg_lambda", "reg_alpha", "l2_regularization", "l2_leaf_reg", "alpha", "ccp_alpha",
        "weight_decay", "dropout", "n_neighbors",
    ), -1),
}  # fmt: skip
"""Whether more of a hyperparameter lets a model fit its training rows more closely (1) or less."""
_FAR, _NEAR = 2.0, 0.5
"""Gaps between training and validation in standard errors of the mean over folds: beyond the first,
training is far above; below the second, hardly."""
_SURE = 2.0
"""Standard errors by which a trial has to be worse to be told from the best one."""
_FEWEST, _CLEAR = 6, 0.6
"""Trials with both scores, and the rank correlation among them, from which on what a hyperparameter
did here counts more than what it usually does."""


def findings(trials: Sequence[Observed], config: Config) -> list[str]:
    """Sentences on the best trial's scores, and on what `config` changes about them; may be none.

    Args:
        trials: by rising number; values greater-is-better.
    """
    scored = [t for t in trials if succeeded(t)]
    if not scored:
        return []
    best = max(scored, key=lambda t: t.value or 0.0)
    return [*_gap(scored, best, config), *_told_apart(scored, best)]


def _gap(scored: Sequence[Observed], best: Observed, config: Config) -> list[str]:
    """How far training is above validation, and what the proposal changes about it."""
    if best.train_value is None or len(best.fold_scores) < 2:
        return []
    validation = float(np.mean(best.fold_scores))
    error = float(np.std(best.fold_scores, ddof=1)) / math.sqrt(len(best.fold_scores))
    gap = best.train_value - validation
    scores = f"training {best.train_value:.4g}, validation {validation:.4g}"
    if gap > _FAR * error and gap > 0:
        said, wanted, aim = f"far above validation ({scores})", -1, "to fit less closely"
    elif gap < _NEAR * error:
        said, wanted, aim = f"hardly above validation ({scores})", 1, "to fit more closely"
    else:
        return []
    lines = [f"In the best trial training is {said}."]
    moves = _moves(scored, best.config, config)
    for words, way in ((f"This proposal changes, {aim}", wanted), ("The other way", -wanted)):
        named = [text for text, direction in moves if direction == way]
        if named:
            lines.append(f"{words}: {', '.join(named)}.")
    return lines


def _moves(
    scored: Sequence[Observed], before: Config, after: Config
) -> list[tuple[str, int]]:
    """What changes, in words, and whether that lets the model fit more closely (1) or less (-1)."""
    found = []
    for name, value in after.items():
        old = before.get(name)
        if old == value or any(isinstance(v, bool) or not isinstance(v, (int, float))
                               for v in (old, value)):  # fmt: skip
            continue
        correlation = _with_gap(scored, name)
        own = name.rpartition(".")[2]
        usual = _FITS_CLOSER.get(own, 0)
        sign = usual if correlation is None else int(math.copysign(1, correlation))
        if sign:
            seen = "" if correlation is None else (
                f" (here the gap {'grew' if correlation > 0 else 'shrank'} with it)")
            verb, up = ("more", 1) if value > old else ("less", -1)
            found.append((f"{verb} {name}{seen}", sign * up))
    return found


def _with_gap(scored: Sequence[Observed], name: str) -> float | None:
    """Rank correlation of a hyperparameter with the gap; None where the trials do not tell."""
    pairs = [
        (float(t.config[name]), t.train_value - t.fold_scores[0])
        for t in scored
        if t.train_value is not None and t.fold_scores
        and isinstance(t.config.get(name), (int, float))
    ]  # fmt: skip
    if len(pairs) < _FEWEST or any(len(set(side)) < 3 for side in zip(*pairs, strict=True)):
        return None
    ranks = [np.unique(side, return_inverse=True)[1] for side in zip(*pairs, strict=True)]
    a, b = (np.asarray(r, float) - np.mean(r) for r in ranks)
    found = float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
    return found if abs(found) >= _CLEAR else None


def _told_apart(scored: Sequence[Observed], best: Observed) -> list[str]:
    """How many trials are not surely worse than the best, by paired differences over the folds."""
    within, n = 0, len(best.fold_scores)
    for t in scored:
        if t is not best and len(t.fold_scores) == n > 1:
            d = np.subtract(best.fold_scores, t.fold_scores)
            # the training parts of folds overlap: Nadeau and Bengio 2003, as in `trials.chance`
            error = float(d.std(ddof=1)) * math.sqrt(1 / n + 1 / (n - 1))
            within += float(d.mean()) < _SURE * error
    if within < 2:
        return []
    of = f"{within} of the {len(scored)} trials"
    return [f"{of} cannot be told from the best one by their folds."]
