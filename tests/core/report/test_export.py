"""What a study leaves behind: it reproduces the scores, and it is safe to open."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from hyperllama.core.charts import TableBlock, to_html, to_markdown, to_svg
from hyperllama.core.data import load_table
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.evaluate.scoring.crossval import Evaluator
from hyperllama.core.events import IncumbentTested, StudyConfirmed, StudyOpened
from hyperllama.core.report import ReportedStudy, export
from hyperllama.core.report.bundle import predict_script
from hyperllama.core.report.card import model_card
from hyperllama.core.report.picture import chart_of
from hyperllama.core.report.plots import Plotted
from hyperllama.core.report.report import report_blocks, report_html, report_markdown
from hyperllama.core.report.script import train_script
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.task import load_task, resolve
from hyperllama.core.task.load import parse_task

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SEED = 70
EVIL = '<script>alert("x")</script> | [a](javascript:b) \x1b[31m `c` **d**'


def messy_csv(folder: Path) -> Path:
    """Semicolons, decimal commas, dates, booleans, quoted categories, units, gaps."""
    rng = np.random.default_rng(1)
    lines = ["id;size;day;when;ok;place;price;owner;amount;label"]
    for i in range(160):
        size = rng.normal(50, 20)
        place = rng.choice(["a", '"b; c"', "d ", "é"])
        moment = f"2021-0{1 + i % 9}-{1 + i % 28:02d} {i % 24:02d}:15:00"
        cells = [
            f"r{i}", f"{size:.3f}".replace(".", ","), f"{1 + i % 28:02d}.0{1 + i % 9}.2020", moment,
            rng.choice(["yes", "no"]), place if i % 13 else "NA", f"{rng.integers(5, 99)},50 €",
            f"g{i % 12}", f"{size + rng.normal(0, 8) + 10 * (place == 'a'):.2f}".replace(".", ","),
            "high" if size + rng.normal(0, 10) > 50 else "low",
        ]
        if i % 7 == 3:
            cells[1] = cells[4] = ""
        lines.append(";".join(str(c) for c in cells))
    path = folder / "messy.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def task_file(folder: Path, table: Path, target: str, top: str = "", rest: str = "") -> Path:
    path = folder / "task.toml"
    path.write_text(f'{top}\n[data]\npath = "{table}"\ntarget = "{target}"\n{rest}\n')
    return path


def study(
    task: Path, *, trials: int = 2, facts: Mapping[str, Any] = {}
) -> tuple[ReportedStudy, Evaluator]:
    """A study as the loop would have made it, run in this process."""
    made = load_task(task)
    table = load_table(made)
    problem = resolve(made, table)
    evaluator = Evaluator.of(problem, table)
    rng = np.random.default_rng(0)
    records = []
    for n in range(trials):
        config = problem.space.default() if n == 0 else problem.space.sample(rng)
        for key, most in (("n_estimators", 15), ("max_iter", 15)):
            if key in config:
                config[key] = most
        scores = [f.score for f in evaluator.evaluate(config, SEED)]
        records.append(
            TrialState(
                n, "default" if n == 0 else "llama", "complete", config,
                sum(scores) / len(scores), tuple(scores), len(scores),
                float(np.std(scores, ddof=1)), 0.9, 1.5, reasoning=f"trial {n}: {EVIL}",
            )
        )
    opened = StudyOpened(
        "study", "t", problem.kind, problem.metric, problem.estimators, "llama", "", SEED,
        trials, None, 0, 0, 0,
    )
    record = ReportedStudy(
        state_of(replace(opened, **facts), *records), made, problem,
        summary=table.summary(),
    )
    return record, evaluator


def state_of(opened: StudyOpened, *trials: TrialState) -> StudyState:
    """The state after these trials."""
    scored = [t for t in trials if t.value is not None]
    best = max(scored, key=lambda t: (t.value, -t.number), default=None)
    return StudyState(opened, trials=trials, incumbent=best.number if best else None)


def with_trials(record: ReportedStudy, trials: Sequence[TrialState]) -> ReportedStudy:
    return replace(record, state=state_of(record.opened, *trials))


def run_script(script: Path) -> float:
    """The cross-validation score that a script prints where nothing of ours can be imported."""
    done = subprocess.run(
        [sys.executable, "-I", str(script)],
        capture_output=True, text=True, cwd=script.parent, check=False, timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return printed(done.stdout)


def printed(text: str) -> float:
    found = re.search(r"cross-validation \S+: (\S+) ", text)
    assert found is not None
    return float(found.group(1))


CASES = [
    ('estimators = ["xgboost"]\nearly_stopping_rounds = 3', "amount", ""),
    ('estimators = ["hist_gradient_boosting"]', "label", "subsample_rows = 120"),
    ('estimators = ["linear", "svm"]', "label", "[validation]\ngroup = 'owner'\nfolds = 3"),
    ('estimators = ["knn"]', "amount", "[validation]\ntime = 'when'\nfolds = 3"),
    ('estimators = ["decision_tree"]', "label", "[validation]\nmethod = 'split'\nrepeats = 2"),
    ('estimators = ["xgboost"]\nearly_stopping_rounds = 3', "amount", "weights = 'price'"),
    ('estimators = ["linear"]', "label", "weights = 'price'\nmissing = { place = ['é'] }\n"
     "ignore_case = ['place']\n[validation]\ntime = ['when', 'day']"),
]


@pytest.mark.parametrize(("top", "target", "rest"), CASES)
def test_the_script_reproduces_the_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    top: str, target: str, rest: str,
) -> None:
    import runpy

    task = task_file(tmp_path, messy_csv(tmp_path), target, top, rest)
    record, evaluator = study(task)
    best = record.state.best
    assert best is not None and best.value is not None
    script = tmp_path / "train.py"
    script.write_text(train_script(record, best), encoding="utf-8")
    with TrialRunner(task, log=tmp_path / "log", threads=1) as runner:
        runner.save_table(tmp_path / "table.npz")
    names = runpy.run_path(str(script))
    x, y, groups, times, _ = names["read"]()
    d = evaluator.data
    assert np.array_equal(x, d.x, equal_nan=True) and np.array_equal(y, d.y)
    assert (groups is None) == (d.groups is None) and (times is None) == (d.times is None)
    moved = tmp_path / "moved.csv"
    cells = pl.read_csv(tmp_path / "messy.csv", separator=";", infer_schema=False)
    cells.select(sorted(cells.columns)).write_csv(moved, separator=";")
    (tmp_path / "predict.py").write_text(predict_script(), encoding="utf-8")
    # the study's own rows, then another file with the columns in another order: by their names
    for given in [[], [str(moved)]] if "subsample" not in rest else [[]]:
        monkeypatch.setattr(sys, "argv", [str(script), *given])
        names["main"]()
        assert printed(capsys.readouterr().out) == pytest.approx(best.value, abs=1e-9)


def test_export_writes_everything_and_the_script_needs_no_hyperllama(tmp_path: Path) -> None:
    import joblib

    folder = tmp_path / "new" / "out"
    task = task_file(tmp_path, messy_csv(tmp_path), "label", 'estimators = ["xgboost", "mlp"]')
    record, evaluator = study(task, trials=1)
    with TrialRunner(task, log=tmp_path / "log", threads=1) as runner:
        runner.open()
        written = export(record, folder, runner)
    assert {p.name for p in written} == {p.name for p in folder.iterdir()} == {
        "model_card.md", "pipeline.json", "pipeline.ubj", "pipeline.joblib", "predict.py",
        "train.py", "table.npz", "table.json", "best.toml", "best.json", "report.html", "report.md",
    }
    best = record.state.best
    assert best is not None and best.value is not None
    assert run_script(folder / "train.py") == pytest.approx(best.value, abs=1e-9)
    as_json = json.loads((folder / "best.json").read_text())
    as_toml = tomllib.loads((folder / "best.toml").read_text())
    assert as_json["config"] == as_toml["config"] == best.config
    lines = (folder / "best.toml").read_text().split("[config]\n")[1].split("\n\n")[0]
    copied = re.sub(r"(?m)^estimator = .*\n", "", lines)
    again = parse_task(f"{task.read_text()}\n[space]\n{copied}\n", tmp_path / "again.toml")
    assert len(again.space) == len(best.config) - 1
    assert as_json["fold_scores"] == as_toml["scores"]["fold_scores"] == list(best.fold_scores)
    assert as_json["estimator"] == "xgboost" and as_json["versions"]["scikit-learn"]
    assert "n_estimators" in as_json["params"]
    pipeline = joblib.load(folder / "pipeline.joblib")
    assert set(pipeline.predict(evaluator.data.x)) <= {0, 1}
    command = [sys.executable, "-I", str(folder / "predict.py"), str(tmp_path / "messy.csv")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    labels = done.stdout.split()
    assert labels[0] == "prediction"
    classes = record.problem.classes
    assert labels[1:] == [classes[c] for c in pipeline.predict(evaluator.data.x)]
    card = (folder / "model_card.md").read_text()
    for wanted in ("'label'", record.problem.fingerprint, "pipeline.ubj", "pickle", "Limits",
                   "160 rows", "roc\\_auc", "no trial is known to be better"):
        assert wanted in card
    facts = json.loads((folder / "pipeline.json").read_text())
    other = replace(best, number=1)
    tried = replace(record.state, trials=(*record.state.trials, other), incumbent=1)
    assert "a little too high" in model_card(replace(record, state=tried), other, facts)
    confirmed = replace(tried, confirmation=StudyConfirmed(1, 0.2, 0.1, 0.05, 0.15, repeats=4))
    card = model_card(replace(record, state=confirmed), other, facts)
    assert "+0.1 (90 % interval 0.05 to 0.15)" in card and "too high." not in card.split("##")[1]


def test_the_script_reproduces_the_score_of_a_parquet_table(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    rng = np.random.default_rng(0)
    pl.DataFrame({"a": rng.normal(size=80), "b": rng.integers(0, 9, 80), "y": rng.normal(size=80)}
                 ).write_parquet(table)
    record, _ = study(task_file(tmp_path, table, "y", 'estimators = ["decision_tree"]'))
    with TrialRunner(tmp_path / "task.toml", log=tmp_path / "log", threads=1) as runner:
        written = export(record, tmp_path / "out", runner)
    assert "table.npz" in {p.name for p in written}
    best = record.state.best
    assert best is not None
    assert run_script(tmp_path / "out" / "train.py") == pytest.approx(best.value, abs=1e-9)


@pytest.fixture
def told(tmp_path: Path) -> ReportedStudy:
    """A study whose every foreign text is hostile."""
    task = task_file(tmp_path, messy_csv(tmp_path), "label", 'estimators = ["decision_tree"]')
    evil = {"model": EVIL, "warnings": (EVIL,), "study": EVIL}
    record, _ = study(task, trials=3, facts=evil)
    failed = TrialState(3, EVIL, "fail", {"max_depth": 3}, reason=EVIL, fallback=EVIL)
    state = state_of(record.opened, *record.trials, failed)
    assert state.incumbent is not None
    return replace(record, state=replace(state, tested=IncumbentTested(state.incumbent, 0.75)))


def test_the_report_tells_the_range_that_was_searched(told: ReportedStudy) -> None:
    own = next(p for p in told.problem.space if p.name == "max_depth").domain.describe()
    assert f"| {own} |" in report_markdown(told) and "the task's" not in report_markdown(told)
    wider = ({"name": "max_depth", "text": "integer 1 to 99"},)
    state = replace(told.state, opened=replace(told.opened, space=wider))
    assert f"| integer 1 to 99 (the task's: {own}) |" in report_markdown(replace(told, state=state))


def test_the_report_draws_what_mattered(told: ReportedStudy) -> None:
    """Charts of the search space, each mark with its trial under the pointer."""
    rng = np.random.default_rng(3)
    more = []
    for number in range(4, 24):
        config = told.problem.space.sample(rng)
        score = 0.9 - 0.02 * abs(config["max_depth"] - 5) + rng.normal(0, 0.002)
        curve = {"curve": [[1, 0.5], [5, 0.7], [9, 0.6]]}
        more.append(TrialState(number, "gp", "complete", config, score, facts=curve))
    page = report_html(with_trials(told, [*told.trials, *more]))
    body = ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])
    charts = {svg.findtext("title") or "": svg for svg in body.iter("svg")}
    assert len(charts) > 5 and "Learning curves" in charts and "max_depth" in charts
    bars = next(svg for title, svg in charts.items() if title.startswith("Importance"))
    shares = [float((r.findtext("title") or "").split(": ")[1][:-1]) for r in bars.iter("rect")]
    assert shares == sorted(shares, reverse=True) and 90 < sum(shares) < 110
    told_marks = [c.findtext("title") or "" for c in charts["max_depth"].iter("circle")]
    assert any(t.startswith("trial 7: ") and "max_depth=" in t for t in told_marks)
    surface = next(svg for title, svg in charts.items() if title.startswith("What the GP expects"))
    assert all((r.findtext("title") or "").endswith("or more") for r in surface.iter("rect"))
    shown = Plotted.of(with_trials(told, [*told.trials, *more]).state, told.problem.space)
    depth, leaf = (a.name for a in shown.axes[:2])
    for view in ("best", "importance", "one", "two", "all", "curves"):
        chart = chart_of(shown, view, depth, leaf)
        assert chart is not None and ElementTree.fromstring(to_svg(chart)).tag.endswith("svg")
    parallel = next(svg for title, svg in charts.items() if title.startswith("Parallel"))
    assert len(list(parallel.iter("path"))) == 23


def test_reports_escape_what_others_wrote(told: ReportedStudy) -> None:
    page = report_html(told)
    assert "<script" not in page and "\x1b" not in page and "&lt;script&gt;" in page
    text = report_markdown(told)
    assert "<script" not in text and "\x1b" not in text and "](" not in text.replace("\\](", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", r)) for r in rows if "fallback" in r} == {8}


def test_the_page_loads_nothing_and_is_well_formed(told: ReportedStudy) -> None:
    from xml.etree import ElementTree

    page = report_html(told)
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import|https?://""", page)
    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    marks = ElementTree.fromstring(svg)
    drawn = [(mark.get("class") or "").split()[0] for mark in marks if mark.tag == "circle"]
    lines = sorted(mark.get("class") or "" for mark in marks if mark.tag == "path")
    assert drawn == ["dot"] * 3  # three trials, one that failed, the noise band and three lines
    assert lines == ["band s faint", "failed", "line s dashed", "line s faint", "line s s0"]
    ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])


