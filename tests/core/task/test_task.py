"""Task files: what they may say, errors that name file, key, problem and what is allowed."""

from __future__ import annotations

import csv
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperllama.core.data import load_table
from hyperllama.core.errors import HyperLlamaError, TaskError
from hyperllama.core.estimators import Facts
from hyperllama.core.space import Categorical, Float, Integer
from hyperllama.core.task import (
    Problem,
    Task,
    find_task,
    load_task,
    resolve,
    standalone_text,
)
from hyperllama.core.task import metrics as known_metrics
from hyperllama.core.task.new import new_task_file
from hyperllama.core.task.overrides import make_space

DATA = '[data]\npath = "t.csv"\ntarget = "y"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with t.csv: two numbers, a town, a group, a day, and targets of several kinds."""
    rng = np.random.default_rng(0)
    n = 120
    with (tmp_path / "t.csv").open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["a", "b", "town", "who", "when", "y", "three", "amount", "uneven"])
        for i in range(n):
            out.writerow([
                round(rng.normal(), 3), round(rng.normal(), 3), ["Bern", "Chur"][i % 2], i // 6,
                f"2024-{1 + i // 28:02}-{1 + i % 28:02}", ["no", "yes"][int(rng.random() < 0.4)],
                ["x", "y", "z"][i % 3], round(rng.normal(), 2), "rare" if i < 4 else "usual"])
    return tmp_path


