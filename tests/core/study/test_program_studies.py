"""Programs that people write, in studies: queued, kept once, scored outside the sandbox."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.data import load_table
from hyperllama.core.errors import DataError, StudyError, TaskError
from hyperllama.core.evaluate.results import Tally
from hyperllama.core.evaluate.saving import describe_model, save_program, save_table
from hyperllama.core.evaluate.scoring.crossval import Data, Evaluator, TrialFailed, final_program
from hyperllama.core.evaluate.scoring.programs import ProgramSetting, ProgramTrials
from hyperllama.core.events import Noted, StudyOpened, requests
from hyperllama.core.predict import model
from hyperllama.core.predict.boxed import BoxedRuns
from hyperllama.core.programs.boxes import INSTALL_HINT, sandbox_problem
from hyperllama.core.programs.contract import parse_program, with_values
from hyperllama.core.programs.store import CHOICE, ProgramStore
from hyperllama.core.propose import program_turns
from hyperllama.core.propose.program_turns import ProgramScores, Turn, next_turn
from hyperllama.core.report import ReportedStudy, script
from hyperllama.core.report.bundle import predict_script
from hyperllama.core.storage.event_log import read_events
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.storage.request_log import send
from hyperllama.core.study import StudyState, TrialState, fold
from hyperllama.core.study.starting.options import Options, settled
from hyperllama.core.study.steering import program_changes
from hyperllama.core.study.steering.asking import check_request
from hyperllama.core.task import parse_task, resolve
from tests.core.fakes import Bench, FakeRunner, quality

TREE = '''"""A small tree."""
from sklearn.tree import DecisionTreeClassifier

SPACE = {"depth": {"low": 1, "high": 9, "default": 3}}

def build(columns, task, depth=3):
    return DecisionTreeClassifier(max_depth=depth, random_state=0)
'''
BROKEN = '''"""It asks for a column that is not there."""
def build(columns, task):
    first = columns[0]
    return first.colour
'''


ON_B = '''"""A small tree on the second column alone."""
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

SPACE = {"depth": {"low": 1, "high": 9, "default": 3}}

def build(columns, task, depth=3):
    tree = DecisionTreeClassifier(max_depth=depth, random_state=0)
    return make_pipeline(make_column_transformer(("passthrough", [1])), tree)
'''
_OPENED = StudyOpened("s", "t", "", "", ("xgboost",), "llama", "", 0, 5, None, 0, 0, 0)


def program_quality(config: dict[str, Any]) -> float:
    return 0.5 + config["depth"] / 100 if CHOICE in config else quality(config)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "study", budget=5, runner=FakeRunner(program_quality))


def test_a_program_is_a_trial_of_its_study(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_changes, "sandbox_problem", lambda: "")
    same = TREE.replace("A small tree.", "Small!").replace("depth=3", "depth = 3")
    for asked in (
        requests.QueueProgram(TREE), requests.QueueProgram(same),
        requests.QueueProgram(TREE, {"depth": 5}), requests.QueueProgram(TREE, {"depth": 12}),
        requests.QueueProgram("import os"),
    ):
        send(bench.folder, asked)
    bench.study().run()
    key = ProgramStore(bench.folder).add(TREE)
    ran = [(config, value) for _, _, config, value, _ in bench.trials() if CHOICE in config]
    assert ran == [({CHOICE: key, "depth": 3}, 0.53), ({CHOICE: key, "depth": 5}, 0.55)]
    notes = [e.text for e in bench.events if isinstance(e, Noted)]
    assert any("trial 0 is the same program with the same values" in n for n in notes)
    assert any("depth = 12 is outside" in n for n in notes)
    assert any("line 1: importing os is not allowed" in n for n in notes)
    assert [f.name for f in (bench.folder / "programs").iterdir()] == [f"{key}.py"]
    # read back, a program's trial is what it was, and says what it tries
    from hyperllama.core.study.history import stored_events

    opened = next(e for e in bench.events if type(e).__name__ == "StudyOpened")
    finished = [e for e, _ in stored_events(bench.store.trials(), bench.store.attrs(), opened, {})
                if type(e).__name__ == "TrialFinished"]  # fmt: skip
    assert {e.reasoning for e in finished if CHOICE in e.config} == {"A small tree."}
    assert len(finished) == 5
    records = read_proposals(bench.folder / "proposals.jsonl")
    programs = {r["number"]: r.get("program") for r in records}
    assert "depth=5" in programs[1] and programs[4] is None  # of a study without programs


def turn(*programs: tuple[float | None, ...] | ProgramScores) -> Turn:
    """Whose turn it is among the study's own space, "a", "b", ..., by their scores."""
    return next_turn([
        p if isinstance(p, ProgramScores) else ProgramScores(key, p)
        for key, p in zip(["", "a", "b", "c"], programs, strict=False)
    ])


