"""Programs: the contract, the policy, and a sandbox that holds whatever they do."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyperllama.core.errors import StudyError
from hyperllama.core.programs.boxes import (
    bubblewrap_refusal,
    command,
    sandbox_hint,
    sandbox_problem,
)
from hyperllama.core.programs.contract import ProgramError, parse_program, with_values
from hyperllama.core.programs.facts import ProgramTask
from hyperllama.core.programs.rehearsal import why_it_fails
from hyperllama.core.programs.sandbox import (
    FitFailed,
    Fitted,
    ProgramFit,
    ProgramSandbox,
    SandboxLimits,
    _checked,
)
from hyperllama.core.programs.seccomp import filter_bytes
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
_SPACE = "SPACE = {{{}}}\ndef build(columns, task, **values): pass\n"
LIMITS = SandboxLimits(seconds=0.8, memory_mb=600.0, disk_mb=8.0, processes=32)
UNHURRIED = replace(LIMITS, seconds=30.0)
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


@pytest.mark.parametrize(
    ("said", "settings", "problem", "hint"),
    [
        ("bwrap: setting up uid map: Permission denied\n",
         {"kernel.apparmor_restrict_unprivileged_userns": "1", "user.max_user_namespaces": "9"},
         "system forbids .* namespaces .*kernel.apparmor_restrict_unprivileged_userns = 1",
         "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"),
        ("bwrap: No permissions to create new namespace\n",
         {"kernel.unprivileged_userns_clone": "0", "user.max_user_namespaces": "0"},
         "kernel.unprivileged_userns_clone = 0, user.max_user_namespaces = 0",
         "kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000`"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted\n", {},
         "container forbids .* namespaces .*Can't mount proc", "--security-opt seccomp=unconfined"),
        ("bwrap: Can't find source path /opt/x: No such file", {"user.max_user_namespaces": "9"},
         r"opens none here \(bwrap: Can't find source path", "start a study with --unsandboxed"),
    ],
)  # fmt: skip
def test_where_bubblewrap_may_open_nothing_the_reason_and_a_way_out_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, settings: dict[str, str],
    problem: str, hint: str,
) -> None:
    found = bubblewrap_refusal(said, settings)
    assert re.search(problem, found)
    assert hint in sandbox_hint(found) and "change every file" in sandbox_hint(found)
    refusing = tmp_path / "bwrap"
    refusing.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said.strip()}\nEND\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StudyError) as caught:  # this kernel's own settings are looked at
        command(1, tmp_path, boxed=True, system="linux")
    assert "bubblewrap" in caught.value.message and "--unsandboxed" in caught.value.hint


def test_a_program_and_its_space() -> None:
    program = parse_program(HONEST)
    assert program.summary == "Trees on ranks."
    assert program.space.names == ("depth", "rate")
    assert program.space.default() == {"depth": 4, "rate": pytest.approx(0.1)}
    same = HONEST.replace("Trees on ranks.", "Other").replace("columns, task", "columns,  task")
    assert parse_program(same).key == program.key
    assert parse_program(HONEST.replace("n_estimators=5", "n_estimators=6")).key != program.key
    typed = parse_program(HONEST.replace("SPACE =", "SPACE: dict ="))
    assert typed.space == program.space and "'default': 7" in with_values(typed.text, {"depth": 7})
    assert parse_program('"""\\ud800 x"""\n' + HONEST).summary == "x"


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
        # what is read otherwise than it runs
        ("# \x00\ndef build(c, t): pass", "line 1: the character U+0000"),
        ("x = 1\n# \u2028\ndef build(c, t): pass", "line 2: the character U+2028"),
        ("# \u202e\ndef build(c, t): pass", "U+202E"),
        ("# \ud800\ndef build(c, t): pass", "U+D800"),
        ("\n# vim: set fileencoding=utf-7\ndef build(c, t): pass", "line 2: another encoding"),
        ("def build(c, t): return \uff45\uff56\uff41\uff4c('1')", "eval is not allowed"),
        ("x = " + "lambda: " * 900 + "1\ndef build(c, t): pass", "nested too deeply"),
        ("def build(c, t):\n if 1: pass\n" + " elif 1: pass\n" * 900, "nested too deeply"),
        ("def build(c, t): pass\ndef build(c, t, a): pass", "build is defined twice"),
        # absurd numbers
        (_SPACE.format("'a': {'low': 0, 'high': 1" + "0" * 400 + "}"), "is not between"),
        (_SPACE.format("'a': {'low': -1e308, 'high': 1e308}"), "is not between"),
        (_SPACE.format("'a': {'low': 0, 'high': 1e999}"), "is not between"),
        (_SPACE.format("'a': {'low': 5e-324, 'high': 1.0, 'log': True}"), "needs low >="),
        (_SPACE.format("'a': {'choices': [b'x', 1]}"), "no text and no number"),
        (_SPACE.format("'a': {'choices': [1j, 1]}"), "no text and no number"),
        (_SPACE.format("'a': {'choices': [[1], {}]}"), "no text and no number"),
        (_SPACE.format("'a': {'choices': ['\\ud800', 'b']}"), "not one plain line"),
        (_SPACE.format("'a': {'choices': ['\\x1b[31m', 'b']}"), "not one plain line"),
        (_SPACE.format(f"'a': {{'choices': {list(range(999))}}}"), "at most 50"),
        (_SPACE.format("'program': {'low': 1, 'high': 2}"), "'program' cannot be the name"),
        (_SPACE.format("'task': {'low': 1, 'high': 2}"), "'task' cannot be the name"),
        (_SPACE.format("'class': {'low': 1, 'high': 2}"), "'class' cannot be the name"),
        (_SPACE.format("") + "SPACE = dict(SPACE)", "SPACE is set once"),
        (_SPACE.format("") + "SPACE |= {}", "SPACE is set once"),
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


@pytest.mark.parametrize("name", sorted(hostile.AROUND))
def test_the_policy_refuses_ways_around_it(name: str) -> None:
    text = hostile.AROUND[name]
    ast.parse(text)  # so that it is not refused for its form
    with pytest.raises(ProgramError, match=r"not allowed|one by one|one argument"):
        parse_program(text)


def test_the_policy_allows_what_models_need() -> None:
    parse_program('''"""A transformer of its own."""
from __future__ import annotations
import numpy as np
import scipy.signal
from collections import Counter
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import f_classif
from sklearn.pipeline import Pipeline

class Logs(TransformerMixin, BaseEstimator):
    def __init__(self, shift=1.0):
        self.shift = shift

    def fit(self, X, y=None):
        self._rng = np.random.default_rng(0)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        kind = type(X)
        return np.log1p(np.abs(X.copy()) + self.shift) + np.select([X > 0], [X], 0.0)

def build(columns, task):
    names = [c.name for c in columns if c.kind == "number"]
    return Pipeline([("logs", Logs())], memory=None)
''')


def test_an_honest_program(sandbox: ProgramSandbox) -> None:
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    found = fit(sandbox, HONEST, UNHURRIED, depth=3, rate=0.1)
    assert found.train_predictions is not None and found.train_predictions.shape == (60, 2)
    model = GradientBoostingClassifier(max_depth=3, learning_rate=0.1, n_estimators=5)
    same = make_pipeline(QuantileTransformer(n_quantiles=20), model).fit(X[:60], Y[:60])
    assert np.allclose(found.predictions.sum(axis=1), 1.0)
    assert (found.predictions.argmax(axis=1) == same.predict(X[60:])).mean() > 0.9


def test_a_program_is_tried_on_made_up_rows(sandbox: ProgramSandbox, tmp_path: Path) -> None:
    columns = [{"name": f"x{i}", "kind": "number", "missing_share": 0.0, "distinct": 9}
               for i in range(3)]  # fmt: skip
    task = {"kind": "classification", "metric": "roc_auc", "n_classes": 3, "n_rows": 90}
    told = ProgramTask("free", columns, task, tmp_path)
    assert why_it_fails(parse_program(HONEST), told, sandbox) == ""
    wrong = parse_program(HONEST.replace("n_estimators=5", "trees=5"))
    assert why_it_fails(wrong, told, sandbox).endswith(
        "(line 10 of the program): `model = GradientBoostingClassifier(max_depth=depth, "
        "learning_rate=rate, trees=5)`"
    )


@pytest.mark.parametrize("name", sorted(hostile.REACH_OUT))
def test_nothing_is_reached(sandbox: ProgramSandbox, name: str) -> None:
    with pytest.raises(FitFailed) as caught:
        fit(sandbox, hostile.REACH_OUT[name], UNHURRIED)
    assert caught.value.kind == "error", caught.value


@pytest.mark.parametrize("name", sorted(hostile.SECRETS))
def test_nothing_of_the_parent_is_seen(
    sandbox: ProgramSandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(FitFailed) as caught:
        fit(sandbox, hostile.SECRETS[name], UNHURRIED)
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
    assert fit(sandbox, HONEST, UNHURRIED, depth=2).predictions.shape == (20, 2)


@pytest.mark.parametrize("name", sorted(hostile.FORGERS))
def test_no_score_is_forged(sandbox: ProgramSandbox, name: str) -> None:
    try:
        found = fit(sandbox, hostile.FORGERS[name], UNHURRIED)
    except FitFailed as failed:
        assert failed.kind in ("answer", "error", "died", "memory")
    else:
        assert name in hostile.HARMLESS
        assert found.predictions.shape == (20, 2) and np.allclose(found.predictions.sum(axis=1), 1)


def _answer(head: object, *parts: bytes) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


@pytest.mark.parametrize("answer", [
    b"", b"abc", _answer(b"\xff"), _answer(b"[" * 100_000), _answer([]), _answer({"ok": True}),
    _answer({"ok": True, "arrays": 7}), _answer({"ok": True, "arrays": ["<f8"]}),
    _answer({"ok": True, "arrays": [["O", [20, 2]]]}, bytes(320)),
    _answer({"ok": True, "arrays": [["V8", [20, 2]]]}, bytes(320)),
    _answer({"ok": True, "arrays": [["nonsense", [20, 2]]]}, bytes(320)),
    _answer({"ok": True, "arrays": [["<f8,<f8", [20, 2]]]}, bytes(640)),
    _answer({"ok": True, "arrays": [[8, [20, 2]]]}, bytes(320)),
    _answer({"ok": True, "arrays": [["<f8", [-20, -2]]]}, bytes(320)),
    _answer({"ok": True, "arrays": [["<f8", [20, True]]]}, bytes(320)),
    _answer({"ok": True, "arrays": [["<f8", [1 << 31, 1 << 31]]]}, bytes(320)),
    _answer({"ok": True, "arrays": [["<f8", [20, 2]]]}, bytes(319)),
    _answer({"ok": True, "arrays": [["<f8", [20, 2, 1]]]}, bytes(320)),
    _answer({"ok": "yes", "kind": ["a"], "error": {"a": 1}, "line": 10**30}),
])  # fmt: skip
def test_an_answer_is_read_with_care(answer: bytes) -> None:
    wanted = ProgramFit("", {}, [], {}, X[:60], Y[:60], X[60:], "predict_proba", False, (0, 1))
    with pytest.raises(FitFailed):
        _checked(answer, wanted, 0.1)


def test_the_kernel_filter() -> None:
    """Instructions of 8 bytes, every path of which ends; none for other processors."""
    for machine in ("x86_64", "aarch64"):
        steps = list(struct.iter_unpack("=HBBI", filter_bytes(machine)))
        for i, (code, true, false, _) in enumerate(steps):
            assert code == 0x06 or i + 1 + max(true, false) < len(steps)
        assert steps[-1] == (0x06, 0, 0, 0x7FFF0000)
    assert filter_bytes("riscv64") == b""


def test_the_command_of_macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at, not run: the profile names one folder to write into, and no network."""
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    scratch = tmp_path / 'a "b"'
    argv = command(2, scratch, boxed=True, system="darwin")
    at = argv.index("sandbox-exec")
    assert argv[:2] == ["env", "-i"] and "OMP_NUM_THREADS=2" in argv[2:at]
    profile, python = argv[at + 2], argv[at + 3]
    assert argv[at + 1] == "-p" and python == os.path.realpath(sys.executable)
    assert profile.startswith("(version 1)\n(deny default)") and "network" not in profile
    writable = [line for line in profile.splitlines() if "file-write" in line]
    quoted = str(scratch.resolve()).replace('"', '\\"')
    assert writable == ['(allow file-write-data (literal "/dev/null"))',
                        f'(allow file-read* file-write* (subpath "{quoted}"))']  # fmt: skip
    assert profile.count("(") == profile.count(")")
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(StudyError, match="sandbox-exec is not in the PATH"):
        command(1, tmp_path, boxed=True, system="darwin")


