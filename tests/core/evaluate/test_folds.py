"""Every family, validation method and early stopping on few groups or blocks of time, beside folds
and fits that are written out by hand; repeats and fresh folds; too few groups."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from hyperllama.core.errors import TaskError
from hyperllama.core.estimators import families, family
from hyperllama.core.evaluate.pipeline import build_pipeline
from hyperllama.core.evaluate.scoring.crossval import Data, Evaluator
from hyperllama.core.evaluate.scoring.splits import hold_out, make_folds

FAMILIES = [n for n in families() if not family(n).install_hint]
METHODS = ["kfold", "stratified", "group", "time", "split"]
ROUNDS = 2
CONFIGS: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 6, "learning_rate": 0.9, "max_depth": 2},
    "hist_gradient_boosting": {"max_iter": 6, "learning_rate": 0.9, "min_samples_leaf": 4},
    "lightgbm": {"n_estimators": 6, "learning_rate": 0.9, "min_child_samples": 4},
    "catboost": {"iterations": 6, "learning_rate": 0.9, "depth": 2},
    "random_forest": {"n_estimators": 3}, "extra_trees": {"n_estimators": 3},
    "decision_tree": {"max_depth": 3}, "linear": {}, "svm": {"C": 1.0}, "knn": {"n_neighbors": 2},
    "mlp": {"width": 3, "depth": 1, "batch_size": 32, "max_iter": 5},
}


def table(blocks: int, kind: str, method: str, sizes: str = "unequal") -> Data:
    """48 rows in so many groups, and in as many stretches of time in which the target drifts."""
    rng = np.random.default_rng(blocks)
    x = rng.normal(size=(48, 2)).round(3)
    edges = np.linspace(0, 1, blocks + 1)[1:-1] ** (1.5 if sizes == "unequal" else 1.0)
    block = np.searchsorted(edges, np.arange(48) / 48)
    signal = x[:, 0] + 0.3 * block / blocks + 0.4 * rng.normal(size=48)
    classification = kind == "classification"
    return Data(
        x, (signal > np.median(signal)).astype(np.int64) if classification else signal,
        (False, False), kind, "accuracy" if classification else "neg_mean_absolute_error",
        ["knn"], method, folds=2 + blocks % 2, test_share=0.2, seed=blocks, rounds=ROUNDS,
        groups=rng.permutation(blocks)[block], times=block + rng.random(48) / 2,
    )


def folds_by_hand(d: Data, tune: np.ndarray) -> list[tuple[list[int], list[int]]]:
    """Each method's folds, written out."""
    y, rows = d.y[tune], np.arange(len(tune))
    groups, classes = d.groups[tune], d.kind == "classification"  # type: ignore[index]
    if d.method == "time":
        order = sorted(rows, key=lambda r: d.times[tune[r]])  # type: ignore[index]
        size = len(order) // (d.folds + 1)
        cuts = [len(order) - size * k for k in range(d.folds, 0, -1)]
        return [(order[:c], order[c : c + size]) for c in cuts]
    if d.method == "split":
        stay, apart = hold_out("split", y, None, None, d.share, d.seed, classes)
        return [(list(stay), list(apart))]
    if d.method == "group":
        kind: Any = StratifiedGroupKFold if classes else GroupKFold
    else:
        kind = StratifiedKFold if d.method == "stratified" and classes else KFold
    splitter = kind(d.folds, shuffle=True, random_state=d.seed)
    return [(list(a), list(b)) for a, b in splitter.split(rows, y, groups)]


def apart_by_hand(d: Data, train: list[int]) -> list[int]:
    """The rows of a training part that stop a fit: the latest, or whole groups."""
    count = round(0.15 * len(train))
    if d.method == "time":
        return sorted(train, key=lambda r: d.times[r])[-count:]  # type: ignore[index]
    if d.method != "group":
        apart = hold_out(d.method, d.y[train], None, None, 0.15, d.seed, d.kind != "regression")[1]
        return [train[i] for i in apart]
    members: dict[int, list[int]] = {}
    for row in train:
        members.setdefault(int(d.groups[row]), []).append(row)  # type: ignore[index]
    names = sorted(members)
    shuffled = [names[i] for i in np.random.default_rng(d.seed).permutation(len(names))]

    def keeps(*gone: int) -> bool:
        left = [d.y[r] for r in train if d.groups[r] not in gone]  # type: ignore[index]
        return bool(left) and (d.kind == "regression" or set(left) == set(d.y[train]))

    taken: list[int] = []
    for g in shuffled:
        had = sum(len(members[t]) for t in taken)
        if had + len(members[g]) / 2 <= count and keeps(*taken, g):
            taken.append(g)
    if not taken:
        taken = [min((g for g in shuffled if keeps(g)), key=lambda g: len(members[g]))]
    return [r for r in train if d.groups[r] in taken]  # type: ignore[index]


