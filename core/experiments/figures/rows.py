"""What the figures are: of a contender, and of two contenders beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from hyperllama.core.experiments.figures.statistics import FEWEST_SEEDS, Estimate


@dataclass(frozen=True)
class ContenderRow:
    """A contender after `at` trials; None stands for a figure that there is no reference for.

    Attributes:
        contender, start, at: which; proposer, model: what it is.
        units, cells: how many are whole.
        better: share of units better than random search, in [0, 1].
        median_gain, over_random: median and mean gain over random search; over_default,
            over_default_test: over the default, the latter on rows that no trial saw. See
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
    """Two contenders on the units and seeds that both have, after `at` trials.

    Attributes:
        difference: mean gain of a with b as the reference; positive: a is better.
        median: median of the same.
        wins, losses, ties: units on which a is better, worse, equal.
        p: two-sided Wilcoxon signed-rank test over units; 1 where all tie.
        noise: the interval over seeds holds 0, so other seeds could turn it round; None with too
            few seeds, and for intervals over units.
    """

    a: str
    b: str
    start: str
    at: int
    units: int
    difference: Estimate
    median: float
    wins: int
    losses: int
    ties: int
    p: float
    noise: bool | None
    by: str

    def words(self) -> str:
        """One plain sentence."""
        d, name = self.difference, "run" if self.by == "run" else "task"
        units = f"{self.units} {name}{'s' if self.units != 1 else ''}"
        better = "better" if d.value >= 0 else "worse"
        head = f"{self.a} is {abs(d.value) * 100:.1f} % {better} than {self.b} on {units}"
        if abs(d.value) < 5e-5:
            head = f"{self.a} and {self.b} are equal on {units}"
        span = ""
        if d.low is not None and d.high is not None:
            span = f" [{d.low * 100:+.1f}, {d.high * 100:+.1f}]"
        if self.by != "seed":
            p = f"{self.p:.3f}" if self.p >= 0.001 else f"{self.p:.1e}"
            return (
                f"after {self.at} evaluations, {self.start} start: {head}{span}: median "
                f"{self.median * 100:+.1f} %, better on {self.wins}, worse on {self.losses}, "
                f"equal on {self.ties}; Wilcoxon p = {p}"
            )
        if abs(d.value) < 5e-5:
            return head
        if self.noise is None:
            return f"{head}; fewer than {FEWEST_SEEDS} seeds cannot tell whether that is noise"
        return f"{head}{span}: {'within' if self.noise else 'beyond'} noise"
