"""Splits, pipelines and the scoring of configurations in this process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperllama.core.errors import TaskError
from hyperllama.core.estimators import Facts, canonical_name, families, family, likely_family
from hyperllama.core.evaluate.pipeline import build_pipeline, built, imports, recipe, source
from hyperllama.core.evaluate.results import Tally, thinned
from hyperllama.core.evaluate.scoring.crossval import Data, Evaluator, TrialFailed
from hyperllama.core.evaluate.scoring.splits import hold_out, make_folds

ROWS = 240
CATEGORICAL = (False, False, True, False)
SMALL: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 12, "max_depth": 3},
    "hist_gradient_boosting": {"max_iter": 12},
    "random_forest": {"n_estimators": 8},
    "extra_trees": {"n_estimators": 8},
    "lightgbm": {"n_estimators": 12},
    "catboost": {"iterations": 12},
    "mlp": {"width": 8, "depth": 1, "batch_size": 32},
}


def table(kind: str = "classification") -> tuple[np.ndarray, np.ndarray]:
    """Two numbers (one with gaps), a category with a rare and an empty value, noise."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, 4))
    x[:, 2] = rng.integers(0, 4, ROWS)
    signal = x[:, 0] + (x[:, 2] == 1) + 0.5 * rng.normal(size=ROWS)
    x[::9, 1] = np.nan
    x[::17, 2] = np.nan
    x[5, 2] = 11.0
    return x, (signal > 0.3).astype(np.int64) if kind == "classification" else 1000 * signal


def data(kind: str = "classification", **changes: Any) -> Data:
    x, y = table(kind)
    given = Data(
        x, y, CATEGORICAL, kind, "roc_auc" if kind == "classification" else "r2", ["xgboost"],
        "stratified" if kind == "classification" else "kfold", folds=3,
    )
    return replace(given, **changes)


def config(name: str, kind: str) -> dict[str, Any]:
    return {**family(name).space(kind, Facts(ROWS, 4, 2)).default(), **SMALL.get(name, {})}


CASES = [(n, k) for n in families() for k in family(n).kinds if not family(n).install_hint]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_scores_are_those_of_cross_val_score(name: str, kind: str) -> None:
    from sklearn.model_selection import cross_val_score

    evaluator = Evaluator(data(kind, estimators=[name]))
    scores = [f.score for f in evaluator.evaluate(config(name, kind), 3)]
    pipeline = build_pipeline(name, kind, config(name, kind), CATEGORICAL, 3)
    d = evaluator.data
    expected = cross_val_score(pipeline, d.x, d.y, scoring=d.metric, cv=evaluator.folds(d.seed))
    assert scores == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_source_builds_the_same_pipeline(name: str, kind: str) -> None:
    tree = recipe(name, kind, config(name, kind), CATEGORICAL, 3)
    names: dict[str, Any] = {}
    exec("\n".join(imports(tree)), names)
    assert repr(eval(source(tree), names)) == repr(built(tree))


def test_one_hot_copes_with_unseen_rare_and_empty_values() -> None:
    x = np.array([[1.0, 0], [2.0, 1], [np.nan, 0], [4.0, np.nan]] * 10)
    y = np.arange(40) % 2
    pipeline = build_pipeline("linear", "classification", {}, (False, True), 0).fit(x, y)
    assert np.isfinite(pipeline.predict_proba([[np.nan, 7.0], [1.0, np.nan]])).all()


def test_a_column_that_is_empty_in_training_is_no_error() -> None:
    x = np.column_stack([np.full(40, np.nan), np.arange(40.0)])
    y = np.arange(40) % 2
    for name in ("linear", "random_forest", "xgboost"):
        build_pipeline(name, "classification", {}, (False, False), 0).fit(x, y).predict(x)


def test_preprocessing_is_learned_from_training_rows_only() -> None:
    d = data(estimators=["linear"])
    scored = Evaluator(d).folds(0)[0][1]
    x = d.x.copy()
    x[scored[0], 0] = 1e6  # one row that is scored: scales and medians of the fold stay
    before = list(Evaluator(d)._fitted({}, 0, Evaluator(d).folds(0)[0][0])[1].predict_proba(d.x)[0])
    e = Evaluator(replace(d, x=x))
    after = list(e._fitted({}, 0, e.folds(0)[0][0])[1].predict_proba(d.x)[0])
    assert before == after


