"""What a bench problem is: a search space, a loss to lower, and what random search would reach.

Losses are lower-is-better and as measured: no rescaling. Proposers are told minus the loss.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from hyperllama.core.estimators import Facts
from hyperllama.core.experiments.bench.chance import Chance
from hyperllama.core.space import Config, SearchSpace

KNOWN = ("all", "family", "nothing")
"""What methods are told beside the space: family, kind and facts; family and kind; nothing."""


class Problem(ABC):
    """One thing to optimise; the same under every method.

    Attributes:
        name: unique within a run; what results are filed under.
        suite: "landscapes", "tables" or "tabular".
        group: what the report draws together, e.g. a data set.
        space: what may be proposed.
        family: estimator family, or None where there is none or methods are not told.
        kind: "classification", "regression", or "".
        facts: of the table behind the losses, or None.
        loss_name: what is measured, for people.
        best: the lowest loss possible, or None where nobody knows.
        spec: JSON-able recipe that another process opens the same problem from; None where a
            problem was made by hand, which then cannot be run by workers.
        seeded: whether losses differ between seeds.
        identity: of what is behind the losses (data, folds, versions), where the recipe and the
            space do not tell.
    """

    name: str
    suite: str
    group: str
    space: SearchSpace
    family: str | None = None
    kind: str = ""
    facts: Facts | None = None
    loss_name: str = "loss"
    best: float | None = None
    spec: Mapping[str, Any] | None = None
    seeded: bool = False
    identity: str = ""

    @abstractmethod
    def observe(self, config: Config, seed: int) -> float | None:
        """The loss a method is told for `config`; None where it could not be evaluated."""

    def judge(self, config: Config, seed: int) -> float | None:
        """The loss `config` is judged by; differs from `observe` where that is noisy."""
        return self.observe(config, seed)

    @abstractmethod
    def failed_loss(self, seed: int) -> float:
        """The loss that stands for a failed evaluation: as bad as the worst that is known."""

    @abstractmethod
    def chance(self, seed: int) -> Chance:
        """How losses of random configurations are distributed."""

    def missing(self, chunk: int) -> list[int]:
        """First numbers of the chunks of its random pool that are still to be evaluated."""
        return []

    def fill(self, first: int, last: int) -> None:
        """Evaluate a chunk of the random pool."""
        raise NotImplementedError(f"{self.name} has no pool")

    @property
    def fingerprint(self) -> str:
        """Changes whenever results from before can no longer be compared."""
        recipe = {k: v for k, v in (self.spec or {}).items() if k not in ("path", "cache")}
        text = json.dumps(recipe, sort_keys=True, default=str) + repr(self.space.params)
        text += self.identity
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def tell_less(self, known: str) -> None:
        """Withhold from methods what `known` leaves out; see `KNOWN`."""
        if known in ("family", "nothing"):
            self.facts = None
        if known == "nothing":
            self.family, self.kind = None, ""


def open_problem(spec: Mapping[str, Any]) -> Problem:
    """The problem that a recipe describes.

    Raises:
        DataError: a table it needs is missing or is not what it was.
    """
    rest = {k: v for k, v in spec.items() if k != "suite"}
    if spec["suite"] == "landscapes":
        from hyperllama.core.experiments.bench.landscapes import Landscape

        return Landscape(**rest)
    if spec["suite"] == "tables":
        from hyperllama.core.experiments.bench.tables import TableProblem

        return TableProblem(**rest)
    from hyperllama.core.experiments.bench.tabular import open_tabular

    return open_tabular(spec)
