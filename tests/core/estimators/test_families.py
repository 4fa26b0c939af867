"""Estimator families as plug-ins: foreign ones, broken ones, and those of optional libraries."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.errors import SpaceError, TaskError, pip_install
from hyperllama.core.estimators import Facts, Family, families, family, family_of
from hyperllama.core.evaluate.scoring.crossval import Data, Evaluator
from hyperllama.core.space import Float, Param
from hyperllama.core.task import DataSpec, Task
from hyperllama.core.task.overrides import check_installed
from tests.small import environment, hyperllama, with_plug_in, write_task

NAIVE_BAYES = '''
from hyperllama.core.estimators import Family
from hyperllama.core.space import Float, Param

FAMILY = Family(
    name="naive_bayes",
    label="naive Bayes",
    classes={"classification": "sklearn.naive_bayes:GaussianNB"},
    params=lambda kind, facts: [
        Param("var_smoothing", Float(1e-12, 1.0, log=True), 1e-9, "variance added to all features")
    ],
    arguments=lambda kind, config, seed, threads: dict(config),
    cost=1,
)
'''
ENTRY_POINTS = """\
[hyperllama.estimators]
naive_bayes = naive_bayes_family:FAMILY
absent = no_such_module:FAMILY
impostor = json:dumps
"""


@pytest.fixture
def plug_ins(tmp_path: Path) -> dict[str, str]:
    """An environment with a package that adds a classifier, and two broken entry points."""
    return with_plug_in(tmp_path / "site", "naive_bayes_family", NAIVE_BAYES, ENTRY_POINTS)


def test_a_foreign_classifier_is_written_resolved_and_tuned(
    tmp_path: Path, plug_ins: dict[str, str]
) -> None:
    write_task(tmp_path).unlink()
    task = tmp_path / "t.toml"
    made = hyperllama("new", tmp_path / "quick.csv", "--estimator", "naive_bayes", "-o", task,
                      env=plug_ins)
    assert made.returncode == 0, made.stderr
    assert "# var_smoothing = { low = 1e-12, high = 1.0, log = true }" in task.read_text()
    ran = hyperllama("run", task, "--budget", 3, "--proposer", "tpe", "--json", env=plug_ins)
    assert ran.returncode == 0, ran.stderr
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    values = [e["value"] for e in events if "fold_scores" in e and "value" in e]
    assert len(values) == 3 and min(values) > 0.5


def test_a_classifier_is_refused_for_regression(tmp_path: Path, plug_ins: dict[str, str]) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{i / 7}\n" for i in range(90)))
    made = hyperllama("new", tmp_path / "t.csv", "--estimator", "naive_bayes", env=plug_ins)
    assert made.returncode == 2 and "naive_bayes cannot do regression" in made.stderr
    other = hyperllama("new", tmp_path / "t.csv", "-o", tmp_path / "t.toml", env=plug_ins)
    assert other.returncode == 0 and "naive_bayes" not in (tmp_path / "t.toml").read_text()


def test_a_broken_plug_in_is_named_with_the_reason_and_stops_no_other(
    tmp_path: Path, plug_ins: dict[str, str]
) -> None:
    task = write_task(tmp_path)
    task.write_text(task.read_text().replace('"decision_tree"', '"absent"'))
    ran = hyperllama("run", task, env=plug_ins)
    assert ran.returncode == 2
    assert "estimator 'absent' cannot be loaded: ModuleNotFoundError" in ran.stderr
    probe = ("from hyperllama.core.estimators import *; print(*families()); "
             "print(*broken_families().values(), sep='\\n')")
    listed = subprocess.run([sys.executable, "-c", probe], env=plug_ins, text=True,
                            capture_output=True, check=True).stdout.splitlines()
    assert set(listed[0].split()) == {*families(), "naive_bayes"}
    assert "no_such_module" in listed[1] and "json:dumps is not a Family" in listed[2]


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(SpaceError, match="unknown estimator 'forest'") as caught:
        family("forest")
    assert all(name in caught.value.hint for name in families())


def test_listing_families_imports_no_learning_library() -> None:
    probe = ("import sys; from hyperllama.core.estimators import families, family; "
             "[family(n).space(family(n).kinds[0], __import__('hyperllama.core.estimators', "
             "fromlist=['Facts']).Facts(99, 3, 2)) for n in families()]; print(*sys.modules)")
    loaded = subprocess.run([sys.executable, "-c", probe], env=environment(), text=True,
                            capture_output=True, check=True).stdout.split()
    assert not {"sklearn", "xgboost", "lightgbm", "catboost", "scipy"} & set(loaded)


def test_a_library_that_is_absent_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperllama.core.estimators.base.find_spec", lambda name: None)
    task = Task(name="t", data=DataSpec(path=Path("t.csv"), target="y"), estimators=("catboost",))
    with pytest.raises(TaskError, match="CatBoost is not installed") as caught:
        check_installed(task)
    assert caught.value.hint == pip_install("hyperllama[catboost]")


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        ("sklearn.ensemble", "RandomForestRegressor", "random_forest"),
        ("sklearn.svm", "SVC", "svm"),
        ("sklearn.linear_model", "ElasticNet", "linear"), ("xgboost", "XGBClassifier", "xgboost"),
        ("lightgbm", "LGBMRegressor", "lightgbm"), ("sklearn.linear_model", "Ridge", None),
        ("sklearn.pipeline", "Pipeline", None),
    ],
)  # fmt: skip
def test_an_estimator_belongs_to_a_family(module: str, name: str, meant: str | None) -> None:
    cls = getattr(importlib.import_module(module), name)
    for estimator in (cls, cls.__new__(cls)):
        found = family_of(estimator)
        assert (found.name if found else None) == meant
    assert family_of(type(name, (cls,), {})) is None


@pytest.mark.parametrize("name", ["lightgbm", "catboost"])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_optional_boosters_follow_their_loss_and_stop_early(name: str, classes: int) -> None:
    pytest.importorskip(name)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(240, 4))
    x[::9, 1] = np.nan
    signal = x[:, 0] + 0.5 * rng.normal(size=240)
    y: Any = np.digitize(signal, [-0.4, 0.4][: classes - 1]) if classes else signal
    kind = "classification" if classes else "regression"
    data = Data(x, y, (False,) * 4, kind, "neg_log_loss" if classes else "r2", [name], folds=3)
    f = family(name)
    rounds = next(iter(f.params(kind, Facts(240, 4, classes)))).name
    watched = next(Evaluator(data).evaluate({rounds: 60, "learning_rate": 0.1}, 0))
    assert 2 <= len(watched.curve) <= 8 and watched.curve[-1] > watched.curve[0]
    early = Data(**{**data.__dict__, "rounds": 3})
    many = {rounds: 400, "learning_rate": 0.3}
    stopped = list(Evaluator(early).evaluate(many, 0))
    assert all(s.best_iteration is not None and s.best_iteration < 399 for s in stopped)
    assert [s.score for s in stopped] == [s.score for s in Evaluator(early).evaluate(many, 0)]


def test_target_scaling_and_encoding_are_settings_of_their_own() -> None:
    def made(**changes: Any) -> Family:
        return Family("f", "f", {"regression": "sklearn.linear_model:Ridge"},
                      lambda kind, facts: [Param("alpha", Float(0.1, 1.0), 1.0)],
                      lambda kind, config, seed, threads: dict(config), **changes)

    from hyperllama.core.evaluate.pipeline import model_recipe

    assert model_recipe(made(encoding="onehot"), "regression", {}, 0, 1, "").name == "Ridge"
    scaled = model_recipe(made(scale_target=True), "regression", {}, 0, 1, "")
    assert scaled.name == "TransformedTargetRegressor"
    with pytest.raises(ValueError, match="classes"):
        Family("f", "f", {}, lambda kind, facts: [], lambda *a: {})
