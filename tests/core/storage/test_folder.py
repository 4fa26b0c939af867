"""A study's folder: one owner at a time, summaries that are whole, requests heard once, logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hyperllama.core.errors import StudyError
from hyperllama.core.events import Event, Noted, StudyFinished, from_json
from hyperllama.core.events.requests import (
    Extend,
    Hint,
    Pause,
    QueueTrial,
    Stop,
)
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.storage.folder import (
    Lock,
    all_summaries,
    check_name,
    find_study,
    free_name,
    hide_password,
    holder,
    read_summary,
    write_summary,
)
from hyperllama.core.storage.paths import close_home, study_dir
from hyperllama.core.storage.proposal_log import ProposalLog, read_proposals
from hyperllama.core.storage.request_log import Inbox, log_bytes, send

_HOLD = """
import sys
from pathlib import Path
from hyperllama.core.storage.folder import Lock
lock = Lock(Path(sys.argv[1]))
lock.take()
print("taken", flush=True)
sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert process.stdout is not None and process.stdout.readline() == "taken\n"
    return process


def test_one_process_works_on_a_study(tmp_path: Path) -> None:
    other = hold(tmp_path)
    assert holder(tmp_path) == other.pid
    with pytest.raises(StudyError, match=f"process {other.pid}") as caught:
        Lock(tmp_path).take(patience_s=0.0)
    assert "watch it" in caught.value.hint
    other.kill()
    other.wait()
    assert holder(tmp_path) is None
    lock = Lock(tmp_path)
    lock.take()
    assert holder(tmp_path) == os.getpid()
    lock.release()
    lock.release()
    assert holder(tmp_path) is None


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be written"):
        Lock(tmp_path / "file" / "study").take()


def test_summaries_know_what_is_running() -> None:
    folders = [study_dir(n) for n in ("a", "b", "c")]
    for i, folder in enumerate(folders):
        folder.mkdir(parents=True)
        state = "finished" if i == 2 else "running"
        write_summary(folder, {"study": folder.name, "state": state, "updated_t": float(i)})
    lock = Lock(folders[0])
    lock.take()
    (study_dir("d")).mkdir()
    (study_dir("e")).mkdir()
    (study_dir("e") / "summary.json").write_text('{"study": "e", "sta')
    states = [(s["study"], s["state"], s["live"]) for s in all_summaries()]
    assert states == [("c", "finished", False), ("b", "interrupted", False), ("a", "running", True),
                      ("e", "unknown", False)]  # fmt: skip
    lock.release()
    assert not list(folders[0].glob("*.part"))
    assert read_summary(study_dir("d")) is None
    assert [s["study"] for s in all_summaries("\"state\": \"finished\"")] == [
        name for name, state, _ in states if state == "finished"
    ]


def test_names() -> None:
    assert check_name("a-1.b_c") == "a-1.b_c"
    for wrong in ("", "a b", "../x", ".hidden", "a/b", "x" * 101, "-x"):
        with pytest.raises(StudyError, match="cannot be the name"):
            check_name(wrong)
    assert free_name("My table!") == "My-table"
    study_dir("My-table").mkdir(parents=True)
    assert free_name("My table!") == "My-table-2"
    assert free_name("///") == "study"


def test_passwords_are_not_shown() -> None:
    assert hide_password("postgresql://u:s@cret@h/d") == "postgresql://u:***@h/d"
    assert hide_password("mysql://h/d?user=u&password=x&a=b") == "mysql://h/d?user=u&password=***&a=b"
    assert hide_password("sqlite:////a:b/c.db") == "sqlite:////a:b/c.db"


def test_an_unknown_study_is_named_with_those_that_exist() -> None:
    with pytest.raises(StudyError, match="no study 'x'") as caught:
        find_study("x")
    assert "no study was run" in caught.value.hint
    write_folder = study_dir("titanic")
    write_folder.mkdir(parents=True)
    write_summary(write_folder, {"study": "titanic"})
    with pytest.raises(StudyError) as caught:
        find_study("titan")
    assert "titanic" in caught.value.hint
    for other in ("titan2", "wine"):
        study_dir(other).mkdir()
        write_summary(study_dir(other), {"study": other})
    with pytest.raises(StudyError) as caught:
        find_study("titamic")
    assert caught.value.hint == "studies here: titanic"
    assert find_study("titanic") == write_folder


