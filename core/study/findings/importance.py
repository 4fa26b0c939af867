"""How much each hyperparameter mattered: Optuna's PED-ANOVA over the trials so far.

Watanabe, Bansal and Hutter 2023, "PED-ANOVA: efficiently quantifying hyperparameter importance in
arbitrary subspaces", IJCAI. It is the evaluator of Optuna that needs no scikit-learn.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from itertools import islice
from typing import Any

from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import Observed

LEAST_TRIALS = 8
MOST_TRIALS = 300  # the latest; what it takes grows with them
METHOD = "PED-ANOVA"


def importance(space: SearchSpace, trials: Sequence[Observed]) -> dict[str, float]:
    """Shares that add up to 1, largest first, over what every scored trial of the incumbent's kind
    has; empty where too few trials or hyperparameters are there to tell.

    Args:
        space: the task's own; trials outside it are left out.
        trials: with values, greater is better.
    """
    scored = [t for t in trials if t.value is not None]
    by_value = sorted(scored, key=lambda t: -float(t.value or 0.0))
    best = next((t for t in by_value if space.contains(t.config)), None)
    if best is None:
        return {}
    latest = (t for t in reversed(scored)
              if t.config.keys() == best.config.keys() and space.contains(t.config))
    alike = [*islice(latest, MOST_TRIALS)][::-1]
    names = [p.name for p in space.free if p.name in best.config]
    names = [n for n in names if len({str(t.config[n]) for t in alike}) > 1]
    if len(alike) < LEAST_TRIALS or not names:
        return {}
    if len(names) == 1:
        return {names[0]: 1.0}
    optuna = _optuna()
    distributions = {n: d for n, d in space.to_distributions().items() if n in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction="maximize")
        for t in alike:
            study.add_trial(
                optuna.trial.create_trial(
                    params={n: t.config[n] for n in names}, distributions=distributions,
                    value=t.value,
                )
            )  # fmt: skip
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    return {str(n): float(v) for n, v in found.items() if v == v}


def _optuna() -> Any:
    """Optuna with its importance evaluators, but not scikit-learn, which the others of them need:
    importing it would cost a study as much as many of its trials."""
    import optuna

    kept_out = "sklearn" not in sys.modules and "optuna.importance" not in sys.modules
    if kept_out:
        sys.modules["sklearn"] = None  # type: ignore[assignment]  # importing it fails
    try:
        importlib.import_module("optuna.importance")
    finally:
        if kept_out:
            del sys.modules["sklearn"]
    return optuna
