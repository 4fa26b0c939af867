"""What the default of a booster would score with another number of rounds: a gain that is only that
is a gain over a default with too many or too few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.estimators import CHOICE, rounds_names
from hyperllama.core.evaluate.results import Result
from hyperllama.core.events import Noted
from hyperllama.core.space import Config, Integer, SearchSpace
from hyperllama.core.study.state import StudyState, TrialState
from hyperllama.core.text import percent

_MORE = 4
"""Where the default still got better at its last round: so many times the rounds are tried."""


@dataclass(frozen=True)
class OtherRounds:
    """The default with another number of rounds: which hyperparameter, what it was, what it is."""

    name: str
    was: int
    now: int
    config: Config


def other_rounds(
    default: TrialState, space: SearchSpace, families: tuple[str, ...]
) -> OtherRounds | None:
    """The number of rounds that the default's own curve advises; None where that is its own.

    The curve is that of the first fold. Without one, as with early stopping, nothing is advised.
    """
    best, rounds = (default.facts.get(k) for k in ("best_iteration", "iterations"))
    family = str(default.config.get(CHOICE, families[0] if families else ""))
    name = rounds_names(families).get(family, "")
    if not (isinstance(best, int) and isinstance(rounds, int)) or name not in default.config:
        return None
    p = next((p for p in space.free if p.name == name), None)
    if p is None or not isinstance(p.domain, Integer):
        return None
    was = int(default.config[name])
    wanted = best + 1 if best + 1 < rounds else _MORE * rounds
    now = int(min(max(wanted, p.domain.low), p.domain.high))
    return None if now == was else OtherRounds(name, was, now, {**default.config, name: now})


def default_rounds_note(
    state: StudyState, space: SearchSpace, evaluate: Callable[[Config], Result]
) -> Noted | None:
    """What part of the gain the number of rounds alone would bring; None where that is nothing.

    It costs one evaluation, on the study's own folds.
    """
    best, default, opened = state.best, state.default, state.opened
    if best is None or default is None or opened is None or best.number == default.number:
        return None
    found = other_rounds(default, space, opened.estimators)
    if found is None or default.value is None or best.value is None:
        return None
    gain = best.value - default.value
    try:
        value = evaluate(found.config).value
    except HyperLlamaError:
        return None
    if value is None or value <= default.value or gain <= 0:
        return None
    share = min((value - default.value) / gain, 1.0)
    return Noted(
        "info",
        f"with {found.name} = {found.now} instead of {found.was} the default scores {value:.5g} "
        f"instead of {default.value:.5g}: that alone is {percent(share)} of the best trial's gain",
        f"freeze {found.name}, or set early_stopping_rounds, to see what the other hyperparameters "
        "bring",
    )