def test_requests_are_heard_once_and_in_order(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    assert inbox.read() == []
    send(tmp_path, Pause())
    send(tmp_path, QueueTrial({"C": 1.0}))
    assert inbox.read() == [Pause(), QueueTrial({"C": 1.0})]
    assert inbox.read() == []
    inbox.done()
    send(tmp_path, Hint("smaller"))
    assert Inbox(tmp_path).read() == [Hint("smaller")]
    assert Inbox(tmp_path).read() == [Hint("smaller")]  # nobody said it was dealt with


def test_what_nobody_was_there_to_hear_is_told_from_what_was_asked_since(tmp_path: Path) -> None:
    send(tmp_path, Pause())
    unowned = log_bytes(tmp_path)
    send(tmp_path, Stop())
    inbox = Inbox(tmp_path, unowned)
    assert inbox.read_unowned() == [Pause()] and inbox.read_unowned() == []
    assert inbox.read() == [Stop()]
    inbox.done()
    assert Inbox(tmp_path).read_unowned() == []


def test_torn_and_foreign_requests_are_told_not_followed(tmp_path: Path) -> None:
    file = tmp_path / "commands.jsonl"
    lines = [
        "not json", "[1]", '{"do": "fly"}', '{"do": "hint"}', '{"do": "queue", "config": 3}',
        '{"do": "extend", "trials": "many"}', '{"do": "propose"}',
        '{"do": "extend", "trials": 2, "later": true}', '{"do": "stop"}', '{"do": "pau',
    ]
    file.write_text("\n".join(lines))
    inbox = Inbox(tmp_path)
    heard = inbox.read()
    assert all(isinstance(h, str) for h in heard[:7])
    assert heard[7:] == [Extend(2), Stop()]
    with file.open("a") as rest:
        rest.write('se"}\n')
    assert inbox.read() == [Pause()]


def test_a_request_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="has no folder here"):
        send(tmp_path / "nowhere", Pause())


def test_events_are_lines_at_once_and_a_new_start_is_a_new_file(tmp_path: Path) -> None:
    heard: list[tuple[Event, float]] = []
    log = EventLog(tmp_path / "events.jsonl", clock=lambda: 5.0)
    log.listen(lambda event, t: heard.append((event, t)))
    log.begin(Noted("info", "first"), [(Noted("info", "past"), 1.0)])
    log.emit(Noted("info", "now\nand\u2028then"))
    file = tmp_path / "events.jsonl"
    inode = file.stat().st_ino
    told = [from_json(line) for line in file.read_text("utf8").split("\n") if line]
    assert [t and (t[0].text, t[1]) for t in told if t and isinstance(t[0], Noted)] == [
        ("first", 5.0), ("past", 1.0), ("now\nand\u2028then", 5.0),
    ]
    assert [t for _, t in heard] == [5.0, 5.0]
    log.begin(StudyFinished("budget", None, None, None), [])
    assert file.stat().st_ino != inode and len(file.read_text("utf8").splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["events.jsonl"]


def test_the_proposal_log_survives_a_torn_line(tmp_path: Path) -> None:
    file = tmp_path / "proposals.jsonl"
    log = ProposalLog(file)
    log.append({"number": 0, "reply": "größer\n"})
    log.close()
    with file.open("ab") as torn:
        torn.write(b'{"number": 1, "reply": "hal')
    again = ProposalLog(file)
    again.append({"number": 1, "odd": {1, 2} and Path("x")})
    again.close()
    records = list(read_proposals(file))
    assert [r["number"] for r in records] == [0, 1] and records[0]["reply"] == "größer\n"
    assert json.dumps(records[1]) and list(read_proposals(tmp_path / "none")) == []


def test_a_deleted_study_leaves_the_storage_after_a_week(tmp_path: Path) -> None:
    from sqlalchemy import text

    from hyperllama.core.storage import trash
    from hyperllama.core.storage.database import engine_of, open_storage, study_exists
    from hyperllama.core.study.starting.opening import start
    from hyperllama.core.study.starting.options import Options
    from tests.small import write_task

    url = f"sqlite:///{tmp_path / 'shared.db'}"
    options = Options(proposer="random", trials=1, storage=url)
    start(write_task(tmp_path), options, study="mine")
    trash.delete("mine")
    assert study_exists(open_storage(url), "mine")
    assert trash.empty_trash(time.time() + 8 * 86_400) == ["mine"]
    assert not study_exists(open_storage(url), "mine") and not list(trash.trash().iterdir())
    with engine_of(open_storage(url)).connect() as connection:  # its prompts are gone, too
        assert not connection.execute(text("SELECT * FROM hyperllama_logs")).all()


def test_a_damaged_summary_does_not_hide_the_other_studies() -> None:
    for name in ("damaged", "whole"):
        study_dir(name).mkdir(parents=True)
        write_summary(study_dir(name), {"study": name, "updated_t": 5.0, "best_value": 0.5})
    damaged = {"study": 3, "updated_t": "x", "best_value": "b", "storage": 7, "budget_trials": None}
    write_summary(study_dir("damaged"), damaged)
    whole, other = all_summaries()
    assert (whole["study"], whole["best_value"]) == ("whole", 0.5)
    assert other["study"] == "damaged" and other["budget_trials"] is None
    assert not {"updated_t", "best_value", "storage"} & set(other)


def test_a_data_folder_is_closed_to_others_and_a_file_in_its_place_is_let_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, closed in ((tmp_path / "file", False), (tmp_path / "folder", True)):
        path.mkdir() if closed else path.touch()
        path.chmod(0o755)
        monkeypatch.setenv("HYPERLLAMA_HOME", str(path))
        assert close_home() is closed
        assert path.stat().st_mode & 0o777 == (0o700 if closed else 0o755)
