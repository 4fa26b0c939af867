"""`LlamaSearchCV` beside scikit-learn's own search estimators, with the embedded model."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.stats import loguniform, norm, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris, make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from hyperllama import LlamaSearchCV, SearchSpace
from hyperllama.core.api import search_cv
from hyperllama.core.api.parameters import given_space
from hyperllama.core.errors import SpaceError
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import Categorical, Condition, Float, Param

pytest.importorskip("llama_cpp")

X, Y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)


@pytest.fixture(scope="module", autouse=True)
def one_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The process of the engine serves all fits here, so that it starts once."""
    from hyperllama.models.engine.client import Engine

    with Engine(log=tmp_path_factory.mktemp("engine") / "log") as engine, \
            pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "close", lambda: None)

        def make(name: str, *, setting: Any) -> Any:
            return make_proposer(name, setting=replace(setting, make_engine=lambda: engine))

        patch.setattr(search_cv, "make_proposer", make)
        yield


CHECKED: dict[str, Any] = {"cv": 2, "error_score": "raise", "n_trials": 2, "random_state": 0}


@parametrize_with_checks(
    [
        LlamaSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, **CHECKED),
        LlamaSearchCV(
            Pipeline([("pca", PCA()), ("model", LogisticRegression(random_state=0))]), **CHECKED
        ),
    ],
    # what scikit-learn's own tests expect of GridSearchCV and RandomizedSearchCV, too
    expected_failed_checks=lambda estimator: {
        "check_supervised_y_2d": "DataConversionWarning not caught",
        "check_requires_y_none": "Doesn't fail gracefully",
    },
)
def test_it_passes_the_checks_that_scikit_learns_searches_pass(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_scores_are_those_of_cross_val_score_and_the_first_is_the_estimators_own() -> None:
    tree = DecisionTreeClassifier(max_depth=1, random_state=3)
    search = LlamaSearchCV(tree, n_trials=6, cv=4, scoring="neg_log_loss", random_state=1)
    assert search.fit(X, Y) is search
    results = search.cv_results_
    for i, params in enumerate(results["params"]):
        by_hand = cross_val_score(clone(tree).set_params(**params), X, Y, cv=4,
                                  scoring="neg_log_loss")
        assert results["mean_test_score"][i] == pytest.approx(by_hand.mean())
    assert clone(tree).set_params(**results["params"][0]).get_params() == tree.get_params()
    assert results["proposer"][0] == "default" and {*results["proposer"][1:]} <= {"llama", "gp"}
    assert len(results["params"]) == 6 == len({str(p) for p in results["params"]})
    assert search.best_score_ == max(results["mean_test_score"])
    assert search.best_params_ == results["params"][search.best_index_]
    again = clone(tree).set_params(**search.best_params_).fit(X, Y)
    assert np.array_equal(search.predict_proba(X), again.predict_proba(X))
    assert search.score(X, Y) == search.scorer_(again, X, Y)


def test_random_state_makes_the_search_reproducible() -> None:
    def tried(random_state: Any) -> list[Any]:
        search = LlamaSearchCV(TREE, n_trials=7, cv=3, random_state=random_state)
        return list(search.fit(X, Y).cv_results_["params"])

    assert tried(1) == tried(1) == tried(np.int64(1)) != tried(2)
    assert tried(np.random.RandomState(5)) == tried(np.random.RandomState(5))


@pytest.mark.parametrize(
    ("given", "inside"),
    [
        (uniform(0.1, 0.4), lambda v: isinstance(v, float) and 0.1 <= v <= 0.5),
        (loguniform(1e-3, 0.1), lambda v: isinstance(v, float) and 1e-3 <= v <= 0.1),
        (FloatDistribution(0.05, 0.3), lambda v: isinstance(v, float) and 0.05 <= v <= 0.3),
        (np.linspace(0, 0.2, 5), lambda v: v in set(np.linspace(0, 0.2, 5))),
    ],
)
def test_real_numbers_come_from_the_distribution_that_is_given(given: Any, inside: Any) -> None:
    search = LlamaSearchCV(TREE, {"ccp_alpha": given}, n_trials=5, cv=2, random_state=0)
    values = [p["ccp_alpha"] for p in search.fit(X, Y).cv_results_["params"]]
    assert values[0] == 0.0 and all(inside(v) for v in values[1:])


def test_whole_numbers_and_choices_of_any_type() -> None:
    weights = [None, {0: 1, 1: 2, 2: 1}, "balanced"]
    search = LlamaSearchCV(
        TREE,
        {"max_depth": randint(2, 4), "min_samples_leaf": IntDistribution(3, 5),
         "class_weight": weights},
        n_trials=8, cv=2, random_state=0,
    ).fit(X, Y)
    for params in search.cv_results_["params"][1:]:
        assert params["max_depth"] in (2, 3) and params["min_samples_leaf"] in (3, 4, 5)
        assert any(params["class_weight"] is w for w in weights)


def test_a_space_with_conditions_in_a_pipeline_under_its_long_names() -> None:
    space = SearchSpace([
        Param("model__kernel", Categorical(("rbf", "linear")), "rbf"),
        Param("model__C", Float(0.01, 100.0, log=True), 1.0),
        Param("model__gamma", Float(1e-3, 1.0, log=True), 0.1,
              when=Condition("model__kernel", ("rbf",))),
    ])
    pipeline = Pipeline([("scale", StandardScaler()), ("model", SVC())])
    search = LlamaSearchCV(pipeline, space, n_trials=8, cv=2, random_state=0).fit(X, Y)
    for params in search.cv_results_["params"][1:]:
        assert ("model__gamma" in params) == (params["model__kernel"] == "rbf")
    assert search.best_estimator_.named_steps.keys() == {"scale", "model"}


def test_the_same_short_name_in_two_steps() -> None:
    pipeline = Pipeline([("a", Ridge()), ("b", Ridge())])  # never fitted: names are all that counts
    found = given_space(pipeline, {"a__alpha": [1.0, 2.0], "b__alpha": [1.0, 2.0]})
    assert found.space.names == ("a__alpha", "b__alpha")
    assert found.parameters({"a__alpha": 2.0}) == {"a__alpha": 2.0}


def test_the_space_is_used_up() -> None:
    search = LlamaSearchCV(TREE, {"max_depth": [1, 2, 3]}, n_trials=9, cv=2, random_state=0)
    depths = [p["max_depth"] for p in search.fit(X, Y).cv_results_["params"]]
    assert depths[0] is None and sorted(depths[1:]) == [1, 2, 3]


@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (TREE, {"max_depth", "min_samples_split", "min_samples_leaf", "max_features", "ccp_alpha"}),
        (make_pipeline(StandardScaler(), LogisticRegression(tol=1e-2)), {
            "logisticregression__C", "logisticregression__l1_ratio", "logisticregression__solver",
            "logisticregression__class_weight", "logisticregression__max_iter"}),
        (MLPClassifier(max_iter=7, random_state=0), {
            "hidden_layer_sizes", "batch_size", "alpha", "learning_rate_init",
            "n_iter_no_change"}),
    ],
)
def test_without_distributions_the_family_gives_the_space(
    estimator: Any, names: set[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = LlamaSearchCV(estimator, n_trials=3, cv=2, random_state=0).fit(X, Y)
    own = estimator.get_params()
    for params in search.cv_results_["params"]:
        assert set(params) - {"logisticregression__penalty"} == names
    assert all(own[n] == v for n, v in search.cv_results_["params"][0].items())


def test_a_regressor_inside_a_transformed_target() -> None:
    x, y = make_regression(60, 4, noise=5.0, random_state=0)
    inner = TransformedTargetRegressor(ElasticNet(random_state=0), transformer=StandardScaler())
    search = LlamaSearchCV(inner, n_trials=4, cv=3, random_state=0).fit(x, y)
    assert {"regressor__alpha", "regressor__l1_ratio"} <= set(search.best_params_)
    assert search.best_score_ > 0.9


@pytest.mark.parametrize(
    ("estimator", "given", "message"),
    [
        (PCA(), None, "no default search space for PCA"),
        (Ridge(), {"alpha": norm()}, "alpha: .* cannot be searched"),
        (Ridge(), {"alpha": []}, "alpha: .* cannot be searched"),
        (Ridge(), {}, "empty"),
    ],
)
def test_what_cannot_be_searched_is_refused(estimator: Any, given: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        LlamaSearchCV(estimator, given, n_trials=2, scoring="r2").fit(X, Y)
    with pytest.raises(ValueError, match="no_such"):
        LlamaSearchCV(Ridge(), {"no_such": [1, 2]}, n_trials=2).fit(X, Y)


class Fragile(ClassifierMixin, BaseEstimator):
    """Fails where `level` is above its limit; scores higher with a higher level."""

    def __init__(self, level: float = 0.1, limit: float = 0.5) -> None:
        self.level, self.limit = level, limit

    def fit(self, x: Any, y: Any) -> Fragile:
        if self.level > self.limit:
            raise RuntimeError("level too high")
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: Any) -> Any:
        return np.full(len(x), self.classes_[0])

    def score(self, x: Any, y: Any) -> float:
        return self.level


@pytest.mark.parametrize("error_score", [np.nan, -1.0])
def test_candidates_that_fail_have_the_error_score_and_the_search_goes_on(
    error_score: float
) -> None:
    levels = [0.2, 0.3, 0.6, 0.7, 0.8, 0.9]
    search = LlamaSearchCV(
        Fragile(), {"level": levels}, n_trials=7, cv=2, random_state=0, error_score=error_score,
        return_train_score=True,
    )
    with pytest.warns(FitFailedWarning, match="level too high"):
        search.fit(X, Y)
    tried = [p["level"] for p in search.cv_results_["params"]]
    assert tried[0] == 0.1 and sorted(tried[1:]) == levels
    for level, score, train in zip(tried, search.cv_results_["mean_test_score"],
                                   search.cv_results_["mean_train_score"], strict=True):
        wanted = error_score if level > 0.5 else level
        assert np.array_equal([score, train], [wanted, wanted], equal_nan=True)
    assert search.best_params_ == {"level": 0.3} and len(search.cv_results_["proposer"]) == 7


def test_an_estimator_that_fails_as_given_and_one_that_always_fails() -> None:
    search = LlamaSearchCV(Fragile(0.9), {"level": [0.2, 0.8]}, n_trials=3, cv=2, random_state=0)
    with pytest.warns(FitFailedWarning):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"][0])
    assert search.best_params_ == {"level": 0.2}
    with pytest.raises(ValueError, match="level too high"), pytest.warns(FitFailedWarning):
        LlamaSearchCV(Fragile(0.9), {"level": [0.7, 0.8]}, n_trials=3, cv=2).fit(X, Y)
    with pytest.raises(RuntimeError, match="level too high"):
        LlamaSearchCV(Fragile(0.9), {"level": [0.7]}, cv=2, error_score="raise").fit(X, Y)


def test_a_random_splitter_gives_all_candidates_the_same_folds() -> None:
    search = LlamaSearchCV(
        Fragile(limit=9), {"level": [0.2, 0.3]}, n_trials=3, refit=False, random_state=0,
        cv=ShuffleSplit(3), scoring=lambda estimator, x, y: float(x.sum()),
    ).fit(X, Y)
    for split in range(3):
        assert len(set(search.cv_results_[f"split{split}_test_score"])) == 1


def test_several_metrics_need_one_to_search_for() -> None:
    scoring = ["accuracy", "neg_log_loss"]
    search = LlamaSearchCV(TREE, n_trials=3, cv=2, scoring=scoring, refit="neg_log_loss",
                           random_state=0).fit(X, Y)
    assert search.best_score_ == max(search.cv_results_["mean_test_neg_log_loss"])
    for refit in (True, False):
        with pytest.raises(ValueError, match="refit"):
            LlamaSearchCV(TREE, n_trials=3, cv=2, scoring=scoring, refit=refit).fit(X, Y)


def test_groups_reach_the_splitter_and_sample_weights_estimator_and_scorer() -> None:
    groups = np.arange(len(Y)) % 6
    search = LlamaSearchCV(TREE, n_trials=2, cv=GroupKFold(3), random_state=0)
    plain = search.fit(X, Y, groups=groups).cv_results_["split0_test_score"][0]
    assert plain == cross_val_score(TREE, X, Y, groups=groups, cv=GroupKFold(3))[0]
    weights = np.where(Y == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        tree = clone(TREE).set_fit_request(sample_weight=True)
        tree.set_score_request(sample_weight=True)
        routed = LlamaSearchCV(tree, n_trials=2, cv=GroupKFold(3), random_state=0)
        routed.fit(X, Y, sample_weight=weights, groups=groups)
        by_hand = cross_val_score(tree, X, Y, cv=GroupKFold(3),
                                  params={"sample_weight": weights, "groups": groups})
        assert routed.cv_results_["mean_test_score"][0] == pytest.approx(by_hand.mean())
    assert set(routed.predict(X)) == {1, 2}  # rows of class 0 had no weight


def test_parallel_folds_give_the_same_as_one_after_the_other() -> None:
    one, two = (
        LlamaSearchCV(Fragile(0.9), {"level": [0.2, 0.8]}, n_trials=3, cv=2, random_state=0,
                      n_jobs=jobs)
        for jobs in (None, 2)
    )
    with pytest.warns(FitFailedWarning):
        assert one.fit(X, Y).best_params_ == two.fit(X, Y).best_params_


@pytest.mark.parametrize(("own", "jobs", "share"), [
    (None, 2, None), (1, 2, None), (3, 2, None), (-1, 2, 3), (8, 2, 3), (-1, 4, 1), (-1, 1, None),
    (-1, None, None),
])
def test_folds_at_once_share_the_processors_with_the_estimators_threads(
    monkeypatch: pytest.MonkeyPatch, own: int | None, jobs: int | None, share: int | None
) -> None:
    from hyperllama.core.api import inner_threads

    monkeypatch.setattr(inner_threads, "usable_processors", lambda: 6)
    monkeypatch.setattr(inner_threads, "effective_n_jobs", lambda n: 6 if n == -1 else n or 1)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(n_jobs=own))
    expected = {} if share is None else {"randomforestclassifier__n_jobs": share}
    assert inner_threads.inner_threads(pipeline, jobs) == expected


def test_the_share_of_the_threads_is_no_hyperparameter(monkeypatch: pytest.MonkeyPatch) -> None:
    from hyperllama.core.api import inner_threads

    monkeypatch.setattr(inner_threads, "usable_processors", lambda: 6)
    neighbours = KNeighborsClassifier(n_jobs=64)
    search = LlamaSearchCV(neighbours, {"n_neighbors": [1, 3]}, n_trials=2, cv=2, n_jobs=2,
                           random_state=0, scoring=lambda model, x, y: float(model.n_jobs))
    with parallel_config(backend="threading"):
        search.fit(X, Y)
    assert search.cv_results_["mean_test_score"].tolist() == [3.0, 3.0]
    assert all(set(params) <= {"n_neighbors"} for params in search.cv_results_["params"])
    assert search.best_estimator_.n_jobs == neighbours.n_jobs == 64


def test_tables_of_polars_and_pandas() -> None:
    import polars as pl

    frame = pl.DataFrame({f"x{i}": X[:, i] for i in range(4)})
    plain = LlamaSearchCV(TREE, n_trials=3, cv=3, random_state=0).fit(X, Y)
    named = clone(plain).fit(frame, pl.Series(Y))
    assert list(named.feature_names_in_) == frame.columns
    assert named.best_params_ == plain.best_params_ and named.n_features_in_ == 4
    pd = pytest.importorskip("pandas")
    named = clone(plain).fit(pd.DataFrame(frame.to_dict()), pd.Series(Y))
    assert named.best_params_ == plain.best_params_


def test_clone_repr_pickle_and_nested_parameters() -> None:
    search = LlamaSearchCV(TREE, {"max_depth": [1, 2]}, n_trials=2, cv=2, random_state=0)
    assert repr(search).startswith("LlamaSearchCV(cv=2, estimator=DecisionTreeClassifier(")
    copied = clone(search).set_params(estimator__criterion="entropy", n_trials=3)
    assert copied.get_params()["estimator__criterion"] == "entropy" and search.n_trials == 2
    loaded = pickle.loads(pickle.dumps(search.fit(X, Y)))
    assert np.array_equal(loaded.predict(X), search.predict(X))


def test_a_regression_without_a_seed_differs_from_run_to_run() -> None:
    x, y = make_regression(50, 3, random_state=0)
    search = LlamaSearchCV(DecisionTreeRegressor(random_state=0), n_trials=4, cv=KFold(2))
    first, second = (search.fit(x, y).cv_results_["params"] for _ in range(2))
    assert first != second


class _NeverFits(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def __init__(self, k: int = 0) -> None:
        self.k = k

    def fit(self, X: Any, y: Any) -> Any:
        raise ValueError("k is too large")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_space_smaller_than_the_budget_that_fails_everywhere_says_why() -> None:
    search = LlamaSearchCV(_NeverFits(), {"k": [1, 2]}, n_trials=6, cv=2, random_state=0)
    with pytest.raises(ValueError, match="k is too large"):
        search.fit(X, Y)


def test_nan_among_choices_is_an_error() -> None:
    with pytest.raises(SpaceError, match="k: NaN cannot be searched"):
        given_space(_NeverFits(), {"k": [0.1, float("nan")]})