def test_programs_are_halved() -> None:
    assert turn((0.5,), (0.4,)).key == ""  # worse than the default: no further evaluation
    assert turn((0.5,), (0.6,)) == Turn(
        "a", "it is in the better half of 2 after one evaluation each, and gets evaluation 2 of 2"
    )
    assert turn((0.5,), (0.6, 0.7)).key == ""  # alone with two: the others have to catch up
    assert turn((0.5, 0.65), (0.6, 0.7)).key == "a"
    assert turn((0.5, 0.75), (0.6, 0.7)).key == ""
    assert turn((0.5, 0.55), (0.6, 0.7), (0.8,)).key == "a"  # the larger rung first
    assert turn((0.5, 0.55), (0.6, 0.7, 0.7, 0.7), (0.8,)).key == "b"
    assert turn((0.5,), (None,)).key == ""
    given = ProgramScores("a", (0.1, 0.1), total=3)
    assert turn((0.5,), given).why == "it gets evaluation 3 of the 3 that it was given"
    each = ProgramScores("", (0.5,)), ProgramScores("a", (None,)), ProgramScores("b", (0.1, 0.2))
    assert next_turn(each, 3).why == "it gets evaluation 3 of the 3 that each program gets"
    assert next_turn(each, 3).key == "b" and next_turn(each, 2).key == ""
    dropped = ProgramScores("a", (0.9,), total=0)
    assert next_turn([each[0], dropped], 5).key == ""
    assert turn((0.5,), dropped, (0.6,)).key == "b" and turn((0.5,), dropped).key == ""


def test_a_good_program_is_tuned_and_a_person_decides_otherwise(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_changes, "sandbox_problem", lambda: "")
    better = FakeRunner(lambda c: 2.0 + c["depth"] / 100 if CHOICE in c else quality(c))
    bench.runner, bench.budget = better, 4
    send(bench.folder, requests.QueueProgram(TREE))
    bench.study().run()
    depths = [c["depth"] for _, _, c, _, _ in bench.trials() if CHOICE in c]
    assert depths[0] == 3 and len(depths) == 2  # then the study's own space has to catch up
    why = [t.reasoning for t in bench.store.trials() if CHOICE in t.config]
    assert why[0] == "A small tree." and why[1].startswith(
        "A small tree.\nIt is in the better half of 2 after one evaluation each"
    )
    first = next(t.number for t in bench.store.trials() if CHOICE in t.config)
    send(bench.folder, requests.GiveProgram(first, 2))
    bench.budget = 6
    bench.study().run()
    depths = [c["depth"] for _, _, c, _, _ in bench.trials() if CHOICE in c]
    assert len(depths) == 4 == len(set(depths))
    send(bench.folder, requests.GiveProgram(first))
    bench.budget = 9
    bench.study().run()
    assert len([c for _, _, c, _, _ in bench.trials() if CHOICE in c]) == 4
    with pytest.raises(StudyError, match="trial 99 is no program"):
        check_request(fold(read_events(bench.folder / "events.jsonl")), requests.GiveProgram(99, 1))


