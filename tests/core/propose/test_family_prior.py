"""The family prior: what the Gaussian process knows of a family before the first trial."""

from __future__ import annotations

import numpy as np
import pytest

from hyperllama.core.estimators import CHOICE, Facts, family, joint_space
from hyperllama.core.propose.gp.acquisition import expectations, fitted
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.family_prior import FamilyPrior, learnt_families
from hyperllama.core.propose.gp.surrogate import GaussianProcess, LengthPrior
from hyperllama.core.space import Categorical, Float, Param, SearchSpace
from hyperllama.core.trials import Observed, ProposerSetting
from hyperllama.core.trials.history import TrialHistory

FACTS = Facts(400, 10, 2, 0.3)
MLP = FamilyPrior(("mlp",), "classification", FACTS, "neg_log_loss")


def test_a_step_size_is_known_to_matter_more_than_a_penalty() -> None:
    space = family("mlp").space("classification", FACTS)
    lengths = dict(zip((p.name for p in space.free), MLP.lengths(space).centre, strict=True))
    assert min(lengths, key=lengths.__getitem__) == "learning_rate_init"
    assert lengths["learning_rate_init"] < lengths["alpha"] - 1
    # half the range in tens has coordinates twice as far apart; other names mean the same
    half = SearchSpace([Param("lr", Float(1e-5, 10**-2.5, log=True), 1e-3),
                        Param("weight_decay", Float(1e-8, 1.0, log=True), 1e-4)])  # fmt: skip
    known = MLP.lengths(half)
    assert known.centre[0] == pytest.approx(lengths["learning_rate_init"] + np.log(2), abs=0.01)
    assert known.centre[1] == pytest.approx(lengths["alpha"], abs=0.01)
    strange = SearchSpace([Param(n, Float(0.0, 1.0), 0.5) for n in ("a", "b")])
    assert np.array_equal(MLP.lengths(strange).centre, LengthPrior.usual(2).centre)
    assert MLP.trend(strange) is None and FamilyPrior().trend(space) is None


def test_the_family_prior_is_expected_until_trials_contradict() -> None:
    space = family("mlp").space("classification", FACTS)
    earlier, places = EarlierTrials((), MLP), [
        space.complete({"learning_rate_init": lr}) for lr in (1e-5, 3e-3, 1.0)]  # fmt: skip
    history, against = TrialHistory(), TrialHistory()
    rng = np.random.default_rng(0)
    for n in range(6):
        config = space.sample(rng)
        far = abs(np.log10(float(config["learning_rate_init"])) + 2.5)
        history.tell(Observed(n, config, -far))
        against.tell(Observed(n, config, far))
    slow, good, fast = (e.mean for e in expectations(space, history, places, earlier))
    assert good > slow and good > fast
    gp, _ = fitted(space, against, earlier)
    at = np.array([space.to_unit(c) for c in places])
    assert np.argmax(gp.predict_mean(at)) != 1


def test_it_knows_the_family_that_is_chosen_and_leaves_out_what_is_inactive() -> None:
    space = joint_space(("mlp", "svm"), "classification", FACTS)
    alone = space.with_domains({CHOICE: Categorical(("svm",))})
    family_prior = FamilyPrior(("mlp", "svm"), "classification", FACTS)
    trend, rng = family_prior.trend(alone), np.random.default_rng(0)
    own = FamilyPrior(("svm",), "classification", FACTS)
    svm = family("svm").space("classification", FACTS)
    expected = own.trend(svm)
    assert trend is not None and expected is not None
    for _ in range(20):
        config = svm.sample(rng)
        joint = alone.complete({CHOICE: "svm", **{f"svm.{n}": v for n, v in config.items()}})
        assert trend(alone.to_unit(joint)[None]) == pytest.approx(
            expected(svm.to_unit(config)[None]), abs=1e-4)  # fmt: skip
    assert family_prior.trend(space) is None


def test_few_trials_do_not_make_it_sure_of_the_family_prior() -> None:
    """Three targets that lie on the trend by chance leave the usual deviation possible."""
    x = np.array([[0.1], [0.5], [0.9]])
    y = x[:, 0] + np.array([1e-3, -1e-3, 1e-3])
    sure, careful = (GaussianProcess.fit(x, y, trend=lambda at: at[:, 0], left=left)
                     for left in (0.0, 0.8))  # fmt: skip
    at = np.array([[0.3]])
    assert careful.predict(at)[1][0] > 10 * sure.predict(at)[1][0]
    assert careful.predict(at)[0][0] == pytest.approx(0.3, abs=0.01)


def test_every_family_of_the_file_has_axes_of_its_own_space() -> None:
    for known in learnt_families():
        assert known.features(np.zeros((2, len(known.axes))), np.zeros(8)).shape == (2, 256)
        assert np.isfinite(known.weights).all() and 0 < np.abs(known.weights).max() < 20


def test_without_a_family_prior_networks_are_not_known_either() -> None:
    net = SearchSpace([Param("lr", Float(1e-4, 0.1, log=True), 1e-2),
                       Param("weight_decay", Float(1e-6, 1e-2, log=True), 1e-4),
                       Param("dropout", Float(0.0, 0.6), 0.1)])  # fmt: skip
    setting = ProposerSetting(estimators=("mlp",), kind="classification", facts=FACTS)
    others = FamilyPrior.of_others(setting, {"mlp"}.__contains__)
    assert others.trend(net) is not None  # by its names, in a script's study
    mlp = family("mlp").space("classification", FACTS)
    assert others.trend(mlp) is None and FamilyPrior.of(setting).trend(mlp) is not None
    assert FamilyPrior.of_others(setting, {"svm"}.__contains__).trend(mlp) is not None
    x, y = np.random.default_rng(0).random((5, 3)), np.arange(5.0)
    assert EarlierTrials(()).mean(net, x, y) == (None, 0.0)
    assert EarlierTrials(()).family_prior(5) is None
    assert EarlierTrials((), FamilyPrior()).family_prior(13) is None