def fitted_by_hand(name: str, d: Data, train: list[int], stopping: bool) -> Any:
    """A model fitted with the library's own interface where a part of the rows stops it."""
    if not stopping or family(name).fit_watched is None:
        pipeline = build_pipeline(name, d.kind, CONFIGS[name], d.categorical, 1)
        return pipeline.fit(d.x[train], d.y[train])
    apart = apart_by_hand(d, train)
    rest = [r for r in train if r not in set(apart)]
    model = family(name).build(d.kind, CONFIGS[name], 1, 1)
    seen, watched = (d.x[rest], d.y[rest]), (d.x[apart], d.y[apart])
    if name == "xgboost":
        metric = "rmse" if d.kind == "regression" else "logloss"
        model.set_params(early_stopping_rounds=ROUNDS, eval_metric=metric)
        return model.fit(*seen, eval_set=[watched], verbose=False)
    if name == "hist_gradient_boosting":
        model.set_params(early_stopping=True, n_iter_no_change=ROUNDS)
        return model.fit(*seen, X_val=watched[0], y_val=watched[1])
    if name == "lightgbm":
        from lightgbm import early_stopping

        return model.fit(*seen, eval_set=[watched],
                         callbacks=[early_stopping(ROUNDS, verbose=False)])
    return model.fit(*seen, eval_set=watched, early_stopping_rounds=ROUNDS, use_best_model=True)


def checked(name: str, d: Data, stopping: bool) -> None:
    """The scores of every fold are those of folds and fits by hand."""
    d = replace(d, estimators=[name], rounds=ROUNDS if stopping else None)
    evaluator = Evaluator(d)
    tune = evaluator.tune_rows
    found = [f.score for f in evaluator.evaluate(CONFIGS[name], 1)]
    expected = []
    for a, b in folds_by_hand(evaluator.data, tune):
        train, scored = [int(tune[i]) for i in a], tune[b]
        assert not set(train) & set(scored) and not set(scored) & set(evaluator.test_rows)
        model = fitted_by_hand(name, evaluator.data, train, stopping)
        expected.append(float(get_scorer(d.metric)(model, d.x[scored], d.y[scored])))
    assert found == pytest.approx(expected, abs=1e-9)


CASES = [(name, method) for name in FAMILIES for method in METHODS]


@pytest.mark.parametrize("stopping", [False, True])
@pytest.mark.parametrize("number", range(len(CASES)), ids=["-".join(c) for c in CASES])
def test_every_family_is_scored_as_by_hand(number: int, stopping: bool) -> None:
    name, method = CASES[number]
    kind = "regression" if number % 2 and method != "stratified" else "classification"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checked(name, table(4 + number % 9, kind, method), stopping)


@pytest.mark.parametrize("blocks", range(3, 13))
@pytest.mark.parametrize("method", ["group", "time"])
def test_boosters_stop_on_whole_groups_and_on_the_latest_rows(method: str, blocks: int) -> None:
    kind = ("classification", "regression")[blocks % 2]
    d = table(blocks, kind, method, "equal" if blocks < 6 else "unequal")
    if method == "group":  # with one group less for the test rows, three folds need three
        d = replace(d, folds=3 if blocks > 3 else 2, test_share=0.2 if blocks > 3 else 0.0)
    for name in FAMILIES:
        if family(name).fit_watched is None:
            continue
        if (method, blocks) == ("group", 3):
            with pytest.raises(TaskError, match=r"2 folds need at least 4 groups.*there are 3"):
                Evaluator(replace(d, estimators=[name]))
            d3 = replace(d, folds=3)
            checked(name, d3, True)
        else:
            checked(name, d, True)


