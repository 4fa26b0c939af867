"""What the Gaussian process proposes, when the model is asked, and which family is next."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from hyperllama.core.estimators import CHOICE, Facts, joint_space
from hyperllama.core.propose.gp.acquisition import expectations, suggest
from hyperllama.core.propose.gp.earlier import EarlierTrials, learnt_share
from hyperllama.core.propose.gp.places import APART, realised
from hyperllama.core.propose.gp.surrogate import GaussianProcess
from hyperllama.core.space import (
    Categorical,
    Condition,
    Config,
    Float,
    Integer,
    Param,
    SearchSpace,
)
from hyperllama.core.trials import AskContext, Exhausted, Observed
from hyperllama.core.trials.history import TrialHistory
from tests.core.propose.test_proposers import MAKERS, SMALL
from tests.core.random_spaces import random_space

LINE = SearchSpace([Param("x", Float(0.0, 1.0), 0.5)])
GRID: list[Config] = [{"x": float(u)} for u in np.linspace(0, 1, 101)]


def told(xs: list[float], score: Callable[[float], float]) -> TrialHistory:
    history = TrialHistory()
    for number, x in enumerate(xs):
        history.tell(Observed(number, {"x": x}, score(x)))
    return history


def peak(x: float) -> float:
    """Highest at 0.7."""
    return -((x - 0.7) ** 2)


def spaced(n: int) -> list[float]:
    return [float(x) for x in np.linspace(0.02, 0.98, n)]


@pytest.mark.parametrize("seed", range(3))
def test_it_proposes_where_the_expected_improvement_is_largest(seed: int) -> None:
    for history in (told(spaced(7), peak), told([0.05, 0.1, 0.15, 0.2], lambda x: np.sin(9 * x))):
        found = suggest(LINE, history, np.random.default_rng(seed))
        best = max(e.log_ei for e in expectations(LINE, history, GRID))
        assert found.expected.log_ei >= best - 0.05
    found = suggest(LINE, told(spaced(7), peak), np.random.default_rng(seed))
    assert abs(found.config["x"] - 0.7) < 0.1


def test_one_disaster_hides_nothing() -> None:
    history = told(spaced(9), lambda x: -1000.0 if x < 0.03 else peak(x))
    expected = expectations(LINE, history, [{"x": 0.02}, {"x": 0.7}])
    assert expected[0].mean > -50 and abs(expected[1].mean) < 0.05


def test_the_prior_leads_and_fades_as_trials_come_in() -> None:
    def prior(u: np.ndarray) -> np.ndarray:
        return -1000 * (u[:, 0] - 0.1) ** 2

    rng = np.random.default_rng(0)
    noisy = told(spaced(60), lambda x: peak(x) + 0.05 * rng.normal())
    few = suggest(LINE, told(spaced(5), peak), rng, (), [(prior, 10.0)])
    many = suggest(LINE, noisy, rng, (), [(prior, 10.0)])
    without = suggest(LINE, told(spaced(5), peak), rng)
    assert few.config["x"] < 0.3 < 0.5 < many.config["x"] and without.config["x"] > 0.5


def test_of_many_trials_the_best_are_kept() -> None:
    rng = np.random.default_rng(0)
    xs = [*rng.uniform(0.6, 0.8, 100), *rng.uniform(0.0, 0.4, 200)]
    expected = expectations(LINE, told([float(x) for x in xs], peak), [{"x": 0.7}])[0]
    assert abs(expected.mean) < 0.01 and expected.std < 0.05


def test_categories_are_equal_or_different_whatever_their_order() -> None:
    def at(first: float, second: float, asked: float) -> float:
        x = np.array([[first], [first], [second], [second]])
        process = GaussianProcess.fit(x, np.array([1.0, 1.1, 0.0, 0.1]), np.array([True]))
        return float(process.predict_mean(np.array([[asked]]))[0])

    assert at(1 / 6, 3 / 6, 5 / 6) == pytest.approx(at(1 / 6, 5 / 6, 3 / 6))


def test_the_uncertainty_is_in_the_units_of_the_score() -> None:
    x, at = np.linspace(0, 1, 6)[:, None], np.array([[0.5], [0.33]])
    y = np.sin(4 * x[:, 0])
    mean, std = GaussianProcess.fit(x, y).predict(at)
    larger = GaussianProcess.fit(x, 100 * y + 5).predict(at)
    assert np.allclose(larger[0], 100 * mean + 5) and np.allclose(larger[1], 100 * std)


def test_hybrid_asks_the_model_first_and_then_as_often_as_that_pays() -> None:
    proposer = MAKERS["hybrid"](seed=0)
    by_model = []
    for number in range(24):
        proposal = proposer.ask(SMALL, AskContext(number))
        by_model += [number] if proposal.proposer == "llama" else []
        score = 1.0 if number == 10 else 0.01 * (number % 3)
        proposer.tell(Observed(number, proposal.config, score, proposer=proposal.proposer))
    assert by_model == [0, 1, 2, 3, 10, 17]  # 10 was a new best, 17 was none


def test_the_interval_of_the_model_doubles_where_it_does_not_pay() -> None:
    proposer = MAKERS["hybrid"](seed=0)
    by_model = []
    for number in range(25):
        proposal = proposer.ask(SMALL, AskContext(number))
        by_model += [number] if proposal.proposer == "llama" else []
        score = 1.0 if number == 0 else 0.01 * (number % 3)
        proposer.tell(Observed(number, proposal.config, score, proposer=proposal.proposer))
    assert by_model == [0, 1, 2, 3, 10, 23]


def test_the_embedded_model_follows_the_scores() -> None:
    space = SearchSpace([Param("learning_rate", Float(1e-4, 1.0, log=True), 0.1)])
    rates = [space.from_unit(np.array([u])) for u in np.linspace(0.02, 0.98, 9)]

    def proposed(target: float) -> float:
        found = []
        for seed in range(8):
            proposer = MAKERS["llama"](seed=seed, estimators=("xgboost",))
            for number, config in enumerate(rates):
                score = -abs(float(space.to_unit(config)[0]) - target)
                proposer.tell(Observed(number, config, score))
            found.append(float(space.to_unit(proposer.ask(space, AskContext(9)).config)[0]))
        return float(np.mean(found))

    assert proposed(0.8) - proposed(0.2) > 0.2


def test_the_family_that_scores_best_is_proposed_next() -> None:
    names = ("decision_tree", "knn")
    space = joint_space(names, "classification", Facts(500, 8, 2))
    for good, name in itertools.product(names, ("llama", "gp", "hybrid")):
        proposer = MAKERS[name](seed=0, estimators=names)
        rng = np.random.default_rng(0)
        for number in range(12):
            config = space.complete({**space.sample(rng), CHOICE: names[number % 2]})
            score = 0.9 if config[CHOICE] == good else 0.1
            proposer.tell(Observed(number, config, score + 0.001 * number))
        assert proposer.ask(space, AskContext(12)).config[CHOICE] == good
        proposer.close()


def test_a_family_that_is_used_up_leaves_the_others() -> None:
    space = SearchSpace([
        Param(CHOICE, Categorical(("knn", "linear")), "knn"),
        Param("knn.p", Integer(1, 2), 2, when=Condition(CHOICE, ("knn",))),
        Param("linear.degree", Integer(1, 9), 3, when=Condition(CHOICE, ("linear",))),
    ])  # fmt: skip
    for name in ("gp", "hybrid"):
        proposer = MAKERS[name](seed=0, estimators=("knn", "linear"))
        for number in range(11):
            config = proposer.ask(space, AskContext(number)).config if number else space.default()
            proposer.tell(Observed(number, config, 0.9 if config[CHOICE] == "knn" else 0.1))
        with pytest.raises(Exhausted):
            proposer.ask(space, AskContext(11))
        proposer.close()


def test_earlier_studies_are_believed_as_far_as_they_are_right() -> None:
    earlier = EarlierTrials([[({"x": x}, peak(x)) for x in spaced(12)]])
    rng = np.random.default_rng(0)
    same, other = told([0.2, 0.5], peak), told([0.2, 0.5, 0.8], lambda x: -peak(x))
    assert abs(suggest(LINE, same, rng, earlier=earlier).config["x"] - 0.7) < 0.1
    x, y = np.array([[0.1], [0.4], [0.8]]), np.array([peak(v) for v in (0.1, 0.4, 0.8)])
    assert learnt_share(y, y) > 0.7 > learnt_share(np.zeros(3), y) > learnt_share(-y, y) == 0.0
    trend = earlier.trend(LINE, x, y)
    assert trend is not None and trend(np.array([[0.7]]))[0] > trend(np.array([[0.1]]))[0]
    assert abs(suggest(LINE, other, rng, earlier=earlier).config["x"] - 0.7) > 0.1
    assert EarlierTrials([[({"y": 1.0}, 0.0)] * 9]).trend(LINE, x, y) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_place_is_asked_for_as_it_would_be_tried(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = random_space(rng)
    u = rng.random((50, len(space.free)))
    wanted = np.array([space.to_unit(space.from_unit(row)) for row in u])
    # a range of a hair at a large number has rounding errors alone
    wide = [isinstance(d, Categorical) or d.high - d.low > 1e-6 * abs(d.high)
            for d in (p.domain for p in space.free)]  # fmt: skip
    assert realised(space, u)[:, wide] == pytest.approx(wanted[:, wide], abs=1e-6)


def test_right_beside_a_trial_nothing_is_tried() -> None:
    """Scores that are the same all over a cell tempt to look around in it."""
    space = SearchSpace([Param(n, Float(0.0, 1.0), 0.5) for n in ("a", "b", "c")])
    history, rng = TrialHistory(), np.random.default_rng(0)
    for number in range(24):
        config = space.sample(rng) if number < 4 else suggest(space, history, rng).config
        cell = [int(10 * float(v)) for v in config.values()]
        history.tell(Observed(number, config, -float(np.square(np.array(cell) - 7.0).sum())))
    x = np.array([space.to_unit(c) for c, _ in history.scored(space)])
    apart = np.abs(x[:, None] - x[None]).max(axis=2) + np.eye(len(x))
    assert apart.min() >= APART


def test_it_keeps_away_from_where_trials_fail() -> None:
    space = SearchSpace([Param("x", Float(0.0, 1.0), 0.5), Param("y", Float(0.0, 1.0), 0.5)])
    history, rng = TrialHistory(), np.random.default_rng(0)
    for n in range(24):
        config = suggest(space, history, rng).config if n > 3 else space.sample(rng)
        works = float(config["x"]) < 0.6
        score = float(config["x"]) - abs(float(config["y"]) - 0.4)  # best where all fail
        history.tell(Observed(n, config, score if works else None, "" if works else "it diverged"))
    failures = [t.value is None for t in history.trials[10:]]
    assert sum(failures) <= 5
