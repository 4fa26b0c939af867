"""Proposals that repeat what was tried, in place or in effect, and hyperparameters that stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.space import Categorical, Float, Integer, Param, SearchSpace
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from hyperllama.core.trials.history import TrialHistory
from hyperllama.core.trials.knowledge import known_of
from hyperllama.core.trials.movement import alike, near, redrawn, unmoved, worn
from tests.core.fake_engine import FakeEngine
from tests.models.tiny_gguf import write_tiny

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


def chat(
    tmp_path: Path, says: Callable[[str, str], Any] | None = None,
    engine: FakeEngine | None = None, **setting: Any,
) -> ChatProposer:  # fmt: skip
    made = engine or FakeEngine(says)
    model = str(write_tiny(tmp_path / "tiny.gguf"))
    options = PromptOptions(reasoning=False, templates="short")  # replies in values, not tenths
    return ChatProposer(
        ProposerSetting(model=model, make_engine=lambda: made, prompt=options, **setting)
    )


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


def test_trials_that_learned_nothing_do_not_make_everything_idle() -> None:
    folds = (0.5, 0.5, 0.5)
    trials = [trial(0, folds=folds), trial(1, folds=folds, kind="b", rounds=90, rate=0.9)]
    assert alike(SPACE, trials, {**CONFIG, "rounds": 500, "rate": 0.2}) is None


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


def test_values_that_a_chat_model_keeps_to_are_drawn_for_it(tmp_path: Path) -> None:
    says = {"value rate": 0.5, "value kind": "a"}
    proposer = chat(tmp_path, lambda name, prompt: says.get(name))
    for number in range(3):
        proposer.tell(trial(number, rate=0.5, rounds=10 * (number + 1)))
    proposal = proposer.ask(SPACE, AskContext(3))
    assert proposal.proposer == "llama" and proposal.config["rate"] != 0.5
    assert "Drawn by TPE, because the model keeps to one value: rate." in proposal.reasoning
    assert proposal.record["attempts"][-1]["config"]["rate"] == proposal.config["rate"]


def test_after_a_turn_in_vain_a_reply_is_held_near_the_best_trial(tmp_path: Path) -> None:
    params = [Param(f"p{i}", Float(0.0, 1.0), 0.5) for i in range(6)]
    space = SearchSpace(params)
    best = space.default()
    says = {f"value p{i}": 0.9 + i / 100 for i in range(6)}
    proposer = chat(tmp_path, lambda name, prompt: says.get(name))
    proposer.tell(Observed(0, best, 0.5, proposer="default"))
    free = proposer.ask(space, AskContext(1))
    assert free.config == {f"p{i}": 0.9 + i / 100 for i in range(6)} and not free.reasoning
    proposer.tell(Observed(1, {**free.config, "p0": 0.1}, 0.4, proposer="llama"))
    held = proposer.ask(space, AskContext(2))
    assert {n for n, v in held.config.items() if abs(v - 0.5) > 0.2} == {"p4", "p5"}
    assert held.config["p4"] == held.config["p5"] == pytest.approx(0.8)
    assert "Near the best trial but for p5 and p4" in held.reasoning
    proposer.tell(Observed(2, held.config, 0.6, proposer="llama"))  # a new best
    assert "Near the best" not in proposer.ask(space, AskContext(3)).reasoning


def test_what_nearly_repeats_a_trial_is_rejected_and_the_turn_goes_over(tmp_path: Path) -> None:
    says = {"value rate": 0.101, "value rounds": 101, "value kind": "a"}
    proposer = chat(tmp_path, lambda name, prompt: says.get(name))
    proposer.tell(trial(0))
    proposal = proposer.ask(SPACE, AskContext(1))
    assert proposal.proposer == "tpe"
    assert proposal.fallback == "2 replies were rejected: it nearly repeats trial 0 (score 0.5)."


def test_values_are_decoded_hotter_where_hyperparameters_do_not_move(tmp_path: Path) -> None:
    engine = FakeEngine()
    proposer = chat(tmp_path, engine=engine)
    for number in range(4):
        proposer.tell(replace(trial(number, rate=10.0**-number), proposer="tpe"))
    proposer.ask(SPACE, AskContext(4))
    assert engine.requests[0].temperature == pytest.approx(1.0)
    prompt = "".join(map(str, engine.requests[0].prompt))
    assert "Not changed in the last trials: rounds, kind." in prompt


def test_a_chat_model_leaves_a_family_at_chance(tmp_path: Path) -> None:
    space = SearchSpace([Param("estimator", Categorical(("svm", "knn", "mlp")), "svm"),
                         Param("x", Float(0.0, 1.0), 0.5)])  # fmt: skip
    engine = FakeEngine()
    proposer = chat(tmp_path, engine=engine, chance=(0.5, 0.52, 0.48), estimators=("svm", "knn"))
    for n in range(4):
        proposer.tell(Observed(n, {"estimator": "svm", "x": n / 9}, 0.5,
                               fold_scores=(0.51, 0.5, 0.49)))  # fmt: skip
    asked = {proposer.ask(space, AskContext(4 + k)).config["estimator"] for k in range(6)}
    assert asked == {"knn", "mlp"}
    prompt = "".join(map(str, engine.requests[0].prompt))
    assert "no longer proposed, at the level of chance: svm" in prompt
    assert "no score is better than chance (0.5): change much" in prompt