def test_what_cannot_stop_early_needs_no_group_to_stop_on() -> None:
    d = replace(table(3, "regression", "group"), test_share=0.0, folds=2)
    assert len(list(Evaluator(d).evaluate({}, 0))) == 2


def test_there_are_no_more_folds_than_groups_and_the_problem_says_so() -> None:
    evaluator = Evaluator(replace(table(6, "regression", "group"), folds=6, repeats=2))
    groups = len(set(evaluator.data.groups[evaluator.tune_rows]))  # type: ignore[index]
    assert len(evaluator.folds(6)) == groups < 6 and not evaluator.other_folds
    assert f"{groups} folds instead of 6" in evaluator.warnings[0]
    assert "repeats has no effect" in evaluator.warnings[1]


def test_a_group_that_holds_a_class_alone_is_not_set_apart() -> None:
    y = np.array([0, 1] * 10 + [2] * 4)
    groups = np.array([0] * 10 + [1] * 10 + [2] * 4)
    for seed in range(8):
        stay, apart = hold_out("group", y, groups, None, 0.15, seed, True)
        assert set(y[stay]) == {0, 1, 2} and len(set(groups[apart])) == 1


def test_no_fold_is_empty_where_every_group_has_one_class() -> None:
    rng = np.random.default_rng(19)  # StratifiedGroupKFold leaves one empty for these
    groups = np.minimum((rng.random(40) ** 3 * 5).astype(int), 4)
    found = make_folds("group", groups % 2, groups, None, 5, 1, 0.2, 19, True)
    assert sorted(len(scored) for _, scored in found) == sorted(np.bincount(groups))


@pytest.mark.parametrize("blocks", [7, 8, 12])
@pytest.mark.parametrize("method", METHODS)
def test_repeats_and_other_seeds_have_other_folds(method: str, blocks: int) -> None:
    kind = "classification" if method == "stratified" else "regression"
    evaluator = Evaluator(replace(table(blocks, kind, method), repeats=3))

    def repeats(seed: int) -> list[frozenset[tuple[int, ...]]]:
        folds = evaluator.folds(seed)
        each = len(folds) // 3
        return [frozenset(tuple(b) for _, b in folds[i : i + each])
                for i in range(0, len(folds), each)]

    seed = evaluator.data.seed
    own = repeats(seed)
    assert evaluator.other_folds and len(set(own)) == len(own) == 3
    assert all(repeats(seed + k)[0] not in own for k in range(1, 20))
    if method == "time":
        times = evaluator.data.times
        assert times is not None
        for train, scored in evaluator.folds(seed + 1):
            assert times[train].max() < times[scored].min()


@pytest.mark.parametrize(("metric", "level"), [("accuracy", 0.75), ("roc_auc", 0.5),
                                               ("balanced_accuracy", 0.5), ("f1", 0.0)])
def test_chance_is_what_the_most_frequent_class_scores(metric: str, level: float) -> None:
    y = (np.arange(48) % 4 == 0).astype(int)
    d = replace(table(4, "classification", "stratified"), y=y, metric=metric, folds=3)
    chance = Evaluator(d).chance()
    assert len(chance) == 3 and chance == pytest.approx([level] * 3, abs=0.06)


def test_chance_is_what_the_mean_scores_and_empty_where_it_is_undefined() -> None:
    d = table(4, "regression", "kfold")
    evaluator = Evaluator(d)
    means = [np.abs(d.y[b] - d.y[a].mean()).mean() for a, b in evaluator.folds(d.seed)]
    assert evaluator.chance() == pytest.approx([-m for m in means])
    assert Evaluator(replace(d, metric="neg_mean_squared_log_error")).chance() == ()


def test_rows_of_a_class_that_was_not_fitted_do_not_stop_a_fit() -> None:
    d = replace(table(5, "classification", "time"), estimators=["hist_gradient_boosting"])
    y = d.y.copy()
    late = np.argsort(d.times)[30:32]  # type: ignore[arg-type]
    y[late] = 2
    evaluator = Evaluator(replace(d, y=y, test_share=0.0, folds=2))
    assert len(list(evaluator.evaluate(CONFIGS["hist_gradient_boosting"], 0))) == 2
