"""What a gain is worth on rows that nobody saw: claimed, confirmed and unseen, by method and rule.

All gains are shares of the default's loss, as in `statistics.gain`; losses lower by more than all
of it, or higher, count as 1 and -1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from hyperllama.core.experiments.figures.statistics import gain, loss_of
from hyperllama.core.experiments.problems.transfer import REPEATS
from hyperllama.core.experiments.reading import CellFacts, Comparison
from hyperllama.core.trials.noise import PairedDifference, paired_difference
from hyperllama.core.trials.race import (
    SHARE,
    FreshScores,
    Heat,
    RaceEnd,
    Racer,
    race,
    shrunk,
    starters,
)

WORSE = 0.005
"""A loss higher than the default's by more than this share of it counts as worse."""
_FOLDS = 5
INCUMBENT, CONFIRMED = "incumbent", "confirmed winner"


@dataclass(frozen=True)
class TransferRun:
    """One method on one table under one seed.

    Attributes:
        claimed: gain of the incumbent in the folds of the search.
        fresh: of the winner on fresh folds as it was measured; 0 where the default stays.
        confirmed, low, high: of the winner, shrunk, with its 90 % interval; 0 likewise.
        unseen: rule -> gain on the unseen rows of what that rule uses.
    """

    method: str
    table: str
    seed: int
    claimed: float
    fresh: float
    confirmed: float
    low: float
    high: float
    unseen: Mapping[str, float]


@dataclass(frozen=True)
class RuleFigures:
    """What a rule reaches on the unseen rows, over runs.

    Attributes:
        mean, median: gain; worse: share of runs that are worse than the default, see `WORSE`.
    """

    rule: str
    mean: float
    median: float
    worse: float


@dataclass(frozen=True)
class MethodFigures:
    """A method over tables and seeds.

    Attributes:
        claimed, fresh, confirmed: mean gains as in `TransferRun`.
        kept_default: share of runs in which the default stays.
        covered: share of the other runs whose interval holds the unseen gain; None without any.
        rules: by what is used: the incumbent, the confirmed winner, and what else was tried.
    """

    method: str
    runs: int
    claimed: float
    fresh: float
    confirmed: float
    kept_default: float
    covered: float | None
    rules: tuple[RuleFigures, ...]

    @property
    def unseen(self) -> float:
        """Mean gain of the confirmed winner on the unseen rows."""
        return next(r.mean for r in self.rules if r.rule == CONFIRMED)


def transfer_runs(found: Comparison) -> list[TransferRun]:
    """The whole cells of a bench, each with what every rule would have used."""
    return [_run(c) for c in found.cells if c.state == "done" and "candidates" in c.end]


def transfer_figures(runs: Sequence[TransferRun]) -> list[MethodFigures]:
    """Figures by method, in the order in which they appear; of several methods also all."""
    methods = list(dict.fromkeys(r.method for r in runs))
    found = [_figures(m, [r for r in runs if r.method == m]) for m in methods]
    return [*found, _figures("all", runs)] if len(methods) > 1 else found


def as_json(runs: Sequence[TransferRun]) -> dict[str, Any]:
    """Figures and runs as plain values."""
    figures = [{**asdict(f), "unseen": f.unseen} for f in transfer_figures(runs)]
    return {"figures": figures, "runs": [asdict(r) for r in runs]}


def _figures(method: str, runs: Sequence[TransferRun]) -> MethodFigures:
    chosen = [r for r in runs if r.high > 0]
    rules = dict.fromkeys(rule for r in runs for rule in r.unseen)
    inside = [r.low <= r.unseen[CONFIRMED] <= r.high for r in chosen]
    return MethodFigures(
        method=method,
        runs=len(runs),
        claimed=fmean(r.claimed for r in runs),
        fresh=fmean(r.fresh for r in runs),
        confirmed=fmean(r.confirmed for r in runs),
        kept_default=1 - len(chosen) / len(runs),
        covered=fmean(inside) if inside else None,
        rules=tuple(_rule(rule, [r.unseen[rule] for r in runs if rule in r.unseen])
                    for rule in rules),
    )  # fmt: skip


def _rule(rule: str, gains: Sequence[float]) -> RuleFigures:
    return RuleFigures(rule, fmean(gains), median(gains), fmean(g < -WORSE for g in gains))


def _run(cell: CellFacts) -> TransferRun:
    end, found = cell.end, {c["number"]: c for c in cell.end["candidates"]}
    negated = bool(end["negated"])
    default, limit_s = found[0], SHARE * sum(t["seconds"] for t in cell.trials)

    def share(score: float, reference: float) -> float:
        """The gain of a score over another one."""
        lost = gain(loss_of(score, negated), loss_of(reference, negated))
        return float(min(1.0, max(-1.0, lost)))

    incumbent = max(found.values(), key=lambda c: fmean(c["own"]))
    raced = _raced(list(found.values()), limit_s)
    winner = found[raced.winner]
    on_fresh = fmean(raced.scores.get(0) or default["own"])
    measured = raced.gains.get(raced.winner)

    def of_default(difference: float) -> float:
        return share(on_fresh + difference, on_fresh)

    low, high = (raced.gain and raced.gain.interval()) or (0.0, 0.0)
    unseen = {
        INCUMBENT: incumbent["unseen"], CONFIRMED: winner["unseen"],
        **{name: c["unseen"] for name, c in _one_error_rules(found, incumbent)},
        **{f"average of the {n}": value for n, value in end["averages"].items()},
        **({f"average of the {n}, if confirmed": value if raced.winner else default["unseen"]
            for n, value in end["averages"].items()}),
    }  # fmt: skip
    return TransferRun(
        method=cell.cell.contender,
        table=cell.cell.task,
        seed=cell.cell.seed,
        claimed=share(fmean(incumbent["own"]), fmean(default["own"])),
        fresh=of_default(measured.mean if raced.winner and measured else 0.0),
        confirmed=of_default(raced.gain.mean if raced.gain else 0.0),
        low=of_default(low),
        high=of_default(high),
        unseen={rule: share(value, default["unseen"]) for rule, value in unseen.items()},
    )


def _raced(found: Sequence[Mapping[str, Any]], limit_s: float) -> RaceEnd:
    """The race as a study runs it, on the scores that were kept."""
    racers = [Racer(c["number"], fmean(c["own"]), tuple(c["own"]), c["own_s"]) for c in found]
    chosen = starters(racers, limit_s)
    kept = {c["number"]: c for c in found}

    def score(heat: Heat) -> FreshScores:
        fresh = kept[heat.number]["fresh"][heat.repeat - 1]
        seconds = kept[heat.number]["fresh_s"][heat.repeat - 1]
        return FreshScores(None if fresh is None else tuple(fresh), seconds)

    end = None
    if len(chosen) > 1:
        end = race(chosen, score, limit_s, 1 / _FOLDS, most_repeats=REPEATS)
    return end or RaceEnd(0)


def _one_error_rules(
    found: Mapping[int, Mapping[str, Any]], incumbent: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rules that use the folds of the search alone: the default stays within one error of it."""
    default = found[0]
    own: PairedDifference = paired_difference(incumbent["own"], default["own"], 1 / _FOLDS)
    sure = incumbent is not default and shrunk(own) is not None
    yield "one standard error, no fresh folds", incumbent if sure else default
