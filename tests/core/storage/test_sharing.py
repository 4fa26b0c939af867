"""A study that several processes work on: claims, owners, what is heard of others, outages."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hyperllama.core.errors import StudyError
from hyperllama.core.events import Noted, StudyWaiting, TrialFinished
from hyperllama.core.space import Config
from hyperllama.core.storage import database, sharing
from hyperllama.core.storage.database import TrialEnded, engine_of, open_storage
from hyperllama.core.storage.folder import hide_password
from hyperllama.core.storage.patience import Patience
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.storage.shared_log import SharedLog
from hyperllama.core.storage.shared_store import SharedStore
from hyperllama.core.study.starting.entering import Awaited, patience_at_opening
from tests.core.fakes import SPACE, Bench


def shared(folder: Path, owner: Bench | None = None, **more: Any) -> Bench:
    """A study with an owner; with one, a process that joins it."""
    url = owner.url if owner is not None else ""
    bench = Bench(folder, url=url, kind=SharedStore, keeps_books=owner is None, **more)
    enter(bench)
    return bench


def enter(bench: Bench) -> SharedStore:
    assert isinstance(bench.store, SharedStore)
    bench.store.enter(bench.folder, bench.keeps_books, lambda label, left_s: None)
    return bench.store


def store_of(bench: Bench) -> SharedStore:
    assert isinstance(bench.store, SharedStore)
    return bench.store


def test_two_processes_run_each_trial_once_and_no_configuration_twice(tmp_path: Path) -> None:
    owner = shared(tmp_path / "owner", budget=14)
    worker = shared(tmp_path / "worker", owner, budget=14)
    for bench in (owner, worker):
        bench.on_sleep = lambda: time.sleep(0.01)
        bench.runner.before = lambda count, config: time.sleep(0.02)
    ends: list[str] = []
    threads = [
        threading.Thread(target=lambda b=b: ends.append(b.study().run().why), daemon=True)
        for b in (owner, worker)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ends == ["budget", "budget"]
    trials = store_of(owner).trials()
    assert [t.number for t in trials if t.state == "COMPLETE"] == list(range(14))
    evaluated = [SPACE.key(c) for bench in (owner, worker) for c in bench.runner.evaluated]
    assert len(evaluated) == len(set(evaluated)) == 14
    assert worker.runner.evaluated and owner.runner.evaluated
    for bench in (owner, worker):  # each hears of all, and has the whole log of proposals
        heard = [e.number for e in bench.events if isinstance(e, TrialFinished)]
        assert sorted(heard) == list(range(14))
    logged = {r["number"] for r in read_proposals(owner.folder / "proposals.jsonl")}
    assert logged == set(range(14))


def test_a_trial_of_a_living_process_is_left_to_it_and_that_of_a_dead_one_runs_again(
    tmp_path: Path,
) -> None:
    owner = shared(tmp_path / "owner")
    worker = shared(tmp_path / "worker", owner)
    one, other = store_of(owner), store_of(worker)
    number = other.reserve()
    assert one.reserved() is None and one.reserve() == number + 1
    config = SPACE.default()
    other.propose(number, config, SPACE, {"proposer": "drawn"})
    assert one.orphans(()) == [] and one.begun() == 1
    for _ in range(sharing.SILENT_BEATS + 1):
        other.processes.beat()
        one.processes.beat()
    assert one.orphans(()) == []
    for _ in range(sharing.SILENT_BEATS + 1):  # the worker is silent now
        one.processes.beat()
    assert [t.number for t in one.orphans(())] == [number]
    with pytest.raises(TrialEnded, match="taken over"):
        other.finish(number, 0.5, {})
    other.put_back(number)  # changes nothing: it is not its trial any more
    one.finish(number, 0.75, {})
    (trial,) = one.trials()
    assert (trial.state, trial.value) == ("COMPLETE", 0.75)
    assert trial.process == one.processes.label
    other.processes.beat()  # it was only slow: it goes on with what it still has
    assert not other.processes.lost and other.processes.claim(7)


def test_an_owner_is_refused_while_one_lives_and_takes_over_when_it_is_silent(
    tmp_path: Path,
) -> None:
    owner = store_of(shared(tmp_path / "owner"))
    again = Bench(tmp_path / "again", url=f"sqlite:///{tmp_path / 'owner' / 'studies.db'}",
                  kind=SharedStore)  # fmt: skip
    engine = engine_of(again.store._storage)
    waits: list[float] = []
    second = sharing.StudyProcesses(engine, 1, again.folder, sleep=lambda s: owner.processes.beat())
    with pytest.raises(StudyError, match="being worked on by process") as caught:
        second.enter(True, lambda label, left_s: waits.append(left_s))
    assert "--join" in caught.value.hint and len(waits) == 1
    third = sharing.StudyProcesses(engine, 1, again.folder, sleep=lambda s: None)
    third.enter(True, lambda label, left_s: waits.append(left_s))
    assert len(waits) > 20 and sharing.owner_of(engine, 1) == (third.label, 0)
    owner.processes.beat()
    assert owner.processes.lost  # the first one ends, as two owners would keep two books
    third.leave()
    assert sharing.owner_of(engine, 1) is None


def test_a_process_that_was_killed_is_replaced_at_once_in_its_own_folder(tmp_path: Path) -> None:
    first = shared(tmp_path / "owner")
    number = store_of(first).reserve()
    first.reopen()  # as after kill -9: the row of the first still stands
    enter(first)
    assert store_of(first).reserved() == number


def test_a_worker_follows_the_owner_and_keeps_no_books(tmp_path: Path) -> None:
    owner = shared(tmp_path / "owner", budget=3)
    worker = shared(tmp_path / "worker", owner, budget=9)

    def stop(count: int, config: Config) -> None:
        if count == 2:
            store_of(owner).set_attrs({"finished": {"why": "stopped"}, "opened": {"rows": 7}})

    store_of(owner).set_attrs({"budget_trials": 9, "hints": ["smaller steps"]})
    worker.runner.before = stop
    end = worker.study().run()
    assert end.why == "stopped" and "owns" in end.message
    assert len(worker.runner.evaluated) == 2
    assert any("smaller steps" in context.hints for proposer in worker.made
               for context in getattr(proposer, "contexts", ()))  # fmt: skip
    attrs = store_of(owner).attrs()
    assert attrs["opened"] == {"rows": 7} and attrs["finished"]["why"] == "stopped"


def test_the_log_goes_to_the_storage_and_comes_back_in_another_folder(tmp_path: Path) -> None:
    owner = store_of(shared(tmp_path / "owner"))
    here = tmp_path / "owner" / "proposals.jsonl"
    (tmp_path / "owner" / "programs").mkdir()
    (tmp_path / "owner" / "programs" / "abc.py").write_text("SPACE = {}\n")
    here.write_text('{"number": 0}\n')  # of an earlier version
    log = SharedLog(here, owner.processes)
    log.append({"number": 1, "reply": "odd \ud800"})
    other = Bench(tmp_path / "other", url=f"sqlite:///{tmp_path / 'owner' / 'studies.db'}",
                  kind=SharedStore, keeps_books=False)  # fmt: skip
    there = tmp_path / "other" / "proposals.jsonl"
    for _ in range(2):
        SharedLog(there, enter(other).processes).close()
    assert [r["number"] for r in read_proposals(there)] == [0, 1]
    assert (tmp_path / "other" / "programs" / "abc.py").read_text() == "SPACE = {}\n"


def test_an_outage_is_waited_out_with_a_countdown_and_then_ends() -> None:
    now, told, failures = [0.0], list[Any](), 3

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def operation() -> str:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))
        return "done"

    patience = Patience(60.0, clock=lambda: now[0], sleep=sleep)
    patience.waiting = Awaited(told.append).server
    assert patience.call(operation) == "done"
    left = [event.left_s for event in told if isinstance(event, StudyWaiting)]
    assert left == [60.0, 59.0, 58.0, 0.0]
    assert [type(e) for e in told if isinstance(e, Noted)] == [Noted, Noted]
    failures = 1000
    with pytest.raises(OperationalError):
        patience.call(operation)
    assert now[0] == pytest.approx(63.0)
    with pytest.raises(OperationalError):  # the study ends: nothing else is waited for
        patience.call(operation)
    assert now[0] == pytest.approx(63.0)


def test_a_study_is_opened_once_its_server_answers_and_at_once_refused_where_it_says_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = ["connection refused", "FATAL:  the database system is starting up", "FATAL:  no such "
            "role"]  # fmt: skip
    opened, told, slept = list[str](), list[Any](), list[float]()

    def storage(url: str, **more: Any) -> None:
        opened.append(url)
        raise OperationalError("", {}, Exception(said[min(len(opened), len(said)) - 1]))

    monkeypatch.setattr(database, "RDBStorage", storage)
    waits = patience_at_opening(told.append, lambda: False)
    waits._sleep = slept.append
    with pytest.raises(StudyError, match="no such role"):
        open_storage("postgresql://me@host/db", create=False, patience=waits)
    assert len(opened) == 3 and slept == [1.0, 1.0]
    assert [event.what for event in told if isinstance(event, StudyWaiting)] == [
        "the storage to answer"
    ] * 2
    with pytest.raises(StudyError, match="connection refused"):
        opened.clear()
        open_storage("postgresql://me@host/db")  # a new study: the address may be wrong


def test_what_is_no_outage_is_not_repeated() -> None:
    calls = []

    def operation() -> None:
        calls.append(1)
        raise ValueError("no such study")

    with pytest.raises(ValueError):
        Patience(60.0).call(operation)
    assert len(calls) == 1


@pytest.mark.parametrize("url", [
    "postgresql:/me:sEcret@host/db", "postgres//me:sEcret@host/db", "me:sEcret@host/db",
    "postgresql+psycopg://me:sEcret@host/db?password=sEcret",
    "postgresql://me:sEcret@host:port/db",
])  # fmt: skip
def test_no_message_shows_a_password(url: str) -> None:
    assert "sEcret" not in hide_password(url)
    with pytest.raises(StudyError) as caught:
        open_storage(url)
    assert "sEcret" not in f"{caught.value.message} {caught.value.hint}"
