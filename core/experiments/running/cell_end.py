"""How a cell on a task file ends: the winner, its confirmed gain, the scores on the test rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.space import Config
from hyperllama.core.trials.race import (
    SHARE,
    FreshScores,
    Heat,
    Racer,
    fresh_seed,
    in_order,
    race,
    starters,
)

Trials = Sequence[Mapping[str, Any]]


def confirmed_end(
    trials: Trials, evaluate: Callable[[Config, int], Result], seed: int, test_share: float
) -> dict[str, Any] | None:
    """The winner's number and its gain on fresh folds, as a study confirms it.

    Args:
        evaluate: a configuration with a seed for folds and estimator.
        seed: of the study.
        test_share: share of the rows that a fold scores.

    Returns:
        winner, confirmed_gain (0 where the default stays), confirmed_low and confirmed_high (its
        90 % interval); empty where it cannot be confirmed, None where it was stopped.
    """
    limit_s = SHARE * sum(t["seconds"] for t in trials)
    scored = [t for t in trials if t["value"] is not None]
    every = [Racer(t["number"], t["value"], tuple(t["fold_scores"]), t["seconds"]) for t in scored]
    chosen = starters(in_order(every, 0), limit_s)
    if len(chosen) < 2 or chosen[1].value <= chosen[0].value:
        return {}
    configs, stopped = {t["number"]: t["config"] for t in scored}, False

    def score(heat: Heat) -> FreshScores | None:
        nonlocal stopped
        result = evaluate(configs[heat.number], fresh_seed(seed, heat.repeat))
        if result.state == "cancelled":
            stopped = True
            return None
        scores = result.fold_scores if result.state == "complete" else None
        return FreshScores(scores, result.seconds)

    end = race(chosen, score, limit_s, test_share)
    if end is None:
        return None if stopped else {}
    low, high = (end.gain and end.gain.interval()) or (None, None)
    gain = 0.0 if end.gain is None else end.gain.mean
    return {"winner": end.winner, "confirmed_gain": gain, "confirmed_low": low,
            "confirmed_high": high}  # fmt: skip


def scores_on_test_rows(
    trials: Trials, score: Callable[[Config], float | None], winner: int | None = None
) -> dict[str, Any]:
    """The score on rows that no trial saw, and the default's.

    Args:
        winner: number of the trial to score; None for the incumbent.
    """
    scored = [t for t in trials if t["value"] is not None]
    if not scored:
        return {"error": f"every trial failed; the last: {trials[-1]['reason']}"}
    best = max(scored, key=lambda t: (t["number"] == winner, float(t["value"])))
    try:
        return {
            "test_value": score(best["config"]),
            "default_test_value": score(trials[0]["config"]),
        }
    except HyperLlamaError as error:
        return {"test_value": None, "no_test": error.message}
