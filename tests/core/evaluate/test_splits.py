"""Which rows are trained on and scored: seeds, repeats, the test part, beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperllama.core.evaluate.fitting import fit_watched
from hyperllama.core.evaluate.pipeline import build_pipeline
from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.evaluate.scoring.splits import make_folds
from tests.core.evaluate.test_pipeline import ROWS, data


def scored(evaluator: Evaluator, seed: int = 0) -> list[list[int]]:
    return [b.tolist() for _, b in evaluator.folds(seed)]


@pytest.mark.parametrize("method", ["kfold", "stratified", "group", "split"])
def test_another_seed_gives_another_test_part_and_other_folds(method: str) -> None:
    def made(seed: int) -> Evaluator:
        return Evaluator(data(method=method, seed=seed, groups=np.arange(ROWS) % 20))

    first, again, other = made(1), made(1), made(2)
    assert np.array_equal(first.test_rows, again.test_rows)
    assert not np.array_equal(first.test_rows, other.test_rows)
    assert scored(first, 1) == scored(again, 1) != scored(first, 2)
    y, groups = first.data.y, first.data.groups
    one, two = (make_folds(method, y, groups, None, 3, 1, 0.2, s, True)[0][1] for s in (1, 2))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("method", ["kfold", "stratified", "group", "split"])
def test_every_repeat_has_folds_of_its_own(method: str) -> None:
    found = scored(Evaluator(data(method=method, repeats=3, groups=np.arange(ROWS) % 20)))
    assert len({tuple(f) for f in found}) == len(found) == (3 if method == "split" else 9)


def test_the_test_rows_are_the_last_ones_in_time() -> None:
    times = np.random.default_rng(0).permutation(ROWS).astype(float)
    evaluator = Evaluator(data(method="time", times=times))
    assert times[evaluator.test_rows].min() > times[evaluator.tune_rows].max()


def test_folds_in_time_are_scored_on_what_comes_later() -> None:
    times = np.random.default_rng(0).permutation(40).astype(float)
    folds = make_folds("time", np.zeros(40), None, times, 4, 1, 0.0, 0, False)
    assert len(folds) == 4
    assert all(times[train].max() < times[scored].min() for train, scored in folds)


def test_the_test_part_has_the_classes_in_their_shares() -> None:
    y = (np.arange(ROWS) < ROWS // 5).astype(int)
    for seed in range(5):
        evaluator = Evaluator(data(y=y, seed=seed))
        assert abs(y[evaluator.test_rows].sum() - len(evaluator.test_rows) / 5) <= 1


def test_a_class_with_one_row_is_always_trained_on_and_never_scored() -> None:
    y = np.arange(ROWS) % 2
    y[17] = 2
    evaluator = Evaluator(data(y=y, method="stratified"))
    assert 17 not in evaluator.test_rows
    assert all(17 in a and 17 not in b for a, b in evaluator.folds(0))


def test_the_test_score_is_that_of_a_fit_on_all_other_rows() -> None:
    evaluator = Evaluator(data(estimators=["decision_tree"], metric="accuracy"))
    d, tune, test = evaluator.data, evaluator.tune_rows, evaluator.test_rows
    pipeline = build_pipeline("decision_tree", d.kind, {"max_depth": 3}, d.categorical, 4)
    by_hand = get_scorer("accuracy")(pipeline.fit(d.x[tune], d.y[tune]), d.x[test], d.y[test])
    assert evaluator.test_score({"max_depth": 3}, 4) == by_hand < 1


def test_the_seed_reaches_the_estimator() -> None:
    evaluator = Evaluator(data(estimators=["extra_trees"], metric="neg_log_loss"))
    scores = [[f.score for f in evaluator.evaluate({"n_estimators": 3}, s)] for s in (1, 1, 2)]
    assert scores[0] == scores[1] != scores[2]


def test_the_best_iteration_is_the_one_with_the_highest_score() -> None:
    evaluator = Evaluator(data(estimators=["xgboost"], rounds=4))
    fold = next(evaluator.evaluate({"n_estimators": 200, "learning_rate": 0.5}, 0))
    assert len(fold.curve) < 50 and fold.best_iteration == int(np.argmax(fold.curve))
    assert fold.best_iteration == len(fold.curve) - 1 - 4


def test_watched_rows_are_prepared_as_the_training_rows_are() -> None:
    x = np.array([[0.0], [2.0], [4.0]])
    seen = []
    fit_watched(lambda model, *given: seen.extend(given) or [],  # type: ignore[func-returns-value]
                make_pipeline(StandardScaler(), None), x, x[:, 0], x + 2, x[:, 0], 3)
    scaler = StandardScaler().fit(x)
    assert np.allclose(seen[0], scaler.transform(x))
    assert np.allclose(seen[2], scaler.transform(x + 2))


def test_mean_and_spread_of_a_result() -> None:
    folds = (FoldResult(0, 3, 0.1, 1.0), FoldResult(1, 3, 0.3), FoldResult(2, 3, 0.8))
    result = Result("complete", 0.4, folds)
    assert result.std == pytest.approx(np.std([0.1, 0.3, 0.8], ddof=1))
    assert result.train_value == 1.0
    assert Result("complete", 0.1, folds[:1]).std is None