def written(folder: Path, text: str, name: str = "t.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str = "", data: str = DATA) -> Task:
    """The task of `text` with the table [data] put before its first table."""
    head, bracket, rest = ("\n" + text).partition("\n[")
    return load_task(written(folder, f"{head[1:]}\n{data}{bracket}{rest}".lstrip("\n")))


def problem(folder: Path, text: str = "", target: str = "y") -> Problem:
    task = loaded(folder, text, DATA.replace('"y"', f'"{target}"'))
    return resolve(task, load_table(task))


def failure(folder: Path, text: str, data: str = DATA) -> TaskError:
    with pytest.raises(TaskError) as caught:
        loaded(folder, text, data)
    return caught.value


def test_prompt_options_stand_in_a_table_of_their_own(folder: Path) -> None:
    file = folder / "task.toml"
    said = '[prompt]\nhistory = "chat"\nreasoning = false\ntemplates = "mine"\n'
    file.write_text(DATA + said)
    wanted = {"history": "chat", "reasoning": False, "templates": str(folder / "mine")}
    assert load_task(file).prompt == wanted
    assert f'templates = "{folder / "mine"}"' in standalone_text(file)
    file.write_text(DATA + '[prompt]\ntemplates = "short"\n')  # a variant, no folder
    assert load_task(file).prompt == {"templates": "short"}
    for wrong, message in (("color = 1", "'color'"), ("recent = -1", "-1"), ('recent = "x"', "x")):
        file.write_text(f"{DATA}[prompt]\n{wrong}\n")
        with pytest.raises(TaskError, match=rf"task.toml: prompt: .*{message}"):
            load_task(file)


def test_a_minimal_file(folder: Path) -> None:
    task = loaded(folder)
    assert task.name == "t" and task.estimators == ("xgboost",) and task.budget.trials == 20
    assert task.data.path == (folder / "t.csv").resolve() and task.file == (folder / "t.toml")
    p = resolve(task, load_table(task))
    assert (p.kind, p.metric, p.validation.method) == ("classification", "roc_auc", "stratified")
    assert p.classes == ("no", "yes") and p.target == "y"
    assert p.facts.rows == 96 and p.facts.classes == 2 and p.facts.features == len(p.columns)


def test_every_key(folder: Path) -> None:
    task = loaded(folder, '''
name = "all"
kind = "classification"
metric = "f1"
estimators = ["rf", "svc"]
seed = 7
early_stopping_rounds = 5
notes = "rows are days"
[space.random_forest]
n_estimators = 50
[validation]
method = "split"
folds = 3
repeats = 2
test_share = 0.0
validation_share = 0.3
[budget]
minutes = 2.5
[limits]
trial_seconds = 10
trial_memory_mb = 500
threads = 1
''', DATA + 'separator = ","\nencoding = "utf8"\ndrop = "who"\npositive = "no"\n')
    assert task.estimators == ("random_forest", "svm")
    assert task.budget.trials == 100_000 and task.budget.minutes == 2.5
    assert task.data.drop == ("who",)
    p = resolve(task, load_table(task))
    assert p.classes == ("yes", "no") and p.facts.rows == 120
    assert any("early_stopping_rounds" in w for w in p.warnings)


def test_loading_is_cheap() -> None:
    code = """
import sys
from pathlib import Path
from hyperllama.core.task import load_task, sample_tasks
for path in sample_tasks():
    load_task(path)
heavy = {"polars", "sklearn", "xgboost", "pandas", "optuna", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize(("text", "key", "problem", "hint"), [
    ("metrc = 'r2'", "metrc", "unknown key", "did you mean 'metric'?"),
    ("kind = 'clasification'", "kind", "'clasification' is not allowed", "did you mean 'classif"),
    ("seed = 'x'", "seed", "'x' is not allowed", "a whole number"),
    ("seed = -1", "seed", "-1 is not allowed", "at least 0"),
    ("seed = true", "seed", "true is not allowed", "a whole number"),
    ("estimator = 'xgbost'", "estimator", "unknown estimator 'xgbost'", "did you mean 'xgboost'?"),
    ("estimators = []", "estimators", "no list of names", "xgboost"),
    ("estimators = ['svm', 'svc']", "estimators", "twice", "once"),
    ("estimator = 'svm'\nestimators = ['svm']", "estimator", "excludes `estimators`", "keep one"),
    ("metric = 'acuracy'", "metric", "no scorer 'acuracy'", "did you mean 'accuracy'?"),
    ("metric = 'rmse'", "metric", "no scorer 'rmse'", "'neg_root_mean_squared_error'"),
    ("kind = 'regression'\nmetric = 'roc_auc'", "metric", "does not fit regression", "r2"),
    ("[validation]\nfold = 3", "validation.fold", "unknown key", "did you mean 'folds'?"),
    ("[validation]\nfolds = 1", "validation.folds", "1 is not allowed", "at least 2"),
    ("[validation]\nmethod = 'group'", "validation", "needs the key `group`", ""),
    ("[validation]\nmethod = 'kfold'\ntime = 'when'", "validation", "no effect", ""),
    ("[validation]\ntest_share = 1.5", "validation.test_share", "1.5", "at most 0.8"),
    ("[budget]\ntrials = 0", "budget.trials", "0 is not allowed", "at least 1"),
    ("[budget]\nminutes = nan", "budget.minutes", "nan", "a number"),
    ("[limits]\ntrial_second = 3", "limits.trial_second", "unknown key", "'trial_seconds'"),
    ("budget = 5", "budget", "5 is no table", "[budget]"),
    ("space = 5", "space", "no table", "[space]"),
    ("[space]\nmax_depth = { low = 9, high = 3 }", "space.max_depth", "low = 9 is above", ""),
    ("[space]\nmax_depth = { low = 99 }", "space.max_depth.low", "above high = 15", "set `high`"),
    ("[space]\nmax_depth = 'deep'", "space.max_depth", "'deep' is not allowed", "integer 1 to 15"),
    ("[space]\nmax_depth = 2.5", "space.max_depth", "2.5 is not allowed", "integer"),
    ("[space]\nmax_depth = { lo = 1 }", "space.max_depth.lo", "unknown key", "did you mean 'low'?"),
    ("[space]\ngamma = { low = 1.0 }", "space.gamma", "new here", "high"),
    ("[space]\nmax_depth = { low = 0, log = true }", "space.max_depth", "log scale", ""),
    ("[space]\neta = 0.1\nlearning_rate = 0.2", "space.learning_rate", "the same as", "keep one"),
    ("[space.svm]\nC = 1", "space.svm", "does not train svm", "xgboost"),
    ("[space]\nmax_depth = { choices = [1], log = true }", "space.max_depth", "excludes", ""),
    ("[space]\ngamma = { low = 0.0, high = 1.0, when = { boster = ['dart'] } }",
     "space.gamma.when", "unknown hyperparameter 'boster'", "allowed"),
    ("estimator = 'svm'\n[space]\nkernel = 'rfb'", "space.kernel", "'rfb'", "did you mean 'rbf'?"),
    ("estimator = 'svm'\n[space]\nkernel = 'linear'\ndegree = 3", "space.degree", "no effect", ""),
    ("estimators = ['svm', 'knn']\n[space]\nC = 1", "space.C", "to name one", "[space.svm]"),
])
def test_errors_name_file_key_problem_and_what_is_allowed(
    folder: Path, text: str, key: str, problem: str, hint: str
) -> None:
    error = failure(folder, text)
    assert error.message.startswith(f"t.toml: {key}: "), error.message
    assert problem in error.message and hint in error.hint, str(error)
    assert "\n" not in error.message


def test_several_errors_are_told_at_once(folder: Path) -> None:
    error = failure(folder, "seed = 'x'\n[budget]\ntrials = 0\n[limits]\nthreads = 'many'")
    assert "budget.trials" in str(error) and "limits.threads" in str(error)


@pytest.mark.parametrize(("data", "key"), [
    ("", "data: missing"), ("[data]\npath = 't.csv'\n", "data.target: missing"),
    ("[data]\npath = ''\ntarget = 'y'\n", "data.path"),
    ("[data]\npath = 3\ntarget = 'y'\n", "data.path"),
    (DATA + "separator = ';;'\n", "data.separator"),
    (DATA + "subsample_rows = 3\n", "data.subsample"),
    (DATA + "drop = [1]\n", "data.drop.0"), (DATA + "tagret = 'y'\n", "data.tagret"),
])
def test_errors_in_data(folder: Path, data: str, key: str) -> None:
    assert key in failure(folder, "", data).message


@pytest.mark.parametrize(("content", "line"), [
    ("name = t\n", 1), ("a = 1\na = 2\n", 2), ('name = "x\n[data]', 1), ("[data\n", 1),
    ("a = 1\n\nb = [1, 2\n", 4), ("= 3", 1),
])
def test_toml_errors_name_the_line(folder: Path, content: str, line: int) -> None:
    with pytest.raises(TaskError, match=r"t\.toml, line \d+: not valid TOML") as caught:
        load_task(written(folder, content))
    assert f"line {line}:" in caught.value.message or line > content.count("\n")


def test_files_that_are_no_task(folder: Path) -> None:
    with pytest.raises(TaskError, match="not a task file") as caught:
        load_task(folder / "t.csv")
    assert f"`hyperllama new {folder / 't.csv'}`" in caught.value.hint
    with pytest.raises(TaskError) as caught:
        find_task(folder / "my table.csv")
    assert shlex.split(caught.value.hint.split("`")[1])[2:] == [str(folder / "my table.csv")]
    with pytest.raises(TaskError, match="no such task file"):
        load_task(folder / "nope.toml")
    with pytest.raises(TaskError):
        load_task(folder)
    (folder / "bad.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(TaskError, match="not UTF-8"):
        load_task(folder / "bad.toml")
    (folder / "deep.toml").write_text("a = " + "[" * 5000)
    with pytest.raises(TaskError, match="not valid TOML"):
        load_task(folder / "deep.toml")


def test_space_overrides(folder: Path) -> None:
    space = problem(folder, '''
[space]
max_depth = 6
eta = { low = 0.01, high = 0.3 }
n_estimators = { choices = [50, 100] }
subsample = { low = 0.5 }
reg_alpha = { low = 0.0, high = 1.0 }
gamma = { low = 0, high = 5, type = "float", description = "least gain", default = 0 }
booster = { choices = ["gbtree", "dart"] }
rate_drop = { low = 0.0, high = 0.5, when = { booster = ["dart"] } }
max_leaves = 2000
''').space
    assert space["max_depth"].frozen and space.default()["max_depth"] == 6
    assert space["learning_rate"].domain == Float(0.01, 0.3, log=True)
    assert space["n_estimators"].domain == Categorical((50, 100))
    assert space["subsample"].domain == Float(0.5, 1.0)
    assert space["reg_alpha"].domain == Float(0.0, 1.0)
    assert space["gamma"].domain == Float(0.0, 5.0) and space["gamma"].description == "least gain"
    assert space["max_leaves"].domain == Categorical((2000,))
    assert "rate_drop" not in space.default()
    assert space.validate({**space.default(), "booster": "dart", "rate_drop": 0.1})


def test_a_held_number_may_lie_outside_the_default_bounds(folder: Path) -> None:
    space = problem(folder, "[space]\nn_estimators = 3000\n").space
    assert space["n_estimators"].domain == Integer(3000, 3000)
    assert space.default()["n_estimators"] == 3000


def test_holding_a_parent_removes_what_cannot_count(folder: Path) -> None:
    space = problem(folder, 'estimator = "svm"\n[space]\nkernel = "linear"\n').space
    assert "degree" not in space and "gamma" not in space
    space = problem(folder, 'estimator = "svm"\n[space]\nkernel = { choices = ["rbf"] }\n').space
    assert "gamma" in space and "degree" not in space


def test_none_is_written_as_a_string(folder: Path) -> None:
    space = problem(folder, 'estimator = "linear"\n[space]\nclass_weight = "none"\n').space
    assert space["class_weight"].domain == Categorical((None,))


def test_several_estimators(folder: Path) -> None:
    space = problem(folder, '''
estimators = ["svm", "knn"]
[space.svm]
kernel = { choices = ["rbf", "poly"] }
coef0 = { low = 0.0, high = 1.0, when = { kernel = ["poly"] } }
shrinking = { choices = [true, false] }
[space]
"knn.n_neighbors" = 7
''').space
    config = {"estimator": "knn", "knn.n_neighbors": 7, "knn.weights": "uniform", "knn.p": 2}
    assert space.validate(config) == config
    start = space.default()
    assert start["estimator"] == "svm" and "svm.shrinking" in start and "svm.coef0" not in start


def test_added_names_are_checked_against_the_library(folder: Path) -> None:
    with pytest.raises(TaskError, match="no such hyperparameter") as caught:
        problem(folder, "[space]\nmax_dept = 3\n")
    assert "did you mean 'max_depth'?" in caught.value.hint
    with pytest.raises(TaskError, match="class_weight: linear has no such"):
        problem(folder, 'kind = "regression"\nestimator = "linear"\n[space]\n'
                'class_weight = { choices = ["balanced"] }\n', "amount")


def test_nothing_left_to_tune(folder: Path) -> None:
    held = '[space]\nn_neighbors = 3\nweights = "uniform"\np = 2'
    error = failure(folder, f'estimator = "knn"\n{held}')
    assert "nothing to tune" in error.message


@pytest.mark.parametrize(("text", "target", "kind", "metric", "method"), [
    ("", "three", "classification", "balanced_accuracy", "stratified"),
    ("", "amount", "regression", "r2", "kfold"),
    ("[validation]\ntime = 'when'", "amount", "regression", "neg_root_mean_squared_error", "time"),
    ("[validation]\ngroup = 'who'", "y", "classification", "roc_auc", "group"),
    ("[validation]\nmethod = 'split'", "y", "classification", "roc_auc", "split"),
    ("metric = 'f1_macro'", "three", "classification", "f1_macro", "stratified"),
])
def test_what_is_left_open_is_filled(
    folder: Path, text: str, target: str, kind: str, metric: str, method: str
) -> None:
    p = problem(folder, text, target)
    assert (p.kind, p.metric, p.validation.method) == (kind, metric, method)


@pytest.mark.parametrize(("text", "target", "message", "hint"), [
    ("metric = 'roc_auc'", "three", "does not fit 3 classes", "did you mean 'roc_auc_ovr'?"),
    ("metric = 'f1'", "three", "does not fit 3 classes", "f1_macro"),
    ("metric = 'r2'", "y", "does not fit 2 classes", "roc_auc"),
    ("metric = 'neg_mean_squared_log_error'", "amount", "undefined for targets", "r2"),
    ("kind = 'regression'", "y", "regression needs numbers", "classification"),
    ("kind = 'classification'", "amount", "data.target", ""),
    ("[validation]\nmethod = 'stratified'", "amount", "needs classes", "kfold"),
    ("[validation]\ngroup = 'town'", "y", "2 group(s)", "at least 4"),
    ("[validation]\ngroup = 'hwo'", "y", "no column 'hwo'", "did you mean 'who'?"),
    ("[validation]\ntime = 'town'", "y", "neither dates nor numbers", ""),
    ("", "Y", "no column 'Y'", "did you mean 'y'?"),
])
def test_a_task_that_does_not_fit_its_table(
    folder: Path, text: str, target: str, message: str, hint: str
) -> None:
    with pytest.raises(TaskError) as caught:
        problem(folder, text, target)
    assert caught.value.message.startswith("t.toml: ") and message in caught.value.message
    assert hint in caught.value.hint


def test_fewer_folds_where_a_class_is_small(folder: Path) -> None:
    p = problem(folder, "[validation]\nfolds = 5", "uneven")
    assert p.validation.folds == 3 and any("3 folds instead of 5" in w for w in p.warnings)


def test_too_few_rows(folder: Path) -> None:
    lines = (folder / "t.csv").read_text().splitlines()[:12]
    (folder / "t.csv").write_text("\n".join(lines))
    with pytest.raises(TaskError, match="too few to tune on"):
        problem(folder, target="three")


def test_a_task_that_moved_still_finds_its_table(folder: Path, tmp_path: Path) -> None:
    written(folder, "# a remark\nseed = 3\n" + DATA)
    elsewhere = tmp_path / "study"
    elsewhere.mkdir()
    moved = written(elsewhere, standalone_text(folder / "t.toml"))
    assert "# a remark" in moved.read_text()
    again = load_task(moved)
    assert again.data.path == (folder / "t.csv").resolve() and again.name == "t"


def test_every_metric_is_told_in_a_line_and_tables_speak_for_some() -> None:
    assert all(known_metrics.about(m) and len(known_metrics.about(m)) < 90
               for m in known_metrics.known())  # fmt: skip
    metric, why = known_metrics.advice("classification", (950, 50)) or ("", "")
    assert metric == "average_precision" and why.startswith("5% of the rows are positive")
    assert known_metrics.advice("classification", (600, 400)) is None
    assert (known_metrics.advice("classification", (900, 80, 20)) or "")[0] == "balanced_accuracy"
    wide = known_metrics.advice("regression", (), (1.0, 20.0, 50_000.0))
    assert wide is not None and wide[0] == "neg_root_mean_squared_log_error"
    assert known_metrics.advice("regression", (), (-5.0, 0.0, 50_000.0)) is None


def test_known_metrics_are_scikit_learns() -> None:
    from sklearn.metrics import get_scorer_names

    assert set(known_metrics.known()) - set(get_scorer_names()) <= {
        "d2_brier_score", "d2_log_loss_score"}
    for kind, classes in (("classification", 2), ("classification", 5), ("regression", 0)):
        for method in ("kfold", "time"):
            assert known_metrics.default_metric(kind, classes, method) in known_metrics.known(
                kind, classes)


FIXTURE = [HealthCheck.function_scoped_fixture]


@settings(max_examples=80, deadline=None, suppress_health_check=FIXTURE)
@given(st.dictionaries(
    st.sampled_from(["low", "high", "log", "choices", "step", "type", "default", "when", "value"]),
    st.one_of(st.integers(-3, 30), st.floats(-2, 30).map(lambda x: round(x, 2)), st.booleans(),
              st.sampled_from(["float", "integer", "none", "x"]),
              st.lists(st.integers(0, 9), max_size=3)), max_size=4),
    st.sampled_from(["max_depth", "learning_rate", "gamma", "booster"]))
def test_any_override_gives_a_space_or_a_message(
    folder: Path, override: dict[str, object], name: str
) -> None:
    import tomlkit

    text = tomlkit.dumps({"space": {name: override}})
    try:
        task = loaded(folder, text)
    except HyperLlamaError as error:
        assert f"space.{name}" in error.message
    else:
        assert task.space


def test_new_writes_a_file_that_runs(folder: Path) -> None:
    path = folder / "new.toml"
    for target, estimators in ((None, ("xgboost",)), ("amount", ("svm", "mlp", "knn"))):
        path.write_text(new_task_file(folder / "t.csv", target=target, estimators=estimators,
                                      task_file=path))
        task = load_task(path)
        assert task.data.target == (target or "y") and task.estimators == estimators
        assert resolve(task, load_table(task)).validation.folds == 5
        uncommented = [line.removeprefix("# ") if " = { " in line else line
                       for line in path.read_text().splitlines()]
        path.write_text("\n".join(uncommented))
        assert len(load_task(path).space) > 2, "the lines of the default space are valid too"


def test_new_says_what_it_decided(folder: Path) -> None:
    text = new_task_file(folder / "t.csv", task_file=folder / "new.toml")
    assert 'path = "t.csv"' in text and "a guess" in text and 'positive = "yes"' in text
    assert "the order of 'when'" in text
    with pytest.raises(TaskError, match="no column 'nope'"):
        new_task_file(folder / "t.csv", target="nope")
    with pytest.raises(TaskError, match="unknown estimator"):
        new_task_file(folder / "t.csv", estimators=["xgbost"])


def test_new_with_hostile_names(folder: Path) -> None:
    evil = '\x1b[31m"]\nseed = 9\n# \u202e\x85'
    with (folder / "evil.csv").open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["ok", evil + "row", evil])
        out.writerows([[i % 7, i, ["a\n", 'b"'][i % 2]] for i in range(60)])
    path = folder / "new.toml"
    text = new_task_file(folder / "evil.csv", target=evil, task_file=path)
    assert "\x1b" not in text and "\u202e" not in text
    path.write_text(text, encoding="utf-8")
    task = load_task(path)
    assert task.data.target == evil and task.seed == 0
    table = load_table(task)
    resolve(task, table)
    assert set(table.classes) == {"a", 'b"'}


def test_new_keeps_separator_and_encoding(folder: Path) -> None:
    rows = "".join(f"{i % 9},5;{'Zürich' if i % 2 else 'Bern'};{i % 3}\n" for i in range(60))
    (folder / "s.csv").write_bytes(("größe;stadt;note\n" + rows).encode("latin-1"))
    text = new_task_file(folder / "s.csv", task_file=folder / "s.toml")
    assert 'separator = ";"' in text and 'encoding = "cp1252"' in text
    assert load_table(load_task(written(folder, text, "s.toml"))).n_features == 2


def test_new_on_foreign_tables(shared: Path, tmp_path: Path) -> None:
    manifest = shared / "data" / "manifest.csv"
    if not manifest.is_file():
        pytest.skip("the foreign tables are absent")
    with manifest.open() as f:
        listed = list(csv.DictReader(f))
    right = 0
    for row in listed:
        path = tmp_path / "new.toml"
        path.write_text(new_task_file(shared / "data" / row["file"], task_file=path))
        right += load_task(path).data.target == row["target"]
        path.write_text(new_task_file(shared / "data" / row["file"], target=row["target"],
                                      task_file=path))
        task = load_task(path)
        assert resolve(task, load_table(task)).kind == row["task"]
    assert right >= 0.9 * len(listed), "targets guessed"


@pytest.mark.parametrize(("top", "said", "default"), [
    ("early_stopping_rounds = 5", "", 500), ("", "", 100),
    ("early_stopping_rounds = 5", "high = 200", 200),
    ("early_stopping_rounds = 5", "default = 60", 60),
])
def test_with_early_stopping_the_default_has_as_many_rounds_as_any_trial(
    tmp_path: Path, top: str, said: str, default: int
) -> None:
    for families, name in (
        ('["xgboost"]', "n_estimators"),
        ('["knn", "hist_gradient_boosting"]', "hist_gradient_boosting.max_iter"),
    ):
        file = tmp_path / "rounds.toml"
        file.write_text(
            f'estimators = {families}\n{top}\n[data]\npath = "t.csv"\ntarget = "y"\n'
            + (f'[space]\n"{name}" = {{ {said} }}\n' if said else "")
        )
        space = make_space(load_task(file), "regression", Facts(100, 3))
        assert next(p.default for p in space if p.name == name) == default
