"""The shapes that configurations of a conditional space can have."""

from __future__ import annotations

from collections.abc import Iterator

from hyperllama.core.space import Categorical, Config, SearchSpace


def shapes(space: SearchSpace) -> Iterator[Config]:
    """The default, and for each value of each parent a configuration that has it."""
    yield space.default()
    parents = {p.when.parent for p in space if p.when is not None}
    for p in space:
        if p.name in parents and isinstance(p.domain, Categorical):
            for choice in p.domain.choices:
                yield space.complete({**_enabling(space, p.name), p.name: choice})


def _enabling(space: SearchSpace, name: str) -> Config:
    """Values of the ancestors under which `name` counts."""
    when = space[name].when
    return {} if when is None else {**_enabling(space, when.parent), when.parent: when.values[0]}
