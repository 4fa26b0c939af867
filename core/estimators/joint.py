"""Search spaces that choose among several families, and which of them a configuration chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hyperllama.core.estimators.base import Facts
from hyperllama.core.estimators.registry import family
from hyperllama.core.space import Categorical, Condition, Config, Param, SearchSpace

CHOICE = "estimator"
"""The hyperparameter that chooses the family."""


def joint_space(names: Sequence[str], kind: str, facts: Facts) -> SearchSpace:
    """The default space of one family, or of several with the choice among them.

    With several, the parameter "estimator" chooses, and "xgboost.learning_rate" counts only where
    it chose "xgboost".
    """
    if len(names) == 1:
        return family(names[0]).space(kind, facts)
    chosen = [family(n) for n in names]
    choice = Categorical(tuple(f.name for f in chosen))
    params = [Param(CHOICE, choice, chosen[0].name, "which kind of model is trained")]
    for f in chosen:
        for p in f.space(kind, facts):
            when = (
                Condition(CHOICE, (f.name,))
                if p.when is None
                else Condition(f"{f.name}.{p.when.parent}", p.when.values)
            )
            params.append(replace(p, name=f"{f.name}.{p.name}", when=when))
    return SearchSpace(params)


def split(config: Config, names: Sequence[str]) -> tuple[str, Config]:
    """Which family a configuration of `joint_space(names, ...)` chose, and its own parameters."""
    if len(names) == 1:
        return family(names[0]).name, dict(config)
    chosen = str(config[CHOICE])
    prefix = chosen + "."
    return chosen, {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}


def rounds_names(names: Sequence[str]) -> dict[str, str]:
    """Boosters among these families -> the name of their number of rounds in the joint space."""
    found = {name: family(name).rounds for name in names if family(name).rounds}
    return found if len(names) == 1 else {f: f"{f}.{rounds}" for f, rounds in found.items()}
