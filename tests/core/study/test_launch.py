"""Starting and resuming studies, with a runner that needs no child."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import optuna
import pytest

from hyperllama.core.errors import ChildDied, DataError, ModelFileError, SpaceError, StudyError
from hyperllama.core.estimators import Facts
from hyperllama.core.events import Event, Noted, StudyOpened
from hyperllama.core.events.requests import Extend, SwitchProposer
from hyperllama.core.prompt.templates import PromptError
from hyperllama.core.storage.folder import SUMMARY, TASK, Lock, read_summary
from hyperllama.core.storage.paths import DATABASE, own_database, shared_database, study_dir
from hyperllama.core.storage.reading import read_stored
from hyperllama.core.study.history import read_state
from hyperllama.core.study.starting.its_model import with_its_model
from hyperllama.core.study.starting.opening import resume, start
from hyperllama.core.study.starting.options import Options, choose_proposer, gpu_layers
from hyperllama.core.task import load_task
from hyperllama.tui.cli import run_command_line
from tests.core.fakes import SPACE, FakeRunner, database
from tests.models.tiny_gguf import write_tiny
from tests.small import TASK as TEXT
from tests.small import write_task

RANDOM = Options(proposer="random")


class Stopper(BaseException):
    """Stands for a kill."""


class LaunchRunner(FakeRunner):
    """A TrialRunner with a table of its own; `troubles` are raised by the next openings."""

    troubles: ClassVar[list[BaseException]] = []
    rows, test_rows, folds, summary = 100, 25, 3, ("100 rows",)
    fingerprint, chance = "one table", ()

    def __init__(self, task_file: Path, *, threads: int = 0, **more: Any) -> None:
        super().__init__()
        self.task = load_task(task_file)
        self.threads = threads

    def open(self, should_stop: Callable[[], bool] | None = None) -> Any:
        if self.troubles:
            raise self.troubles.pop(0)
        return SimpleNamespace(
            task=self.task, kind="classification", metric="accuracy", space=SPACE,
            facts=Facts(rows=100, features=3), estimators=("xgboost",),
            columns=tuple(SimpleNamespace(name=name) for name in "abc"),
            warnings=("a is odd",), fingerprint=self.fingerprint, validation=self.task.validation,
            objectives=(), constraints=(),
        )

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    LaunchRunner.troubles = []
    monkeypatch.setattr("hyperllama.core.study.starting.problem.TrialRunner", LaunchRunner)


@pytest.fixture
def task(tmp_path: Path, home: Path) -> Path:
    home.mkdir()
    (home / "studies.db").write_bytes(database())
    return write_task(tmp_path / "work")


def test_a_study_keeps_what_it_was_started_with(task: Path) -> None:
    heard: list[Event] = []
    options = Options(proposer="random", trials=3, seed=7, threads=2, temperature=0.5)
    end = start(task, options, listener=lambda event, *_: heard.append(event))
    assert end.why == "budget"
    opened = heard[0]
    assert isinstance(opened, StudyOpened)
    assert (opened.study, opened.seed, opened.rows, opened.folds) == ("quick", 7, 100, 3)
    assert opened.warnings == ("a is odd",) and opened.model == ""
    assert opened.space[1]["type"] == "integer" and opened.space[1]["high"] == 12
    facts = read_stored("quick")
    assert facts.attrs["settings"]["threads"] == 2 and facts.attrs["settings"]["seed"] == 7
    assert load_task(study_dir("quick") / TASK).data.path == task.with_name("quick.csv")
    summary = read_summary(study_dir("quick"))
    assert summary is not None and summary["state"] == "finished" and summary["trials"] == 3
    assert "begun" not in summary


def test_prompt_options_of_the_command_stand_over_those_of_the_task(task: Path) -> None:
    task.write_text(task.read_text() + '[prompt]\nhistory = "chat"\nrecent = 9\n')
    start(task, Options(proposer="random", trials=1, prompt={"recent": 3}))
    kept = {"history": "chat", "recent": 3}
    assert read_stored("quick").attrs["settings"]["prompt"] == kept
    resume("quick", Options(prompt={"reasoning": False}), more=1)
    assert read_stored("quick").attrs["settings"]["prompt"] == {**kept, "reasoning": False}


def test_templates_that_cannot_be_used_are_refused_at_once(task: Path) -> None:
    folder = task.parent / "mine"
    wanted = Options(proposer="random", trials=1, prompt={"templates": str(folder)})
    with pytest.raises(PromptError, match="no such folder"):
        start(task, wanted)
    folder.mkdir()
    (folder / "ask.md").write_text("Propose {{what}}.")
    with pytest.raises(PromptError, match=r"ask\.md: unknown name"):
        start(task, wanted)
    (folder / "ask.md").write_text("Propose {{number}}.")
    assert start(task, wanted).why == "budget"


def test_names_are_chosen_or_given(task: Path) -> None:
    for name, given in (("quick", None), ("quick-2", None), ("mine", "mine")):
        start(task, Options(proposer="random", trials=1), study=given)
        assert (study_dir(name) / SUMMARY).exists()
    with pytest.raises(StudyError, match="'mine' already"):
        start(task, RANDOM, study="mine")
    with pytest.raises(StudyError, match="cannot be the name"):
        start(task, RANDOM, study="a/b")


def test_a_relative_storage_holds_everywhere(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    start(task, Options(proposer="random", trials=1, storage="sqlite:///here.db"))
    assert (tmp_path / "here.db").exists()
    monkeypatch.chdir("/")
    assert resume("quick", more=1).why == "budget"


def test_a_name_that_was_just_taken_leads_to_the_next(
    task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["quick", "quick-2"])
    monkeypatch.setattr("hyperllama.core.storage.claim.free_name", lambda stem: next(names))
    other = Lock(study_dir("quick"))
    other.take()
    start(task, Options(proposer="random", trials=1))
    other.release()
    assert read_summary(study_dir("quick-2")) and not read_summary(study_dir("quick"))


def test_resume_goes_on_with_the_same_settings(task: Path) -> None:
    whole = start(task, Options(proposer="random", trials=6, seed=7), study="whole")
    start(task, Options(proposer="random", trials=2, seed=7), study="part")
    assert resume("part").why == "budget"
    assert resume("part", more=2).why == "budget"
    assert resume("part", Options(trials=6)).best_value == whole.best_value
    first, second = (read_stored(n).trials for n in ("whole", "part"))
    assert [(t.number, t.config, t.value) for t in first] == [
        (t.number, t.config, t.value) for t in second
    ]


def test_resume_may_change_the_proposer_but_not_the_seed(task: Path) -> None:
    start(task, Options(proposer="random", trials=2))
    resume("quick", Options(proposer="tpe"), more=2)
    proposers = [t.proposer for t in read_stored("quick").trials]
    assert proposers == ["default", "random", "tpe", "tpe"]
    with pytest.raises(StudyError, match="seed 0"):
        resume("quick", Options(seed=9))
    with pytest.raises(SpaceError, match="unknown proposer"):
        resume("quick", Options(proposer="oracle"))
    assert read_stored("quick").attrs["proposer"] == "tpe"


def test_a_model_that_is_gone_gives_way_to_one_that_was_asked_for(tmp_path: Path) -> None:
    gone = Options(proposer="llama", model=str(tmp_path / "gone.gguf"))
    with pytest.raises(ModelFileError, match="does not exist") as error:
        with_its_model("s", gone, [Extend(2)])
    assert "`hyperllama resume s --model NAME`, or M in the interface" in error.value.hint
    here = tmp_path / "here.gguf"
    write_tiny(here)
    asked = [SwitchProposer("", "embedded"), Extend(2), SwitchProposer("hybrid", str(here))]
    options, model = with_its_model("s", gone, asked)
    assert (options.proposer, options.model, model) == ("hybrid", str(here), here)
    options, model = with_its_model("s", gone, [SwitchProposer("gp")])
    assert (options.proposer, model) == ("gp", None)
    kept = replace(gone, model=str(here))
    assert with_its_model("s", kept, asked) == (kept, here)


def test_what_fails_before_the_study_exists_leaves_nothing(task: Path) -> None:
    LaunchRunner.troubles = [DataError("no column 'y'")]
    with pytest.raises(DataError):
        start(task, RANDOM)
    assert not study_dir("quick").exists()
    with pytest.raises(ModelFileError):
        start(task, Options(model="no-such-model"))
    assert not study_dir("quick").exists()
    assert start(task, Options(proposer="random", trials=1)).why == "budget"


def test_a_child_that_dies_while_loading_gets_a_second_try(task: Path) -> None:
    LaunchRunner.troubles = [ChildDied("SIGKILL")]
    assert start(task, Options(proposer="random", trials=1)).why == "budget"
    LaunchRunner.troubles = [ChildDied("SIGKILL"), ChildDied("SIGKILL")]
    with pytest.raises(ChildDied):
        start(task, RANDOM, study="other")


@pytest.mark.parametrize("moment", ["summary", "task", "table", "study", "attributes"])
def test_killed_while_opening(task: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the kill comes: `resume` works, or nothing says that there is a study."""
    from hyperllama.core.storage.store import Store

    def die(*arguments: object, **more: object) -> None:
        raise Stopper

    opening = "hyperllama.core.study.starting.opening"
    with monkeypatch.context() as patched:
        patched.setattr(f"{opening}.shutil.rmtree", lambda *a, **k: None)
        patched.setattr(f"{opening}.Path.unlink", lambda *a, **k: None)
        if moment == "summary":
            patched.setattr(f"{opening}.write_summary", die)
        elif moment == "task":
            patched.setattr(f"{opening}.write_atomically", die)
        elif moment == "table":
            LaunchRunner.troubles = [Stopper()]
        elif moment == "study":
            patched.setattr(Store, "create", die)
        else:
            patched.setattr(Store, "set_attrs", die)
        with pytest.raises(Stopper):
            start(task, Options(proposer="random", trials=3, seed=5), study="s")
    if moment == "summary":
        assert start(task, Options(proposer="random", trials=3, seed=5), study="s").why == "budget"
    else:
        assert (read_summary(study_dir("s")) or {})["state"] == "interrupted"
        assert resume("s").why == "budget"
    whole = start(task, Options(proposer="random", trials=3, seed=5), study="whole")
    assert whole.best_value == read_state("s").best.value  # type: ignore[union-attr]
    assert read_stored("s").attrs["settings"]["seed"] == 5