@pytest.mark.parametrize("name", ["xgboost", "hist_gradient_boosting"])
def test_early_stopping_never_sees_the_scored_rows(name: str) -> None:
    key = "n_estimators" if name == "xgboost" else "max_iter"
    d = data(estimators=[name], rounds=3)
    plain = list(Evaluator(d).evaluate({key: 60}, 0))
    assert all(f.best_iteration is not None and f.curve for f in plain)
    assert any(len(f.curve) < 50 for f in plain)
    evaluator = Evaluator(d)
    train, scored = evaluator.folds(0)[0]
    y = d.y.copy()
    y[scored] = 1 - y[scored]
    other = Evaluator(replace(d, y=y))
    predictions = [e._fitted({key: 60}, 0, train)[1].predict_proba(d.x) for e in (evaluator, other)]
    assert np.array_equal(*predictions)


@pytest.mark.parametrize("name", ["xgboost", "hist_gradient_boosting", "mlp"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_curves_rise_and_tell_the_best_iteration(name: str, kind: str) -> None:
    tally = Tally()
    evaluator = Evaluator(data(kind, estimators=[name]))
    fold = next(evaluator.evaluate(config(name, kind), 0, None, tally))
    assert 2 <= len(fold.curve) <= 50 and fold.curve[-1] > fold.curve[0]
    assert tally.facts()["iterations"] >= len(fold.curve) - 1
    stored = tally.facts()["curve"]
    assert 2 <= len(stored) <= 25 and stored[-1] == [tally.facts()["iterations"], fold.curve[-1]]
    assert (fold.best_iteration is None) == (name == "mlp")


def test_xgboost_curve_is_the_loss_that_xgboost_reports() -> None:
    from xgboost import XGBClassifier, XGBRegressor

    from hyperllama.core.estimators.xgboost import xgboost_curve

    x, y = table()
    three = y + (x[:, 0] > 1)
    for target, make in ((y, XGBClassifier), (three, XGBClassifier), (x[:, 3], XGBRegressor)):
        model = make(n_estimators=30, max_depth=2)
        model.fit(x, target, eval_set=[(x, target)], verbose=False)
        reported = next(iter(model.evals_result()["validation_0"].values()))
        curve, rounds = xgboost_curve(model, x, target)
        assert [-v for v in curve] == pytest.approx([reported[r] for r in rounds], abs=1e-5)


def test_svm_gets_probabilities_where_the_metric_needs_them() -> None:
    evaluator = Evaluator(data(estimators=["svm"], metric="neg_log_loss"))
    assert all(f.score < 0 for f in evaluator.evaluate({"C": 1.0}, 0))


def test_warnings_are_gathered_not_printed(recwarn: pytest.WarningsRecorder) -> None:
    tally = Tally()
    list(Evaluator(data(estimators=["linear"])).evaluate({"max_iter": 1}, 0, None, tally))
    assert tally.facts()["warnings"][0].startswith("ConvergenceWarning")
    assert "(3 times)" in tally.facts()["warnings"][0]
    assert not recwarn.list


def test_a_failure_is_one_line_that_names_the_fold() -> None:
    with pytest.raises(TrialFailed, match=r"^fold 1 of 3: .*Error: .*nonsense.*$"):
        list(Evaluator(data(estimators=["random_forest"])).evaluate({"nonsense": 1}, 0))


def test_a_score_that_is_not_finite_is_a_failure() -> None:
    d = data(method="kfold", metric="roc_auc", folds=2, test_share=0.0)
    y = np.zeros_like(d.y)
    y[Evaluator(d).folds(0)[0][0]] = np.arange(len(Evaluator(d).folds(0)[0][0])) % 2
    e = Evaluator(replace(d, y=y))
    with pytest.raises(TrialFailed, match="fold 1 of 2: roc_auc is nan: Only one class"):
        list(e.evaluate({"n_estimators": 2}, 0))


def test_same_seed_same_scores_other_folds_other_scores() -> None:
    evaluator = Evaluator(data(estimators=["random_forest"]))
    few = {"n_estimators": 5}
    runs = [[f.score for f in evaluator.evaluate(few, 1, s)] for s in (None, None, 9)]
    assert runs[0] == runs[1] != runs[2]


def test_the_test_part_is_in_no_fold_and_the_final_fit_has_all_rows() -> None:
    evaluator = Evaluator(data(estimators=["knn"]))
    tuned = np.concatenate([np.concatenate(pair) for pair in evaluator.folds(0)])
    assert not set(evaluator.test_rows) & set(tuned.tolist())
    assert len(evaluator.test_rows) == round(0.2 * ROWS)
    assert 0.5 < (evaluator.test_score({}, 0) or 0) <= 1
    assert evaluator.fit_final({}, 0).steps[-1][1].n_samples_fit_ == ROWS
    assert Evaluator(data(estimators=["knn"], test_share=0.0)).test_score({}, 0) is None


def test_too_few_groups_for_the_folds_is_a_task_error() -> None:
    with pytest.raises(TaskError, match="cannot be split"):
        Evaluator(data(method="group", groups=np.arange(ROWS) % 2, folds=3))


def test_curves_are_thinned_with_both_ends() -> None:
    curve = thinned([float(i) for i in range(1000)])
    assert len(curve) == 50 and curve[0] == 0 and curve[-1] == 999


@pytest.mark.filterwarnings("ignore:The least populated class")
@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(["kfold", "stratified", "group", "time", "split"]),
    rows=st.integers(30, 90),
    classes=st.integers(0, 4),
    folds=st.integers(2, 4),
    share=st.sampled_from([0.0, 0.2, 0.33]),
    seed=st.integers(0, 99),
)
def test_splits_keep_their_promises(
    method: str, rows: int, classes: int, folds: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows) if classes > 1 else rng.normal(size=rows)
    groups, times = rng.integers(0, 12, rows), rng.permutation(rows).astype(float)
    classification = classes > 1

    def split() -> tuple[Any, Any, Any]:
        tune, test = hold_out(method, y, groups, times, share, seed, classification)
        pairs = make_folds(method, y[tune], groups[tune], times[tune], folds, 1, 0.25, seed,
                           classification)
        return tune, test, [(tune[a], tune[b]) for a, b in pairs]

    tune, test, pairs = split()
    assert sorted([*tune, *test]) == list(range(rows))
    assert abs(len(test) - share * rows) <= (rows / 4 if method == "group" else 1)
    for train, scored in pairs:
        assert not set(train) & set(scored)
        assert set(train) | set(scored) <= set(tune) and len(scored)
        if method == "time":
            assert times[train].max() < times[scored].min()
            assert not len(test) or times[scored].max() < times[test].min()
        if method == "group":
            assert not set(groups[train]) & set(groups[scored])
            assert not set(groups[tune]) & set(groups[test])
        if method == "stratified" and classification:
            assert set(y[scored]) <= set(y[train])
    if method in ("kfold", "group"):
        assert sorted(np.concatenate([b for _, b in pairs])) == list(tune)
    again = split()
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(pairs, again[2], strict=True))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("xgb", "xgboost"), ("XGBClassifier", "xgboost"), ("xgboost.XGBRegressor", "xgboost"),
        ("sklearn.ensemble.HistGradientBoostingClassifier", "hist_gradient_boosting"),
        ("Random Forest", "random_forest"), ("ExtraTreesRegressor", "extra_trees"),
        ("DecisionTreeClassifier", "decision_tree"), ("LogisticRegression", "linear"),
        ("SGDClassifier", "linear"), ("ElasticNet", "linear"), ("SVR", "svm"),
        ("MLPClassifier", "mlp"), ("KNeighborsRegressor", "knn"), ("lgbm", "lightgbm"),
        ("CatBoostRegressor", "catboost"), ("tabnet", None), ("", None),
    ],
)  # fmt: skip
def test_estimators_go_by_other_names(said: str, meant: str | None) -> None:
    assert canonical_name(said) == meant


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (("C", "gamma"), "svm"), (("alpha", "eta0"), "linear"),
        (("eta", "max_depth", "colsample_bytree", "reg_lambda"), "xgboost"),
        (("max_depth", "min_samples_split", "max_features", "min_samples_leaf"), "random_forest"),
        (("depth", "width", "batch_size", "alpha", "learning_rate_init"), "mlp"),
        (("learning_rate", "dropout"), None), (("x", "y"), None), ((), None),
    ],
)  # fmt: skip
def test_a_family_is_known_by_its_hyperparameters(
    names: tuple[str, ...], meant: str | None
) -> None:
    assert likely_family(names) == meant
