"""What the figures are: of a contender, and of two contenders beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from hyperllama.core.experiments.figures.claims import PairClaim
from hyperllama.core.experiments.figures.statistics import Estimate
from hyperllama.core.text import counted

_EQUAL = 5e-5
"""Gains smaller than this, half of the last digit shown, point nowhere."""


@dataclass(frozen=True)
class ContenderRow:
    """A contender after `at` trials; None stands for a figure that there is no reference for.

    Attributes:
        contender, start, at: which; proposer, model: what it is.
        units, cells: how many are whole.
        better: share of units better than random search, in [0, 1].
        median_gain, over_random: median and mean gain over random search; over_default: over the
            default; over_default_confirmed: of the winners on fresh folds, 0 where the default
            stays; over_default_test: of the winners on rows that no trial saw. See
            `statistics.gain`; positive is better.
        rank: mean rank among the contenders that have all units, 1 is best; None if it has not.
        best_on: on how many units its loss is the least.
        regret: mean of (loss - least) / (median random configuration's loss - least).
        repeated, invalid: shares of the replies that repeated what was tried, or were refused for
            another reason; fallbacks: share of the proposals that another proposer made.
        prompt_tokens, reply_tokens: means a proposal; None without a model.
        ask_s: median seconds a proposal; train_s: mean seconds a trial.
        engine_mb: peak memory of the engine's process; None without a model.
        joules: mean energy a proposal; None where the machine reports none.
    """

    contender: str
    proposer: str
    model: str
    start: str
    at: int
    units: int
    cells: int
    better: Estimate | None
    median_gain: Estimate | None
    over_random: Estimate | None
    over_default: Estimate | None
    over_default_confirmed: Estimate | None
    over_default_test: Estimate | None
    rank: Estimate | None
    best_on: int
    regret: Estimate | None
    repeated: float = 0.0
    invalid: float = 0.0
    fallbacks: float = 0.0
    prompt_tokens: float | None = None
    reply_tokens: float | None = None
    ask_s: float | None = None
    train_s: float | None = None
    engine_mb: float | None = None
    joules: float | None = None


@dataclass(frozen=True)
class ContenderPair:
    """Two contenders on the tasks and seeds that both have, after `at` trials.

    Attributes:
        units: tasks, or with by="run" tasks under one seed; tasks: how many of these.
        claim: what may be said of them; its difference is the mean gain of a with b as the
            reference (`statistics.gain`), so positive: a is better.
        on_test_rows: the same gain on rows that no trial saw; None where there are none. These rows
            are few and the same under all seeds, so nothing is claimed from them.
        median: median gain over the units.
        wins, losses, ties: units on which a is better, worse, equal.
        p: two-sided Wilcoxon signed-rank test over units, after Holm's correction for the pairs
            that were asked for; 1 where all tie.
    """

    a: str
    b: str
    start: str
    at: int
    units: int
    tasks: int
    claim: PairClaim
    on_test_rows: float | None
    median: float
    wins: int
    losses: int
    ties: int
    p: float
    by: str

    @property
    def test_rows_disagree(self) -> bool:
        """Whether the other contender is the better one on the test rows."""
        test, gain = self.on_test_rows, self.claim.difference
        if test is None or min(abs(test), abs(gain)) < _EQUAL:
            return False
        return (test > 0) != (gain > 0)

    def words(self) -> str:
        """One plain sentence."""
        gain = self.claim.difference
        units = counted(self.units, "run" if self.by == "run" else "task")
        head = f"{self.a} and {self.b} are equal on {units}"
        if self.claim.verdict != "tie":
            better = "better" if gain >= 0 else "worse"
            head = f"{self.a} is {abs(gain) * 100:.1f} % {better} than {self.b} on {units}"
        head += _span(self.claim)
        if self.by == "seed":
            return f"{head}{self._standing()}{self._test_words()}"
        p = f"{self.p:.3f}" if self.p >= 0.001 else f"{self.p:.1e}"
        return (
            f"after {self.at} evaluations, {self.start} start: {head}: median "
            f"{self.median * 100:+.1f} %, better on {self.wins}, worse on {self.losses}, "
            f"equal on {self.ties}; Wilcoxon p = {p} (Holm)"
        )

    def _standing(self) -> str:
        """Whether that is more than luck."""
        claim = self.claim
        if claim.verdict == "tie":
            return ""
        if claim.verdict != "open":
            if self.tasks == 1:
                return ": beyond noise"
            where = "for other tasks like these, too" if claim.elsewhere else "for these tasks"
            return f": beyond noise {where}"
        if claim.low is None:
            return ": with one seed it cannot be told whether that is noise"
        text = ": within noise, they cannot be told apart"
        return f"{text}; {claim.needed_words}" if claim.needed_words else text

    def _test_words(self) -> str:
        if self.on_test_rows is None:
            return ""
        told = f"{self.on_test_rows * 100:+.1f} %"
        if self.test_rows_disagree:
            return f". The test rows say the opposite: {told}"
        return f"; on test rows {told}"


def _span(claim: PairClaim) -> str:
    if claim.low is None or claim.high is None or claim.verdict == "tie":
        return ""
    return f" [{claim.low * 100:+.1f}, {claim.high * 100:+.1f}]"