def test_budgets_come_from_the_task_unless_given(task: Path) -> None:
    task.write_text(TEXT.replace("trials = 4", "minutes = 0.5"))
    heard: list[Event] = []
    start(task, Options(proposer="random", trials=1), listener=lambda e, *_: heard.append(e))
    opened = heard[0]
    assert isinstance(opened, StudyOpened)
    assert (opened.budget_trials, opened.budget_s) == (1, None)
    heard.clear()
    resume("quick", Options(minutes=0.0001), listener=lambda e, *_: heard.append(e))
    assert isinstance(heard[0], StudyOpened) and heard[0].budget_trials == 1


def test_without_a_model_tpe_proposes_and_says_so(
    task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(name: object) -> Path:
        raise ModelFileError("this installation has no embedded model")

    monkeypatch.setattr("hyperllama.models.gguf.resolve_model", none)
    heard: list[Event] = []
    start(task, Options(trials=2), listener=lambda event, *_: heard.append(event))
    assert any(isinstance(e, Noted) and "tpe proposes" in e.text for e in heard)
    assert [t.proposer for t in read_stored("quick").trials] == ["default", "tpe"]
    with pytest.raises(ModelFileError):
        choose_proposer("llama", None)
    with pytest.raises(ModelFileError):
        choose_proposer(None, "mine.gguf")
    assert choose_proposer("random", "mine.gguf") == ("random", None)


def test_hybrid_proposes_where_nothing_is_said_whatever_the_model(tmp_path: Path) -> None:
    assert choose_proposer(None, None) == ("hybrid", None)
    chat = str(write_tiny(tmp_path / "tiny.gguf"))
    assert choose_proposer(None, chat) == ("hybrid", None)
    assert choose_proposer("llama", chat) == ("llama", None)


def test_another_storage_and_a_lost_folder(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere' / 'studies.db'}"
    start(task, Options(proposer="random", trials=2, storage=url))
    with pytest.raises(StudyError, match="has no study"):
        read_stored("quick", shared_database())
    assert resume("quick", more=1).why == "budget"  # the folder knows where
    for file in study_dir("quick").iterdir():
        file.unlink()
    study_dir("quick").rmdir()
    with pytest.raises(StudyError, match="no study 'quick'"):
        resume("quick")
    assert run_command_line(["show", "quick", "--storage", url, "--follow"]) == 0
    assert "go on with" not in (said := capsys.readouterr().out) and "default" in said
    assert resume("quick", Options(storage=url), more=1).why == "budget"
    assert len(read_stored("quick").trials) == 4


def test_a_password_is_not_kept_and_asked_for_again(task: Path) -> None:
    start(task, Options(proposer="random", trials=1))
    file = study_dir("quick") / SUMMARY
    (study_dir("quick") / DATABASE).unlink()
    summary = json.loads(file.read_text())
    summary["storage"] = "postgresql://me:***@host/db"
    file.write_text(json.dumps(summary))
    with pytest.raises(StudyError, match="its password is not kept"):
        resume("quick")


def test_studies_of_other_programs_are_not_resumed(task: Path) -> None:
    start(task, Options(proposer="random", trials=1))
    url = own_database(study_dir("quick"))
    optuna.create_study(study_name="theirs", storage=url)
    with pytest.raises(StudyError, match="not made by HyperLlama"):
        resume("theirs", Options(storage=url))
    assert read_stored("theirs", url).direction == "minimize"


def test_gpu_layers() -> None:
    assert (gpu_layers("auto"), gpu_layers("12")) == ("auto", 12)