def test_the_report_says_what_matters(told: ReportedStudy) -> None:
    best = told.state.best
    assert best is not None
    for text in (report_html(told), report_markdown(told)):
        for wanted in (f"trial {best.number}", "0.75", "1 of them failed", "5-fold",
                       "a little too high",
                       "max\\_depth" if text.startswith("#") else "max_depth",
                       f"seeds: study {SEED}"):
            assert wanted in text


def test_of_very_many_trials_the_report_lists_the_best(
    told: ReportedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed() -> list[str]:
        tables = [b for b in report_blocks(told) if isinstance(b, TableBlock)]
        return next([row[0] for row in t.rows] for t in tables if t.header[0] == "#")

    scored = sorted((t for t in told.trials if t.value is not None), key=lambda t: t.value or 0.0)
    assert listed() == [str(t.number) for t in told.trials]
    monkeypatch.setattr("hyperllama.core.report.report._MOST_ROWS", 2)
    best = {t.number for t in scored[-2:]}
    assert {int(n) for n in listed()} == best | {told.state.winner_number}
    assert f"best of {len(told.trials)}" in report_markdown(told)


def test_without_a_complete_trial_there_is_a_report_only(
    tmp_path: Path, told: ReportedStudy
) -> None:
    empty = with_trials(told, told.trials[-1:])
    assert [p.name for p in export(empty, tmp_path / "o")] == ["report.html", "report.md"]
    assert "No trial was completed" in (tmp_path / "o" / "report.md").read_text()


def test_an_incumbent_that_is_not_better_is_said_plainly(told: ReportedStudy) -> None:
    same = with_trials(told, told.trials[:1])
    blocks = report_blocks(same)
    assert "nothing better was found" in to_markdown(blocks)
    assert "nothing better was found" in to_html("t", blocks)