def test_a_study_says_how_many_evaluations_a_program_gets(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_changes, "sandbox_problem", lambda: "")
    bench.program_evaluations, bench.budget = 3, 6
    worse = FakeRunner(lambda c: -9.0 if CHOICE in c else quality(c))  # halving would end it
    bench.runner = worse
    send(bench.folder, requests.QueueProgram(TREE))
    bench.study().run()
    depths = [c["depth"] for _, _, c, _, _ in bench.trials() if CHOICE in c]
    assert len(depths) == 3 == len(set(depths))
    text = '[data]\npath = "t.csv"\ntarget = "y"\n[programs]\nevaluations = 3\n'
    task = parse_task(text, bench.folder / "t.toml")
    assert settled(Options(proposer="tpe"), task)[0].program_evaluations == 3
    over = Options(proposer="tpe", program_evaluations="halving")
    assert settled(over, task)[0].program_evaluations == "halving"
    with pytest.raises(TaskError, match="evaluations"):
        parse_task(text.replace("= 3", "= 0"), bench.folder / "t.toml")


def test_a_program_that_cannot_be_tuned_ends_no_study(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> Any:
        raise ValueError("high - low < 0")

    monkeypatch.setattr(program_changes, "sandbox_problem", lambda: "")
    monkeypatch.setattr(program_turns.GPProposer, "ask", breaks)
    bench.budget, bench.program_evaluations = 4, 3
    send(bench.folder, requests.QueueProgram(TREE))
    assert bench.study().run().why == "budget"
    notes = [e.text for e in bench.events if isinstance(e, Noted)]
    assert "a program is left alone: ValueError: high - low < 0" in notes


def test_without_a_sandbox_a_program_is_refused_unless_the_study_allows_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_changes, "sandbox_problem", lambda: "bubblewrap is not installed")
    send(bench.folder, requests.QueueProgram(TREE))
    bench.study().run()
    note = next(e for e in bench.events if isinstance(e, Noted))
    assert "bubblewrap is not installed" in note.text and note.hint == INSTALL_HINT
    assert not any(CHOICE in config for _, _, config, _, _ in bench.trials())


def test_the_store_knows_its_programs(tmp_path: Path) -> None:
    store = ProgramStore(tmp_path)
    key = store.add(TREE)
    assert store.get(key).text == TREE
    for wrong in ("../x", "none", key[:-1]):
        with pytest.raises(StudyError):
            store.get(wrong)
    (tmp_path / "programs" / f"{key}.py").write_text(TREE.replace("random_state=0", ""))
    with pytest.raises(StudyError, match="was changed"):
        store.get(key)
    changed = parse_program(with_values(TREE, {"depth": 7}))
    assert changed.space.default() == {"depth": 7} and changed.summary == "A small tree."
    assert "def build(columns, task, depth=7):" in changed.text
    assert changed.text.endswith(TREE.rpartition("task")[2].partition("\n")[2])


@pytest.mark.parametrize("boxed", [True, False])
def test_a_program_is_scored_as_its_estimator_would_be(tmp_path: Path, boxed: bool) -> None:
    if boxed and (problem := sandbox_problem()):
        pytest.skip(problem)
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = (x[:, 0] + 0.5 * rng.normal(size=120) > 0).astype(np.int64)
    data = Data(x, y, (False,) * 3, "classification", "roc_auc", ["xgboost"], folds=3)
    evaluator = Evaluator(data)
    columns = tuple(type("C", (), {"name": f"x{i}", "kind": "number", "missing_share": 0.0,
                                  "distinct": 120}) for i in range(3))  # fmt: skip
    evaluator.programs = ProgramTrials(
        ProgramSetting(tmp_path, columns, unsandboxed=not boxed), evaluator  # type: ignore[arg-type]
    )
    try:
        key = ProgramStore(tmp_path).add(TREE)
        tally = Tally()
        scores = [f.score for f in evaluator.evaluate({CHOICE: key, "depth": 2}, 0, None, tally)]
        counts = tally.facts()["columns"]
        assert next(iter(counts)) == "x0" and counts["x0"] > 0.8 and sum(counts.values()) <= 1.001
        tree = DecisionTreeClassifier(max_depth=2, random_state=0)
        expected = cross_val_score(tree, x[evaluator.tune_rows], y[evaluator.tune_rows], cv=[
            (np.searchsorted(evaluator.tune_rows, a), np.searchsorted(evaluator.tune_rows, b))
            for a, b in evaluator.folds(0)
        ], scoring="roc_auc")  # fmt: skip
        assert scores == pytest.approx(list(expected))
        assert 0 < (evaluator.test_score({CHOICE: key, "depth": 2}, 0) or 0) <= 1
        broken = ProgramStore(tmp_path).add(BROKEN)
        with pytest.raises(TrialFailed, match=r"fold 1 of 3: AttributeError.*\(line 4 of the prog"):
            list(evaluator.evaluate({CHOICE: broken}, 0))
    finally:
        evaluator.programs.close()


