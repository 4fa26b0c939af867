"""Programs: the contract, the policy, and a sandbox that holds whatever they do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hyperllama.core.programs.contract import ProgramError, parse_program
from hyperllama.core.programs.sandbox import (
    FitFailed,
    Fitted,
    ProgramFit,
    ProgramSandbox,
    SandboxLimits,
    sandbox_problem,
)
from tests.core import hostile_programs as hostile

HONEST = '''"""Trees on ranks."""
SPACE = {"depth": {"low": 2, "high": 10, "default": 4},
         "rate": {"low": 0.01, "high": 1.0, "log": True}}

def build(columns, task, depth, rate=0.1):
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer
    assert columns[0].name == "x0" and task.kind == "classification"
    model = GradientBoostingClassifier(max_depth=depth, learning_rate=rate, n_estimators=5)
    return make_pipeline(QuantileTransformer(n_quantiles=20), model)
'''
LIMITS = SandboxLimits(seconds=0.8, memory_mb=600.0, disk_mb=8.0, processes=32)
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(np.int64)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProgramSandbox]:
    if problem := sandbox_problem():
        pytest.skip(problem)
    opened = ProgramSandbox(tmp_path_factory.mktemp("sandbox") / "log")
    yield opened
    opened.close()


def fit(
    sandbox: ProgramSandbox, program: str, limits: SandboxLimits = LIMITS, **values: float
) -> Fitted:
    columns = [{"name": f"x{i}", "kind": "number"} for i in range(3)]
    task = {"kind": "classification", "metric": "neg_log_loss"}
    rows = (X[:60], Y[:60], X[60:])
    wanted = ProgramFit(program, values, columns, task, *rows, "predict_proba", True, (0, 1))
    return sandbox.fit(wanted, limits)


def test_a_program_and_its_space() -> None:
    program = parse_program(HONEST)
    assert program.summary == "Trees on ranks."
    assert program.space.names == ("depth", "rate")
    assert program.space.default() == {"depth": 4, "rate": pytest.approx(0.1)}
    same = HONEST.replace("Trees on ranks.", "Other").replace("columns, task", "columns,  task")
    assert parse_program(same).key == program.key
    assert parse_program(HONEST.replace("n_estimators=5", "n_estimators=6")).key != program.key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def build(columns task): pass", "line 1"),
        ("x = 1", "no function build"),
        ("def build(columns): pass", "columns and task"),
        ("def build(columns, task, a): pass", "SPACE says nothing about 'a'"),
        ("SPACE = {'a': {'low': 1, 'high': 2}}\ndef build(columns, task): pass", "'a' of SPACE"),
        ("SPACE = dict(a=1)\ndef build(columns, task): pass", "not a literal"),
        ("SPACE = {'a': {'low': 2, 'high': 1}}\ndef build(c, t, a): pass", "SPACE['a']"),
        ("SPACE = {'a': {'low': 1}}\ndef build(c, t, a): pass", "SPACE['a']"),
        ("import os\ndef build(c, t): pass", "line 1: importing os"),
        ("from numpy import load\ndef build(c, t): pass", "load is not allowed"),
        ("def build(c, t): return c.__class__", "__class__"),
        ("def build(c, t): return '{0.x}'.format(c)", "format"),
        ("def build(c, t): return eval('1')", "eval"),
        ("import sklearn.datasets\ndef build(c, t): pass", "sklearn.datasets"),
        ("def build(c, t): " + "(" * 300 + ")" * 300, "cannot be used"),
        ("#" * 30_000, "30000 characters"),
    ],
)
def test_a_program_that_is_refused(text: str, said: str) -> None:
    with pytest.raises(ProgramError) as caught:
        parse_program(text)
    assert said in caught.value.message


@pytest.mark.parametrize("name", sorted(hostile.REACH_OUT))
def test_the_policy_refuses_what_reaches_out(name: str) -> None:
    with pytest.raises(ProgramError):
        parse_program(hostile.REACH_OUT[name])


def test_an_honest_program(sandbox: ProgramSandbox) -> None:
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    found = fit(sandbox, HONEST, SandboxLimits(60), depth=3, rate=0.1)
    assert found.train_predictions is not None and found.train_predictions.shape == (60, 2)
    model = GradientBoostingClassifier(max_depth=3, learning_rate=0.1, n_estimators=5)
    same = make_pipeline(QuantileTransformer(n_quantiles=20), model).fit(X[:60], Y[:60])
    assert np.allclose(found.predictions.sum(axis=1), 1.0)
    assert (found.predictions.argmax(axis=1) == same.predict(X[60:])).mean() > 0.9


@pytest.mark.parametrize("name", sorted(hostile.REACH_OUT))
def test_nothing_is_reached(sandbox: ProgramSandbox, name: str) -> None:
    with pytest.raises(FitFailed) as caught:
        fit(sandbox, hostile.REACH_OUT[name])
    assert caught.value.kind == "error", caught.value


@pytest.mark.parametrize("name", sorted(hostile.SECRETS))
def test_nothing_of_the_parent_is_seen(
    sandbox: ProgramSandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(FitFailed) as caught:
        fit(sandbox, hostile.SECRETS[name])
    told = str(caught.value)
    assert "SECRET" not in told and os.environ["HYPERLLAMA_HOME"] not in told


@pytest.mark.parametrize("name", sorted(hostile.BOMBS))
def test_a_bomb_is_a_failed_fit(sandbox: ProgramSandbox, name: str) -> None:
    try:
        fit(sandbox, hostile.BOMBS[name])
    except FitFailed as failed:
        assert "\x1b" not in str(failed)
    else:
        assert name == "orphans"
    assert fit(sandbox, HONEST, SandboxLimits(60), depth=2).predictions.shape == (20, 2)


@pytest.mark.parametrize("name", sorted(hostile.FORGERS))
def test_no_score_is_forged(sandbox: ProgramSandbox, name: str) -> None:
    try:
        found = fit(sandbox, hostile.FORGERS[name])
    except FitFailed as failed:
        assert failed.kind in ("answer", "error", "died")
    else:
        assert name in ("patches the metric", "patches numpy", "swapped classes")
        assert found.predictions.shape == (20, 2) and np.allclose(found.predictions.sum(axis=1), 1)


def test_one_fit_leaves_nothing_for_the_next(sandbox: ProgramSandbox) -> None:
    """Files, shared memory and processes of one fold could tell the next its targets."""
    leave = hostile._in_build(
        "import os, ctypes, time", "open('left', 'w').write('y')",
        "open('/dev/shm/left', 'w').write('y')",
        "assert ctypes.CDLL(None).shmget(7777, 4096, 0o1666) >= 0",
        "import sklearn; sklearn.left = 1",
        "if os.fork() == 0: time.sleep(60)",
    )
    look = hostile._in_build(
        "import os, ctypes, sklearn",
        "found = os.listdir('/tmp') + os.listdir('/dev/shm')",
        "found += ['shared memory'] * (ctypes.CDLL(None).shmget(7777, 4096, 0) >= 0)",
        "found += [p for p in os.listdir('/proc') if p.isdecimal() and int(p) > 1]",
        "found += ['left'] * hasattr(sklearn, 'left')",
        "assert not found, found",
    )
    fit(sandbox, leave)
    fit(sandbox, look)
    assert not (Path(tempfile.gettempdir()) / "left").exists()
