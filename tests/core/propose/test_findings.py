"""What a proposal's reasoning says of the results: other results, other words."""

from __future__ import annotations

from hyperllama.core.experiments.running.engines import close_engines, shared_engine
from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.findings import findings
from hyperllama.core.space import Float, Integer, Param, SearchSpace
from hyperllama.core.trials import AskContext, Observed, ProposerSetting

BEFORE = {"max_depth": 8, "reg_lambda": 1.0, "learning_rate": 0.1}
AFTER = {"max_depth": 4, "reg_lambda": 10.0, "learning_rate": 0.05}


def trial(number: int, config: dict[str, float], train: float, *folds: float) -> Observed:
    return Observed(number, config, sum(folds) / len(folds), fold_scores=folds, train_value=train)


def test_training_far_above_validation_and_what_a_proposal_does_about_it() -> None:
    over = [trial(0, BEFORE, 0.999, 0.80, 0.81, 0.82)]
    assert findings(over, AFTER) == [
        "In the best trial training is far above validation (training 0.999, validation 0.81).",
        "This proposal changes, to fit less closely: less max_depth, more reg_lambda.",
    ]
    deeper = {**BEFORE, "max_depth": 12}
    assert findings(over, deeper)[1:] == ["The other way: more max_depth."]
    under = [trial(0, BEFORE, 0.801, 0.80, 0.81, 0.82)]
    assert findings(under, AFTER) == [
        "In the best trial training is hardly above validation (training 0.801, validation 0.81).",
        "The other way: less max_depth, more reg_lambda.",
    ]
    assert findings([trial(0, BEFORE, 0.82, 0.80, 0.81, 0.82)], AFTER) == []
    assert findings([Observed(0, BEFORE, 0.8)], AFTER) == []


def test_what_the_trials_show_of_a_hyperparameter_counts_more_than_what_is_usual() -> None:
    def trials(sign: int) -> list[Observed]:
        return [
            trial(n, {**BEFORE, "max_depth": 2 + n, "noise": 1.0 / (1 + n)},
                  0.95 + sign * 0.004 * n, 0.80, 0.81, 0.82 + 0.001 * (n == 7))
            for n in range(8)
        ]  # fmt: skip

    after = {**BEFORE, "max_depth": 4, "noise": 0.5}
    grew, shrank = findings(trials(1), after), findings(trials(-1), after)
    assert "less max_depth (here the gap grew with it)" in grew[1]
    assert "more noise (here the gap shrank with it)" in grew[1] and grew[1].startswith("This")
    assert "less max_depth (here the gap shrank with it)" in shrank[1]
    assert shrank[1].startswith("The other way")


def test_trials_that_cannot_be_told_apart() -> None:
    def of(*worse: tuple[float, float, float]) -> list[str]:
        best = (0.80, 0.82, 0.84)
        folds = [best, *(tuple(b - w for b, w in zip(best, by, strict=True)) for by in worse)]
        return findings([trial(n, BEFORE, 0.83, *f) for n, f in enumerate(folds)], AFTER)

    unsure, sure = (0.03, -0.01, 0.01), (0.050, 0.051, 0.052)
    said = "2 of the 4 trials cannot be told from the best one by their folds."
    assert of(unsure, unsure, sure) == [said]  # the folds of the last are all worse by the same
    assert of(unsure, sure, sure) == []


def test_the_embedded_model_and_the_gp_say_it() -> None:
    depth = Param("max_depth", Integer(1, 12), 6)
    space = SearchSpace([depth, Param("reg_lambda", Float(0.01, 100.0, log=True), 1.0)])
    for name in ("llama", "hybrid"):
        said = []
        for train in (0.999, 0.9):
            proposer = make_proposer(name, setting=ProposerSetting(
                kind="classification", estimators=("xgboost",), model="embedded",
                make_engine=shared_engine,
            ))  # fmt: skip
            for number in range(6):
                config = {"max_depth": 2 + 2 * number, "reg_lambda": 1.0 + number}
                value = 0.81 + 0.02 * number
                proposer.tell(trial(number, config, train, value - 0.01, value, value + 0.01))
            said.append(proposer.ask(space, AskContext(6)).reasoning)
            proposer.close()
        assert "training is far above validation" in said[0]
        assert "training is far above validation" not in said[1] and said[0] != said[1]
    close_engines()
