"""`LlamaSampler` in somebody's Optuna script, with the embedded model."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from hyperllama import LlamaSampler

pytest.importorskip("llama_cpp")
optuna.logging.set_verbosity(optuna.logging.WARNING)

SPACE: dict[str, BaseDistribution] = {
    "eta": FloatDistribution(2**-10, 1.0, log=True),
    "max_depth": IntDistribution(1, 50, log=True),
    "colsample_bytree": FloatDistribution(0.1, 1.0),
    "booster": CategoricalDistribution(["gbtree", "dart"]),
    "rows": CategoricalDistribution([16, 32, 64, 128]),
}


def objective(trial: optuna.Trial) -> float:
    eta = trial.suggest_float("eta", 2**-10, 1.0, log=True)
    depth = trial.suggest_int("max_depth", 1, 50, log=True)
    share = trial.suggest_float("colsample_bytree", 0.1, 1.0)
    booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
    trial.suggest_categorical("rows", [16, 32, 64, 128])
    if trial.number == 2:
        raise ValueError("diverged")
    return abs(eta - 0.1) + abs(depth - 6) / 50 + (1 - share) / 5 + 0.1 * (booster == "dart")


def study(seed: int, strategy: str = "hybrid", trials: int = 9) -> optuna.Study:
    with LlamaSampler(
        SPACE, estimator="xgboost", task={"kind": "classification", "rows": 900, "features": 12,
                                          "classes": 2}, seed=seed, strategy=strategy,
    ) as sampler:  # fmt: skip
        made = optuna.create_study(sampler=sampler)
        made.enqueue_trial({"eta": 0.3, "max_depth": 6, "colsample_bytree": 1.0,
                            "booster": "gbtree", "rows": 32})
        made.optimize(objective, n_trials=trials, catch=(ValueError,))
    return made


@pytest.mark.parametrize("strategy", ["hybrid", "llama"])
def test_a_study_with_a_failed_and_an_enqueued_trial(strategy: str) -> None:
    made = study(1, strategy)
    assert made.trials[0].params["eta"] == 0.3
    assert made.trials[2].state is TrialState.FAIL
    configs = [tuple(sorted(t.params.items())) for t in made.trials]
    assert len(set(configs)) == len(configs)
    makers = {t.system_attrs.get("hyperllama:proposer") for t in made.trials[1:]}
    assert makers <= ({"llama"} if strategy == "llama" else {"llama", "gp"})


def test_same_seed_same_study() -> None:
    one, same, other = study(3, trials=7), study(3, trials=7), study(4, trials=7)
    assert [t.params for t in one.trials] == [t.params for t in same.trials]
    assert [t.params for t in one.trials] != [t.params for t in other.trials]


def test_what_is_suggested_beyond_the_space_is_drawn_at_random() -> None:
    with LlamaSampler({"x": FloatDistribution(-5, 5)}, seed=0) as sampler:
        made = optuna.create_study(sampler=sampler, direction="maximize")
        made.optimize(
            lambda t: -(t.suggest_float("x", -5, 5) ** 2) + t.suggest_float("y", 0, 1), n_trials=6
        )
    assert all(set(t.params) == {"x", "y"} for t in made.trials)
    sampler.close()


def test_unknown_strategy_and_direction_say_what_is_allowed() -> None:
    from hyperllama.core.errors import HyperLlamaError

    with pytest.raises(HyperLlamaError, match="allowed: hybrid, llama"):
        LlamaSampler({}, strategy="magic")
    with pytest.raises(HyperLlamaError, match="minimize, maximize"):
        LlamaSampler({}, direction="up")


def test_what_the_model_knows_nothing_of_is_left_to_the_gp() -> None:
    space: dict[str, BaseDistribution] = {n: FloatDistribution(-5.0, 5.0) for n in ("x1", "x2")}

    def bowl(trial: optuna.Trial) -> float:
        return sum((trial.suggest_float(n, -5.0, 5.0) - 1.3) ** 2 for n in space)

    with LlamaSampler(space, seed=0) as sampler:
        made = optuna.create_study(sampler=sampler)
        made.optimize(bowl, n_trials=14)
    makers = [t.system_attrs["hyperllama:proposer"] for t in made.trials]
    assert makers == ["llama", "llama", *["gp"] * 12]
    assert made.best_value < min(t.value or 0.0 for t in made.trials[:3])