def test_one_fit_leaves_nothing_for_the_next(sandbox: ProgramSandbox) -> None:
    """Files, shared memory and processes of one fold could tell the next its targets."""
    leave = hostile._in_build(
        "import os, ctypes, time", "open('left', 'w').write('y')",
        "open('/dev/shm/left', 'w').write('y')",
        "ctypes.CDLL(None).shmget(7777, 4096, 0o1666)",
        "import sklearn; sklearn.left = 1",
        "import numpy as np, joblib, warnings, gc",
        "sklearn.set_config(assume_finite=True); warnings.simplefilter('error'); gc.disable()",
        "np.mean = len; joblib.Memory(os.environ['TMPDIR']).cache(abs)(-7)",
        "if os.fork() == 0: time.sleep(60)",
    )
    look = hostile._in_build(
        "import os, ctypes, sklearn",
        "found = os.listdir(os.environ['TMPDIR']) + os.listdir('/dev/shm')",
        "found += ['shared memory'] * (ctypes.CDLL(None).shmget(7777, 4096, 0) >= 0)",
        "found += [p for p in os.listdir('/proc') if p.isdecimal() and int(p) > 1]",
        "found += ['left'] * hasattr(sklearn, 'left')",
        "import numpy as np, gc, warnings",
        "found += ['patched'] * (np.mean([2.0]) != 2.0 or not gc.isenabled())",
        "found += ['configured'] * sklearn.get_config()['assume_finite']",
        "found += ['warnings'] * any(f[0] == 'error' for f in warnings.filters)",
        "assert not found, found",
    )
    fit(sandbox, leave, UNHURRIED)
    fit(sandbox, look, UNHURRIED)
    assert not (Path(tempfile.gettempdir()) / "left").exists()
