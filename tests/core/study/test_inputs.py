"""A study is opened with other rows, another task, a moved or damaged folder, and is repaired."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.errors import StudyError
from hyperllama.core.events import Event, Noted, StudySteered, TrialNoted
from hyperllama.core.storage.database import open_storage, study_exists
from hyperllama.core.storage.folder import EVENTS, SUMMARY, TASK, all_summaries, take_in
from hyperllama.core.storage.paths import DATABASE, shared_database, study_dir
from hyperllama.core.storage.sqlite_file import BACKUP
from hyperllama.core.storage.store import Store
from hyperllama.core.study import StudyState
from hyperllama.core.study.history import read_state, store_event
from hyperllama.core.study.repair import repair
from hyperllama.core.study.starting.opening import resume, start
from hyperllama.core.study.starting.options import Options
from tests.core.fakes import SPACE
from tests.core.study.test_launch import LaunchRunner
from tests.small import write_task


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(LaunchRunner, "troubles", [])
    monkeypatch.setattr("hyperllama.core.study.starting.problem.TrialRunner", LaunchRunner)
    return write_task(tmp_path / "work")


def begin(task: Path, trials: int = 2, **more: Any) -> None:
    start(task, Options(proposer="random", trials=trials, **more))


def warnings_on_resume() -> list[str]:
    heard: list[Event] = []
    resume("quick", more=1, listener=lambda event, *_: heard.append(event))
    return [event.text for event in heard if isinstance(event, Noted)]


def test_a_study_begins_with_the_best_of_an_earlier_one(task: Path) -> None:
    begin(task, 6)
    earlier = read_state("quick")
    heard: list[Event] = []
    options = Options(proposer="gp", trials=4, seed=9, warm_start=("quick",))
    start(task, options, study="next", listener=lambda event, *_: heard.append(event))
    trials = read_state("next").trials
    assert [t.proposer for t in trials] == ["default", "earlier", "earlier", "gp"]
    best = earlier.best
    assert best is not None and best.config in [t.config for t in trials[:3]]
    assert "of the study quick" in trials[1].reasoning
    assert resume("next", more=1).why == "budget" and len(read_state("next").trials) == 5
    with pytest.raises(StudyError, match="begun without these earlier studies"):
        resume("next", Options(warm_start=("other",)), more=1)
    start(task, Options(proposer="random", trials=1), study="third",
          listener=lambda event, *_: heard.append(event))  # fmt: skip
    assert any("same columns were tuned before" in e.text for e in heard if isinstance(e, Noted))
    with pytest.raises(StudyError, match="no study 'none'"):
        start(task, Options(trials=1, warm_start=("none",)), study="fourth")
    assert not study_dir("fourth").exists()


def test_other_rows_are_refused(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(task)
    assert resume("quick", more=1).why == "budget"
    with monkeypatch.context() as changed:
        changed.setattr(LaunchRunner, "fingerprint", "another table")
        changed.setattr(LaunchRunner, "rows", 440)
        with pytest.raises(StudyError, match="had 100 rows, now 440") as caught:
            resume("quick", more=1)
        assert "--data" in caught.value.hint
        assert "`hyperllama run TASK --warm-start quick`" in caught.value.hint
        with pytest.raises(StudyError, match="not the table"):
            resume("quick", more=1, data=task.with_name("quick.csv"))
    assert resume("quick", more=1).why == "budget"


def test_a_moved_table_is_pointed_to(task: Path) -> None:
    begin(task)
    moved = task.with_name("quick.csv").rename(task.with_name("moved.csv"))
    assert resume("quick", more=1, data=moved).why == "budget"
    assert str(moved) in (study_dir("quick") / TASK).read_text()
    assert not [text for text in warnings_on_resume() if "edited" in text]


def test_an_edited_task_file_is_named(task: Path) -> None:
    begin(task)
    assert not [text for text in warnings_on_resume() if "changed" in text]
    task.write_text(task.read_text() + "\n[limits]\ntrial_seconds = 77\n")
    assert any("limits" in text and "keeps its copy" in text for text in warnings_on_resume())
    own = study_dir("quick") / TASK
    own.write_text(own.read_text() + "# mine\n")
    assert any("was edited" in text for text in warnings_on_resume())
    assert "# mine" not in own.read_text()
    assert "# mine" in own.with_name("task.edited.toml").read_text()


def test_other_libraries_are_named(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"scikit-learn": "0.1", "xgboost": "0.2"}
    with monkeypatch.context() as before:
        before.setattr("hyperllama.core.study.starting.opening.library_versions", lambda: old)
        begin(task)
    assert sum("when this study began" in text for text in warnings_on_resume()) == 2


def test_a_folder_is_carried_away(task: Path, tmp_path: Path) -> None:
    begin(task, 3)
    carried = tmp_path / "stick" / "quick"
    shutil.copytree(study_dir("quick"), carried)
    with pytest.raises(StudyError, match="already") as caught:
        take_in(carried)
    assert "--as" in caught.value.hint
    assert take_in(carried, "other") == "other"
    assert read_state("other").done_count == 3
    assert resume("other", more=1).why == "budget"
    assert (read_state("other").done_count, read_state("quick").done_count) == (4, 3)
    with pytest.raises(StudyError, match="not the folder of a study"):
        take_in(tmp_path)


def test_a_study_leaves_the_database_that_it_shared(task: Path) -> None:
    begin(task, 3, storage=shared_database())
    before = read_state("quick")
    assert resume("quick", more=1).why == "budget"
    after = read_state("quick")
    assert after.trials[:3] == before.trials and after.done_count == 4
    assert (study_dir("quick") / DATABASE).exists()
    assert not study_exists(open_storage(shared_database()), "quick")


def test_a_lost_folder_is_said_with_the_studies_that_there_are(task: Path) -> None:
    begin(task)
    shutil.copytree(study_dir("quick"), study_dir("quick").with_name("other"))
    shutil.rmtree(study_dir("quick"))
    for hopeless in (lambda: resume("quick"), lambda: repair("quick")):
        with pytest.raises(StudyError, match="there is no study 'quick'") as caught:
            hopeless()
        assert caught.value.hint == "studies here: other"
    assert resume("other", more=1).why == "budget"  # what the hint names goes on


def test_a_study_whose_folder_is_lost_goes_on_from_the_storage_it_shared(task: Path) -> None:
    begin(task, 2, storage=shared_database())
    shutil.rmtree(study_dir("quick"))
    assert resume("quick", Options(storage=shared_database()), more=1).why == "budget"
    assert len(read_state("quick", shared_database()).trials) == 3


def steer() -> None:
    """A range, a note: what stands beside the trials."""
    store = Store.open(open_storage(f"sqlite:///{study_dir('quick') / DATABASE}"), "quick")
    ranges = {"max_depth": {"low": 2, "high": 5}}
    store_event(store, StudySteered(1, "narrower", {"ranges": ranges}), SPACE)
    store_event(store, TrialNoted(1, "good"), SPACE)
    store.close()


def garble(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(64):
        content[random.randrange(len(content))] = random.randrange(256)
    content[:16] = bytes(16)
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbled": garble,
    "empty": lambda file: file.write_bytes(b""),
    "missing": lambda file: file.unlink(),
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
}


@pytest.mark.parametrize(
    ("damage", "lost"),
    [("garbled", ""), ("empty", BACKUP), ("missing", EVENTS), ("cut", BACKUP)],
)
def test_a_damaged_database_is_rebuilt(task: Path, damage: str, lost: str) -> None:
    begin(task, 4)
    steer()
    resume("quick", more=1)
    folder, before = study_dir("quick"), read_state("quick")
    DAMAGES[damage](folder / DATABASE)
    if lost:
        (folder / lost).unlink()
    with pytest.raises(StudyError) as caught:
        resume("quick", more=1)
    assert "repair" in caught.value.hint
    assert [s["study"] for s in all_summaries()] == ["quick"]
    assert repair("quick").trials == 5
    assert same(read_state("quick"), before)
    assert resume("quick", more=1).why == "budget"
    assert read_state("quick").done_count == 6
    assert bool(list(folder.glob("*.damaged-1"))) == (damage != "missing")


def same(found: StudyState, before: StudyState) -> bool:
    """Whether two states tell the same of trials, notes and steering."""
    def told(state: StudyState) -> list[Any]:
        trials = [(t.number, t.config, t.value, t.fold_scores, t.seconds, t.note, t.proposer)
                  for t in state.trials]  # fmt: skip
        assert state.opened is not None
        return [trials, [a.text for a in state.actions], state.opened.ranges, state.incumbent,
                state.finished and state.finished.why]  # fmt: skip

    return told(found) == told(before)


def test_nothing_is_left_to_repair_from(task: Path) -> None:
    begin(task)
    for name in (DATABASE, BACKUP, EVENTS):
        (study_dir("quick") / name).unlink(missing_ok=True)
    with pytest.raises(StudyError, match="nothing is left"):
        repair("quick")


def test_a_lost_summary_hides_no_study(task: Path) -> None:
    begin(task)
    (study_dir("quick") / SUMMARY).write_text('{"study": 3, "updated_t": "x"')
    assert [(s["study"], s["state"]) for s in all_summaries()] == [("quick", "unknown")]
    assert resume("quick", more=1).why == "budget"


def test_what_is_kept_is_private_and_what_is_exported_is_not(
    task: Path, tmp_path: Path, home: Path
) -> None:
    from hyperllama.tui.cli import run_command_line

    home.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        run_command_line(["studies"])
        begin(task)
        table = task.with_name("quick.csv")
        assert run_command_line(["new", str(table), "-o", str(tmp_path / "mine.toml")]) == 0
    finally:
        os.umask(before)
        os.environ.pop("HYPERLLAMA_UMASK")
    kept = [home, *home.rglob("*")]
    assert [p for p in kept if p.stat().st_mode & 0o077] == []
    assert (tmp_path / "mine.toml").stat().st_mode & 0o777 == 0o644
