"""Proposals that repeat what was tried, in place or in effect, and hyperparameters that stay."""

from __future__ import annotations

import numpy as np

from hyperllama.core.space import Categorical, Float, Integer, Param, SearchSpace
from hyperllama.core.trials import Observed
from hyperllama.core.trials.history import TrialHistory
from hyperllama.core.trials.knowledge import known_of
from hyperllama.core.trials.movement import alike, near, redrawn, unmoved, worn

SPACE = SearchSpace(
    [
        Param("rate", Float(1e-4, 1.0, log=True), 0.1),
        Param("rounds", Integer(10, 1000, log=True), 100),
        Param("kind", Categorical(("a", "b")), "a"),
    ]
)
CONFIG = {"rate": 0.1, "rounds": 100, "kind": "a"}


def trial(number: int, value: float = 0.5, folds: tuple[float, ...] = (), **config: object) -> (
    Observed
):  # fmt: skip
    return Observed(number, {**CONFIG, **config}, value, fold_scores=folds, proposer="llama")


def test_near_is_a_distance_in_the_unit_cube() -> None:
    first = trial(0)
    assert near(SPACE, [first], {**CONFIG, "rate": 0.11, "rounds": 104}) is first
    assert near(SPACE, [first], {**CONFIG, "rate": 0.2}) is None
    assert near(SPACE, [first], {**CONFIG, "kind": "b"}) is None
    assert near(SPACE, [], CONFIG) is None


def test_rounds_beyond_early_stopping_have_no_effect() -> None:
    stopped = Observed(0, {**CONFIG, "rounds": 300}, 0.5, facts={"iterations": 60})
    assert alike(SPACE, [stopped], {**CONFIG, "rounds": 900}, ("rounds",)) == (stopped, ("rounds",))
    assert alike(SPACE, [stopped], {**CONFIG, "rounds": 40}, ("rounds",)) is None
    assert alike(SPACE, [stopped], {**CONFIG, "rounds": 900}) is None
    whole = Observed(0, {**CONFIG, "rounds": 60}, 0.5, facts={"iterations": 60})
    assert alike(SPACE, [whole], {**CONFIG, "rounds": 900}, ("rounds",)) is None


def test_what_changed_no_fold_score_has_no_effect() -> None:
    folds = (0.4, 0.5, 0.6)
    trials = [trial(0, folds=folds), trial(1, folds=folds, kind="b", rounds=90), trial(2)]
    found = alike(SPACE, trials, {**CONFIG, "rounds": 500})
    assert found == (trials[0], ("rounds",))
    assert alike(SPACE, trials, {**CONFIG, "rate": 0.5}) is None
    assert alike(SPACE, [trial(0, folds=folds), trial(1, folds=(0.4, 0.5, 0.7), rounds=90)],
                 {**CONFIG, "rounds": 500}) is None  # fmt: skip


def test_hyperparameters_that_stay_are_found() -> None:
    moving = [trial(n, rate=10.0**-n) for n in range(4)]
    assert unmoved(SPACE, moving) == {"rounds": 100, "kind": "a"}
    assert unmoved(SPACE, moving[:3]) == {}


def test_a_value_is_worn_after_a_third_of_the_turns() -> None:
    own = [trial(0), trial(1), *(trial(n, rate=10.0**-n) for n in range(2, 5))]
    assert worn(SPACE, own, CONFIG) == ["rate", "rounds"]  # two categories cannot be shared out
    assert worn(SPACE, own, {**CONFIG, "rate": 0.5, "rounds": 10}) == []
    rng = np.random.default_rng(0)
    moved = redrawn(SPACE, CONFIG, ["rate", "rounds"], {"rate": 0.1, "rounds": 20}, rng)
    assert moved["rounds"] == 20 and moved["rate"] != 0.1 and moved["kind"] == "a"


def test_what_the_trials_tell() -> None:
    history = TrialHistory()
    for t in (trial(0, 0.5), trial(1, 0.7, rate=0.2), trial(2, 0.6, rate=0.3), trial(3, 0.4)):
        history.tell(t)
    known = known_of(SPACE, history, history.trials[1:], (0.3, 0.5))
    assert known.best == ((1, 0.7), (2, 0.6), (0, 0.5), (3, 0.4))
    assert known.unmoved == {"rounds": 100, "kind": "a"}
    assert [n for n, _ in known.own] == [1, 2, 3]
    assert [round(g or 0.0, 6) for _, g in known.own] == [0.2, -0.1, -0.3]
    assert known.chance == 0.4 and not known.at_chance
