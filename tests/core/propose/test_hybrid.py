"""`hybrid` with a chat model: who opens, whose turn it is, and when a turn is handed over."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.propose import chat_turn, make_proposer
from hyperllama.core.propose.chat_turn import ChatTurn, learnt_weight, log_prior
from hyperllama.core.propose.gp.acquisition import Expected, Suggestion
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.knowledge import promise
from hyperllama.core.space import Categorical, Config, Float, Integer, Param, SearchSpace
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory
from tests.core.fake_engine import FakeEngine
from tests.models.tiny_gguf import write_tiny

SPACE = SearchSpace(
    [
        Param("learning_rate", Float(1e-4, 1.0, log=True), 0.1),
        Param("max_depth", Integer(1, 12), 6),
        Param("subsample", Float(0.1, 1.0), 1.0),
    ]
)


PLAIN = PromptOptions(reasoning=False, templates="short")  # a model that says values, not tenths


def score(config: Config) -> float:
    """Best at learning_rate 0.01, whatever the others are."""
    return -abs(float(SPACE.to_unit(config)[0]) - 0.5) - 0.01 * abs(config["max_depth"] - 4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("model") / "tiny.gguf"))


def played(
    model: str, trials: int, says: Callable[[str, str], Any] | None = None,
    value: Callable[[Config], float] = score, **setting: Any,
) -> tuple[list[Proposal], list[FakeEngine]]:  # fmt: skip
    """A study of `hybrid` with a chat model that says what it is told to."""
    engines: list[FakeEngine] = []

    def make() -> FakeEngine:
        engines.append(FakeEngine(says))
        return engines[-1]

    given = {"estimators": ("xgboost",), "prompt": PLAIN, **setting}
    proposer = make_proposer(
        "hybrid", setting=ProposerSetting(model=model, make_engine=make, **given)
    )
    proposer.tell(Observed(0, SPACE.default(), value(SPACE.default()), proposer="default"))
    made = []
    for number in range(1, trials):
        made.append(proposer.ask(SPACE, AskContext(number)))
        proposer.tell(Observed(
            number, made[-1].config, value(made[-1].config), proposer=made[-1].proposer,
            fallback=made[-1].fallback,
        ))  # fmt: skip
    proposer.close()
    return made, engines


def hopeless(name: str, prompt: str) -> Any:
    """Values far from what is good; None for whatever the embedded model is asked."""
    return {"value learning_rate": 0.9, "value max_depth": 12, "value subsample": 0.11}.get(name)


def test_the_embedded_model_opens_and_a_chat_model_in_vain_loses_its_turns(model: str) -> None:
    made, _ = played(model, 29, hopeless)
    who = [p.proposer for p in made]
    assert who[:3] == ["embedded"] * 3 and "llama" not in who
    handed = [n for n, p in enumerate(made, 1) if p.fallback]
    assert handed == [7, 14, 27]  # 3, 6, 12 turns of others between them
    assert all(who[n - 1] == "gp" for n in handed)
    assert "the turn went to the GP: the GP expects" in made[6].fallback
    assert "Proposed by the Gaussian process in the model's turn." in made[6].reasoning
    assert {"embedded", "gp"} == set(who[3:])  # the embedded model keeps its own turns


def test_what_a_chat_model_proposes_in_vain_changes_nothing(model: str) -> None:
    """Its hybrid is then the embedded model's, trial by trial."""
    alone, _ = played("embedded", 10, hopeless)
    beside, _ = played(model, 10, hopeless)
    assert [p.config for p in beside] == [p.config for p in alone]
    assert [p.proposer for p in alone[:4]] == ["llama", "llama", "llama", "gp"]


def test_a_chat_model_that_earns_its_turns_keeps_a_quarter(model: str) -> None:
    rates = itertools.cycle([1e-2, 1.3e-2, 7e-3, 1.6e-2, 5e-3])

    def says(name: str, prompt: str) -> Any:
        if name == "value learning_rate":
            return next(rates)
        return 4 if name == "value max_depth" else None

    made, _ = played(model, 20, says)
    turns = {n: p for n, p in enumerate(made, 1) if p.proposer == "llama" or p.fallback}
    assert list(turns) == [7, 14, 18]  # 7 was handed over, 14 was a new best
    assert turns[14].proposer == "llama"
    assert "The GP expects" in turns[14].reasoning
    assert score(turns[14].config) > max(score(p.config) for p in made[:13])
    assert len(turns) <= 0.3 * len(made[3:])


def test_before_its_turn_it_reads_what_the_optimiser_knows(model: str) -> None:
    made, engines = played(model, 9, hopeless, chance=(-2.0,))
    chat = next(e for e in engines for r in e.requests if "value learning_rate" in str(r.segments))
    prompt = "".join(str(p) for p in chat.requests[-1].prompt)
    known = prompt[prompt.index("What is known:"):]
    for words in ("- promising: learning_rate ", "depends most on learning_rate", "- best: trial ",
                  "chance scores -2"):  # fmt: skip
        assert words in known, known
    assert made[6].record["prompt"].count("What is known") == 1


