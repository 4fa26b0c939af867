"""A fixed list of configurations for each family that did well on other tables.

`workshop/portfolio.py` chooses it. The embedded model opens with it where it does not know the
family; the bench has it as a rival of its own.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from hyperllama.core.estimators import canonical_name, family
from hyperllama.core.space import Categorical, Config, SearchSpace


def portfolio_file() -> Path:
    """Where the fixed configurations are: {family: [configuration, ...]}, best first."""
    return Path(str(files("hyperllama.models") / "embedded" / "portfolio.json"))


def portfolio(estimator: str) -> list[Config]:
    """The list of a family, by its own names; empty where there is none."""
    known: dict[str, list[Config]] = json.loads(portfolio_file().read_text(encoding="utf-8"))
    return known.get(estimator, [])


def openings(space: SearchSpace, estimator: str) -> list[Config]:
    """The list of a family in a space that may call the hyperparameters by other usual names.

    Empty where the space has fewer than two of the hyperparameters.
    """
    name = canonical_name(estimator) or ""
    listed = portfolio(name)
    if not listed:
        return []
    aliases = family(name).aliases
    names = {p.name: aliases.get(p.name, p.name) for p in space.free}
    if sum(n in listed[0] for n in names.values()) < 2:
        return []
    return [
        moved_into(space, {own: c[n] for own, n in names.items() if n in c}) for c in listed
    ]


def moved_into(space: SearchSpace, config: Config) -> Config:
    """`config` with values outside their range at its end, and choices there are not left out."""
    values = {
        n: v
        for n, v in config.items()
        if n in space
        and (space[n].domain.contains(v) or not isinstance(space[n].domain, Categorical))
    }
    return space.complete(values)
