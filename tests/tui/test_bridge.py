"""Reading a study that another process writes, and asking it for things."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from hyperllama.core.errors import StudyError
from hyperllama.core.events import Noted, to_json
from hyperllama.core.events.requests import Hint, Pause
from hyperllama.core.storage import request_log
from hyperllama.core.storage.event_log import EventTail
from hyperllama.core.storage.folder import Lock
from hyperllama.core.storage.paths import study_dir
from hyperllama.tui.processes import bridge
from tests.tui import recorded

FAKE = (sys.executable, str(Path(__file__).with_name("fake_study.py")))


def line(text: str) -> str:
    return to_json(Noted("info", text), 1.0) + "\n"


def texts(tail: EventTail) -> list[str]:
    events, _ = tail.read()
    return [event.text for event, _ in events if isinstance(event, Noted)]


def test_a_torn_last_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.read() == ([], False)
    whole = line("größer")
    path.write_bytes(line("one").encode() + whole.encode()[:-9])
    assert texts(tail) == ["one"]
    assert texts(tail) == []
    with path.open("ab") as file:
        file.write(whole.encode()[-9:])
    assert texts(tail) == ["größer"]


def test_a_replaced_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(line("old") * 3, "utf8")
    tail = EventTail(path)
    assert texts(tail) == ["old"] * 3
    other = tmp_path / "part"
    other.write_text(line("new"), "utf8")
    other.replace(path)
    events, fresh = tail.read()
    assert fresh and len(events) == 1


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(line(str(i)) for i in range(500)), "utf8")
    tail = EventTail(path)
    found: list[str] = []
    for _ in range(500):
        events, _ = tail.read(1000)
        found += [event.text for event, _ in events if isinstance(event, Noted)]
    assert found == [str(i) for i in range(500)]


def test_a_link_folds_what_is_on_the_disk(home: Path) -> None:
    folder = study_dir("mine")
    folder.mkdir(parents=True)
    text = "".join(to_json(event, t) + "\n" for event, t in recorded.finished(6))
    (folder / "events.jsonl").write_text(text, "utf8")
    link = bridge.FolderLink("mine")
    while link.poll():
        pass
    assert link.state.done_count == 6 and link.state.finished is not None
    assert not link.alive


def test_a_study_lives_while_somebody_holds_its_lock(home: Path) -> None:
    lock = Lock(study_dir("mine"))
    lock.take()
    assert bridge.FolderLink("mine").alive
    lock.release()
    assert not bridge.FolderLink("mine").alive


def test_requests_are_appended_as_lines(home: Path) -> None:
    study_dir("mine").mkdir(parents=True)
    link = bridge.FolderLink("mine")
    link.send(Pause())
    link.send(Hint("größer"))
    lines = (study_dir("mine") / "commands.jsonl").read_text("utf8").splitlines()
    assert [json.loads(text)["do"] for text in lines] == ["pause", "hint"]


async def test_a_started_study_is_followed_and_survives_in_its_own_session(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "COMMAND", FAKE)
    link = await bridge.start(tmp_path / "task.toml")
    assert link.name == "task" and link.process is not None
    assert os.getsid(link.process.pid) != os.getsid(0)
    while link.state.done_count < 1:
        link.poll()
        await asyncio.sleep(0.01)
    link.send(Pause())
    while link.state.phase != "paused":
        link.poll()
        await asyncio.sleep(0.01)
    assert link.alive
    link.process.kill()
    await link.process.wait()
    assert not link.alive and link.state.finished is None
    assert not link.refused  # it began


async def test_a_study_that_cannot_start_leaves_its_words(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "COMMAND", FAKE)
    link = await bridge.start(tmp_path / "broken.toml")
    assert link.process is not None
    await link.process.wait()
    assert link.refused and not link.alive and "no column 'y'" in link.last_output()


async def test_only_a_resumption_that_never_began_counts_as_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study_dir("mine")
    folder.mkdir(parents=True)
    text = "".join(to_json(event, t) + "\n" for event, t in recorded.finished(6))
    (folder / "events.jsonl").write_text(text, "utf8")
    monkeypatch.setattr(bridge, "COMMAND", (sys.executable, "-c", "raise SystemExit('no table')"))
    failed = await bridge.resume("mine")
    assert failed.process is not None
    await failed.process.wait()
    while failed.poll():
        pass
    assert failed.refused and failed.last_output() == "no table"

    monkeypatch.setattr(bridge, "COMMAND", FAKE)
    killed = await bridge.resume("mine")
    killed.continue_from(failed)
    while not killed.state.live:
        killed.poll()
        await asyncio.sleep(0.01)
    assert killed.process is not None
    killed.process.kill()
    await killed.process.wait()
    assert not killed.alive and not killed.refused


def test_choices_become_flags() -> None:
    chosen = bridge.Choices(model="m.gguf", budget="7")
    assert chosen.arguments() == ["--model", "m.gguf", "--budget", "7"]


def test_a_request_to_a_study_without_a_folder_says_that_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="did not start, or was deleted") as caught:
        request_log.send(tmp_path / "gone", Pause())
    assert "writable" not in caught.value.hint  # the folder around it is