def test_the_weight_of_beliefs_is_learnt_from_the_good_trials() -> None:
    history = TrialHistory()
    rng = np.random.default_rng(0)
    for number in range(12):
        config = SPACE.sample(rng)
        history.tell(Observed(number, config, score(config)))

    def weight(rate: float) -> float:
        beliefs = {"learning_rate": [(min(rate * 1.5**k, 1.0), 0.1) for k in range(-5, 5)]}
        return learnt_weight(SPACE, history, log_prior(SPACE, beliefs))

    assert 0.1 < weight(0.01) <= 1.0
    assert weight(0.9) == 0.0
    assert learnt_weight(SPACE, history, log_prior(SPACE, {})) == 0.0
    few = TrialHistory()
    few.tell(Observed(0, SPACE.default(), 1.0))
    assert learnt_weight(SPACE, few, log_prior(SPACE, {"learning_rate": [(0.1, 1.0)]})) == 0.0


@pytest.mark.parametrize(
    ("mean", "log_ei", "weight", "who"),
    [
        (-0.3, -1.5, 1.0, "llama"),  # little less improvement, and beliefs that fit
        (-0.3, -1.5, 0.2, "gp"),  # the same, and beliefs that hardly do
        (-0.3, -1.0, 0.0, "llama"),  # no less improvement
        (-0.2, -3.0, 0.0, "llama"),  # no lower score
        (-0.7, -1.0, 1.0, "gp"),  # not among the better third
    ],
)
def test_what_a_turn_needs_to_be_the_model_s_own(
    monkeypatch: pytest.MonkeyPatch, mean: float, log_ei: float, weight: float, who: str
) -> None:
    history = TrialHistory()
    for number, value in enumerate([-0.9, -0.8, -0.7, -0.65, -0.5, -0.4]):
        history.tell(Observed(number, SPACE.sample(np.random.default_rng(number)), value))
    expected = Expected(mean, 0.1, log_ei)
    monkeypatch.setattr(chat_turn, "expectations", lambda *_: [expected])
    found = Suggestion(SPACE.default(), Expected(-0.25, 0.1, -1.0), {})
    turn = ChatTurn([Proposal(SPACE.default(), "llama")], weight, log_prior(SPACE, {}))
    earlier = EarlierTrials(())
    made = turn.decided(SPACE, history, found, earlier, None, 1.0, Goals())
    assert made.proposer == who and bool(made.fallback) == (who == "gp")


def test_the_gp_names_regions_and_what_matters() -> None:
    space = SearchSpace([*SPACE, Param("kind", Categorical(("a", "b")), "a")])
    history, rng = TrialHistory(), np.random.default_rng(1)
    for number in range(24):
        config = space.sample(rng)
        history.tell(Observed(number, config, score(config) - (config["kind"] == "a")))
    found = promise(space, history, rng)
    low, high = found.regions["learning_rate"]
    assert isinstance(low, float) and isinstance(high, float) and 1e-3 < low < 0.01 < high < 0.1
    assert found.regions["kind"] == ("b",)
    assert "subsample" not in found.regions and "subsample" not in found.important


def test_a_family_at_chance_is_left(tmp_path: Path) -> None:
    from hyperllama.core.trials.chance import without_chance

    space = SearchSpace([Param("estimator", Categorical(("svm", "tree")), "svm"),
                         Param("x", Float(0.0, 1.0), 0.5)])  # fmt: skip
    chance = (0.5, 0.52, 0.48)
    poor = [Observed(n, {"estimator": "svm", "x": n / 9}, 0.5, fold_scores=(0.51, 0.5, 0.49))
            for n in range(4)]  # fmt: skip
    left = without_chance(space, poor, chance, "estimator")
    assert left[1] == ("svm",) and left[0]["estimator"].domain == Categorical(("tree",))
    assert without_chance(space, poor[:3], chance, "estimator")[1] == ()
    good = Observed(4, {"estimator": "svm", "x": 0.9}, 0.9, fold_scores=(0.9, 0.91, 0.89))
    assert without_chance(space, [*poor, good], chance, "estimator")[1] == ()
    assert without_chance(space, poor, (), "estimator")[1] == ()


def test_a_family_that_the_model_does_not_know_is_opened_from_the_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the names that the space has, moved into its ranges; then the GP goes on."""
    file = tmp_path / "portfolio.json"
    file.write_text('{"lightgbm": [{"n_estimators": 70, "subsample": 0.8, "num_leaves": 900},'
                    ' {"n_estimators": 30, "subsample": 0.3, "num_leaves": 8},'
                    ' {"n_estimators": 9, "subsample": 0.4, "num_leaves": 5}]}')
    monkeypatch.setattr("hyperllama.core.propose.portfolio.portfolio_file", lambda: file)
    space = SearchSpace([
        Param("num_iterations", Integer(1, 500, log=True), 100),
        Param("bagging_fraction", Float(0.2, 1.0), 1.0),
        Param("num_leaves", Integer(2, 255, log=True), 31),
    ])  # fmt: skip
    for estimator, listed in (("lightgbm", True), ("xgboost", False)):
        proposer = make_proposer("hybrid", setting=ProposerSetting(estimators=(estimator,)))
        made = []
        for number in range(1, 5):
            made.append(proposer.ask(space, AskContext(number)))
            proposer.tell(Observed(number, made[-1].config, 0.1 * number))
        proposer.close()
        assert [p.proposer for p in made] == [*["portfolio" if listed else "llama"] * 3, "gp"]
        if listed:
            assert made[0].config == {"num_iterations": 70, "bagging_fraction": 0.8,
                                      "num_leaves": 255}
            assert "LightGBM on other tables" in made[0].reasoning
