"""Confirmation: the default and the best trials are scored on fresh folds, and a winner is named.

A trial was picked because its score was high, so part of that score is luck. Nothing is stored
before the end: a confirmation that was interrupted begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.events import CandidateStarted, ConfirmedCandidate, StudyConfirmed
from hyperllama.core.space import Config
from hyperllama.core.study.proposals import outcome
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.state import StudyState, TrialState
from hyperllama.core.trials.race import (
    MOST_REPEATS,
    SHARE,
    FreshScores,
    Heat,
    RaceEnd,
    Racer,
    fresh_seed,
    in_order,
    race,
    starters,
)


def confirm(
    record: EventRecord, evaluate: Callable[[Config, int], Result], may_go_on: Callable[[], bool],
    other_folds: bool = True, asked: bool = False,
) -> None:  # fmt: skip
    """Emit `StudyConfirmed`, unless it was interrupted or there is no scored trial.

    Args:
        evaluate: a configuration with a seed for folds and estimators; a cancelled one ends this.
        may_go_on: asked before each candidate.
        other_folds: whether the table can be split into other folds.
        asked: a person wants it now: one repeat is scored even where it takes longer than its share
            of the study's time.
    """
    state = record.state
    best, default = state.best, state.default
    if best is None:
        return
    if default is None or default.value is None:
        why = "there is no score of the default configuration to compare with"
        record.emit(_unconfirmed(state, best, why))
    elif default.broken:
        why = f"the default configuration breaks {', '.join(default.broken)}"
        record.emit(_unconfirmed(state, best, why))
    elif best.number == default.number:
        why = "no trial scored better than the default configuration"
        record.emit(_unconfirmed(state, default, why))
    elif not other_folds:
        why = "each group is a fold, so no other folds can be drawn: the gain cannot be confirmed"
        record.emit(_unconfirmed(state, best, why))
    else:
        _race(record, evaluate, may_go_on, asked)


def _race(
    record: EventRecord, evaluate: Callable[[Config, int], Result],
    may_go_on: Callable[[], bool], asked: bool,
) -> None:  # fmt: skip
    state, seed = record.state, record.opened.seed
    best, default = state.best, state.default
    assert best is not None and default is not None
    racers = in_order(
        (Racer(t.number, t.value, t.fold_scores, t.seconds)
         for t in state.trials if t.value is not None and not t.broken), default.number,
    )  # fmt: skip
    limit_s = SHARE * sum(t.seconds for t in state.trials)
    chosen = starters(racers, limit_s)
    if len(chosen) < 2:
        if not asked:
            record.emit(_unconfirmed(
                state, best,
                "too few trials to confirm the gain: scoring the default and the best trial again "
                "would take more than a third of their time",
            ))  # fmt: skip
            return
        chosen = racers[:2]
    numbers = tuple(r.number for r in chosen)
    configs = {t.number: dict(t.config) for t in state.trials}
    failure = ""

    def score(heat: Heat) -> FreshScores | None:
        nonlocal failure
        if not may_go_on():
            return None
        record.emit(CandidateStarted(
            heat.number, heat.repeat, MOST_REPEATS, numbers, heat.racing,
            round(heat.seconds, 3), round(limit_s, 3),
        ))  # fmt: skip
        try:
            result = evaluate(configs[heat.number], fresh_seed(seed, heat.repeat))
        except HyperLlamaError as error:
            failure = error.message
            return None
        if result.state == "cancelled":
            return None
        value, reason = outcome(result)
        if value is None and heat.number == numbers[0]:
            failure = f"the default configuration failed on fresh folds: {reason}"
        return FreshScores(None if value is None else result.fold_scores, result.seconds)

    end = race(chosen, score, limit_s, record.opened.scored_share or 1 / max(best.folds, 2))
    if end is not None:
        record.emit(_confirmed(state, chosen, end))
    elif failure:
        record.note("warning", f"the gain is not confirmed: {failure}")
        record.emit(_unconfirmed(state, best, f"the gain cannot be confirmed: {failure}"))


def _unconfirmed(state: StudyState, winner: TrialState, why: str) -> StudyConfirmed:
    return StudyConfirmed(winner.number, state.gain, why=why, trials=state.done_count)


def _confirmed(state: StudyState, racers: Sequence[Racer], end: RaceEnd) -> StudyConfirmed:
    found = []
    for racer in racers:
        scores, gain = end.scores.get(racer.number, ()), end.gains.get(racer.number)
        low, high = (gain and gain.interval()) or (None, None)
        value = sum(scores) / len(scores) if scores else None
        mean = None if gain is None else gain.mean
        found.append(ConfirmedCandidate(racer.number, value, mean, low, high, len(scores)))
    low, high = (end.gain and end.gain.interval()) or (None, None)
    measured = end.gains.get(end.winner)
    why = (
        "no trial is better than the default configuration on fresh folds by more than luck gives"
        if measured is None else
        f"trial {end.winner} scored {measured.mean:+.4g} better than the default configuration on "
        "fresh folds; the gain is that without the luck in it"
    )  # fmt: skip
    return StudyConfirmed(
        winner=end.winner,
        claimed_gain=state.gain,
        gain=None if end.gain is None else end.gain.mean,
        gain_low=low,
        gain_high=high,
        repeats=end.repeats,
        candidates=tuple(found),
        seconds=round(end.seconds, 3),
        why=why,
        trials=state.done_count,
    )
