"""Which of several sides is better, and worth its seconds, if that can be told. No widgets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hyperllama.core.experiments.figures.claims import ERROR, PairClaim, pair_claim, pairs_of
from hyperllama.core.experiments.figures.statistics import compared
from hyperllama.core.trials.noise import paired_difference
from hyperllama.tui.content.sides import Side
from hyperllama.tui.text import wording


def between(a: Side, b: Side, pairs: int) -> PairClaim | None:
    """What may be said of a against b, in units of the score; None where one has none.

    Contenders are paired by the seeds that both have, studies by their folds where these are the
    same.

    Args:
        pairs: that are compared, this one among them.
    """
    if a.final is None or b.final is None:
        return None
    shared = sorted(a.by_seed.keys() & b.by_seed.keys())
    if shared:
        return pair_claim([[_apart(a.by_seed[s], b.by_seed[s]) for s in shared]], pairs)
    if compared(a.final, b.final) == 0:
        return PairClaim(0.0, 0.0, 0.0, "tie")
    if len(a.folds) < 2 or not same_folds(a, b):
        return PairClaim(a.final - b.final, None, None, "open")
    share = a.scored_share or 1 / len(a.folds)
    found = paired_difference(a.folds, b.folds, share)
    low, high = found.interval(1 - ERROR / pairs) or (-math.inf, math.inf)
    verdict = "better" if low > 0 else "worse" if high < 0 else "open"
    return PairClaim(found.mean, low, high, verdict)


def same_folds(a: Side, b: Side) -> bool:
    """Whether two studies were scored on the same folds: there, their defaults score alike."""
    return len(a.folds) == len(b.folds) and a.default_folds == b.default_folds


def _apart(a: float, b: float) -> float:
    return 0.0 if compared(a, b) == 0 else a - b


def ranked(sides: Sequence[Side]) -> list[Side]:
    """Those that have a score, the best first."""
    return sorted((s for s in sides if s.final is not None), key=lambda s: -(s.final or 0.0))


def in_words(sides: Sequence[Side]) -> str:
    """Which one is better, or that it cannot be told, in a sentence or two."""
    scored = ranked(sides)
    if len(scored) < 2:
        return "There is nothing to compare yet."
    best, second = scored[:2]
    claim = between(best, second, pairs_of(len(scored)))
    assert claim is not None
    text = _claimed(best, second, claim)
    if best.ask_s and best.ask_s > 0.5 and best.ask_s > 1.5 * (second.ask_s or 0.0):
        slower = best.ask_s - (second.ask_s or 0.0)
        text += f" Each proposal of {_name(best)} takes {slower:.1f} s longer."
    return text + _test_rows(best, second)


def leader(sides: Sequence[Side]) -> Side | None:
    """The side that is ahead of every other beyond noise; None without one."""
    scored = ranked(sides)
    if len(scored) < 2:
        return None
    best, *others = scored
    claims = [between(best, other, pairs_of(len(scored))) for other in others]
    return best if all(c is not None and c.verdict == "better" for c in claims) else None


def _claimed(best: Side, second: Side, claim: PairClaim) -> str:
    """The claim as a sentence, with the metric and the interval."""
    one, other = _name(best), _name(second)
    metric = f" ({best.metric})" if best.metric else ""
    if claim.verdict == "tie":
        return f"{one} and {other} are equal: {wording.score(best.final)}{metric}."
    gap = f"{wording.signed(claim.difference)}{metric}"
    if claim.low is None or claim.high is None:
        why = "one seed each" if best.seeds else "scores on different folds"
        return f"{one} against {other}: {gap}. From {why} it cannot be told which is better."
    span = f"[{wording.signed(claim.low)}, {wording.signed(claim.high)}]"
    if claim.verdict == "better":
        return f"{one} is ahead of {other} by {gap} {span}, beyond noise."
    text = f"{one} against {other}: {gap} {span}, within noise: they cannot be told apart"
    return f"{text}; {claim.needed_words}." if claim.needed_words else f"{text}."


def _test_rows(best: Side, second: Side) -> str:
    """A sentence where the test rows say the opposite."""
    if best.test is None or second.test is None or compared(best.test, second.test) == 0:
        return ""
    if best.test > second.test:
        return ""
    scores = f"{wording.score(second.test)} against {wording.score(best.test)}"
    return f" The test rows say the opposite: {scores}."


def at_times(sides: Sequence[Side]) -> list[tuple[float, list[float | None]]]:
    """(seconds, what each side had reached by then) at the ends of the sides' runs, rising."""
    ends = sorted({round(s.run_s, 3) for s in sides if s.run_s})
    return [(end, [s.after(end * 1.001) for s in sides]) for end in ends]


def verdict(sides: Sequence[Side]) -> tuple[str, list[str]]:
    """Which one is worth its seconds: the answer in a few words, and what it rests on."""
    scored, told = ranked(sides), [in_words(sides)]
    if len(scored) < 2:
        return told[0], []
    best, *others = scored
    if best.asked_s and best.run_s:
        share = best.asked_s / best.run_s
        told.append(
            f"{100 * share:.0f} % of the time of {_name(best)} goes into proposals, the rest into "
            "training."
        )
    for side in scored:
        if len(side.turns) > 1:
            told.append(f"{_name(side)}: {'; '.join(turn.words() for turn in side.turns)}.")
        if side.note:
            told.append(f"{side.note}.")
    memory = [s.memory_mb for s in others if s.memory_mb]
    if best.memory_mb and memory and best.memory_mb > 1.2 * min(memory):
        least = min(memory)
        told.append(f"Its engine takes {best.memory_mb:,.0f} MB, the smallest {least:,.0f} MB.")
    claims = [between(best, s, pairs_of(len(scored))) for s in others]
    if claims[0] is not None and claims[0].verdict == "tie":
        return "Equal scores.", told
    if any(c is None or c.verdict != "better" for c in claims):
        return "It cannot be told which is better.", told
    for seconds, reached in reversed(at_times(scored)):
        ahead = max(range(len(scored)), key=lambda i: _or_least(reached[i]))
        if scored[ahead] is not best:
            other = f"up to {_brief(seconds)} it is {_name(scored[ahead])}."
            return f"{_name(best)} is ahead in the end; {other}", told
    return f"{_name(best)} is worth its seconds.", told


def _or_least(value: float | None) -> float:
    return -math.inf if value is None else value


def _name(side: Side) -> str:
    return f"{side.mark} {side.label}"


def _brief(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds / 60:.0f} min"
