"""What a benchmark problem is: a search space, a loss to lower, and what random search would reach.

Losses are lower-is-better and as measured: no rescaling. Proposers see minus the loss.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hyperllama.core.estimators import Facts
from hyperllama.core.evaluate.results import Result
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.trials import ProposerSetting

if TYPE_CHECKING:
    from hyperllama.core.experiments.problems.random_search import RandomSearch

KNOWN = ("all", "family", "nothing")
"""What contenders know beside the space: family, kind and facts; family and kind; nothing."""


class CellTask(Protocol):
    """What a cell is played on: a task file, or a benchmark problem under a seed.

    Attributes:
        space: what may be proposed.
    """

    space: SearchSpace

    def setting(self, seed: int, budget: int) -> ProposerSetting:
        """What a proposer is told beside the space."""

    def evaluate(self, config: Config, should_stop: Callable[[], bool]) -> tuple[Result, bool]:
        """The result, and whether it was known before."""

    def judged(self, config: Config) -> float | None:
        """The value without noise; None where `evaluate` gives it."""

    def ended(
        self, trials: Sequence[Mapping[str, Any]], should_stop: Callable[[], bool]
    ) -> dict[str, Any] | None:
        """What is written when the budget is used; "error" where nothing came of it; None where
        it was stopped."""


class BenchProblem(ABC):
    """One thing to optimise; the same for every contender.

    Attributes:
        name: unique within an experiment; what results are filed under.
        suite: "landscapes", "tables" or "tabular".
        group: what the report draws together, e.g. a data set.
        space: what may be proposed.
        family: estimator family, or None where there is none or contenders may not know it.
        kind: "classification", "regression", or "".
        facts: of the table behind the losses, or None.
        loss_name: what is measured, for people.
        best: the lowest loss possible, or None where it is unknown.
        spec: JSON-able recipe that another process opens the same problem from; None where a
            problem was made by hand, which then cannot be run by workers.
        seeded: whether losses differ between seeds; noisy: whether `judge` differs from `observe`.
        lazily_judged: whether only incumbents are judged, because that is dear.
        identity: of what is behind the losses (data, folds, versions), where the recipe and the
            space do not tell.
        evidence: False where results prove nothing.
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
    noisy: bool = False
    lazily_judged: bool = False
    identity: str = ""
    evidence: bool = True

    @abstractmethod
    def observe(self, config: Config, seed: int) -> float | None:
        """The loss a contender sees for `config`; None where it could not be evaluated."""

    def judge(self, config: Config, seed: int) -> float | None:
        """The loss `config` is judged by; differs from `observe` where that is noisy."""
        return self.observe(config, seed)

    @abstractmethod
    def failed_loss(self, seed: int) -> float:
        """The loss that stands for a failed evaluation: as bad as the worst that is known."""

    @abstractmethod
    def random_search(self, seed: int) -> RandomSearch:
        """How losses of random configurations are distributed."""

    def missing(self, chunk: int) -> list[int]:
        """First numbers of the chunks of its random pool that are still to be evaluated."""
        return []

    def fill(self, first: int, last: int) -> None:
        """Evaluate a chunk of the random pool."""
        raise NotImplementedError(f"{self.name} has no pool")

    def under(self, seed: int) -> CellTask:
        """The task of a cell with that seed."""
        return SeededProblem(self, seed)

    @property
    def fingerprint(self) -> str:
        """Changes whenever results from before can no longer be compared."""
        recipe = {k: v for k, v in (self.spec or {}).items() if k not in ("path", "cache")}
        text = json.dumps(recipe, sort_keys=True, default=str) + repr(self.space.params)
        text += self.identity
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def for_contender(self, options: Mapping[str, Any]) -> BenchProblem:
        """The problem for a contender with these options; the same for all, unless it says so."""
        return self

    def tell_less(self, known: str) -> None:
        """Withhold from contenders what `known` leaves out; see `KNOWN`."""
        if known in ("family", "nothing"):
            self.facts = None
        if known == "nothing":
            self.family, self.kind = None, ""


class SeededProblem:
    """A problem under a seed, as the task of a cell (a `CellTask`)."""

    def __init__(self, problem: BenchProblem, seed: int) -> None:
        self._problem, self._seed = problem, seed
        self.space = problem.space
        self._least = math.inf

    def setting(self, seed: int, budget: int) -> ProposerSetting:
        """What a study would tell a proposer."""
        p = self._problem
        return ProposerSetting(
            seed=seed, kind=p.kind, estimators=(p.family,) if p.family else (), facts=p.facts,
        )  # fmt: skip

    def evaluate(
        self, config: Config, should_stop: Callable[[], bool] = lambda: False
    ) -> tuple[Result, bool]:
        loss = self._problem.observe(config, self._seed)
        if loss is None:
            return Result("failed", reason="it could not be evaluated"), False
        return Result("complete", -loss), False

    def judged(self, config: Config) -> float | None:
        """Value without noise; None where there is none or the value is without noise anyway."""
        if self._problem.lazily_judged:
            seen = self._problem.observe(config, self._seed)
            if seen is None or not seen < self._least:
                return None  # it is no incumbent
            self._least = seen
        loss = self._problem.judge(config, self._seed) if self._problem.noisy else None
        return None if loss is None else -loss

    def ended(
        self, trials: Sequence[Mapping[str, Any]], should_stop: Callable[[], bool]
    ) -> dict[str, Any]:
        return {"finished": True}
