"""Optuna's contract of a sampler: its own tests for samplers, and what they leave out."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.trial import TrialState

from hyperllama import LlamaSampler
from hyperllama.core.errors import SpaceError
from hyperllama.core.propose import make_proposer

pytest.importorskip("llama_cpp")
cases = pytest.importorskip("optuna.testing.pytest_samplers")
optuna.logging.set_verbosity(optuna.logging.ERROR)

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-10, 10), "n": IntDistribution(0, 9), "c": CategoricalDistribution("ab")
}


@pytest.fixture
def without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GP proposes: what the sampler does around its proposer is tested, in no time."""
    monkeypatch.setattr(
        "hyperllama.core.api.sampler.make_proposer",
        lambda name, setting: make_proposer("gp", setting=setting),
    )


@pytest.mark.usefixtures("without_engine")
class _Contract:
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: LlamaSampler({"own": FloatDistribution(-10, 10)}, seed=0)


class TestBasic(_Contract, cases.BasicSamplerTestCase):  # type: ignore[misc,name-defined]
    pass


class TestSingleObjective(  # type: ignore[misc]
    _Contract, cases.SingleOnlySamplerTestCase  # type: ignore[name-defined]
):
    pass


class TestRelative(_Contract, cases.RelativeSamplerTestCase):  # type: ignore[misc,name-defined]
    pass


def suggest(trial: optuna.Trial) -> float:
    x, n = trial.suggest_float("x", -10, 10), trial.suggest_int("n", 0, 9)
    return (x - 7) ** 2 + n + (trial.suggest_categorical("c", "ab") == "b")


def different(study: optuna.Study) -> bool:
    configs = [tuple(trial.params.items()) for trial in study.trials]
    return len(set(configs)) == len(configs)


def test_several_threads_with_the_model() -> None:
    with LlamaSampler(SPACE, estimator="xgboost", seed=0) as sampler:
        study = optuna.create_study(sampler=sampler)
        study.optimize(suggest, n_trials=10, n_jobs=4)
        batch = [study.ask(SPACE) for _ in range(4)]
        assert different(study) and len(batch) == 4
        copied = pickle.loads(pickle.dumps(study.sampler))
        for trial in batch:
            study.tell(trial, 1.0)
        one, other = study.ask(SPACE).params, None
        study.tell(study.trials[-1].number, state=TrialState.FAIL)
        study.sampler = copied
        other = study.ask(SPACE).params
        assert one != other
        copied.close()


@pytest.mark.usefixtures("without_engine")
def test_a_sampler_serves_several_studies() -> None:
    sampler, found = LlamaSampler(SPACE, seed=0), []
    for want in (7.0, -7.0):
        study = optuna.create_study(sampler=sampler)
        def distance(trial: optuna.Trial, want: float = want) -> float:
            return float(trial.suggest_float("x", -10, 10) - want) ** 2

        study.optimize(distance, n_trials=12)
        found.append(study.best_params["x"])
    assert found == [pytest.approx(7, abs=1), pytest.approx(-7, abs=1)]
    one, other = (optuna.create_study(sampler=sampler) for _ in range(2))
    for _ in range(3):
        one.optimize(suggest, n_trials=1)
        other.optimize(suggest, n_trials=1)
    assert [t.params for t in one.trials] == [t.params for t in other.trials]


@pytest.mark.usefixtures("without_engine")
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, 1e308, -1e308, 1e30])
def test_extreme_scores(bad: float) -> None:
    def objective(trial: optuna.Trial) -> float:
        value = suggest(trial)
        return bad if trial.number in (1, 4) else value

    sampler = LlamaSampler(SPACE, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=20)
    usual = [t.values[0] for t in study.trials if t.number not in (1, 4)]
    assert different(study) and min(usual) < 9


@pytest.mark.usefixtures("without_engine")
def test_fixed_enqueued_foreign_pruned_and_failed_trials() -> None:
    sampler = LlamaSampler(SPACE, seed=0)
    study = optuna.create_study(sampler=PartialFixedSampler({"n": 4}, sampler))
    study.enqueue_trial({"x": 1.5, "c": "b"})
    study.add_trial(optuna.trial.create_trial(
        params={"other": 1.0}, distributions={"other": FloatDistribution(0, 1)}, value=3.0
    ))  # fmt: skip

    def objective(trial: optuna.Trial) -> float:
        value = suggest(trial)
        if trial.number == 3:
            raise optuna.TrialPruned
        if trial.number == 4:
            raise ValueError("diverged")
        return value

    study.optimize(objective, n_trials=9, catch=(ValueError,))
    own = [t for t in study.trials if "x" in t.params]
    assert {t.params["n"] for t in own} == {4} and own[0].params["x"] == 1.5
    assert {t.state.name for t in own} == {"COMPLETE", "PRUNED", "FAIL"}
    copy.deepcopy(study.sampler).reseed_rng()


@pytest.mark.usefixtures("without_engine")
def test_two_processes_share_a_study_and_a_lost_trial_is_tried_again() -> None:
    storage = optuna.storages.InMemoryStorage()
    studies = [
        optuna.create_study(storage=storage, study_name="shared", load_if_exists=True,
                            sampler=LlamaSampler(SPACE, seed=0))
        for _ in range(2)
    ]  # fmt: skip
    asked = [studies[i % 2].ask(SPACE) for i in range(6)]
    assert different(studies[0])
    studies[0].tell(asked[0], state=TrialState.FAIL)
    optuna.storages.RetryFailedTrialCallback()(studies[0], studies[0].trials[0])
    assert studies[1].ask(SPACE).params == asked[0].params


def test_many_unknown_names() -> None:
    space: dict[str, BaseDistribution] = {f"p{i}": FloatDistribution(0, 1) for i in range(40)}
    with LlamaSampler(space, seed=0) as sampler:
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda t: sum(t.suggest_float(n, 0, 1) for n in space), n_trials=5)
    assert different(study)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"estimator": "banana"}, "unknown estimator 'banana'"),
        ({"task": {"kind": "regresion"}}, "did you mean 'regression'"),
        ({"task": {"n_rows": 3}}, "unknown fact of the task 'n_rows'"),
        ({"task": {"rows": "many"}}, "rows of the task is a number"),
    ],
)
def test_names_are_checked_at_once(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        LlamaSampler(SPACE, **given)