def test_a_program_is_handed_on_with_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is fitted again where it predicts: in the sandbox, or as a part of predict.py; train.py
    scores it as the study did."""
    if problem := sandbox_problem():
        pytest.skip(problem)
    from sklearn.tree import DecisionTreeClassifier

    file, best = tmp_path / "rows.csv", tmp_path / "best"
    rows = [f"{i % 7},{i % 5},{'yes' if i % 7 > 3 else 'no'}" for i in range(80)]
    file.write_text("\n".join(["a,b,bought", *rows]))
    task = parse_task('name = "t"\n[data]\npath = "rows.csv"\ntarget = "bought"', tmp_path / "t")
    table = load_table(task)
    found = resolve(task, table)
    evaluator = Evaluator.of(found, table)
    setting = ProgramSetting(tmp_path, found.columns)
    programs = evaluator.programs = ProgramTrials(setting, evaluator)
    try:
        config = {CHOICE: ProgramStore(tmp_path).add(TREE), "depth": 2}
        facts = {**describe_model(found, table), "versions": {}, "config": config}
        save_program(final_program(evaluator, config), best / "pipeline.joblib", facts)
        assert "depth=2" in (best / "program.py").read_text()
        run = BoxedRuns()
        run._sandbox = programs._sandbox
        frame = {"b": [1, 2, 3], "a": [0, 3, 6]}
        told = model.load(best, run=run).predict(frame).tolist()
        tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(table.x, table.y)
        new = np.array([[0.0, 1.0], [3.0, 2.0], [6.0, 3.0]])
        assert told == [found.classes[i] for i in tree.predict(new)] == ["no", "no", "yes"]
        shallow = {CHOICE: ProgramStore(tmp_path).add(ON_B), "depth": 1}
        scores = [f.score for f in evaluator.evaluate(shallow, 0)]
        on_test = evaluator.test_score(shallow, 0)
    finally:
        programs.close()
    assert 0 < sum(scores) / len(scores) < 1
    opened = replace(_OPENED, metric=found.metric, kind=found.kind)
    winner = TrialState(4, "llama", "complete", shallow, sum(scores) / len(scores))
    reported = ReportedStudy(StudyState(opened, trials=(winner,), incumbent=4), task, found)
    monkeypatch.setattr(script, "study_dir", lambda name: tmp_path)
    apart = tmp_path / "apart"
    apart.mkdir()
    save_table(apart / "table.npz", {}, x=table.x, y=table.y)
    (apart / "program.py").write_text(script.incumbent_program(reported, winner))
    (apart / "train.py").write_text(script.train_script(reported, winner))
    monkeypatch.setattr(sys, "argv", ["train.py"])
    runpy.run_path(str(apart / "train.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert f"{found.metric}: {winner.value!r}  (in the study: {winner.value!r})" in said
    assert f"test rows {found.metric}: {on_test!r}" in said
    (best / "predict.py").write_text(predict_script())
    main = runpy.run_path(str(best / "predict.py"))["main"]
    assert main(best, [str(file), "-o", str(tmp_path / "out.csv")]) != 0  # it would run the program
    assert main(best, [str(file), "-o", str(tmp_path / "out.csv"), "--trust"]) == 0
    assert (tmp_path / "out.csv").read_text().split()[1:] == [r.split(",")[2] for r in rows]
    with pytest.raises(DataError, match="is a program, which runs when it predicts"):
        model.load(best)
    (best / "program_rows.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"not the file that pipeline\.json describes"):
        model.load(best, trusted=True)
