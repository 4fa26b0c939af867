"""The command line as scripts and people use it: output, exit codes, signals, speed."""

from __future__ import annotations

import argparse
import errno
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import argcomplete
import optuna
import pytest

import hyperllama as public
from hyperllama.core.events import to_json
from hyperllama.core.events.requests import Approve
from hyperllama.core.storage.folder import EVENTS, Lock, holder, read_summary, write_summary
from hyperllama.core.storage.paths import own_database, study_dir
from hyperllama.core.storage.request_log import Inbox
from hyperllama.core.study import fold
from hyperllama.tui.cli import make_parser, run_command_line
from tests.models.tiny_gguf import write_tiny
from tests.small import TASK, command, environment, hyperllama, write_task
from tests.tui import recorded


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write_task(tmp_path / "work")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, Any]]]:
    """(data folder, task file, events) of a study that was run once for several tests."""
    folder = tmp_path_factory.mktemp("finished")
    task = write_task(folder / "work")
    home = folder / "home"
    done = hyperllama(
        "run", task, "--proposer", "random", "--seed", "5", "--json", "--unsandboxed",
        "--program-evaluations", "2", env={"HYPERLLAMA_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return home, task, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def there(
    finished: tuple[Path, Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The data folder with the finished study, as this test's own."""
    monkeypatch.setenv("HYPERLLAMA_HOME", str(finished[0]))
    return finished[0]


def test_json_is_events_and_nothing_else(
    finished: tuple[Path, Path, list[dict[str, Any]]]
) -> None:
    events = finished[2]
    kinds = [e["event"] for e in events]
    assert kinds[0] == "StudyOpened" and kinds[-1] == "StudyFinished"
    assert kinds.count("TrialFinished") == 4
    assert events[0]["seed"] == 5 and events[0]["study"] == "quick"
    assert events[0]["unsandboxed"] is True and events[0]["program_evaluations"] == 2
    assert events[-1]["why"] == "budget" and events[-1]["test_value"] is not None


def test_show_json(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["show", "quick", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["study"] == "quick" and shown["direction"] == "maximize"
    assert shown["unsandboxed"] is True
    assert shown["metric"] == "accuracy" and shown["state"] == "finished"
    assert [t["number"] for t in shown["trials"]] == [0, 1, 2, 3]
    assert {t["state"] for t in shown["trials"]} == {"COMPLETE"}
    assert [t["proposer"] for t in shown["trials"]] == ["default", "random", "random", "random"]
    assert all(t["params"] and len(t["fold_scores"]) == 2 for t in shown["trials"])
    assert shown["best"]["value"] == max(t["value"] for t in shown["trials"])


def test_optuna_opens_the_study(there: Path) -> None:
    study = optuna.load_study(study_name="quick", storage=own_database(there / "studies" / "quick"))
    assert len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))) == 4
    assert study.metric_names == ["accuracy"] and study.best_trial.user_attrs


def test_show_for_people(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["show", "quick"]) == 0
    shown = capsys.readouterr().out
    assert "accuracy" in shown and "max_depth = " in shown and "best" in shown
    assert "programs are run without a sandbox (--unsandboxed)" in shown
    assert run_command_line(["show", "quick", "--trial", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("trial 2, complete: ") and "fold_scores: [" in shown
    assert run_command_line(["show", "quick", "--trial", "9"]) == 7
    assert "no trial 9" in capsys.readouterr().err
    assert run_command_line(["show", "quick", "--trial", "1", "--beside", "2"]) == 0
    shown = capsys.readouterr().out
    assert "(accuracy)" in shown.splitlines()[0] and "trial 1  " in shown and "trial 2" in shown
    assert run_command_line(["show", "quick", "--beside", "9"]) == 7
    assert "no trial 9" in capsys.readouterr().err
    assert run_command_line(["show", "quick", "--follow"]) == 0
    assert "trial budget used" in capsys.readouterr().out


def test_show_a_study_of_another_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'theirs.db'}"
    theirs = optuna.create_study(study_name="theirs", storage=url)
    theirs.enqueue_trial({"x": 5.0})
    space = {"x": optuna.distributions.FloatDistribution(0.0, 9.0)}
    for name, value in (("COMPLETE", 2.0), ("COMPLETE", 1.0), ("COMPLETE", 3.0), ("PRUNED", None)):
        theirs.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[name], params={"x": value or 0.5},
                distributions=space, value=value,
            )
        )
    theirs.ask()  # takes the queued one
    theirs.enqueue_trial({"x": 6.0})
    assert run_command_line(["show", "theirs", "--storage", url, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [t["state"] for t in shown["trials"]] == [
        "RUNNING", "COMPLETE", "COMPLETE", "COMPLETE", "PRUNED", "WAITING"
    ]
    assert shown["direction"] == "minimize" and shown["best"]["number"] == 2
    unknown = ("metric", "state", "task", "estimators", "proposer", "model", "seed", "folder")
    assert {shown[name] for name in unknown} == {None}
    assert shown["default_value"] is shown["test_value"] is shown["budget_trials"] is None
    assert run_command_line(["show", "theirs", "--storage", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("theirs: ") and "minimize" in lines[0]
    assert lines[6].split() == ["4", "pruned", "x=0.5"]
    assert lines[7].split() == ["5", "waiting", "x=6"]
    assert lines[8:] == ["best 1 in trial 2:", "  x = 1.0"]
    assert [line.endswith("* x=1") for line in lines].count(True) == 1


def test_studies(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["studies"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("STUDY") and shown[1].split()[:3] == ["quick", "finished", "4/4"]
    assert run_command_line(["studies", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["study"] == "quick"
    assert run_command_line(["studies", "--names"]) == 0
    assert capsys.readouterr().out == "quick\n"


def test_no_study_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["studies"]) == 0
    assert "no study yet" in capsys.readouterr().out
    assert run_command_line(["studies", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_same_command_makes_the_same_study(
    finished: tuple[Path, Path, list[dict[str, Any]]], task: Path
) -> None:
    """Another folder, another process, stopped in the middle: the same trials."""
    part = hyperllama("run", task, "--proposer", "random", "--seed", "5", "--budget", "2")
    assert part.returncode == 0, part.stderr
    assert "trial budget used" in part.stdout and "\x1b" not in part.stdout
    rest = hyperllama("resume", "quick", "--budget", "4", "--json")
    assert rest.returncode == 0, rest.stderr
    told = [json.loads(line) for line in rest.stdout.splitlines()]
    assert [e["number"] for e in told if e["event"] == "TrialFinished"] == [2, 3]

    def trials(home: Path) -> list[Any]:
        url = own_database(home / "studies" / "quick")
        study = optuna.load_study(study_name="quick", storage=url)
        return [(t.number, t.state, t.params, t.values) for t in study.trials]

    assert trials(finished[0]) == trials(Path(os.environ["HYPERLLAMA_HOME"]))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "nowhere.toml"], 2, "sample tasks: "),
        (["run", "{task}", "--study", "a b"], 7, "cannot be the name"),
        (["run", "{task}", "--proposer", "oracle"], 2, "unknown proposer 'oracle'"),
        (["run", "{task}", "--storage", "nosuchdb://x/y", "--proposer", "tpe"], 7, "supported"),
        (["run", "{task}", "--prompt", "colour=red"], 2, "unknown prompt option 'colour'"),
        (["resume", "nothing"], 7, "no study 'nothing'"),
        (["show", "nothing"], 7, "no study 'nothing'"),
        (["new", "nowhere.csv"], 3, "nowhere.csv"),
    ],
)
def test_errors_are_messages_with_a_code(
    task: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run_command_line([a.replace("{task}", str(task)) for a in arguments]) == code
    told = capsys.readouterr()
    assert words in told.err and "Traceback" not in told.err and not told.out
    assert not list(study_dir("x").parent.glob("*/task.toml"))


def test_a_broken_task_leaves_no_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong_target = write_task(tmp_path, TASK.replace('target = "y"', 'target = "z"'))
    assert run_command_line(["run", str(wrong_target), "--proposer", "tpe"]) in (2, 3)
    assert "z" in capsys.readouterr().err
    wrong_key = write_task(tmp_path, TASK + "speed = 3\n")
    assert run_command_line(["run", str(wrong_key)]) == 2
    assert not list(study_dir("x").parent.glob("*"))


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["run", "t", "--trials", "3"], ["run", "t", "--budget", "0"],
     ["run", "t", "--minutes", "-1"],
     ["run", "t", "--gpu-layers", "many"], ["run", "t", "--temperature", "99"]],
)
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command_line(arguments)
    assert caught.value.code == 2 and "usage: hyperllama run [" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fly", "'fly' is no command, and no table, task file or study is called that"),
        ("rnu wine", "did you mean `hyperllama run`? `hyperllama --help` lists the commands"),
        ("{folder}/notes.md", "is neither a table nor a task file"),
        ("{folder}/x.csv --json", "nothing may follow"),
        ("tell s paus", "there is no 'paus'; did you mean 'pause'? allowed: pause, resume"),
        ("run diabtes", "did you mean 'diabetes'? sample tasks: "),
        ("run {folder}/mine", "mine.toml'? sample tasks: "),
    ],
)
def test_a_wrong_word_is_told_the_nearest(
    words: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("notes.md", "x.csv", "mine.toml"):
        (tmp_path / name).write_text("a\n1\n")
    try:
        code = run_command_line([word.format(folder=tmp_path) for word in words.split()])
    except SystemExit as left:
        code = int(left.code or 0)
    said = capsys.readouterr().err
    assert code == 2 and told in said and "invalid choice" not in said
    if "usage" not in said and not words.startswith("run"):
        assert len(said.splitlines()) <= 3


def test_an_internal_error_is_no_traceback(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong() -> None:
        raise ZeroDivisionError("oh \x1b[31mno")

    monkeypatch.setattr("hyperllama.core.storage.folder.all_summaries", wrong)
    assert run_command_line(["studies"]) == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError: oh no" in told and "Traceback" not in told
    (report,) = (there / "logs").glob("crash-*.txt")
    assert "Traceback" in report.read_text()


def test_a_full_disk_is_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/summary.json")

    monkeypatch.setattr("hyperllama.core.storage.folder.all_summaries", full)
    assert run_command_line(["studies"]) == 7
    assert "/data/summary.json: No space left" in capsys.readouterr().err


def test_new_writes_a_file_that_runs(
    task: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(task.parent)
    task.unlink()
    assert run_command_line(["new", "quick.csv", "--estimator", "decision_tree,knn"]) == 0
    assert capsys.readouterr().out == "quick.toml\n"
    assert run_command_line(["new", "quick.csv"]) == 2
    assert "there already" in capsys.readouterr().err
    assert run_command_line(["new", "quick.csv", "--stdout", "--target", "a"]) == 0
    assert 'target = "a"' in capsys.readouterr().out
    task.with_name("quick.csv").rename("my quick.2.csv")
    assert run_command_line(["new", "my quick.2.csv"]) == 0
    assert "next: hyperllama run 'my quick.2.toml'\n" in capsys.readouterr().err
    task.with_name("my quick.2.csv").rename("quick.csv")
    assert run_command_line(
        ["run", "quick.toml", "--proposer", "random", "--budget", "2", "--study", "mine"]
    ) == 0
    assert "decision_tree, knn" in capsys.readouterr().out
    summary = read_summary(study_dir("mine"))
    assert summary is not None and summary["trials"] == 2 and summary["state"] == "finished"


def test_inspect(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = str(task.with_name("quick.csv"))
    assert run_command_line(["inspect", table, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["target"]["name"] == "y" and len(found["columns"]) >= 3
    assert run_command_line(["inspect", table]) == 0
    assert "number" in capsys.readouterr().out


def test_ctrl_c_ends_politely_and_resume_goes_on(tmp_path: Path) -> None:
    task = write_task(tmp_path, TASK.replace("trials = 4", "trials = 1000"))
    out, err, code = _signalled(task, signal.SIGINT, "TrialFinished")
    assert code == 130, err
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["why"]) == ("StudyFinished", "stopped")
    study = optuna.load_study(study_name="quick", storage=own_database(study_dir("quick")))
    assert "RUNNING" not in {t.state.name for t in study.trials}
    assert holder(study_dir("quick")) is None
    again = hyperllama("resume", "quick", "--budget", str(len(study.trials) + 1))
    assert again.returncode == 0 and "trial budget used" in again.stdout


def test_sigterm_in_the_middle_of_a_long_fit(tmp_path: Path) -> None:
    slow = TASK.replace("decision_tree", "random_forest") + "[space]\nn_estimators = 200_000\n"
    out, err, code = _signalled(write_task(tmp_path, slow), signal.SIGTERM, "ProposalMade")
    assert code == 143, err
    assert json.loads(out.splitlines()[-1])["why"] == "stopped"
    study = optuna.load_study(study_name="quick", storage=own_database(study_dir("quick")))
    assert [t.state.name for t in study.trials] == ["WAITING"]


def _signalled(task: Path, number: int, after: str) -> tuple[str, str, int]:
    """Output, errors and exit code of a study that gets a signal after an event."""
    process = subprocess.Popen(
        command("run", task, "--proposer", "random", "--json"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == after:
            break
    process.send_signal(number)
    sent = time.monotonic()
    out, err = process.communicate(timeout=30)
    # Two seconds, and more where other programs hold the processors.
    assert time.monotonic() - sent < 2.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return out, err, process.returncode


def test_a_running_study_has_one_process_and_is_told_what_to_do(
    task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = subprocess.Popen(
        command("run", task, "--proposer", "random", "--budget", "1000", "--json"),
        stdout=subprocess.PIPE, text=True, env=environment(),
    )
    assert process.stdout is not None

    def wait_for(words: str) -> None:
        for line in process.stdout or ():
            if words in line:
                return
        raise AssertionError(f"the study ended without {words!r}")

    try:
        wait_for("TrialFinished")
        assert run_command_line(["resume", "quick"]) == 7
        told = capsys.readouterr().err
        assert f"process {process.pid}" in told and "watch" in told
        for words, answer in (
            ("hint keep it small", "hint: keep it small"),
            ("freeze max_features 0.5", "max_features"),
            ("undo", "undone"),
            ("review on", '"awaits_approval":true'),
            ("accept", '"awaits_approval":true'),
            ("reject too deep", '"awaits_approval":true'),
            ("review off", "TrialFinished"),
            ("queue max_depth=3 max_features=0.5", '"proposer":"queue"'),
            ("pause", "StudyPaused"),
            ("resume", "StudyResumed"),
            ("extend -999", "StudyFinished"),
        ):
            assert run_command_line(["tell", "quick", *words.split()]) == 0
            wait_for(answer)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_requests_that_make_no_sense(
    there: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text("SPACE = {'a': {'low': 1, 'high': 9}}\ndef build(columns, task, a): pass\n")
    for words, code, answer in (
        ("pause", 7, "not running"), ("pause now", 2, "nothing more"), ("hint", 2, "more words"),
        ("queue max_depth", 2, "name=value"), ("extend some", 2, "whole number"),
        ("propose oracle", 2, "unknown proposer"), ("range a 1 x", 2, "'x' is not a number"),
        ("freeze a", 2, "does not fit"), ("review maybe", 2, "on, off"), ("rerun x", 2, "whole"),
        ("accept", 7, "not running"), ("extend 3 weeks", 2, "minutes"),
        ("queue max_dept=3", 2, "did you mean 'max_depth'?"), ("rerun 99", 7, "no trial 99"),
        ("queue max_depth=0", 2, "max_depth = 0 is outside"), ("range max_depth 9 2", 2, "above"),
        ("propose llama nowhere.gguf", 4, "nowhere.gguf"),
        (f"program {file} a=10", 2, "a = 10 is outside"),
        (f"program {file} b=1", 2, "unknown hyperparameter 'b'"),
    ):
        assert run_command_line(["tell", "quick", *words.split()]) == code
        assert answer in capsys.readouterr().err
    assert not (study_dir("quick") / "commands.jsonl").exists()
    assert run_command_line(["tell", "quick", *["note", "0", "as", "expected"]]) == 0
    told = capsys.readouterr()
    assert told.out == "quick: note on trial 0: as expected\n"
    assert "not running" in told.err and "`hyperllama resume quick`" in told.err


def test_accept_changes_only_the_values_that_are_named(there: Path) -> None:
    folder = study_dir("held")
    folder.mkdir(parents=True)
    write_summary(folder, {"study": "held"})
    events = recorded.held()
    (folder / EVENTS).write_text("".join(to_json(e, t) + "\n" for e, t in events), "utf8")
    proposed = fold(events).awaiting
    assert proposed is not None
    lock = Lock(folder)
    lock.take()
    try:
        assert run_command_line(["tell", "held", "accept", "max_depth=2"]) == 0
    finally:
        lock.release()
    (sent,) = Inbox(folder).read_unowned()
    assert sent == Approve(proposed.number, {**proposed.config, "max_depth": 2})
    assert len(proposed.config) > 1


def test_detached_goes_on_alone(task: Path) -> None:
    done = hyperllama("run", task, "--proposer", "random", "--detached", "--study", "away")
    assert done.returncode == 0, done.stderr
    assert "away runs in the background" in done.stdout
    followed = hyperllama("show", "away", "--follow")
    assert followed.returncode == 0 and "trial budget used" in followed.stdout
    summary = read_summary(study_dir("away"))
    assert summary is not None and summary["state"] == "finished" and not summary["live"]
    refused = hyperllama("run", task, "--study", "away", "--detached")
    assert refused.returncode == 7 and "already" in refused.stderr


def test_on_a_terminal_the_view_is_live_and_colours_can_be_off(task: Path) -> None:
    shown = _on_terminal(command("run", task, "--proposer", "random", "--budget", "2"), {})
    assert "\x1b[" in shown and "trial budget used" in shown
    plain = _on_terminal(command("show", "quick", "--follow"), {"TERM": "dumb"})
    assert "\x1b[" not in plain and "trial budget used" in plain


def _on_terminal(line: list[str], env: dict[str, str]) -> str:
    """What a program writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    base = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **env}
    process = subprocess.Popen(
        line, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(base),
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        if select.select([ours], [], [], 60)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
    assert process.wait(30) == 0, shown.decode()
    os.close(ours)
    return shown.decode()


def test_without_a_terminal_the_interface_says_what_to_do() -> None:
    done = hyperllama(env={"TERM": "dumb"})
    assert done.returncode != 0 and done.stderr and "Traceback" not in done.stderr


def test_help_and_studies_load_nothing_heavy(there: Path) -> None:
    code = """
import sys
from hyperllama.tui.cli import make_parser, run_command_line
make_parser().format_help()
run_command_line(["studies"])
print(*sorted({m.partition(".")[0] for m in sys.modules}), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    heavy = {"numpy", "optuna", "sklearn", "xgboost", "polars", "scipy", "pydantic", "textual",
             "rich", "llama_cpp", "argcomplete", "sqlalchemy"}  # fmt: skip
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_ARGCOMPLETE" in script
    file = tmp_path / f"completion.{shell}"
    file.write_text(script)
    try:
        checked = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"no {shell} here")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ru", {"run"}),
        ("run brea", {"breast_cancer"}),
        ("run x --prop", {"--proposer"}),
        ("run x --proposer t", {"tpe"}),
        ("run --proposer tpe brea", {"breast_cancer"}),
        ("resume qu", {"quick"}),
        ("tell quick pa", {"pause"}),
        ("bench tab", {"tables", "tabular"}),
        ("bench tabular --see", {"--seeds"}),
        ("export quick --out", {"--output"}),
        ("models hyperllama-1", {"hyperllama-1m"}),
        ("compare --models embedded-1m embed", {"embedded"}),
        ("compare --tasks x.toml brea", {"breast_cancer"}),
        ("compare --models a --tas", {"--tasks"}),
    ],
)
def test_words_that_may_follow(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, offered: set[str]
) -> None:
    """Asked as the shell asks; `test_bash_asks_and_offers` starts the program for it."""
    line, said = f"hyperllama {words}", tmp_path / "said"
    for name, value in {
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(said),
        "COMP_LINE": line, "COMP_POINT": str(len(line)),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    leave = partial(argcomplete.autocomplete, exit_method=sys.exit)
    monkeypatch.setattr(argcomplete, "autocomplete", leave)
    monkeypatch.setattr(os, "fdopen", lambda *a: sys.stderr)  # it takes descriptor 9 for its own
    with pytest.raises(SystemExit) as left:
        run_command_line([])
    assert left.value.code == 0
    assert {word.strip() for word in said.read_text().split("\n")} - {""} == offered


def test_bash_asks_and_offers(
    there: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command_line(["completion", "bash"])
    script = capsys.readouterr().out
    program = tmp_path / "hyperllama"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hyperllama "$@"\n')
    program.chmod(0o755)
    ask = (
        f'{script}\nCOMP_LINE="hyperllama resume qu"; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; '
        '_python_argcomplete hyperllama; echo "${COMPREPLY[@]}"'
    )
    env = environment({"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "quick", done.stderr


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_command_line(["doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)
    assert code == 0, [f for f in findings if f["state"] == "broken"]
    assert {"python", "packages", "machine", "data folder", "storage", "learning libraries",
            "llama.cpp", "embedded model"} <= {f["what"] for f in findings}


def test_doctor_notices_what_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HYPERLLAMA_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("hyperllama.tui.cli.doctor._LEARNING", "import nothing_of_this_name")
    assert run_command_line(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "BROKEN  data folder" in shown and "BROKEN  learning libraries" in shown


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    parser = make_parser()
    text = parser.format_help()
    assert "exit codes" in text
    for name in ("new", "inspect", "run", "resume", "studies", "show", "tell", "export", "models",
                 "baselines", "compare", "bench", "doctor", "completion"):
        assert f"    {name}" in text
        with pytest.raises(SystemExit) as caught:
            run_command_line([name, "--help"])
        assert caught.value.code == 0
    capsys.readouterr()
    assert run_command_line(["--version"]) == 0
    assert capsys.readouterr().out == f"hyperllama {public.__version__}\n"


def test_the_public_face_is_lazy() -> None:
    heavy = {"numpy", "optuna", "hyperllama.core"}
    code = f"import sys, hyperllama; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert done.stdout == "[]\n"
    from hyperllama.core.space import SearchSpace
    from hyperllama.core.task import load_task

    assert public.SearchSpace is SearchSpace and public.load_task is load_task
    with pytest.raises(AttributeError, match="has no attribute"):
        _ = public.Nothing


def test_models_say_what_they_are_and_whether_they_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_tiny(tmp_path / "small.gguf")
    (tmp_path / "cut.gguf").write_bytes(file.read_bytes()[:500])
    assert run_command_line(["models", str(tmp_path), "--json", "--context", "256"]) == 0
    cut, small = json.loads(capsys.readouterr().out)
    assert cut["problem"] and not cut["fits"] and cut["memory_mb"] == 0
    assert small["fits"] and small["chat"] and small["context_length"] == 256
    assert small["trained_context"] == 1024 and small["layers"] == 3
    assert run_command_line(["models", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "small" in shown and "free: " in shown
    assert run_command_line(["models", str(file)]) == 0
    assert "trained context 1024 tokens" in capsys.readouterr().out
    assert run_command_line(["models", str(tmp_path), "--names"]) == 0
    assert capsys.readouterr().out == "cut\nsmall\n"
    assert run_command_line(["models", "nothing"]) == 4


def test_models_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_tiny(tmp_path / "small.gguf")
    assert run_command_line(
        ["models", "bench", str(file), "--prompt", "32", "--generate", "0", "--repetitions", "2",
         "--threads", "1", "--json"]
    ) == 0  # fmt: skip
    (row,) = json.loads(capsys.readouterr().out)
    (test,) = row["tests"]
    assert test["test"] == "pp32" and test["tokens_per_s"] > 0 and len(test["values"]) == 2
    assert run_command_line(["models", "bench"]) == 4


def test_compare_survives_a_kill(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    child = subprocess.Popen(
        command("compare", "--models", "random", "tpe", "--baselines", "",
                "--tasks", task, "--seeds", "2", "--budget", "4", "--new", "mine"),
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    cells = Path(os.environ["HYPERLLAMA_HOME"]) / "comparisons" / "mine" / "cells"
    while child.poll() is None and not any(f.stat().st_size for f in cells.glob("*.jsonl")):
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert run_command_line(["compare", "mine", "--queue"]) == 0
    assert "no process works on it" in capsys.readouterr().out
    assert run_command_line(["compare", "mine", "--last", "random"]) == 0
    assert run_command_line(["compare", "mine", "--json"]) == 0
    said = capsys.readouterr()
    assert "about " in said.err and "estimated from earlier comparisons" in said.err
    told = json.loads(said.out.split("no process works on it\n")[-1])
    assert {r["contender"] for r in told["rows"]} == {"random", "tpe"}
    assert all(r["cells"] == 2 for r in told["rows"]) and not told["failed"]
    numbers = [
        json.loads(line)["trial"]["number"]
        for f in cells.glob("*.jsonl") for line in f.read_text().splitlines() if '"trial"' in line
    ]  # fmt: skip
    assert sorted(numbers) == sorted([0, 1, 2, 3] * 4)
    assert run_command_line(["compare", "--list"]) == 0
    assert "mine: finished, 16 trials" in capsys.readouterr().out
    assert run_command_line(["compare"]) == 2
    assert run_command_line(["compare", "other"]) == 7


def test_baselines_are_shown_and_switched_off(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["baselines", "quick", "--show"]) == 0
    assert "nothing yet" in capsys.readouterr().out
    assert run_command_line(["baselines", "quick", "--off"]) == 0
    assert run_command_line(["baselines", "quick"]) == 7
    assert "switched off" in capsys.readouterr().err
    assert run_command_line(["baselines", "quick", "--on"]) == 0
    assert run_command_line(["baselines", "quick", "--show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "none"
    assert run_command_line(["baselines", "nothing", "--show"]) == 7


def test_new_with_a_models_space(
    task: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("llama_cpp")
    monkeypatch.chdir(task.parent)
    asked = ["new", "quick.csv", "--force", "--estimator", "decision_tree"]
    assert run_command_line([*asked, "--space-from", "embedded", "--yes"]) == 0
    assert "proposes:" in capsys.readouterr().err
    assert "\nmax_depth = {low = " in Path("quick.toml").read_text()
    assert run_command_line([*asked, "--space-from", "embedded"]) == 2
    assert "nobody is here" in capsys.readouterr().err


def test_a_table_a_task_or_a_study_opens_the_interface(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, study = tmp_path / "x.csv", next((there / "studies").iterdir()).name
    table.write_text("a,b\n1,2\n")
    asked: list[dict[str, str]] = []
    monkeypatch.setattr("hyperllama.tui.app.run", lambda **given: asked.append(given) or 0)
    for word in (str(table), study):
        assert run_command_line([word]) == 0
    assert asked == [{"table": str(table)}, {"study": study}]
    with pytest.raises(SystemExit):
        run_command_line(["no-such-study"])


def test_two_failed_trials_of_two_are_exit_code_8() -> None:
    from hyperllama.core.events import StudyFinished
    from hyperllama.tui.cli.study.session import run_here

    arguments: Any = argparse.Namespace(json=True, baselines=False)
    ends = [StudyFinished("budget", None, None, None), StudyFinished("budget", 1, 0.5, 0.5),
            StudyFinished("minutes", None, None, None), StudyFinished("error", None, None, None)]

    def code(end: StudyFinished) -> int:
        return run_here(arguments, lambda listener, interrupted: end)

    assert [code(end) for end in ends] == [8, 0, 0, 8]


@pytest.mark.parametrize(("redirected", "code"), [(">&-", 0), (">/dev/full", 7)])
def test_output_that_is_closed_or_full(redirected: str, code: int) -> None:
    shell = ["bash", "-c", f'exec "$@" {redirected}', "-", *command("studies")]
    done = subprocess.run(shell, env=environment(), capture_output=True, text=True)
    assert done.returncode == code and "internal error" not in done.stderr
    assert ("No space left" in done.stderr) == (code == 7)


def test_a_bench_that_is_interrupted_says_how_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hyperllama.core.experiments.bench.run_bench", stopped)
    words = ["bench", "landscapes", "himmelblau", "--methods", "gp"]
    assert run_command_line(words) == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on from here\n"
